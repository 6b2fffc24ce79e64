"""docs/tables.md lists every option of a route for tables, with the formats and types that it is for."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from penstock.destinations import destination_named
from penstock.errors import InvalidRouteError
from penstock.model.column import ColumnType
from penstock.model.parse_options import Format
from penstock.routes.columns import read_column
from penstock.routes.fields import Fields
from penstock.routes.parse_options import read_parse_options
from penstock.routes.tables import _table

PAGE = (Path(__file__).parents[2] / "docs/tables.md").read_text()
READERS: dict[str, Callable[[Fields], object]] = {
    "parse": read_parse_options,
    "a table": lambda fields: _table(fields, "t", destination_named("postgresql"), ()),
    "a column": lambda fields: read_column(fields, ()),
}


class Asked(Fields):
    """Notes every field that a reader asks for, whether it is there or not."""

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self.asked: set[str] = set()

    def has(self, field: str) -> bool:
        self.asked.add(field)
        return super().has(field)

    def _get(self, field: str, default: object = None) -> Any:
        self.asked.add(field)
        return super()._get(field, default)


def listed(heading: str) -> dict[str, str]:
    """The options below a heading: the name of each, and what it is for."""
    part = PAGE.split(f"\n### Options of {heading}\n")[1].split("\n#")[0]
    rows = re.findall(r"^\| `(\w+)` \| ([^|]*) \|", part, re.MULTILINE)
    assert len(rows) == len(dict(rows)), "an option is listed twice"
    return dict(rows)


@pytest.mark.parametrize("kind", READERS)
def test_the_page_lists_what_a_route_accepts(kind: str) -> None:
    fields = Asked({"name": "n"} if kind == "a column" else {}, "a route", kind)
    READERS[kind](fields)
    assert sorted(listed(kind)) == sorted(fields.asked)


def complaint(read: Callable[[Fields], object], table: dict[str, object]) -> str:
    try:
        read(Fields(table, "a route", "a table"))
    except InvalidRouteError as error:
        return error.message
    return ""


# A value that each option of a column takes. Others hold for every type.
OF_COLUMNS: dict[str, object] = {
    "decimal": ",",
    "thousands": ",",
    "grouping": "western",
    "negative": "trailing",
    "currency": "€",
    "percent": "points",
    "true": ["J"],
    "false": ["N"],
    "format": "%Y",
    "pivot": 50,
    "timezone": "UTC",
    "fold": "later",
    "end_of_day": True,
    "trim": True,
    "upper": True,
    "lower": True,
}


@pytest.mark.parametrize("option", OF_COLUMNS)
def test_an_option_of_a_column_is_for_the_types_of_the_page(option: str) -> None:
    listed_types = listed("a column")[option]
    for type_ in ColumnType:
        said = complaint(READERS["a column"], {"name": "n", "type": type_.value, option: OF_COLUMNS[option]})
        meant = type_ in re.findall(r"\w+", listed_types.replace("all but json", " ".join({*ColumnType} - {"json"})))
        assert (f" for {type_}" in said) != meant, said
    said = complaint(READERS["a column"], {"name": "n", "type": "text[]", option: OF_COLUMNS[option]})
    assert re.search(r"is (not )?for .*text", said), said
    assert "all" not in listed_types or "all but json and arrays" in listed_types


# The options that are refused for other formats.
OF_FORMATS: dict[str, object] = {
    "skip_lines": 1,
    "comment": "#",
    "quoting": "none",
    "extra": "ignore",
    "skip_footer": 1,
    "footer": "^Total",
    "skip_rows": 1,
    "range": "B:C",
    "fields": ["a 1"],
    "units": "bytes",
    "record_prefix": "0",
    "line_length": "any",
    "trim": "none",
    "record": "/a/b",
    "namespaces": {"a": "b"},
    "repeated": ["a"],
}

NEEDED: dict[str, dict[str, object]] = {"fixed": {"fields": ["a 1"]}, "xml": {"record": "/a/b"}}


@pytest.mark.parametrize("option", OF_FORMATS)
def test_an_option_of_parse_is_for_the_formats_of_the_page(option: str) -> None:
    known = listed("parse")[option].split(", ")
    for format_ in Format:
        needed = NEEDED.get(format_, {})
        said = complaint(read_parse_options, {**needed, "format": format_.value, option: OF_FORMATS[option]})
        if format_ is not Format.AUTO:
            assert ("is for format" in said) != (format_ in known), said
