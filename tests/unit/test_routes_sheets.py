"""Routes of workbooks: sheets, cells, headers, and several sheets to several tables."""

from __future__ import annotations

import re

import pytest

from penstock.errors import InvalidRouteError
from penstock.model.parse_options import SheetTable
from penstock.model.route import Route
from penstock.model.serialization import from_json, to_json
from penstock.model.table import TablePlan
from penstock.routes import parse_routes

TYPED = "[route.table]\ncolumns=[{name='id'},{name='paid',from='Paid'}]"
CHOICE = """
[route.choice]
field = "$sheet"
unknown = "{unknown}"
[route.choice.tables.Orders]
name = "orders"
columns = [{{ name = "id" }}, {{ name = "paid", from = "Paid" }}]
[route.choice.tables."2026-*"]
name = "months"
columns = [{{ name = "day" }}]
"""


def route(text: str, destination: str = "postgresql:t") -> Route:
    text = f"[[route]]\nname='r'\nmatch='*'\ndestination='{destination}'\n{text}"
    return parse_routes(text, "routes.toml", {"source_bucket": "in"}).routes[0]


def plan(text: str, destination: str = "postgresql:t") -> TablePlan:
    found = route(text, destination).plan
    assert found
    return found


def test_cells_and_sheets_have_options() -> None:
    options = plan("[route.parse]\nsheet=2\nskip_rows=3").parse
    assert (options.sheet, options.skip_rows, options.header) == ("#2", 3, True)
    assert plan("[route.parse]\nsheet='2026-*'\nrange='B4:H'").parse.range == "B4:H"


def test_a_header_is_found_by_the_fields_of_the_declared_columns() -> None:
    options = plan(f"[route.parse]\nheader='auto'\n{TYPED}").parse
    assert (options.header, options.find_header, options.declared) == (True, True, ("id", "Paid"))
    assert plan(f"[route.parse]\nheader=true\n{TYPED}").parse.find_header is False


def test_the_sheets_of_a_choice_have_headers_of_their_own() -> None:
    found = plan("[route.parse]\nheader='auto'" + CHOICE.format(unknown="ignore"), "postgresql")
    assert found.choice
    assert found.choice.by_sheet
    assert found.parse.sheets == (SheetTable("Orders", ("id", "Paid")), SheetTable("2026-*", ("day",)))
    assert (found.parse.refuse_others, found.parse.declared) == (False, ())
    assert plan(CHOICE.format(unknown="reject"), "postgresql").parse.refuse_others


def test_such_a_route_is_stored_and_read_back() -> None:
    found = route("[route.parse]\nheader='auto'" + CHOICE.format(unknown="ignore"), "postgresql")
    assert from_json(Route, to_json(found)) == found
    assert from_json(Route, to_json(found)).digest == found.digest
    assert found.digest != route("[route.parse]\nheader='auto'" + CHOICE.format(unknown="reject"), "postgresql").digest


@pytest.mark.parametrize(
    ("text", "destination", "message"),
    [
        ("[route.parse]\nsheet=0", "", "parse.sheet: must be a whole number from 1"),
        ("[route.parse]\nsheet=true", "", "parse.sheet: must be a non-empty string"),
        ("[route.parse]\nskip_rows=-1", "", "parse.skip_rows: must be a whole number from 0 to 1,048,575"),
        ("[route.parse]\nskip_rows=1.5", "", "parse.skip_rows: must be a whole number"),
        ("[route.parse]\nformat='csv'\nskip_rows=1", "", 'parse.skip_rows: is for format = "xlsx"'),
        ("[route.parse]\nformat='jsonl'\nrange='A1:B'", "", 'parse.range: is for format = "xlsx"'),
        ("[route.parse]\nformat='jsonl'\nskip_footer=1", "", 'parse.skip_footer: is for format = "csv" and "xlsx"'),
        ("[route.parse]\nrange='B4'", "", "parse.range: must be cells such as"),
        ("[route.parse]\nrange='B4:H'\nskip_rows=2", "", "parse.skip_rows: is said by range already"),
        (
            "[route.parse]\nrange='B4:H'\nheader=false\ncolumns=['a','b']",
            "",
            "parse.range: has 7 columns, but parse.columns names 2",
        ),
        ("[route.parse]\nheader='yes'", "", "parse.header: must be one of auto, not 'yes'"),
        ("[route.parse]\nheader='auto'", "", "parse.header: 'auto' looks for the declared columns, and table 't'"),
        (f"[route.parse]\nheader='auto'\nformat='json'\n{TYPED}", "", "parse.header: 'auto' is for formats with a"),
        (f"[route.parse]\nheader='auto'\ncolumns=['a']\n{TYPED}", "", "parse.header: 'auto' keeps the names in the"),
        (
            "[route.parse]\nsheet='a'" + CHOICE.format(unknown="ignore"),
            "postgresql",
            "parse.sheet: names one sheet, but the choice several",
        ),
        (
            "[route.parse]\nformat='csv'" + CHOICE.format(unknown="ignore"),
            "postgresql",
            "choice.field: '$sheet' is for workbooks, not for csv",
        ),
        (
            CHOICE.format(unknown="ignore").replace("unknown", "payload = 'data'\nunknown"),
            "postgresql",
            "choice.payload: means nothing with field = '$sheet'",
        ),
    ],
)
def test_options_that_cannot_hold_together_are_refused(text: str, destination: str, message: str) -> None:
    with pytest.raises(InvalidRouteError, match=re.escape(message)):
        plan(text, destination or "postgresql:t")
