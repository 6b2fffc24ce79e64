"""Routes that say how a CSV starts, and what they tell the parser."""

from __future__ import annotations

import pytest

from penstock.errors import InvalidRouteError
from penstock.model.identity import identity
from penstock.model.parse_options import ParseOptions
from penstock.routes import parse_routes

COLUMNS = 'columns = [{ name = "id" }, { name = "name", from = "full name" }, { name = "third", from = "#3" }]'


def read(parse: str, table: str = f"[route.table]\n{COLUMNS}", to: str = "postgresql:t") -> ParseOptions:
    text = f'[[route]]\nname = "t"\nmatch = "*"\ndestination = "{to}"\n[route.parse]\n{parse}\n{table}\n'
    plan = parse_routes(text, "routes.toml", {"source_bucket": "drops"}).routes[0].plan
    assert plan
    return plan.parse


def test_the_parser_knows_the_fields_of_the_declared_columns() -> None:
    options = read('header = "auto"\nskip_lines = 2')
    assert (options.header, options.find_header, options.skip_lines) == (True, True, 2)
    assert options.declared == ("id", "full name")


def test_the_fields_of_a_choice_are_those_of_all_tables_and_its_own() -> None:
    tables = f'[route.choice]\nfield = "kind"\n[route.choice.tables.a]\nname = "a"\n{COLUMNS}\n'
    tables += '[route.choice.tables.b]\nname = "b"\ncolumns = [{ name = "id" }, { name = "x" }]'
    assert read('header = "auto"', tables, "postgresql").declared == ("kind", "id", "full name", "x")


def test_what_is_new_does_not_change_the_identity_of_a_route() -> None:
    for parse in ("", 'delimiter = ","'):
        assert identity(read(parse)) == identity(ParseOptions())
    assert (read("").delimiter_stated, read('delimiter = ","').delimiter_stated) == (False, True)
    assert identity(read('header = "auto"')) != identity(read("skip_lines = 1")) != identity(ParseOptions())


@pytest.mark.parametrize(
    ("parse", "table", "problem"),
    [
        ('header = "auto"', "", r"parse\.header: 'auto' looks for the declared columns, and table 't' declares none"),
        (
            'header = "auto"',
            '[route.table]\ncolumns = [{ name = "a", from = "#1" }]',
            r"parse\.header: 'auto' looks for the declared columns",
        ),
        ('header = "auto"\ncolumns = ["a"]', "", r"parse\.header: .* leave out parse\.columns"),
        ('header = "auto"\nformat = "jsonl"', "", r"parse\.header: 'auto' is for formats with a header, not for jsonl"),
        ('skip_lines = 1\nformat = "json"', "", r'parse\.skip_lines: is for format = "csv"'),
        ("skip_lines = -1", "", r"parse\.skip_lines: must be .*, not -1"),
        ("skip_lines = 1001", "", r"parse\.skip_lines: must be .*1,000"),
        ("skip_lines = true", "", r"parse\.skip_lines: must be"),
    ],
)
def test_options_that_cannot_hold_together_are_refused(parse: str, table: str, problem: str) -> None:
    with pytest.raises(InvalidRouteError, match=problem):
        read(parse, table)
