"""A workbook (ECMA-376 part 1, 18.2 and 18.8): which sheets it has and what their number formats mean."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from types import TracebackType
from typing import BinaryIO, Self
from xml.parsers import expat

from penstock.errors import BadDocumentError
from penstock.formats.limits import ReadLimits
from penstock.formats.xlsx.cells import CellType, cell_type_of
from penstock.formats.xlsx.package import RELATIONS, Package
from penstock.formats.xlsx.xml import MAIN, OFFICE, ByteCount, whole

# Excel stops at 65,490 cell styles, and needs no more formats than styles.
STYLES = 65_536

_TRUE = ("1", "true")


@dataclass(frozen=True, slots=True)
class Sheet:
    """One worksheet, by the name on its tab and its part in the zip."""

    name: str
    part: str
    visible: bool


class Workbook:
    """An open workbook. A context manager; the caller closes the file.

    Raises BadDocumentError if the file is not a workbook, is damaged or encrypted, ExpansionLimitError where a part
    decompresses beyond the limits.
    """

    def __init__(self, file: BinaryIO, limits: ReadLimits) -> None:
        self._package = Package(file, limits)
        part = next(iter(self._package.related("", "officeDocument").values()), "")
        if not part:
            raise BadDocumentError("the file has no workbook", offset=0)
        self.since_1904 = False
        self.sheets: list[Sheet] = []
        self._read(part)
        self.strings_part = self._first(part, "sharedStrings")
        self._styles_part = self._first(part, "styles")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None:
        self._package.close()

    @cached_property
    def moments(self) -> dict[str, CellType]:
        """What the cell styles (by the text of their number) that show dates and times make of a number."""
        formats: dict[int, CellType | None] = {}
        kinds: dict[str, CellType] = {}
        # Spreadsheet programs open a workbook whose styles are missing, and so do we.
        if not self._styles_part or not self._package.has(self._styles_part):
            return kinds
        codes, styles, count = ByteCount("number formats", STYLES), ByteCount("cell styles", STYLES), 0
        for path, attributes in self._package.starts(
            self._styles_part, "styleSheet", MAIN, "numFmts/numFmt", "cellXfs/xf"
        ):
            number = whole(attributes.get("numFmtId", "0"), "number of a format")
            if path == "numFmts/numFmt":
                codes.add()
                formats[number] = cell_type_of(number, attributes.get("formatCode", ""))
                continue
            styles.add()
            kind = formats[number] if number in formats else cell_type_of(number, None)
            if kind:
                kinds[str(count)] = kind
            count += 1
        return kinds

    def feed(self, part: str, parser: expat.XMLParserType) -> Iterator[None]:
        """See Package."""
        return self._package.feed(part, parser)

    def _read(self, part: str) -> None:
        if part.lower().endswith(".bin"):
            raise BadDocumentError(
                "the workbook is a binary one (.xlsb)", offset=0, hint="Save it as .xlsx, and upload it again."
            )
        relations = self._package.related(part, "worksheet")
        counts = ByteCount("sheets", RELATIONS)
        for path, attributes in self._package.starts(part, "workbook", MAIN, "workbookPr", "sheets/sheet"):
            if path == "workbookPr":
                self.since_1904 = attributes.get("date1904") in _TRUE
                continue
            name = attributes.get("name", "")
            counts.add(name)
            target = next((relations[at] for base in OFFICE if (at := attributes.get(f"{base} id")) in relations), None)
            if target:
                self.sheets.append(Sheet(name, target, attributes.get("state", "visible") == "visible"))

    def _first(self, part: str, kind: str) -> str:
        return next(iter(self._package.related(part, kind).values()), "")
