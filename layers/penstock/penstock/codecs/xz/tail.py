"""Find the entries of an xz source from the index at the end of each stream. Nothing else is read.

The index is not trusted: a span that decodes up to an entry verifies that a block ends there (see
`penstock.codecs.block_index.passing`).
"""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass

from penstock.codecs.block_index import START
from penstock.codecs.checkpoint import Checkpoint
from penstock.codecs.checksum import crc32
from penstock.codecs.codec import TailIndex
from penstock.codecs.feed import Feed
from penstock.codecs.trace import Trace
from penstock.codecs.xz.decode import read_number, unverified
from penstock.codecs.xz.index import FOOTER_SIZE, HEADER_SIZE, read_footer, stream_header
from penstock.errors import CorruptSourceError
from penstock.model.source import RangeReader
from penstock.model.span import Entry

# Each stream takes three requests of about 25 ms. Sources with more streams, appended by the thousand, have small ones.
MAX_STREAMS = 200
# The maximum number of entries in memory. Beyond it, every second entry is dropped.
_MOST = 32_768

# Longer padding is refused.
_PADDING = 4096
_SLICE = 16 * 1024
_LONGEST = 9


@dataclass(frozen=True, slots=True)
class _Stream:
    """A stream. ``ends``: the ends of blocks, decoded and encoded, counted from the start of the stream."""

    start: int
    header: bytes
    ends: list[tuple[int, int]]
    decoded: int


def tail(reader: RangeReader, spacing: int) -> TailIndex:
    """Return the entries of a source, at least ``spacing`` decoded bytes apart, and its decoded size.

    Raises CorruptSourceError, BadHeaderError and TruncatedSourceError with the offset if the source does not end with
    a complete stream, or if streams do not follow one another. Memory: an index is read in slices; at most 32,768
    entries are kept for each spacing, which grows with the content.
    """
    streams: list[_Stream] = []
    end = reader.size
    while end:
        if len(streams) == MAX_STREAMS:
            return TailIndex([START], 0)
        streams.append(_stream(reader, _content_end(reader, end), spacing))
        end = streams[-1].start
    total = sum(stream.decoded for stream in streams)
    entries, before = [START], 0
    for stream in reversed(streams):
        for decoded, encoded in stream.ends:
            at = before + decoded
            if at - entries[-1].entry.decoded >= spacing and at < total:
                entries.append(Checkpoint(Entry(at, stream.start + encoded), stream.header))
        before += stream.decoded
    warnings = dict.fromkeys(unverified(stream.header) for stream in reversed(streams))
    return TailIndex(entries, total, tuple(filter(None, warnings)))


def _content_end(reader: RangeReader, end: int) -> int:
    """Return the end of the last stream before ``end``. Padding lies between them: zeros, a multiple of four."""
    data = _bytes(reader, max(0, end - _PADDING), end)
    content = data.rstrip(b"\0")
    zeros = len(data) - len(content)
    if zeros % 4 or (zeros and not content):
        raise CorruptSourceError(f"{zeros:,} zero bytes are not valid xz padding", offset=end - zeros)
    return end - zeros


def _stream(reader: RangeReader, end: int, spacing: int) -> _Stream:
    if end < HEADER_SIZE + FOOTER_SIZE:
        raise CorruptSourceError("the source is too short for an xz stream", offset=0)
    footer_at = end - FOOTER_SIZE
    flags, size = read_footer(_bytes(reader, footer_at, end), footer_at)
    index_at = footer_at - size
    if index_at < HEADER_SIZE:
        raise CorruptSourceError(f"xz index of {size:,} bytes is larger than the source", offset=footer_at)
    with closing(reader.read(index_at, footer_at)) as chunks:
        feed = Feed(chunks, Trace())
        feed.position = index_at
        ends, decoded, encoded = _ends(feed, footer_at, spacing)
    start = index_at - encoded
    if start < 0:
        raise CorruptSourceError("xz index lists more bytes than come before it", offset=index_at)
    with closing(reader.read(start, start + HEADER_SIZE)) as chunks:
        feed = Feed(chunks, Trace())
        feed.position = start
        header = stream_header(feed)
    if header[6:8] != flags:
        raise CorruptSourceError("xz footer does not match its stream header", offset=footer_at)
    return _Stream(start, header, ends, decoded)


def _ends(feed: Feed, end: int, spacing: int) -> tuple[list[tuple[int, int]], int, int]:
    """Return the ends of blocks that lie far enough apart, and of the last one with content; the decoded size of all
    blocks; and their encoded size with the stream's header."""
    start = feed.position
    numbers = _Numbers(feed)
    if numbers.byte():
        raise CorruptSourceError("no xz index at the offset that the footer declares", offset=start)
    ends: list[tuple[int, int]] = []
    decoded, encoded, kept, last = 0, HEADER_SIZE, 0, (0, HEADER_SIZE)
    for _ in range(numbers.next()):
        unpadded, size = numbers.next(), numbers.next()
        decoded, encoded = decoded + size, encoded + unpadded + -unpadded % 4
        if size:
            last = decoded, encoded
        if size and decoded - kept >= spacing:
            ends.append(last)
            kept = decoded
        if len(ends) > _MOST:
            ends, spacing = ends[1::2], spacing * 2
            kept = ends[-1][0]
    if last[0] and (not ends or ends[-1] != last):
        ends.append(last)
    numbers.end(start, end)
    return ends, decoded, encoded


class _Numbers:
    """Reads the numbers of an index in slices, and computes the checksum over them."""

    def __init__(self, feed: Feed) -> None:
        self._feed = feed
        self._slice = b""
        self._at = 0
        self._crc = 0

    def byte(self) -> int:
        if self._at == len(self._slice):
            self._crc = crc32(self._slice, self._crc)
            self._slice, self._at = self._feed.take(_SLICE) or self._feed.exactly(1, "an xz index"), 0
        self._at += 1
        return self._slice[self._at - 1]

    def next(self) -> int:
        digits = bytearray([self.byte()])
        while digits[-1] & 0x80 and len(digits) < _LONGEST:
            digits.append(self.byte())
        return read_number(bytes(digits), 0)[0]

    def end(self, start: int, end: int) -> None:
        """Raises CorruptSourceError unless padding and a correct checksum fill the rest up to ``end``."""
        self._feed.give_back(self._slice[self._at :])
        crc = crc32(self._slice[: self._at], self._crc)
        padding = self._feed.exactly(-(self._feed.position - start) % 4, "an xz index")
        declared = int.from_bytes(self._feed.exactly(4, "an xz index"), "little")
        if padding.strip(b"\0") or crc32(padding, crc) != declared or self._feed.position != end:
            raise CorruptSourceError("xz index does not match its checksum", offset=start)


def _bytes(reader: RangeReader, start: int, end: int) -> bytes:
    with closing(reader.read(start, end)) as chunks:
        return b"".join(chunks)
