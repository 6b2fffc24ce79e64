"""Read which sheets and cells of a workbook hold records, and which of them is the header."""

from __future__ import annotations

from dataclasses import replace

from penstock.errors import InvalidRouteError
from penstock.model.cell_range import ROWS, read_range
from penstock.model.column import POSITION
from penstock.model.parse_options import Format, ParseOptions, SheetTable
from penstock.model.sheet_names import SHEET_FIELD
from penstock.model.table import Table, TablePlan
from penstock.routes.fields import Fields

CELL_OPTIONS = ("skip_rows", "range")
FIND = "auto"
# The formats that have a header.
_WITH_HEADER = (Format.AUTO, Format.CSV, Format.XLSX)


def read_sheet(fields: Fields) -> str:
    """Read ``sheet``: a name, a pattern, or a number, which becomes ``#2``."""
    if fields.has("sheet") and fields.is_whole("sheet"):
        return f"#{fields.whole('sheet', 1, least=1)}"
    return fields.text("sheet", "")


def read_header(fields: Fields) -> tuple[bool, bool]:
    """Read ``header``: whether there is one, and whether it is to be found by the declared columns."""
    if fields.is_text("header"):
        fields.choice("header", (FIND,), FIND)
        return True, True
    return fields.flag("header", True), False  # noqa: FBT003  (the default)


def check_sheets(fields: Fields, options: ParseOptions) -> None:
    """Raises InvalidRouteError for options of workbooks and headers that cannot hold together."""
    given = [name for name in CELL_OPTIONS if fields.has(name)]
    if given and options.format not in (Format.AUTO, Format.XLSX):
        raise fields.complain(given[0], f'is for format = "{Format.XLSX}"')
    if options.find_header and options.format not in _WITH_HEADER:
        raise fields.complain("header", f"{FIND!r} is for formats with a header, not for {options.format}")
    if options.find_header and options.columns:
        raise fields.complain("header", f"{FIND!r} keeps the names in the file: leave out parse.columns")
    if not options.range:
        return
    if options.skip_rows:
        raise fields.complain("skip_rows", "is said by range already: leave one of them out")
    try:
        found = read_range(options.range)
    except InvalidRouteError as error:
        raise fields.complain("range", error.message) from error
    if options.columns and not options.header and len(options.columns) != found.width:
        raise fields.complain("range", f"has {found.width:,} columns, but parse.columns names {len(options.columns):,}")


def read_skip_rows(fields: Fields) -> int:
    """Read ``skip_rows``."""
    return fields.whole("skip_rows", 0, most=ROWS - 1)


def with_tables_of_sheets(route: Fields, plan: TablePlan) -> TablePlan:
    """Tell the parser what it needs of the tables: the sheets of each, and the columns that a header is found by.

    Raises InvalidRouteError.
    """
    parse, choice = plan.parse, plan.choice
    undeclared = [table.name for table in plan.tables if not _declared(table)]
    if parse.find_header and undeclared:
        raise route.complain(
            "parse.header", f"{FIND!r} looks for the declared columns, and table {undeclared[0]!r} declares none"
        )
    if parse.format in _WITH_HEADER:
        fields = () if choice is None or choice.by_sheet or choice.payload else (choice.field,)
        names = dict.fromkeys((*fields, *(name for table in plan.tables for name in _declared(table))))
        parse = replace(parse, declared=tuple(names))
    if choice and choice.by_sheet:
        if parse.sheet:
            raise route.complain("parse.sheet", "names one sheet, but the choice several: leave it out")
        if choice.payload:
            raise route.complain("choice.payload", f"means nothing with field = {SHEET_FIELD!r}: leave it out")
        if parse.format not in (Format.AUTO, Format.XLSX):
            raise route.complain("choice.field", f"{SHEET_FIELD!r} is for workbooks, not for {parse.format}")
        sheets = tuple(
            SheetTable(name, _declared(table) if parse.find_header else ()) for name, table in choice.tables.items()
        )
        parse = replace(parse, declared=(), sheets=sheets, refuse_others=not choice.ignore_unknown)
    return replace(plan, parse=parse)


def _declared(table: Table) -> tuple[str, ...]:
    """The fields that the declared columns of a table take from each record."""
    columns = [column for column in table.columns if column.name != table.rescue and not column.metadata]
    names = [column.source or column.name for column in columns]
    return tuple(name for name in names if not POSITION.fullmatch(name))
