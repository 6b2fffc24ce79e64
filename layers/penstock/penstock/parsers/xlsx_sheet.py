"""The rows of a worksheet (ECMA-376 part 1, 18.3.1) one by one, whatever size the sheet says it has.

Measured on 1,000,000 rows of 12 cells: 36 s of CPU in 34 MB of memory. openpyxl's read-only mode takes two to three
times as long (benchmarks/parsers.py); python-calamine takes a fifth of the time, but holds the whole sheet: 221 MB for
200,000 such rows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from string import ascii_uppercase
from typing import NamedTuple
from xml.parsers import expat

from penstock.errors import BadDocumentError
from penstock.parsers.xlsx_cells import Kind, moment_text, number_text, plain_text
from penstock.parsers.xlsx_workbook import LARGEST, Attributes, Workbook

_COLUMNS = 16_384


class SheetRow(NamedTuple):
    """``number`` counts from 1. ``cells`` begin with column A; ``fault`` says why the row cannot be taken."""

    number: int
    cells: list[str | None]
    fault: str


def sheet_rows(workbook: Workbook, part: str, string: Callable[[int], str]) -> Iterator[SheetRow]:
    """The rows of a sheet that hold anything. Memory: one slice of XML and its rows, a row of at most 16 MiB."""
    parser = expat.ParserCreate()
    reader = _RowReader(parser, string, workbook.moments(), since_1904=workbook.since_1904)
    for _ in workbook.feed(part, parser):
        if reader.begun is not None and parser.CurrentByteIndex - reader.begun > LARGEST:
            raise BadDocumentError(f"{part} holds a row of more than {LARGEST:,} bytes", offset=0)
        yield from reader.rows
        reader.rows.clear()


class _RowReader:
    """Handlers of expat that collect ``rows``. ``begun`` is the position of a row that has not ended yet."""

    def __init__(
        self,
        parser: expat.XMLParserType,
        string: Callable[[int], str],
        moments: Mapping[str, Kind],
        *,
        since_1904: bool,
    ) -> None:
        self.rows: list[SheetRow] = []
        self.begun: int | None = None
        self._parser = parser
        self._string = string
        self._moments = moments
        self._since_1904 = since_1904
        self._columns: dict[str, int] = {}
        self._number = 0
        self._cells: list[str | None] = []
        self._fault = ""
        self._attributes: Attributes = {}
        self._column = -1
        self._value: str | None = None
        self._formula = False
        self._phonetic = False
        self._text: list[str] = []
        parser.StartElementHandler = self._root

    def _root(self, name: str, _: Attributes) -> None:
        """Some programs write a namespace prefix; then all names have it."""
        prefix = name[: name.rfind(":") + 1]
        self._row, self._c, self._f = f"{prefix}row", f"{prefix}c", f"{prefix}f"
        self._v, self._t, self._rph = f"{prefix}v", f"{prefix}t", f"{prefix}rPh"
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end

    def _start(self, name: str, attributes: Attributes) -> None:
        if name == self._c:
            self._attributes = attributes
            self._value = None
            self._formula = False
        elif name in (self._v, self._t):
            self._text.clear()
        elif name == self._f:
            self._formula = True
        elif name == self._rph:
            self._phonetic = True
        elif name == self._row:
            self.begun = self._parser.CurrentByteIndex
            number = attributes.get("r", "")
            self._number = int(number) if number.isdecimal() else self._number + 1
            self._cells = []
            self._fault = ""
            self._column = -1
            self._parser.CharacterDataHandler = self._text.append

    def _end(self, name: str) -> None:
        if name == self._v:
            self._value = "".join(self._text)
        elif name == self._c:
            self._end_cell()
        elif name == self._t:
            if not self._phonetic:
                self._value = (self._value or "") + "".join(self._text)
        elif name == self._rph:
            self._phonetic = False
        elif name == self._row:
            self.begun = None
            self._parser.CharacterDataHandler = None
            if any(self._cells) or self._fault:
                self.rows.append(SheetRow(self._number, self._cells, self._fault))

    def _end_cell(self) -> None:
        reference = self._attributes.get("r", "")
        self._column = column = self._column_of(reference) if reference else self._column + 1
        kind = self._attributes.get("t", "n")
        if not self._value and self._formula and kind != "str":
            self._fault = self._fault or (
                f"the formula in {reference or 'a cell'} has no stored value: "
                "open the workbook in a spreadsheet program and save it"
            )
        if self._value is None:
            return
        gap = column - len(self._cells)
        if gap > 0:
            self._cells.extend([None] * gap)
        text = self._text_of(self._value, kind)
        if gap < 0:
            self._cells[column] = text
        else:
            self._cells.append(text)

    def _text_of(self, value: str, kind: str) -> str | None:
        match kind:
            case "s":
                return self._shared(value)
            case "n" if not value:
                return None
            case "n":
                moment = self._moments.get(self._attributes.get("s", "0"))
                return moment_text(value, moment, since_1904=self._since_1904) if moment else number_text(value)
            case "b":
                return "true" if value == "1" else "false"
            case _:
                return plain_text(value)

    def _shared(self, number: str) -> str | None:
        try:
            return self._string(int(number))
        except (ValueError, IndexError):
            self._fault = self._fault or f"a cell refers to the shared string {number!r}, which is missing"
            return None

    def _column_of(self, reference: str) -> int:
        letters = reference.rstrip("0123456789")
        column = self._columns.get(letters)
        if column is None:
            column = -1
            for letter in letters:
                column = (column + 1) * 26 + ascii_uppercase.find(letter)
            if not letters or not set(letters) <= set(ascii_uppercase) or column >= _COLUMNS:
                raise BadDocumentError(f"{reference!r} is no cell", offset=0)
            self._columns[letters] = column
        return column
