"""XLSX: which sheets, rows and cells hold the records, and which row is the header."""

from __future__ import annotations

import io
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openpyxl import Workbook

from lengths import examples
from penstock.errors import HeaderRowError, InvalidRouteError, RecordsMissingError, TruncatedSourceError
from penstock.formats import parse
from penstock.model.cell_range import COLUMNS, CellRange, column_letters, column_number, read_range
from penstock.model.load import Resume
from penstock.model.parse_options import Format, ParseOptions, SheetTable
from penstock.model.record import Batch
from penstock.model.sheet_names import meaning

XLSX = ParseOptions(format=Format.XLSX)
Rows = Iterable[Sequence[object]]


def book(sheets: Mapping[str, Rows], *, hidden: Sequence[str] = (), merged: str = "") -> bytes:
    """A workbook with these sheets, in their order, after a chart sheet."""
    made = Workbook()
    made.remove(made.worksheets[0])
    made.create_chartsheet("Chart")
    for name, rows in sheets.items():
        sheet = made.create_sheet(name)
        for row in rows:
            sheet.append(list(row))
        if name in hidden:
            sheet.sheet_state = "hidden"
        if merged:
            sheet.merge_cells(merged)
    file = io.BytesIO()
    made.save(file)
    return file.getvalue()


def batches(
    data: bytes, options: ParseOptions, *, batch_bytes: int = 1000, resume: Resume | None = None
) -> list[Batch]:
    return list(parse([data], options, batch_bytes=batch_bytes, resume=resume or Resume()))


def table(data: bytes, **options: object) -> list[list[str | None]]:
    """The names and the rows of the only sheet that is read."""
    found = batches(data, replace(XLSX, **options))  # type: ignore[arg-type]  # by name
    assert not [reject for batch in found for reject in batch.rejects]
    return [list(found[0].names), *(list(row) for batch in found for row in batch.rows)]  # type: ignore[call-overload]


# One sheet.

MONTHS = book(
    {
        "Hidden": [["a"], ["hidden"]],
        "2026-01": [["a"], ["january"]],
        "2026-02": [["a"], ["february"]],
        "Total": [["a"], ["total"]],
    },
    hidden=["Hidden"],
)


@pytest.mark.parametrize(
    ("sheet", "value"),
    [
        ("", "january"),
        ("Total", "total"),
        ("TOTAL", "total"),
        ("hidden", "hidden"),
        ("#1", "january"),
        ("#3", "total"),
        ("2026-*2", "february"),
        ("t?tal", "total"),
    ],
)
def test_a_sheet_is_chosen_by_name_without_case_by_number_or_by_pattern(sheet: str, value: str) -> None:
    assert table(MONTHS, sheet=sheet) == [["a"], [value]]


def test_the_exact_name_comes_first() -> None:
    data = book({"total": [["a"], ["small"]], "Total1": [["a"], ["other"]]})
    assert table(data, sheet="TOTAL") == [["a"], ["small"]]
    assert meaning("total", ["TOTAL", "total"]) == "total"
    assert meaning("Total", ["t*", "TOTAL"]) == "TOTAL"
    assert meaning("2026-01", ["*-02", "2026-*", "*"]) == "2026-*"
    assert meaning("Chart", ["Total"]) is None


@pytest.mark.parametrize(
    ("sheet", "message"),
    [
        ("Chart", "no worksheet 'Chart'; it has 'Hidden', '2026-01', '2026-02', 'Total'"),
        ("#4", "no visible worksheet number 4; it has '2026-01', '2026-02', 'Total'"),
        ("#0", "no visible worksheet number 0"),
        ("2026-*", "2 worksheets match '2026-*', but a table takes one: '2026-01', '2026-02'"),
        ("Hidd*", "no visible worksheet that matches 'Hidd*'"),
    ],
)
def test_a_sheet_that_is_not_there_is_an_error_that_lists_those_that_are(sheet: str, message: str) -> None:
    with pytest.raises(RecordsMissingError, match=message.replace("*", r"\*")):
        table(MONTHS, sheet=sheet)


# Rows and cells.

REPORT: list[list[object]] = [
    ["Report of Acme", None, None, None, None],
    [None],
    [None, "as of 1 May"],
    [None, "id", "name", "paid", None],
    [None, 1, "Zoë", 1.5, "a remark"],
    [None],
    [None, 2, None, None, None],
    ["Total", None, None, 1.5, None],
]


