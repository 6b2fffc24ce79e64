"""Decode gzip (RFC 1952): consecutive members, each checked against its CRC32 and length.

Memory: one chunk of the source, a slice of 64 KiB, the decoder (isal 90 KB, zlib 40 KB) and one step of output,
twice while it grows. A header takes at most 192 KiB.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator

from penstock.codecs.checksum import crc32, crc32_combine
from penstock.codecs.engine import FASTEST, Engine
from penstock.codecs.feed import Feed
from penstock.codecs.members import at_member
from penstock.codecs.trace import Trace
from penstock.errors import BadHeaderError, ChecksumMismatchError, CorruptSourceError, TruncatedSourceError

NAME = "gzip"
MAGIC = (b"\x1f\x8b\x08",)

# RFC 1952 sets no limit on file name and comment. The limit of the extra field is 64 KiB, that of file names 255 bytes.
# An endless header would keep a function busy until its timeout.
MAX_TEXT = 64 * 1024

_FHCRC, _FEXTRA, _FNAME, _FCOMMENT, _RESERVED = 0x02, 0x04, 0x08, 0x10, 0xE0

# The extra field of BGZF (SAM/BAM specification, section 4.1) in a header.
_BGZF = b"BC"

# The maximum unused input that is copied per call. 32 to 256 KiB are equally fast.
_SLICE = 64 * 1024


def decode(chunks: Iterable[bytes], trace: Trace, step: int, *, engine: Engine = FASTEST) -> Iterator[bytes]:
    """Yield the content of all members, in pieces of 1 to ``step`` bytes.

    Raises BadHeaderError, CorruptSourceError, ChecksumMismatchError (offset of the trailer) and
    TruncatedSourceError (offset: bytes seen). A piece is yielded before its member's checksum is known.
    """
    yield from members(Feed(chunks, trace), trace, step, engine)


def members(feed: Feed, trace: Trace, step: int, engine: Engine) -> Iterator[bytes]:
    """Decode the rest of a feed, like `decode`."""
    end = EndMarker(trace)
    while at_member(feed, trace, NAME, MAGIC):
        end.member(is_bgzf=skip_header(feed))
        yield from _member(feed, trace, step, engine)
    end.check()


class EndMarker:
    """Checks that a BGZF source ends with an empty member. A source that is cut between two members does not."""

    def __init__(self, trace: Trace) -> None:
        self._trace = trace
        self._is_bgzf = False
        self._before = 0

    def member(self, *, is_bgzf: bool) -> None:
        """Note that another member begins."""
        self._is_bgzf = is_bgzf
        self._before = self._trace.produced

    def check(self) -> None:
        """Add a warning if the source has ended without an empty member."""
        if self._is_bgzf and self._trace.produced > self._before:
            self._trace.warnings.append("no BGZF end-of-file marker: the source may be cut short between two blocks")


def skip_header(feed: Feed) -> bool:
    """Skip the header; return whether the member is BGZF. Raises BadHeaderError and TruncatedSourceError."""
    start = feed.position
    header = bytearray(feed.exactly(10, "a gzip header"))
    flags = header[3]
    for at, expected in enumerate(MAGIC[0]):
        if header[at] != expected:
            raise BadHeaderError(f"gzip header has {header[at]:#04x} for {expected:#04x}", offset=start + at)
    if flags & _RESERVED:
        raise BadHeaderError(f"gzip header sets reserved flags: {flags:#04x}", offset=start + 3)
    extra = b""
    if flags & _FEXTRA:
        length = feed.exactly(2, "a gzip header")
        extra = feed.exactly(int.from_bytes(length, "little"), "a gzip header")
        header += length + extra
    if flags & _FNAME:
        header += _text(feed, "file name")
    if flags & _FCOMMENT:
        header += _text(feed, "comment")
    if flags & _FHCRC:
        at = feed.position
        if int.from_bytes(feed.exactly(2, "a gzip header"), "little") != crc32(header) & 0xFFFF:
            raise BadHeaderError("gzip header does not match its own checksum", offset=at)
    return extra_field(extra, _BGZF) is not None


def extra_field(extra: bytes, name: bytes) -> bytes | None:
    """Return a field of a header's extra part (section 2.3.1.1), cut at the end of that part; None if it is missing."""
    at = 0
    while at + 4 <= len(extra):
        size = int.from_bytes(extra[at + 2 : at + 4], "little")
        if extra[at : at + 2] == name:
            return extra[at + 4 : at + 4 + size]
        at += 4 + size
    return None


def _text(feed: Feed, what: str) -> bytes:
    """Read zero-terminated text, with its zero."""
    start = feed.position
    text = bytearray()
    while piece := feed.take(min(1024, MAX_TEXT + 1 - len(text))):
        end = piece.find(0) + 1
        if end:
            feed.give_back(piece[end:])
            return bytes(text + piece[:end])
        text += piece
        if len(text) > MAX_TEXT:
            raise BadHeaderError(f"{what} in gzip header exceeds {MAX_TEXT:,} bytes", offset=start)
    raise TruncatedSourceError(f"the source ends inside the {what} of a gzip header", offset=feed.position)


def _member(feed: Feed, trace: Trace, step: int, engine: Engine) -> Iterator[bytes]:
    crc, size = 0, 0
    for piece in inflate(feed, trace, step, engine):
        crc = crc32(piece, crc)
        size += len(piece)
        yield piece
    end_member(feed, trace, crc, size)


def inflate(feed: Feed, trace: Trace, step: int, engine: Engine, window: bytes = b"") -> Iterator[bytes]:
    """Yield one deflate stream, or the rest of it after ``window``, in pieces of 1 to ``step`` bytes.

    Raises CorruptSourceError and TruncatedSourceError.
    """
    inflater = engine.inflater(zdict=window) if window else engine.inflater()
    while not inflater.eof:
        before = feed.position
        data = feed.take(min(_SLICE, step))
        try:
            piece = inflater.decompress(data, step)
        except engine.error as error:
            raise CorruptSourceError("corrupt deflate data nearby", offset=before) from error
        feed.give_back(inflater.unused_data if inflater.eof else inflater.unconsumed_tail)
        if piece:
            trace.produced += len(piece)
            yield piece
        elif feed.position == before and not inflater.eof:
            # Neither input nor output moved: all input is used, and all of its output was yielded.
            raise TruncatedSourceError("the source ends inside deflate data", offset=feed.position)


def end_member(feed: Feed, trace: Trace, crc: int, size: int) -> None:
    """Check the trailer and count the member. Raises ChecksumMismatchError and TruncatedSourceError."""
    at = feed.position
    declared_crc, declared_size = struct.unpack("<II", feed.exactly(8, "a gzip trailer"))
    if crc != declared_crc:
        raise ChecksumMismatchError(
            f"CRC32 of the decoded bytes is {crc:08x}, the gzip trailer says {declared_crc:08x}", offset=at
        )
    if size & 0xFFFFFFFF != declared_size:
        raise ChecksumMismatchError(
            f"{size:,} bytes were decoded, the gzip trailer says {declared_size:,} (modulo 2^32)", offset=at
        )
    trace.crc32 = crc if trace.crc32 is None else crc32_combine(trace.crc32, crc, size)
    trace.members += 1
