"""Read the part of a route for tables: how records are parsed, typed and loaded."""

from __future__ import annotations

import codecs
import re
from datetime import UTC, datetime

from penstock.destinations import Destination
from penstock.model.column import Column, ColumnType
from penstock.model.parse_options import Format, ParseOptions
from penstock.model.table import Choice, Mode, Table, TablePlan
from penstock.routes.fields import Fields

# The types whose texts a strptime pattern describes.
FORMATTED_TYPES = (ColumnType.DATE, ColumnType.TIMESTAMP)

# Any time can show whether a pattern parses what it formats.
_EXAMPLE = datetime(2024, 11, 28, 21, 22, 23, 456789, tzinfo=UTC)
# Without one of these, strptime sets the year to 1900.
_YEARS = ("%Y", "%y", "%G", "%c", "%x")


def read_plan(route: Fields, destination: Destination, name: str) -> TablePlan:
    """Read ``parse``, ``table`` or ``choice``, and ``max_rejects`` of a route to ``name`` in ``destination``.

    Raises InvalidRouteError, which names the field.
    """
    parse = _parse_options(route.table("parse", "a parse table"))
    max_rejects = route.allowance("max_rejects")
    if route.has("choice"):
        if name or route.has("table"):
            use = f"write destination = {destination.name!r}, without a table"
            raise route.complain("choice", f"already names the tables: {use}")
        return TablePlan(parse, choice=_choice(route.table("choice", "a choice"), destination), max_rejects=max_rejects)
    if not name:
        raise route.complain("destination", f"names no table: write {destination.example}, or add a [route.choice]")
    return TablePlan(parse, table=_table(route.table("table", "a table"), name, destination), max_rejects=max_rejects)


def _parse_options(fields: Fields) -> ParseOptions:
    options = ParseOptions(
        format=Format(fields.choice("format", list(Format), Format.AUTO)),
        delimiter=_character(fields, "delimiter", ","),
        quote=_character(fields, "quote", '"'),
        escape=_character(fields, "escape", ""),
        header=fields.flag("header", True),  # noqa: FBT003  (the default)
        columns=fields.texts("columns", ()),
        encoding=fields.text("encoding", "utf-8"),
        records=fields.text("records", ""),
        sheet=fields.text("sheet", ""),
        max_record=fields.size("max_record", ParseOptions().max_record),
    )
    try:
        codecs.lookup(options.encoding)
    except LookupError as error:
        raise fields.complain("encoding", f"is not known: {options.encoding!r}") from error
    if options.escape and (not options.escape.isascii() or options.escape in (options.delimiter, options.quote)):
        raise fields.complain(
            "escape", f"must be an ASCII character other than delimiter and quote, not {options.escape!r}"
        )
    if not (options.header or options.columns):
        raise fields.complain("columns", "are required without a header")
    fields.refuse_unknown()
    return options


def _character(fields: Fields, field: str, default: str) -> str:
    value = fields.text(field, default)
    if value != default and (len(value) != 1 or value in "\r\n\0"):
        raise fields.complain(field, f"must be one character, not {value!r}")
    return value


def _choice(fields: Fields, destination: Destination) -> Choice:
    tables = {}
    for value, inner in fields.named_tables("tables", "a table").items():
        tables[value] = _table(inner, inner.text("name"), destination)
    if not tables:
        raise fields.complain("tables", "names no table")
    choice = Choice(
        field=fields.text("field"),
        tables=tables,
        payload=fields.text("payload", ""),
        ignore_unknown=fields.choice("unknown", ("reject", "ignore"), "reject") == "ignore",
    )
    fields.refuse_unknown()
    return choice


def _table(fields: Fields, name: str, destination: Destination) -> Table:
    nulls = fields.texts("nulls", ("",), empty=True)
    table = Table(
        name=name,
        columns=tuple(_column(inner, nulls) for inner in fields.tables("columns", "a column")),
        mode=Mode(fields.choice("mode", list(Mode), destination.modes[0])),
        key=fields.texts("key", ()),
        create=fields.flag("create", False),  # noqa: FBT003  (the default)
        nulls=nulls,
        atomic=fields.flag("atomic", False),  # noqa: FBT003  (the default)
    )
    fields.refuse_unknown()
    _check(fields, table, destination)
    return table


def _check(fields: Fields, table: Table, destination: Destination) -> None:
    names = [column.name for column in table.columns]
    if repeated := {name for name in names if names.count(name) > 1}:
        raise fields.complain("columns", f"contain {min(repeated)!r} twice")
    if names and (unknown := set(table.key) - set(names)):
        raise fields.complain("key", f"{min(unknown)!r} is not one of the columns")
    if table.atomic and table.mode is Mode.REPLACE:
        raise fields.complain("atomic", "is for append and upsert: replace is always atomic")
    if problem := destination.problem_of(table):
        raise fields.complain(*problem)


def _column(fields: Fields, nulls: tuple[str, ...]) -> Column:
    column = Column(
        name=fields.text("name"),
        type=ColumnType(fields.choice("type", list(ColumnType), ColumnType.TEXT)),
        source=fields.text("from", ""),
        nullable=fields.flag("nullable", True),  # noqa: FBT003  (the default)
        nulls=fields.texts("nulls", nulls, empty=True),
        formats=fields.texts("format", ()),
    )
    fields.refuse_unknown()
    _check_formats(fields, column)
    return column


def _check_formats(fields: Fields, column: Column) -> None:
    """Refuse a pattern that no text can match: it would reject every record."""
    if column.formats and column.type not in FORMATTED_TYPES:
        raise fields.complain("format", f"is for date and timestamp, not for {column.type}")
    for pattern in column.formats:
        try:
            datetime.strptime(_EXAMPLE.strftime(pattern).strip(), pattern)  # noqa: DTZ007  # only a check
        except (ValueError, re.error) as error:
            raise fields.complain("format", f"no text can match {pattern!r}: {error}") from error
        if not _has_year(pattern):
            raise fields.complain("format", f"{pattern!r} has no year: add %Y, or %y for two digits")


def _has_year(pattern: str) -> bool:
    return any(directive in pattern.replace("%%", "") for directive in _YEARS)