def test_rows_before_the_header_are_counted_as_the_spreadsheet_counts_them() -> None:
    data = book({"A": [*REPORT[:4], [None, 1, "Zoë", 1.5]]}, merged="A1:D1")
    assert table(data, skip_rows=3) == [["id", "name", "paid"], ["1", "Zoë", "1.5"]]
    assert table(data, skip_rows=4, header=False, columns=("n", "i", "x", "p")) == [
        ["n", "i", "x", "p"],
        [None, "1", "Zoë", "1.5"],
    ]


def test_a_range_says_where_the_table_is() -> None:
    data = book({"A": REPORT}, merged="A1:D1")
    rows = [["id", "name", "paid"], ["1", "Zoë", "1.5"], ["2", None, None]]
    assert table(data, range="B4:D7") == rows
    assert table(data, range="$b$4:$d$7") == rows
    assert table(data, range="B4:D") == [*rows, [None, None, "1.5"]]
    assert table(data, range="C4:C") == [["name"], ["Zoë"]]
    assert table(data, range="B5:D7", header=False, columns=("x", "y", "z")) == [["x", "y", "z"], *rows[1:]]


def test_a_range_without_a_row_begins_where_its_columns_do() -> None:
    assert table(book({"A": REPORT}), range="D:D") == [["paid"], ["1.5"], ["1.5"]]


def test_values_in_a_range_that_no_name_stands_above_cost_their_row() -> None:
    [batch] = batches(book({"A": REPORT}), replace(XLSX, range="B4:E7"))
    assert batch.names == ("id", "name", "paid")
    assert [(reject.position.row, reject.reason) for reject in batch.rejects] == [
        (1, "values outside the columns of the header")
    ]


def test_what_cannot_be_read_outside_the_range_costs_nothing() -> None:
    data = book({"A": [["id", "name"], [1, "Zoë", "=1+1"]]})
    assert [reject.reason[:20] for reject in batches(data, XLSX)[0].rejects] == ["the formula in C2 ha"]
    assert table(data, range="A1:B") == [["id", "name"], ["1", "Zoë"]]


def test_the_first_row_of_a_range_is_its_header() -> None:
    with pytest.raises(HeaderRowError, match="row 2, the first of A2:D, holds no header"):
        table(book({"A": REPORT}), range="A2:D")


@pytest.mark.parametrize(
    ("options", "area"),
    [
        ({"skip_rows": 8}, "A9:XFD1048576"),
        ({"skip_rows": 8, "header": False, "columns": ("a",)}, "A9:XFD1048576"),
        ({"range": "B9:C"}, "B9:C1048576"),
        ({"range": "X:Z"}, "X1:Z1048576"),
    ],
)
def test_values_that_all_lie_elsewhere_are_an_error(options: dict[str, Any], area: str) -> None:
    with pytest.raises(HeaderRowError, match=f"the sheet holds values, but none in {area}"):
        batches(book({"A": REPORT}), replace(XLSX, **options))
    assert not sum(batch.count for batch in batches(book({"A": []}), replace(XLSX, **options)))


def test_the_header_is_the_first_row_with_all_declared_columns() -> None:
    data = book({"A": [["name"], *REPORT]}, merged="A2:D2")
    found = batches(data, replace(XLSX, find_header=True, declared=("paid", "id"), range="B:D"))
    assert found[0].names == ("id", "name", "paid")
    assert found[0].rows == [["1", "Zoë", "1.5"], ["2", None, None], [None, None, "1.5"]]


def test_a_header_that_is_nowhere_is_an_error_that_names_what_the_closest_row_lacks() -> None:
    wanted = replace(XLSX, find_header=True, declared=("paid", "id", "born"))
    with pytest.raises(HeaderRowError, match=r"none of the first 6 rows holds all .* row 4, lacks 'born'"):
        batches(book({"A": REPORT}), wanted)
    assert batches(book({"A": []}), wanted) == []


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("B4", "must be cells such as"),
        ("4:8", "must be cells such as"),
        ("D:B", "ends before it begins"),
        ("B9:D4", "ends before it begins"),
        ("A1:XFE", "larger than a sheet"),
        ("A1:B1048577", "larger than a sheet"),
        ("A0:B", "must be cells such as"),
    ],
)
def test_a_range_is_cells_of_a_sheet(text: str, message: str) -> None:
    with pytest.raises(InvalidRouteError, match=message):
        read_range(text)


