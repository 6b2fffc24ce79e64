"""The encodings of text sources.

Parsers split text at ASCII characters (newlines, quotes, brackets) without decoding it first. This is safe in UTF-8 and
in single-byte supersets of ASCII. Sources in any other encoding are converted to UTF-8 first.
"""

from __future__ import annotations

import codecs
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import lru_cache

from penstock.errors import CorruptSourceError, TruncatedSourceError
from penstock.model.encoding_names import encoding_named

# Bytes from the start of a source that ``encoding_of`` needs; fewer only if the source is shorter.
HEAD = 4

# UTF-32-LE starts like UTF-16-LE, so it comes first.
_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
# A source of these encodings without a mark was written on Windows.
_PLAIN = {"utf-8-sig": "utf-8", "utf-16": "utf-16-le", "utf-32": "utf-32-le"}
_UNICODE = ("utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be")
_ASIAN = (
    *("big5", "big5hkscs", "cp932", "cp949", "cp950", "euc_jis_2004", "euc_jisx0213", "euc_jp", "euc_kr"),
    *("gb18030", "gb2312", "gbk", "johab", "shift_jis", "shift_jis_2004", "shift_jisx0213"),
)

_HINT = "The file is not complete, or it has another encoding: get the complete file, or correct parse.encoding."

_CONTINUATION = range(0x80, 0xC0)
# The bytes of a character in UTF-8, by the upper half of its first byte; one byte for all others.
_LENGTH = {0xC: 2, 0xD: 2, 0xE: 3, 0xF: 4}

_ASCII = bytes(range(128))

# A text has at least SOME_ZEROS ASCII units, and at least one in FEW units is ASCII.
SOME_ZEROS, FEW = 2, 8


@dataclass(frozen=True, slots=True)
class Encoding:
    """``codec`` decodes readable bytes. ``foreign`` is the encoding of the source, if it is a different one.

    Bytes that ``foreign`` cannot decode become lone surrogates in the readable bytes, which are not valid UTF-8. So
    records with undecodable bytes are found in the same way, and ``source_length`` is still exact. ``mark`` is the
    length of the byte order mark.
    """

    codec: str
    foreign: str = ""
    mark: int = 0

    @property
    def name(self) -> str:
        return self.foreign or self.codec

    @property
    def is_multibyte(self) -> bool:
        """Whether the source may have several bytes for a character."""
        return self.name == "utf-8" or self.name in _UNICODE or self.name in _ASIAN

    @property
    def _errors(self) -> str:
        return "surrogatepass" if self.foreign in _UNICODE else "surrogateescape"

    def source_length(self, readable: bytes) -> int:
        """Return the length of readable bytes (complete characters) in the source."""
        return len(self.to_source(readable)) if self.foreign else len(readable)

    def undecodable(self, record: bytes, error: UnicodeDecodeError, offset: int) -> str:
        """Return the reason for the reject of a record that starts at ``offset``."""
        return f"not {self.name} at byte {offset + self.source_length(record[: error.start]):,}"

    def to_source(self, readable: bytes) -> bytes:
        return readable.decode("utf-8", "surrogatepass").encode(self.foreign, self._errors)

    def to_readable(self, chunks: Iterable[bytes], offset: int) -> Iterator[bytes]:
        """Yield the readable bytes of a source from ``offset``, at most four times a chunk at once.

        Raises TruncatedSourceError if the source ends inside a character, CorruptSourceError if it is not in its
        encoding at all.
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
            raise CorruptSourceError(
                f"not {self.foreign}: {error.reason}", offset=offset + error.start, hint=_HINT
            ) from error
        try:
            yield decoder.decode(b"", final=True).encode("utf-8", "surrogatepass")
        except UnicodeDecodeError as error:
            raise TruncatedSourceError("the source ends inside a character", offset=offset, hint=_HINT) from error


def unmarked(head: bytes) -> str:
    """Recognise UTF-16 or UTF-32 by the zeros of ASCII characters, which every table has; empty if it is neither.

    The zeros have the same position in every unit: after the other byte if little-endian, otherwise before it.
    """
    for size, bits in ((4, 32), (2, 16)):
        columns = [head[position::size] for position in range(size)]
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

    def at(self, position: int) -> int:
        self._offset += self._encoding.source_length(self._readable[self._at : position])
        self._at = position
        return self._offset


def is_one_byte(sign: str, codec: str) -> bool:
    """Return whether exactly one byte decodes to the sign: Arabic code pages have two bytes for the same comma."""
    return len(sign.encode(codec)) == 1 and bytes(range(256)).decode(codec, "replace").count(sign) == 1


def whole_characters(readable: bytes) -> int:
    """Return how many bytes of UTF-8, cut anywhere, are complete characters."""
    for back in range(1, min(4, len(readable)) + 1):
        byte = readable[-back]
        if byte not in _CONTINUATION:
            return len(readable) - (back if _LENGTH.get(byte >> 4, 1) > back else 0)
    return len(readable)


def encoding_of(head: bytes, declared: str) -> Encoding:
    """Return the encoding of a source that starts with ``head``.

    A byte order mark overrides the declared encoding (https://encoding.spec.whatwg.org/#bom-sniff, and also UTF-32).
    Raises InvalidRouteError if the declared encoding is unknown or depends on state.
    """
    for mark, name in _MARKS:
        if head.startswith(mark):
            return replace(_encoding(name), mark=len(mark))
    return _encoding(declared)


@lru_cache(maxsize=32)
def _encoding(declared: str) -> Encoding:
    name = encoding_named(declared)
    name = _PLAIN.get(name, name)
    if name == "utf-8":
        return Encoding("utf-8")
    if name in _UNICODE or name in _ASIAN:
        return Encoding("utf-8", foreign=name)
    # All remaining encodings have one byte per character.
    ascii_too = _ASCII.decode(name, "replace") == _ASCII.decode("ascii")
    return Encoding(name) if ascii_too else Encoding("utf-8", foreign=name)
