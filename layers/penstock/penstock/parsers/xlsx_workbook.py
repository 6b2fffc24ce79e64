"""The parts of a workbook (ECMA-376 parts 1 and 2): which sheets it has and what their number formats mean.

XML is read with expat as a stream, never as a tree. A workbook may not declare a DTD, so no entity can expand.
"""

from __future__ import annotations

import posixpath
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import BinaryIO, Self
from xml.parsers import expat

from penstock.errors import BadDocumentError, ExpansionLimitError, RecordsMissingError
from penstock.limits import GIB, MIB, RUNTIME_BYTES
from penstock.model import DEFAULT_RATIO
from penstock.parsers.xlsx_cells import Kind, kind_of

# Bytes of XML that one tag, one string or one row may take.
LARGEST = 16 * MIB

# What is parsed at once. A row of 36 bytes may have 16,384 cells: some 60 of them are held until the slice is parsed.
_SLICE = 2 * 1024
_COMPOUND_FILE = bytes.fromhex("d0cf11e0a1b11ae1")
_ENCRYPTED = 0x1
# zlib's header, checksums and block overhead count for nothing here; a part below this size cannot hurt.
_SMALL = 1 * MIB

# What reading a damaged member raises; NotImplementedError where flags say that it is none of ours.
_DAMAGE = (zipfile.BadZipFile, zlib.error, EOFError, UnicodeDecodeError, NotImplementedError, expat.ExpatError)