@given(st.integers(0, COLUMNS - 1), st.integers(1, 99), st.integers(0, 9))
@settings(max_examples=examples(20))
def test_a_range_is_what_a_spreadsheet_shows(column: int, first: int, more: int) -> None:
    letters = column_letters(column)
    assert column_number(letters) == column
    assert read_range(f"{letters}{first}:{letters}{first + more}") == CellRange(
        first, first + more, column, column, fixed=True
    )


# Footers.

TOTALS: list[list[object]] = [
    ["id", "paid"],
    [1, 1],
    ["Total", 9],
    [2, 2],
    [],
    ["Total", 3],
    ["Total rows", 3],
]


def test_a_footer_is_the_last_rows_or_those_that_match() -> None:
    data = book({"A": TOTALS})
    assert table(data, skip_footer=2) == [["id", "paid"], ["1", "1"], ["Total", "9"], ["2", "2"]]
    for expression in ("^Total", r"^Total rows,(?P<rows>\d+)|^Total"):
        [batch] = batches(data, replace(XLSX, footer=expression))
        assert batch.rows == [["1", "1"], ["2", "2"]]
        assert [(r.position.row, r.reason) for r in batch.rejects] == [
            (2, "the row matches parse.footer, but records follow it")
        ]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"skip_footer": 7}, "parse.skip_footer leaves out 7 rows, but there are 5"),
        ({"footer": "^Sum"}, "after the last record, no row matches parse.footer"),
        ({"footer": "^(?P<rows>)Total"}, "the footer declares no number of records: ''"),
        ({"footer": r"^(?P<rows>Total rows,\d+)"}, "the footer declares no number of records: 'Total rows,"),
        ({"footer": r"^Total,(?P<rows>\d+)"}, "after the last record, no row matches"),
        ({"footer": r"^Total( rows)?,(?P<rows>\d+)", "range": "A2:B", "header": False, "columns": ("a", "b")}, None),
        (
            {"footer": r"^Total( rows)?,0*(?P<rows>\d+)", "range": "A4:B", "header": False, "columns": ("a", "b")},
            "s 3 r",
        ),
    ],
)
def test_a_footer_that_is_not_there_is_an_error(options: dict[str, Any], message: str | None) -> None:
    """The file may have been cut off. Nothing of the last batch is read."""
    if message is None:
        assert len(batches(book({"A": TOTALS}), replace(XLSX, **options))) == 1
        return
    with pytest.raises(TruncatedSourceError, match=f"sheet 'A': .*{re.escape(message)}"):
        batches(book({"A": TOTALS}), replace(XLSX, **options))


@pytest.mark.parametrize("options", [{"footer": "^T"}, {"skip_footer": 1}])
@pytest.mark.parametrize("header", [{}, {"header": False, "columns": ("a", "b")}])
def test_a_sheet_without_values_lacks_its_footer(options: dict[str, Any], header: dict[str, Any]) -> None:
    with pytest.raises(TruncatedSourceError, match=r"no row matches|but there are 0"):
        batches(book({"S": []}), replace(XLSX, **options, **header))


@pytest.mark.parametrize(
    ("footer", "total"),
    [
        ("^Sum,,9$", ["Sum", None, 9]),
        ("^,,9$", [None, None, 9]),
        ("^Sum$", ["Sum"]),
        ('^"Sum, net",,9$', ["Sum, net", None, 9]),
    ],
)
@pytest.mark.parametrize("area", [{}, {"range": "C2:E"}])
def test_a_footer_is_matched_by_the_row_as_rejects_show_it(
    footer: str, total: list[object], area: dict[str, Any]
) -> None:
    """With its empty cells, from the first column of the table."""
    outside: list[object] = ["x"] if area else []
    rows: list[list[object]] = [[], [None, None, "id", "day", "paid"], [None, None, 1, "Mon", 9]]
    full = [None, None, *total, *[None] * (3 - len(total)), *outside]
    data = book({"A": [*rows, full]})
    assert table(data, footer=footer, **area) == [["id", "day", "paid"], ["1", "Mon", "9"]]
    data = book({"A": [*rows, full, *rows[2:], full]})
    [batch] = batches(data, replace(XLSX, footer=footer, **area))
    [like] = batch.rejects
    assert re.search(footer, like.position.raw.removeprefix("A, row 4: "))


def test_the_row_of_a_footer_begins_where_it_holds_something_before_the_table() -> None:
    data = book({"A": [[None, "id"], [None, 1], ["Sum", 9]]})
    assert table(data, footer="^Sum,9$", range="A1:B") == [["id"], ["1"]]


