"""The text that digests are made of stays the same when a class grows."""

from __future__ import annotations

from dataclasses import dataclass, make_dataclass

import pytest

from penstock.model.column import Column, ColumnType
from penstock.model.identity import identities, identity
from penstock.model.parse_options import Format, ParseOptions
from penstock.model.route import Route
from penstock.model.table import Choice, Mode, Table


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (
            ParseOptions(Format.JSONL, columns=("a",)),
            (
                "ParseOptions(format=<Format.JSONL: 'jsonl'>, delimiter=',', quote='\"', header=True, columns=('a',), "
                "encoding='utf-8', records='', sheet='', max_record=1048576)"
            ),
        ),
        (
            Column("a", ColumnType.DATE, nulls=(), formats=("%d",)),
            "Column(name='a', type=<ColumnType.DATE: 'date'>, source='', nullable=True, nulls=(), formats=('%d',))",
        ),
        (
            Choice("type", {"it's": Table("b", mode=Mode.UPSERT, key=("a",))}),
            (
                "Choice(field='type', tables={\"it's\": Table(name='b', columns=(), mode=<Mode.UPSERT: 'upsert'>, "
                "key=('a',), create=False, nulls=('',), guessed=False)}, payload='', ignore_unknown=False)"
            ),
        ),
        ("text", "'text'"),
        (3, "3"),
        (None, "None"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_the_text_of_a_value_is_its_repr_in_the_first_release(value: object, text: str) -> None:
    assert identity(value) == text


def test_a_field_that_came_later_counts_where_it_says_something() -> None:
    @dataclass(frozen=True)
    class Column:
        name: str
        type: str = "text"
        source: str = ""
        nullable: bool = True
        nulls: tuple[str, ...] = ()
        formats: tuple[str, ...] = ()
        trim: bool = False

    before = identity(Column("a"))
    assert "trim" not in before
    assert identity(Column("a", trim=True)) == before.replace(")", ")", 1)[:-1] + ", trim=True)"


def test_a_field_of_a_route_that_came_later_is_told_by_its_name() -> None:
    grown = make_dataclass("Route", [("after", str, "")], bases=(Route,), frozen=True)
    plain, more = (list(identities(grown("r", ("*",), "s3://x/", after=after))) for after in ("", "delete"))
    assert plain == list(identities(Route("r", ("*",), "s3://x/")))
    assert more == [*plain, "after=delete"]
