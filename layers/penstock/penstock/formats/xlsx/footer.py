"""The footer of a sheet: rows at the end that are no records, such as totals.

With ``skip_footer`` it is the last so many rows that hold anything. With ``footer`` it is all rows at the end that the
expression matches, where the text of a row is that of a reject. A matched row that others follow is a reject. A footer
takes at most `FOOTER_BYTES` characters and cells: so many are held back.

Of several sheets, some may have no row that matches, but not all.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterator, Sequence

from penstock.errors import TruncatedSourceError
from penstock.formats.declared_count import declared_count
from penstock.formats.xlsx.row_line import line_of
from penstock.formats.xlsx.sheet import SheetRow
from penstock.model.parse_options import FOOTER_BYTES, FOOTER_LINE, ParseOptions
from penstock.model.wording import counted

_REASON = "the row matches parse.footer, but records follow it"
_NO_MATCH = "after the last record, no row matches parse.footer"
_HINT = "Ask the sender for the complete file, or correct parse.skip_footer or parse.footer in the route."
# Names of sheets that an error lists.
_LISTED = 10


class Footers:
    """The footers of the sheets of one workbook."""

    def __init__(self, options: ParseOptions) -> None:
        self._last = options.skip_footer
        self._expression = re.compile(options.footer) if options.footer else None
        self._may_lack = bool(options.sheets)
        self._found = False
        self._lacking: list[str] = []

    def cut(self, rows: Iterator[SheetRow], sheet: str, left: int) -> Iterator[SheetRow]:
        """The records of a sheet, from below its header. ``left`` is the first column of its table.

        Raises TruncatedSourceError at its end, if the footer is not there or declares another number of records.
        """
        if self._last:
            return _without_last(rows, sheet, self._last)
        return self._without_matched(rows, sheet, left, self._expression) if self._expression else rows

    def check(self) -> None:
        """Raises TruncatedSourceError if none of several sheets has a footer. All must have been read."""
        if self._lacking and not self._found:
            raise _not_there(self._lacking, _NO_MATCH)

    def _without_matched(
        self, rows: Iterator[SheetRow], sheet: str, left: int, expression: re.Pattern[str]
    ) -> Iterator[SheetRow]:
        held: list[tuple[SheetRow, re.Match[str]]] = []
        size = records = 0
        for row in rows:
            text = line_of(row, left)
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
            self._lacking.append(sheet)
            if not self._may_lack:
                self.check()
            return
        self._found = True
        if "rows" not in expression.groupindex:
            return
        text = next((match["rows"] for _, match in held if match["rows"] is not None), "").strip()
        declared = declared_count(text)
        if declared is None:
            raise _not_there([sheet], f"the footer declares no number of records: {text[:60]!r}")
        if declared != records:
            raise _not_there([sheet], f"the footer declares {counted(declared, 'record')}, the sheet has {records:,}")


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
        raise _not_there([sheet], f"parse.skip_footer leaves out {counted(count, 'row')}, but {few}")


def _not_there(sheets: Sequence[str], reason: str) -> TruncatedSourceError:
    names = ", ".join(map(repr, sheets[:_LISTED])) + (", ..." if len(sheets) > _LISTED else "")
    return TruncatedSourceError(f"sheet{'s' if len(sheets) > 1 else ''} {names}: {reason}", offset=0, hint=_HINT)


def _size(row: SheetRow) -> int:
    return len(row.cells) + sum(map(len, filter(None, row.cells)))
