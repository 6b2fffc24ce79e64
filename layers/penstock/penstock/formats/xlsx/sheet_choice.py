"""Which sheets of a workbook a route means: by name, without case, by number or by a pattern."""

from __future__ import annotations

import re
from collections.abc import Sequence

from penstock.errors import RecordsMissingError
from penstock.formats.xlsx.workbook import Sheet
from penstock.model.parse_options import ParseOptions, SheetTable
from penstock.model.sheet_names import is_pattern, matches, meaning

# Names of sheets that an error lists, and characters of each: Excel's have 31 at most.
_LISTED = 20
_SHOWN = 60
_NUMBER = re.compile(r"#(\d{1,5})")

Chosen = tuple[Sheet, SheetTable | None]
"""A sheet to read, and what the route says of it; None: it names no table, and so its records are rejected."""


def choose_sheets(sheets: Sequence[Sheet], options: ParseOptions) -> list[Chosen]:
    """The sheets to read, in the order of the workbook. Raises RecordsMissingError.

    Of several, each name must be there, while a pattern may match none. Hidden sheets are found by name only.
    """
    if not options.sheets:
        return [(_one(sheets, options.sheet), SheetTable(options.sheet, options.declared))]
    tables = {table.name: table for table in options.sheets}
    missing = [
        name for name in tables if not is_pattern(name) and not any(meaning(sheet.name, [name]) for sheet in sheets)
    ]
    if missing:
        names = ", ".join(map(repr, missing))
        raise RecordsMissingError(
            f"the workbook has no worksheet {names}; it has {_listed(sheets)}",
            offset=0,
            hint="Correct the sheets of the route's choice; one that may be missing is written as a pattern.",
        )
    named = [name for name in tables if not is_pattern(name)]
    found = [(sheet, meaning(sheet.name, tables if sheet.visible else named), sheet.visible) for sheet in sheets]
    return [
        (sheet, tables[name] if name is not None else None)
        for sheet, name, visible in found
        if (tables[name].read if name is not None else visible and options.refuse_others)
    ]


def _one(sheets: Sequence[Sheet], wanted: str) -> Sheet:
    """The worksheet of a name, of a number (``#2``: the second visible one), or the only one that matches a pattern.

    Without ``wanted``, the first visible sheet is meant.
    """
    if not sheets:
        raise RecordsMissingError("the workbook has no worksheet", offset=0)
    visible = [sheet for sheet in sheets if sheet.visible]
    if not wanted:
        return (visible or sheets)[0]
    exact = [sheet for sheet in sheets if sheet.name == wanted]
    named = exact or [sheet for sheet in sheets if sheet.name.casefold() == wanted.casefold()]
    if named:
        return named[0]
    if number := _NUMBER.fullmatch(wanted):
        return _numbered(visible, int(number[1]))
    found = [sheet for sheet in visible if matches(sheet.name, wanted)]
    if len(found) > 1:
        raise RecordsMissingError(
            f"{len(found):,} worksheets match {wanted!r}, but a table takes one: {_listed(found)}", offset=0
        )
    if not found:
        what = "visible worksheet that matches" if is_pattern(wanted) else "worksheet"
        raise RecordsMissingError(f"the workbook has no {what} {wanted!r}; it has {_listed(sheets)}", offset=0)
    return found[0]


def _numbered(visible: Sequence[Sheet], number: int) -> Sheet:
    if not 1 <= number <= len(visible):
        raise RecordsMissingError(
            f"the workbook has no visible worksheet number {number}; it has {_listed(visible)}", offset=0
        )
    return visible[number - 1]


def _listed(sheets: Sequence[Sheet]) -> str:
    names = ", ".join(repr(sheet.name[:_SHOWN]) for sheet in sheets[:_LISTED])
    more = f" and {len(sheets) - _LISTED:,} more" if len(sheets) > _LISTED else ""
    return f"{names}{more}" or "none"