Attributes = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class WorkbookLimits:
    """``file_bytes``: the file itself, in /tmp. ``strings_bytes``: shared strings in memory, their UTF-8 and 8 bytes
    each. ``expanded_bytes`` and ``ratio``: any one part, decompressed. By default, what fits the smallest function.
    """

    file_bytes: int = 400 * MIB
    strings_bytes: int = 24 * MIB
    expanded_bytes: int = 16 * GIB
    ratio: float = DEFAULT_RATIO

    @classmethod
    def within(cls, memory: int, disk: int) -> WorkbookLimits:
        """For a function of so many bytes of memory and of /tmp, some of which others have left full."""
        return cls(file_bytes=disk * 3 // 4, strings_bytes=max(cls().strings_bytes, (memory - RUNTIME_BYTES) // 2))


@dataclass(frozen=True, slots=True)
class Sheet:
    """One worksheet, by the name on its tab and its part in the zip."""

    name: str
    part: str
    visible: bool


class Workbook:
    """An open workbook. A context manager; the file stays the caller's.

    Raises BadDocumentError where the file is none, is damaged or encrypted, ExpansionLimitError where a part
    decompresses beyond the limits.
    """

    def __init__(self, file: BinaryIO, limits: WorkbookLimits) -> None:
        self._limits = limits
        self._zip = _open(file)
        self._parts = {info.filename.lower(): info for info in self._zip.infolist()}
        main = self._related("", "/officeDocument")
        if not main:
            raise BadDocumentError("there is no workbook in the file", offset=0)
        (part,) = list(main.values())[:1]
        relations = self._related(part, "/worksheet")
        self.since_1904 = False
        self.sheets: list[Sheet] = []
        for name, attributes in self.starts(part):
            if name == "workbookPr":
                self.since_1904 = attributes.get("date1904") in ("1", "true")
            elif name == "sheet":
                target = relations.get(_local(attributes, "id"))
                if target:
                    visible = attributes.get("state", "visible") == "visible"
                    self.sheets.append(Sheet(attributes.get("name", ""), target, visible))
        self.strings_part = next(iter(self._related(part, "/sharedStrings").values()), "")
        self._styles_part = next(iter(self._related(part, "/styles").values()), "")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None:
        self._zip.close()

    def sheet(self, name: str) -> Sheet:
        """The worksheet of a name, or the first visible one. Raises RecordsMissingError, naming all there are."""
        if not self.sheets:
            raise RecordsMissingError("the workbook has no worksheet", offset=0)
        if not name:
            return next((sheet for sheet in self.sheets if sheet.visible), self.sheets[0])
        found = next((sheet for sheet in self.sheets if sheet.name == name), None)
        if not found:
            names = ", ".join(repr(sheet.name) for sheet in self.sheets)
            raise RecordsMissingError(f"there is no worksheet {name!r}, only {names}", offset=0)
        return found

    def moments(self) -> dict[str, Kind]:
        """What the cell styles (by the text of their number) that show dates and times make of a number."""
        codes: dict[str, str] = {}
        kinds: dict[str, Kind] = {}
        container, count = "", 0
        for name, attributes in self.starts(self._styles_part) if self._styles_part else ():
            if name == "numFmt":
                codes[attributes.get("numFmtId", "")] = attributes.get("formatCode", "")
            elif name in ("cellXfs", "cellStyleXfs"):
                container = name
            elif name == "xf" and container == "cellXfs":
                number = attributes.get("numFmtId", "0")
                kind = kind_of(int(number) if number.isdecimal() else 0, codes.get(number))
                if kind:
                    kinds[str(count)] = kind
                count += 1
        return kinds

    def starts(self, part: str) -> Iterator[tuple[str, Attributes]]:
        """The start tags of a part: names without prefix, and attributes."""
        parser = expat.ParserCreate()
        found: list[tuple[str, Attributes]] = []
        parser.StartElementHandler = lambda name, attributes: found.append((name.rpartition(":")[2], attributes))
        for _ in self.feed(part, parser):
            yield from found
            found.clear()

    def feed(self, part: str, parser: expat.XMLParserType) -> Iterator[None]:
        """Give a part to a parser, stopping after each chunk for what it has found. Memory: a tag, at most 16 MiB."""
        info = self._info(part)
        parser.buffer_text = True
        parser.StartDoctypeDeclHandler = _refuse_dtd
        try:
            with self._zip.open(info) as stream:
                while chunk := stream.read(_SLICE):
                    parser.Parse(chunk)
                    # What expat cannot tell the end of yet, it keeps.
                    if stream.tell() - parser.CurrentByteIndex > LARGEST:
                        raise BadDocumentError(f"{part} holds a tag of more than {LARGEST:,} bytes", offset=0)
                    yield
            parser.Parse(b"", True)  # noqa: FBT003  # it takes no keyword
            yield
        except _DAMAGE as error:
            raise BadDocumentError(f"{part} is damaged: {error}", offset=info.header_offset) from error

    def _related(self, part: str, kind: str) -> dict[str, str]:
        """Parts that a part refers to as ``kind``, by id. The whole file is the part without a name."""
        folder, name = posixpath.split(part)
        relations = posixpath.join(folder, "_rels", f"{name}.rels")
        return {
            attributes.get("Id", ""): posixpath.normpath(posixpath.join("/", folder, attributes.get("Target", "")))[1:]
            for name, attributes in self.starts(relations)
            if name == "Relationship" and attributes.get("Type", "").endswith(kind)
        }

    def _info(self, part: str) -> zipfile.ZipInfo:
        info = self._parts.get(part.lower())
        if not info or info.header_offset < 0:
            raise BadDocumentError(f"{part} is missing in the workbook", offset=0)
        if info.flag_bits & _ENCRYPTED:
            raise BadDocumentError("the workbook is encrypted", offset=info.header_offset)
        if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise BadDocumentError(f"{part} is compressed in another way than deflate", offset=info.header_offset)
        allowed = max(_SMALL, min(self._limits.expanded_bytes, int(info.compress_size * self._limits.ratio)))
        # zipfile reads no more than the size that is declared.
        if info.file_size > allowed:
            raise ExpansionLimitError(
                f"{part} decompresses to {info.file_size:,} bytes from {info.compress_size:,}, above {allowed:,}"
            )
        return info


def _open(file: BinaryIO) -> zipfile.ZipFile:
    head = file.read(len(_COMPOUND_FILE))
    if head == _COMPOUND_FILE:
        raise BadDocumentError(
            "the workbook is encrypted, or of a format before .xlsx",
            offset=0,
            hint="Save it without a password as .xlsx, and upload it again.",
        )
    try:
        return zipfile.ZipFile(file)
    except (zipfile.BadZipFile, ValueError, NotImplementedError, OSError) as error:
        what = "cut off or damaged" if head.startswith(b"PK") else "none at all"
        raise BadDocumentError(f"the workbook is {what}: {error}", offset=0) from error


def _local(attributes: Attributes, wanted: str) -> str:
    return next((value for name, value in attributes.items() if name.rpartition(":")[2] == wanted), "")


def _refuse_dtd(*_: object) -> None:
    raise BadDocumentError("the workbook declares a DTD", offset=0)