def test_a_count_in_a_footer_is_a_whole_number_as_in_a_csv() -> None:
    data = book({"S": [["a"], *([number] for number in range(15)), ["Total 1.5"]]})
    with pytest.raises(TruncatedSourceError, match=r"declares no number of records: '1.5'"):
        batches(data, replace(XLSX, footer="^Total (?P<rows>.*)"))


def test_a_footer_is_not_held_without_bound() -> None:
    long_rows: list[list[object]] = [["x" * 30_000]] * 5
    data = book({"A": [["a"], *long_rows]})
    with pytest.raises(TruncatedSourceError, match="the last ones have more than 65,536 characters and cells"):
        batches(data, replace(XLSX, skip_footer=3))
    data = book({"A": [["a"], *([["x" * 4000]] * 20)]})
    found = batches(data, replace(XLSX, footer="^x"))
    assert sum(len(batch.rejects) for batch in found) == 17
    wide = book({"A": [["a"], *([[None] * 16_000 + ["x"]] * 5)]})
    with pytest.raises(TruncatedSourceError, match="characters and cells"):
        batches(wide, replace(XLSX, skip_footer=5))


def test_each_sheet_has_a_footer_of_its_own_and_a_load_resumes_before_it() -> None:
    data = book({"A": TOTALS, "B": [["id", "paid"], [7, 8], ["Total", 8]]})
    options = replace(XLSX, footer="^Total", sheets=(SheetTable("?"),))
    found = batches(data, options, batch_bytes=4)
    assert [batch.rows for batch in found if batch.rows] == [[["1", "1"]], [["2", "2"]], [["7", "8"]]]
    for number, batch in enumerate(found, 1):
        resume = Resume(chunk=number, offset=batch.end, row=batch.first_row + batch.count)
        assert told(batches(data, options, batch_bytes=4, resume=resume)) == told(found[number:])


TOTALLED: Rows = [["id"], [1], ["Total 1"]]
PLAIN: Rows = [["id"], [2]]


@pytest.mark.parametrize("sheets", [{"A": TOTALLED, "B": PLAIN, "C": []}, {"A": PLAIN, "B": [], "C": TOTALLED}])
def test_of_several_sheets_some_may_lack_their_footer(sheets: dict[str, Rows]) -> None:
    """A load resumes after any batch, and does not count the sheets it has loaded as lacking."""
    options = replace(XLSX, footer=r"^Total (?P<rows>\d+)", sheets=(SheetTable("?"),))
    found = batches(book(sheets), options)
    assert sum(batch.count for batch in found) == 2
    assert not [reject for batch in found for reject in batch.rejects]
    for number, batch in enumerate(found, 1):
        resume = Resume(chunk=number, offset=batch.end, row=batch.first_row + batch.count)
        assert told(batches(book(sheets), options, resume=resume)) == told(found[number:])


def test_not_all_of_several_sheets_may_lack_their_footer() -> None:
    options = replace(XLSX, footer="^Total", sheets=(SheetTable("?"),))
    with pytest.raises(TruncatedSourceError, match="sheets 'A', 'B': after the last record, no row matches"):
        batches(book({"A": PLAIN, "B": [], "Totals": TOTALLED}), options)


def test_a_footer_of_several_sheets_declares_their_records_where_it_is_there() -> None:
    options = replace(XLSX, footer=r"^Total (?P<rows>\d+)", sheets=(SheetTable("?"),))
    with pytest.raises(TruncatedSourceError, match="sheet 'B': the footer declares 1 record, the sheet has 2"):
        batches(book({"A": PLAIN, "B": [["id"], [1], [2], ["Total 1"]]}), options)


TEXTS = st.text(st.characters(codec="ascii", categories=["L", "N"]), min_size=1, max_size=5)


@given(
    st.lists(st.lists(st.none() | TEXTS, min_size=3, max_size=3).filter(any), max_size=5),
    st.lists(TEXTS, max_size=3),
    st.integers(0, 3),
    st.integers(0, 2),
)
@settings(max_examples=examples(15))
def test_wherever_a_table_stands_its_rows_are_the_same(
    rows: list[list[str | None]], titles: list[str], left: int, blank: int
) -> None:
    """By skipped rows, by a range and by its declared columns; with a total below it."""
    names: list[str | None] = ["id no", "name", "paid"]
    margin: list[str | None] = [None] * left
    top: list[list[str]] = [[title] for title in titles] + [[]] * blank
    body: list[list[str | None]] = [[*margin, *row] for row in [names, *rows]]
    data = book({"A": [*top, *body, [*margin, "Total:", None, len(rows)]]})
    first, last = column_letters(left), column_letters(left + 2)
    start, end = len(top) + 1, len(top) + 1 + len(rows)
    wanted = [names, *rows]
    assert table(data, skip_rows=len(top), skip_footer=1) == wanted
    assert table(data, range=f"{first}{start}:{last}{end}") == wanted
    assert table(data, find_header=True, declared=("paid", "id no"), footer="^Total:,,(?P<rows>.*)") == wanted


