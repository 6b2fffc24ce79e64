"""The zip package of a workbook (ECMA-376 part 2): its parts, and the relationships between them."""

from __future__ import annotations

import io
import posixpath
import zipfile
import zlib
from collections.abc import Iterator
from typing import BinaryIO
from urllib.parse import unquote
from xml.parsers import expat

from penstock.errors import BadDocumentError, ExpansionLimitError
from penstock.formats.limits import ReadLimits
from penstock.formats.xlsx.xml import (
    OFFICE,
    PACKAGE,
    TAG_BYTES,
    Attributes,
    ByteCount,
    StartTags,
    check_names,
    new_parser,
)
from penstock.limits import MIB

# Bytes of the zip's directory. zipfile makes an object for each entry: an entry takes 46 bytes and its name, so there
# are at most 22,795, in 20 MB. A workbook with 10,000 pictures has as many entries, in 0.9 MiB.
DIRECTORY_BYTES = 1 * MIB
# Decompressed bytes of a part that is neither cells nor strings: a second or two of CPU. Excel's limit of 65,490 cell
# styles makes 20 MiB.
METADATA_BYTES = 64 * MIB
# Sheets that a workbook refers to. LibreOffice makes no more than 10,000.
RELATIONS = 10_000

# What is parsed at once. A row of 36 bytes may have 16,384 cells: some 60 of them are held until the slice is parsed.
_SLICE = 2 * 1024
_COMPOUND_FILE = bytes.fromhex("d0cf11e0a1b11ae1")
_ENCRYPTED = 0x1
# zlib's header, checksums and block overhead count for nothing here; a part below this size cannot hurt.
_SMALL = 1 * MIB

# Errors of reading a damaged member; NotImplementedError for flags that zipfile does not support.
_DAMAGE = (zipfile.BadZipFile, zlib.error, EOFError, UnicodeDecodeError, NotImplementedError, expat.ExpatError)


class Package:
    """The parts of an open workbook. The caller closes the file.

    Raises BadDocumentError if the file is not a workbook, is damaged or encrypted, ExpansionLimitError if a part
    decompresses beyond the limits.
    """

    def __init__(self, file: BinaryIO, limits: ReadLimits) -> None:
        self._limits = limits
        self._zip = _open(file)
        self._parts = {_part_name(info.filename): info for info in self._zip.infolist()}

    def close(self) -> None:
        self._zip.close()

    def has(self, part: str) -> bool:
        return self._found(part) is not None

    def related(self, part: str, kind: str) -> dict[str, str]:
        """Parts that a part refers to as ``kind``, by id. The whole file is the part without a name."""
        folder, name = posixpath.split(part)
        relations = posixpath.join(folder, "_rels", f"{name}.rels")
        types = {f"{base}/{kind}" for base in OFFICE}
        counts = ByteCount("relations", RELATIONS)
        found: dict[str, str] = {}
        for _, attributes in self.starts(relations, "Relationships", PACKAGE, "Relationship"):
            if attributes.get("Type") in types and attributes.get("TargetMode") != "External":
                name, target = attributes.get("Id", ""), attributes.get("Target", "").replace("\\", "/")
                counts.add(name, target)
                found[name] = posixpath.normpath(posixpath.join("/", folder, target))[1:]
        return found

    def starts(
        self, part: str, root: str, namespaces: tuple[str, ...], *paths: str
    ) -> Iterator[tuple[str, Attributes]]:
        """The start tags at these paths below the root of a part of metadata."""
        parser = new_parser(part)
        tags = StartTags(part, parser, root, namespaces, frozenset(paths))
        size = self._info(part).file_size
        if size > METADATA_BYTES:
            raise BadDocumentError(f"{part} has {size:,} bytes, more than {METADATA_BYTES:,}", offset=0)
        for _ in self.feed(part, parser):
            yield from tags.found
            tags.found.clear()

    def feed(self, part: str, parser: expat.XMLParserType) -> Iterator[None]:
        """Give a part to a parser, stopping after each chunk for what it has found. Memory: a tag (see TAG_BYTES)."""
        info = self._info(part)
        self._check_ratio(part, info)
        names = fed = 0
        try:
            with self._zip.open(info) as stream:
                while chunk := stream.read(_SLICE):
                    fed += len(chunk)
                    parser.Parse(chunk)
                    # expat keeps a token until it finds its end.
                    if fed - parser.CurrentByteIndex > TAG_BYTES:
                        raise BadDocumentError(f"{part} holds a tag of more than {TAG_BYTES:,} bytes", offset=0)
                    if len(parser.intern) != names:
                        check_names(part, parser.intern)
                        names = len(parser.intern)
                    yield
            parser.Parse(b"", True)  # noqa: FBT003  # it takes no keyword
            yield
        except _DAMAGE as error:
            raise BadDocumentError(f"{part} is damaged: {error}", offset=info.header_offset) from error

    def _found(self, part: str) -> zipfile.ZipInfo | None:
        """References are URIs, where other characters than ASCII may be escaped; the zip's names mostly are not."""
        return self._parts.get(_part_name(part)) or self._parts.get(_part_name(unquote(part)))

    def _info(self, part: str) -> zipfile.ZipInfo:
        info = self._found(part)
        if not info or info.header_offset < 0:
            raise BadDocumentError(f"{part} is missing in the workbook", offset=0)
        if info.flag_bits & _ENCRYPTED:
            raise BadDocumentError("the workbook is encrypted", offset=info.header_offset)
        if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise BadDocumentError(f"{part} is not compressed with deflate", offset=info.header_offset)
        return info

    def _check_ratio(self, part: str, info: zipfile.ZipInfo) -> None:
        allowed = max(_SMALL, min(self._limits.expanded_bytes, int(info.compress_size * self._limits.ratio)))
        # zipfile reads no more than the size that is declared.
        if info.file_size > allowed:
            raise ExpansionLimitError(
                f"{part} decompresses to {info.file_size:,} bytes from {info.compress_size:,}, above {allowed:,}"
            )


class _ShortReads(io.RawIOBase):
    """A file that limits one read to the largest directory: zipfile reads the directory in one call."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def read(self, size: int = -1) -> bytes:
        if size > DIRECTORY_BYTES:
            raise BadDocumentError(f"the zip's directory takes more than {DIRECTORY_BYTES:,} bytes", offset=0)
        # All that is left: zipfile asks so for the zip's end, of at most 64 KiB.
        return self._file.read(DIRECTORY_BYTES if size < 0 else size)

    def seek(self, offset: int, whence: int = 0) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()

    def seekable(self) -> bool:
        return True


def _open(file: BinaryIO) -> zipfile.ZipFile:
    head = file.read(len(_COMPOUND_FILE))
    if head == _COMPOUND_FILE:
        raise BadDocumentError(
            "the workbook is encrypted, or in the format before .xlsx",
            offset=0,
            hint="Save it without a password as .xlsx, and upload it again.",
        )
    try:
        return zipfile.ZipFile(_ShortReads(file))
    except (zipfile.BadZipFile, ValueError, NotImplementedError, OSError) as error:
        what = "the workbook is cut off or damaged" if head.startswith(b"PK") else "the file is not a workbook"
        raise BadDocumentError(f"{what}: {error}", offset=0) from error


def _part_name(name: str) -> str:
    """Names of parts are equal whatever their case; some programs write backslashes, or begin with a slash."""
    return name.replace("\\", "/").lstrip("/").lower()
