"""The footer of a sheet: rows at the end that are no records, such as totals.

With ``skip_footer`` it is the last so many rows that hold anything. With ``footer`` it is all rows at the end that the
expression matches, where the text of a row is its values, joined by commas. A matched row that others follow is a
reject. A footer takes at most `FOOTER_BYTES` characters and cells: so many are held back.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterator

from penstock.errors import TruncatedSourceError
from penstock.formats.declared_count import declared_count
from penstock.formats.xlsx.sheet import SheetRow
from penstock.model.parse_options import FOOTER_BYTES, FOOTER_LINE, ParseOptions
from penstock.model.wording import counted

_REASON = "the row matches parse.footer, but records follow it"
_HINT = "Ask the sender for the complete file, or correct parse.skip_footer or parse.footer in the route."


def without_footer(rows: Iterator[SheetRow], sheet: str, options: ParseOptions) -> Iterator[SheetRow]:
    """The records of a sheet, from below its header. Raises TruncatedSourceError at its end, if the footer is not there
    or declares another number of records."""
    if options.skip_footer:
        return _without_last(rows, sheet, options.skip_footer)
    return _without_matched(rows, sheet, re.compile(options.footer)) if options.footer else rows


def _without_last(rows: Iterator[SheetRow], sheet: str, count: int) -> Iterator[SheetRow]:
    held: deque[SheetRow] = deque()
    size = passed = 0
    for row in rows:
        held.append(row)
        size += _size(row)
        while len(held) > count or size > FOOTER_BYTES:
            first = held.popleft()
            size -= _size(first)
            passed += 1
            yield first
    if len(held) < count:
        be = "is" if len(held) == 1 else "are"
        few = (
            f"the last ones have more than {FOOTER_BYTES:,} characters and cells"
            if passed
            else f"there {be} {len(held):,}"
        )
        raise _not_there(sheet, f"parse.skip_footer leaves out {counted(count, 'row')}, but {few}")


def _without_matched(rows: Iterator[SheetRow], sheet: str, expression: re.Pattern[str]) -> Iterator[SheetRow]:
    held: list[tuple[SheetRow, re.Match[str]]] = []
    size = records = 0
    for row in rows:
        text = _text(row)
        match = expression.search(text) if len(text) <= FOOTER_LINE else None
        if match and size + _size(row) <= FOOTER_BYTES:
            held.append((row, match))
            size += _size(row)
            continue
        for like, _ in held:
            yield like._replace(fault=_REASON)
        yield row._replace(fault=_REASON) if match else row
        records += len(held) + 1
        held.clear()
        size = 0
    if not held:
        raise _not_there(sheet, "after the last record, no row matches parse.footer")
    if "rows" not in expression.groupindex:
        return
    text = next((match["rows"] for _, match in held if match["rows"] is not None), "").strip()
    declared = declared_count(text)
    if declared is None:
        raise _not_there(sheet, f"the footer declares no number of records: {text[:60]!r}")
    if declared != records:
        raise _not_there(sheet, f"the footer declares {counted(declared, 'record')}, the sheet has {records:,}")


def _not_there(sheet: str, reason: str) -> TruncatedSourceError:
    return TruncatedSourceError(f"sheet {sheet!r}: {reason}", offset=0, hint=_HINT)


def _text(row: SheetRow) -> str:
    return ",".join(filter(None, row.cells))


def _size(row: SheetRow) -> int:
    return len(row.cells) + sum(map(len, filter(None, row.cells)))