# Several sheets.

ORDERS: Rows = [["Orders"], ["id", "paid"], [1, 1.5], [2, None], [3, 4]]
PEOPLE: Rows = [["name", "id"], ["Zoë", 1]]
MANY = book(
    {
        "Orders": ORDERS,
        "Empty": [],
        "Headed": [["id"]],
        "Notes": [["remarks", None, "and"], ["x"], ["y", "z"]],
        "Old": [["id"], [9]],
        "Secret": [["id"], [8]],
        "People": PEOPLE,
        "2026-01": [["id"], [5]],
        "2026-02": [["id", "more"], [6, 7]],
    },
    hidden=["Old", "Secret"],
)
SHEETS = (
    SheetTable("ORDERS", ("id", "paid")),
    SheetTable("people", ("id",)),
    SheetTable("Old", ("id",)),
    SheetTable("[EH]*", ("id",)),
    SheetTable("2026-*", ("id",)),
    SheetTable("none*", ("id",)),
)
SEVERAL = replace(XLSX, find_header=True, sheets=SHEETS)


def told(found: Iterable[Batch]) -> list[tuple[str, int, tuple[str, ...], object]]:
    return [(batch.sheet, batch.first_row, batch.names, batch.rows) for batch in found]


def test_several_sheets_follow_each_other_each_with_its_own_header() -> None:
    """Empty ones have no batch, hidden ones are read by name only, and others are not read."""
    assert told(batches(MANY, SEVERAL)) == [
        ("Orders", 1, ("id", "paid"), [["1", "1.5"], ["2", None], ["3", "4"]]),
        ("Headed", 4, ("id",), ()),
        ("Old", 4, ("id",), [["9"]]),
        ("People", 5, ("name", "id"), [["Zoë", "1"]]),
        ("2026-01", 6, ("id",), [["5"]]),
        ("2026-02", 7, ("id", "more"), [["6", "7"]]),
    ]


def test_the_records_of_a_sheet_that_names_no_table_are_rejected() -> None:
    found = batches(MANY, replace(SEVERAL, refuse_others=True))
    assert not batches(MANY, replace(XLSX, range="A9:B", sheets=(SheetTable("x*"),), refuse_others=True))[0].rows
    [notes] = [batch for batch in found if batch.sheet == "Notes"]
    reason = "the sheet 'Notes' names no table"
    assert [(r.position.row, r.reason, r.position.raw) for r in notes.rejects] == [
        (4, reason, "Notes, row 2: x"),
        (5, reason, "Notes, row 3: y,z"),
    ]
    assert (notes.names, notes.rows) == ((), [])


@pytest.mark.parametrize("refuse_others", [False, True])
@pytest.mark.parametrize("batch_bytes", [1, 8, 1000])
def test_a_load_resumes_after_any_batch_of_any_sheet(batch_bytes: int, *, refuse_others: bool) -> None:
    options = replace(SEVERAL, refuse_others=refuse_others)
    found = batches(MANY, options, batch_bytes=batch_bytes)
    for number, batch in enumerate(found, 1):
        resume = Resume(chunk=number, offset=batch.end, row=batch.first_row + batch.count)
        assert told(batches(MANY, options, batch_bytes=batch_bytes, resume=resume)) == told(found[number:])


def test_a_name_must_be_there_and_a_pattern_may_match_none() -> None:
    options = replace(XLSX, sheets=(SheetTable("Orders"), SheetTable("Returns"), SheetTable("x*")))
    with pytest.raises(RecordsMissingError, match="no worksheet 'Returns'; it has 'Orders', 'Empty'") as raised:
        batches(MANY, options)
    assert "written as a pattern" in raised.value.hint


def test_an_error_of_a_header_names_its_sheet() -> None:
    with pytest.raises(HeaderRowError, match="sheet 'Notes': the header row has 3 columns, the route names 1"):
        batches(MANY, replace(XLSX, sheets=(SheetTable("notes"),), columns=("a",)))
