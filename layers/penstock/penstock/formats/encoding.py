"""How the bytes of a text source encode characters.

Parsers cut text at ASCII signs (newlines, quotes, brackets) without decoding it first. That is safe in UTF-8 and in
single-byte supersets of ASCII; sources in any other encoding are turned into UTF-8 on the way in.
"""

from __future__ import annotations

import codecs
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import lru_cache

from penstock.errors import CorruptSourceError, InvalidRouteError, TruncatedSourceError

# Bytes from the start of a source that ``encoding_of`` needs; fewer only where the source has no more.
HEAD = 4

# UTF-32-LE starts like UTF-16-LE and has to be asked first.
_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
# Without a mark, what carries the bare name was written on Windows.
_PLAIN = {"utf-8-sig": "utf-8", "utf-16": "utf-16-le", "utf-32": "utf-32-le"}
_UNICODE = ("utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be")
_ASIAN = (
    *("big5", "big5hkscs", "cp932", "cp949", "cp950", "euc_jis_2004", "euc_jisx0213", "euc_jp", "euc_kr"),
    *("gb18030", "gb2312", "gbk", "johab", "shift_jis", "shift_jis_2004", "shift_jisx0213"),
)
# In these encodings a record depends on the bytes before it, and lengths are not exact.
_STATEFUL = ("hz", "idna", "iso2022", "punycode", "raw-unicode-escape", "undefined", "unicode-escape", "utf-7")

_CONTINUATION = range(0x80, 0xC0)
# Of a character in UTF-8, by the upper half of its first byte; one byte for all others.
_LENGTH = {0xC: 2, 0xD: 2, 0xE: 3, 0xF: 4}

_ASCII = bytes(range(128))

# At least this many units of a text are ASCII, or one in this many.
SOME_ZEROS, FEW = 2, 8


@dataclass(frozen=True, slots=True)
class Encoding:
    """``codec`` decodes readable bytes. ``foreign`` is the encoding of the source, if it is a different one.

    What ``foreign`` cannot decode reaches the readable bytes as lone surrogates, which are no valid UTF-8: records
    with undecodable bytes are found in one way, and ``source_length`` still counts exactly. ``mark`` is the length
    of the byte order mark.
    """

    codec: str
    foreign: str = ""
    mark: int = 0

    @property
    def name(self) -> str:
        return self.foreign or self.codec

    @property
    def _errors(self) -> str:
        return "surrogatepass" if self.foreign in _UNICODE else "surrogateescape"

    def source_length(self, readable: bytes) -> int:
        """How many bytes of the source these readable bytes (whole characters) were."""
        return len(self.to_source(readable)) if self.foreign else len(readable)

    def undecodable(self, record: bytes, error: UnicodeDecodeError, offset: int) -> str:
        """What is wrong with a record that starts at ``offset``."""
        return f"not {self.name} at byte {offset + self.source_length(record[: error.start]):,}"

    def to_source(self, readable: bytes) -> bytes:
        return readable.decode("utf-8", "surrogatepass").encode(self.foreign, self._errors)

    def to_readable(self, chunks: Iterable[bytes], offset: int) -> Iterator[bytes]:
        """The readable bytes of a source from ``offset`` on, at most four times a chunk at once.

        Raises TruncatedSourceError when the source ends inside a character, CorruptSourceError where it is not in
        its encoding at all.
        """
        if not self.foreign:
            yield from chunks
            return
        decoder = codecs.getincrementaldecoder(self.foreign)(self._errors)
        try:
            for chunk in chunks:
                text = decoder.decode(chunk)
                offset += len(chunk)
                yield text.encode("utf-8", "surrogatepass")
        except UnicodeDecodeError as error:
            raise CorruptSourceError(f"not {self.foreign}: {error.reason}", offset=offset + error.start) from error
        try:
            yield decoder.decode(b"", final=True).encode("utf-8", "surrogatepass")
        except UnicodeDecodeError as error:
            raise TruncatedSourceError("the source ends inside a character", offset=offset) from error


def unmarked(head: bytes) -> str:
    """UTF-16 or UTF-32 by the zeros of its ASCII characters, of which every table has some; empty where it is neither.

    Bytes between zeros are at the same place of every unit: after, in little-endian ones, or before.
    """
    for size, bits in ((4, 32), (2, 16)):
        columns = [head[place::size] for place in range(size)]
        zeros = [column.count(0) for column in columns]
        some = max(SOME_ZEROS, len(columns[-1]) // FEW)
        if not zeros[0] and min(zeros[1:]) >= some:
            return f"utf-{bits}-le"
        if not zeros[-1] and min(zeros[:-1]) >= some:
            return f"utf-{bits}-be"
    return ""


class Offsets:
    """Converts positions in readable bytes, which begin at ``offset``, to offsets in the source, in ascending order."""

    __slots__ = ("_at", "_encoding", "_offset", "_readable")

    def __init__(self, encoding: Encoding, readable: bytes, offset: int) -> None:
        self._encoding = encoding
        self._readable = readable
        self._offset = offset
        self._at = 0

    def at(self, place: int) -> int:
        self._offset += self._encoding.source_length(self._readable[self._at : place])
        self._at = place
        return self._offset


def whole_characters(readable: bytes) -> int:
    """How many bytes of UTF-8, cut anywhere, are whole characters."""
    for back in range(1, min(4, len(readable)) + 1):
        byte = readable[-back]
        if byte not in _CONTINUATION:
            return len(readable) - (back if _LENGTH.get(byte >> 4, 1) > back else 0)
    return len(readable)


def encoding_of(head: bytes, declared: str) -> Encoding:
    """The encoding of a source that starts with ``head``.

    A byte order mark overrules what is declared (https://encoding.spec.whatwg.org/#bom-sniff, and UTF-32 besides).
    Raises InvalidRouteError where the declared encoding is unknown or depends on state.
    """
    for mark, name in _MARKS:
        if head.startswith(mark):
            return replace(_encoding(name), mark=len(mark))
    return _encoding(declared)


@lru_cache(maxsize=32)
def _encoding(declared: str) -> Encoding:
    try:
        name = codecs.lookup(declared).name
        "".encode(declared)
    except (LookupError, UnicodeError, ValueError) as error:
        raise InvalidRouteError(
            f"unknown encoding {declared!r}", hint="Choose a text encoding that Python knows, e.g. utf-8 or cp1252."
        ) from error
    name = _PLAIN.get(name, name)
    if name == "utf-8":
        return Encoding("utf-8")
    if name in _UNICODE or name in _ASIAN:
        return Encoding("utf-8", foreign=name)
    if name.startswith(_STATEFUL):
        raise InvalidRouteError(
            f"in {declared!r} a character depends on those before it",
            hint="Convert the file to UTF-8, or declare another encoding.",
        )
    # What is left is all of one byte a character.
    ascii_too = _ASCII.decode(name, "replace") == _ASCII.decode("ascii")
    return Encoding(name) if ascii_too else Encoding("utf-8", foreign=name)
