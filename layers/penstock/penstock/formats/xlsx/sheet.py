"""The rows of a worksheet (ECMA-376 part 1, 18.3.1) one by one, whatever size the sheet says it has.

Measured on 1,000,000 rows of 12 cells: 36 s of CPU in 34 MB of memory. openpyxl's read-only mode takes two to three
times as long (benchmarks/parsers.py); python-calamine takes a fifth of the time, but holds the whole sheet: 221 MB for
200,000 such rows.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from string import ascii_uppercase
from typing import Any, NamedTuple
from xml.parsers import expat

from penstock.errors import BadDocumentError, HeaderRowError
from penstock.formats.xlsx.cells import CellType, moment_text, number_text, plain_text
from penstock.formats.xlsx.strings import Strings
from penstock.formats.xlsx.workbook import Workbook
from penstock.formats.xlsx.xml import MAIN, Attributes, Skipper, namespace_of, new_parser, whole
from penstock.limits import MIB
from penstock.model.cell_range import COLUMNS, WHOLE_SHEET, CellRange, column_number
from penstock.model.record import RAW_LIMIT
from penstock.model.typed_text import Typed

# Bytes of XML that one row may take where records of 1 MiB are allowed, as they are by default: four times as many.
ROW_BYTES = 4 * MIB

_LETTERS, _TYPED = 3, ("n", "b", "d")  # numbers, booleans and dates


class SheetRow(NamedTuple):
    """``number`` counts from 1. ``cells`` begin with column A. ``fault``: why the row is rejected."""

    number: int
    cells: list[str | None]
    fault: str


def sheet_rows(
    workbook: Workbook, part: str, strings: Strings, max_record: int, area: CellRange = WHOLE_SHEET, *, typed: bool
) -> Iterator[SheetRow]:
    """The rows of a sheet, within an area, that hold anything. Memory: one slice of XML, a row of at most ROW_BYTES.
    Raises HeaderRowError if the sheet holds values, but none in the area."""
    parser = new_parser(part)
    kind = _RowReader if area.has_all_columns else partial(_ColumnsReader, area)
    reader = kind(part, parser, strings, workbook.moments, max_record, since_1904=workbook.since_1904, typed=typed)
    longest = max(ROW_BYTES, 4 * max_record)
    inside = outside = False
    for _ in workbook.feed(part, parser):
        if reader.begun is not None and parser.CurrentByteIndex - reader.begun > longest:
            raise BadDocumentError(f"{part} holds a row of more than {longest:,} bytes", offset=0)
        found = reader.rows
        if area != WHOLE_SHEET:
            found = [row for row in reader.rows if area.first_row <= row.number <= area.last_row]
            inside = inside or bool(found)
            outside = outside or len(found) < len(reader.rows) or reader.outside
        yield from found
        reader.rows.clear()
    if outside and not inside:
        raise HeaderRowError(
            f"the sheet holds values, but none in {area}",
            offset=0,
            hint="Correct parse.range or parse.skip_rows in the route.",
        )


def shown(cells: list[str | None]) -> list[str | None]:
    """The first of these, as far as RAW_LIMIT characters go."""
    kept: list[str | None] = []
    room = RAW_LIMIT
    for cell in cells:
        kept.append(cell and cell[:room])
        room -= len(cell or "") + 1
        if room <= 0:
            break
    return kept


class _RowReader:
    """Handlers of expat that collect ``rows``. ``begun`` is the position of a row that has not ended yet.

    An element counts by its name and by the one that it stands in: ``_within`` is the innermost that means something.
    All others are passed over with what they hold, such as extensions, and how a string is pronounced. Names are
    interned: that they are the same object is all that is compared.
    """

    # Whether there are values in columns that do not count.
    outside = False

    # Attributes in slots: with more than 30 in a dict, Python looks each up by its name.
    __slots__ = (
        *("rows", "begun", "_part", "_parser", "_strings", "_moments", "_max_record", "_since_1904", "_typed", "_skip"),
        *("_columns", "_number", "_cells", "_fault", "_attributes", "_column"),
        *("_value", "_inline", "_formula", "_text", "_within", "_outer"),
        *("_worksheet", "_sheet_data", "_row", "_c", "_v", "_f", "_is", "_t", "_r"),
    )

    def __init__(
        self,
        part: str,
        parser: expat.XMLParserType,
        strings: Strings,
        moments: Mapping[str, CellType],
        max_record: int,
        *,
        since_1904: bool,
        typed: bool,
    ) -> None:
        self.rows: list[SheetRow] = []
        self.begun: int | None = None
        self._part = part
        self._parser = parser
        self._strings = strings
        self._moments = moments
        self._max_record = max_record
        self._since_1904 = since_1904
        self._typed = typed
        self._skip = Skipper(part, parser).skip
        self._columns: dict[str, int] = {}
        self._number = 0
        self._cells: list[str | None] = []
        self._fault = ""
        self._attributes: Attributes = {}
        self._column = -1
        self._value: str | None = None
        self._inline: list[str] | None = None
        self._formula = False
        self._text: list[str] = []
        parser.StartElementHandler = self._root

    def _root(self, name: str, _: Attributes) -> None:
        self._worksheet = self._within = name
        namespace = namespace_of(self._part, name, "worksheet", MAIN)

        def interned(local: str) -> str:
            return self._parser.intern.setdefault(f"{namespace} {local}", f"{namespace} {local}")

        self._sheet_data, self._row, self._c = interned("sheetData"), interned("row"), interned("c")
        self._v, self._f, self._is = interned("v"), interned("f"), interned("is")
        self._t, self._r = interned("t"), interned("r")
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end

    def _start(self, name: str, attributes: Attributes) -> None:
        within = self._within
        if name is self._v and within is self._c:
            self._text.clear()
        elif name is self._c and within is self._row:
            self._attributes = attributes
            self._value = self._inline = None
            self._formula = False
        elif name is self._row and within is self._sheet_data:
            self._start_row(attributes)
        elif not self._starts_rarely(name, within):
            return self._skip()
        self._within = name
        return None

    def _starts_rarely(self, name: str, within: str) -> bool:
        """Whether the element has a meaning here."""
        if name is self._t and (within is self._is or within is self._r):
            self._text.clear()
            self._outer = within
        elif name is self._f and within is self._c:
            self._formula = True
        elif name is self._is and within is self._c:
            self._inline = []
        else:
            return (name is self._r and within is self._is) or (name is self._sheet_data and within is self._worksheet)
        return True

    def _end(self, name: str) -> None:
        if name is self._v:
            self._value = "".join(self._text)
            self._within = self._c
        elif name is self._c:
            if self._value is not None or self._formula or self._inline is not None:
                self._end_cell()
            else:
                self._place_cell()
            self._within = self._row
        elif name is self._row:
            self._end_row()
            self._within = self._sheet_data
        elif name is self._t:
            self._within = self._outer
            if self._inline is not None:
                self._inline.append("".join(self._text))
        elif name is self._r:
            self._within = self._is
        else:
            self._within = self._worksheet if name is self._sheet_data else self._c

    def _start_row(self, attributes: Attributes) -> None:
        self.begun = self._parser.CurrentByteIndex
        number = attributes.get("r")
        self._number = self._number + 1 if number is None else whole(number, "number of a row")
        self._cells = []
        self._fault = ""
        self._column = -1
        self._parser.CharacterDataHandler = self._text.append

    def _end_row(self) -> None:
        begun, self.begun = self.begun or 0, None
        self._parser.CharacterDataHandler = None
        self._text.clear()
        # A character takes a byte at least.
        if self._parser.CurrentByteIndex - begun > self._max_record:
            self._let_go()
        if any(self._cells) or self._fault:
            self.rows.append(SheetRow(self._number, self._cells, self._fault))

    def _let_go(self) -> None:
        """Of a row that is too long, only what a reject shows is kept."""
        if sum(len(cell) for cell in self._cells if cell) > self._max_record:
            self._fault = f"longer than {self._max_record:,} characters"
            self._cells = shown(self._cells)

    def _place_cell(self) -> str:
        """Where the cell belongs; its reference, which it may lack where it follows the one before."""
        reference = self._attributes.get("r", "")
        if reference:
            letters = reference.rstrip("0123456789")
            column = self._columns.get(letters)
            self._column = self._column_of(letters, reference) if column is None else column
        else:
            self._column += 1
            if self._column >= COLUMNS:
                raise BadDocumentError(f"{self._part} has a row of more than {COLUMNS:,} cells", offset=0)
        return reference

    def _end_cell(self) -> None:
        reference = self._place_cell()
        kind = self._attributes.get("t", "n")
        value = self._value
        if kind == "inlineStr" and self._inline is not None:
            value = "".join(self._inline)
        if not value and self._formula and kind != "str":
            self._fault = self._fault or (
                f"the formula in {reference[:20] or 'a cell'} has no stored value: "
                "open the workbook in a spreadsheet program and save it"
            )
        if value is None:
            return
        try:
            text = self._strings[value] if kind == "s" else self._text_of(value, kind)
        except (ValueError, IndexError):
            text = None
            self._fault = self._fault or f"a cell refers to the shared string {value[:20]!r}, which is missing"
        if self._typed and text and kind in _TYPED:
            text = Typed(text)
        gap = self._column - len(self._cells)
        if gap > 0:
            self._cells.extend([None] * gap)
        if gap < 0:
            self._cells[self._column] = text
        else:
            self._cells.append(text)

    def _text_of(self, value: str, kind: str) -> str | None:
        match kind:
            case "n" | "b" if not value:
                return None
            case "n":
                moment = self._moments and self._moments.get(self._attributes.get("s", "0"))
                return moment_text(value, moment, since_1904=self._since_1904) if moment else number_text(value)
            case "b":
                return "true" if value in ("1", "true") else "false"
            case _:
                return plain_text(value)

    def _column_of(self, letters: str, reference: str) -> int:
        column = -1
        if len(letters) <= _LETTERS and set(letters) <= set(ascii_uppercase):
            column = column_number(letters)
        if not 0 <= column < COLUMNS:
            raise BadDocumentError(f"{reference[:20]!r} is not a cell reference", offset=0)
        self._columns[letters] = column
        return column


class _ColumnsReader(_RowReader):
    """Leaves out the cells outside some columns, also those that cannot be read."""

    __slots__ = ("_area", "outside")

    def __init__(self, area: CellRange, *args: Any, **options: Any) -> None:
        self._area = area
        self.outside = False
        super().__init__(*args, **options)

    def _end_cell(self) -> None:
        fault = self._fault
        super()._end_cell()
        if not self._area.left <= self._column <= self._area.right:
            self._fault = fault
            self.outside = True
            if self._column < len(self._cells):
                self._cells[self._column] = None
