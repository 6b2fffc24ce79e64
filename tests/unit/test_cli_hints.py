"""Hints at a terminal name options that the command takes: with a routes file, those of the route."""

from __future__ import annotations

import pytest

from penstock.aws.cli_errors import cli_errors
from penstock.aws.cli_hints import hint_for
from penstock.errors import HeaderRowError, PenstockError, RecordsMissingError, TooManyRejectsError, UnclosedQuoteError
from penstock.model.column import Column, FieldCounts
from penstock.model.parse_options import Format, ParseOptions
from penstock.model.table import Table, TablePlan
from penstock.tables import check_paths

ERRORS = [
    (TooManyRejectsError("too many"), "--max-rejects", "the route's max_rejects"),
    (RecordsMissingError("none", offset=0), "--records", "parse.records"),
    (HeaderRowError("none", offset=0), "--columns", "parse.columns"),
    (UnclosedQuoteError("open", offset=0), "--quote", "parse.quote"),
]


@pytest.mark.parametrize(("error", "option", "field"), ERRORS)
def test_with_a_routes_file_a_hint_names_the_field_of_the_route(error: PenstockError, option: str, field: str) -> None:
    assert option in hint_for(error)
    with pytest.raises(type(error)) as raised, cli_errors("reading", by_route=True):
        raise error
    assert field in raised.value.hint
    assert "--" not in raised.value.hint


@pytest.mark.parametrize(
    ("parse", "joined"), [(ParseOptions(), "dots"), (ParseOptions(Format.XML, record="/a/b"), "slashes")]
)
def test_a_path_that_no_record_has_is_corrected_in_the_form_of_its_format(parse: ParseOptions, joined: str) -> None:
    plan = TablePlan(parse, Table("t", (Column("c", source="x"),)))
    with pytest.raises(PenstockError) as error:
        check_paths(plan, FieldCounts.of(0, ("y",), (("t", "c"),), ("t",)))
    assert f"joined by {joined}" in error.value.hint
