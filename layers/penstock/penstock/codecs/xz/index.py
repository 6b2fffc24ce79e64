"""Index an xz source, whose entries are its blocks (sections 2 to 4 of the file format, see `xz.decode`).

A block is decoded as the only block of a stream that is built around it, so that liblzma checks everything. The chunks
of LZMA2 show where a block ends, because liblzma does not report it.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from lzma import FORMAT_XZ, LZMADecompressor, LZMAError

from penstock.codecs.block_index import enter_units, feed_from, scan_units
from penstock.codecs.checkpoint import Checkpoint, Note
from penstock.codecs.checksum import crc32
from penstock.codecs.feed import Feed
from penstock.codecs.members import at_member
from penstock.codecs.trace import Trace
from penstock.codecs.xz.decode import MAGIC, NAME, OVERHEAD, check_block, read_number, warn_of_check
from penstock.errors import BadHeaderError, CorruptSourceError
from penstock.limits import MIN_WINDOW
from penstock.model.span import Entry

HEADER_SIZE = FOOTER_SIZE = 12
_FOOTER_MAGIC = b"YZ"
_INDEX = b"\0"

# Bytes of a block's check, by the lower half of its stream's second flag.
_CHECKS = (0, 4, 4, 4, 8, 8, 8, 16, 16, 16, 32, 32, 32, 64, 64, 64)

# Chunks of LZMA2, by their first byte: the end, uncompressed content, compressed content; with new properties.
_END, _PLAIN, _LZMA, _PROPERTIES = 0x00, (0x01, 0x02), 0x80, 0xC0

# Numbers take at most nine bytes.
_LONGEST = 9
_SLICE = 16 * 1024


class Blocks:
    """Blocks as units. ``header`` is that of the stream at the feed's position, empty between streams.

    ``index``: the CRC32 and the number of the records that the stream's index must have so far; None if unknown.
    """

    def __init__(
        self, feed: Feed, trace: Trace, largest: int, header: bytes = b"", index: tuple[int, int] | None = None
    ) -> None:
        self._feed = feed
        self._trace = trace
        self._largest = largest
        self._header = header
        self._index = index

    def at_unit(self) -> bool:
        while self._header or at_member(self._feed, self._trace, NAME, MAGIC, padding=4):
            if not self._header:
                self._header = stream_header(self._feed)
                warn_of_check(self._header, self._trace)
                self._index = 0, 0
            if self._feed.peek(1) != _INDEX:
                return True
            self._end_stream()
        return False

    def declared(self) -> int:
        return 0

    def border(self) -> Checkpoint:
        trace = self._trace
        crc, count = self._index or (0, 0)
        entry = Entry(trace.produced, self._feed.position)
        return Checkpoint(entry, self._header, crc, count, members=trace.members, warnings=tuple(trace.warnings))

    def pieces(self, step: int, *, content: bool) -> Iterator[bytes]:  # noqa: ARG002  # `tail` returns sizes alone
        held = b""
        for piece in self._block(step):
            if held:
                self._trace.produced += len(held)
                yield held
            held = piece
        if held:
            self._trace.produced += len(held)
            yield held

    def _block(self, step: int) -> Iterator[bytes]:
        feed = self._feed
        start, size = feed.position, 0
        head = self._block_header()
        decoder = _Decoder(self._largest + OVERHEAD, step)
        yield from decoder.give(self._header, start)
        yield from decoder.give(head, start)
        for at, chunk in _chunks(feed):
            size += len(chunk)
            yield from decoder.give(chunk, at)
        check = _CHECKS[self._header[7] & 0x0F]
        at = feed.position
        yield from decoder.give(feed.exactly(-size % 4 + check, "an xz block"), at)
        record = number(len(head) + size + check) + number(decoder.produced)
        yield from decoder.give(_end(record, self._header), at)
        if not decoder.eof:
            raise CorruptSourceError("xz block does not end where its data does", offset=at)
        if self._index:
            crc, count = self._index
            self._index = crc32(record, crc), count + 1

    def _block_header(self) -> bytes:
        feed = self._feed
        start = feed.position
        size = (feed.peek(1) or feed.exactly(1, "an xz stream"))[0]
        head = feed.exactly((size + 1) * 4, "an xz block header")
        if crc32(head[:-4]) != int.from_bytes(head[-4:], "little"):
            raise CorruptSourceError("xz block header does not match its checksum", offset=start)
        check_block(self._header, head, self._largest, offset=start)
        return head

    def _end_stream(self) -> None:
        """Read the stream's index, which must list its blocks, and its footer."""
        feed = self._feed
        start = feed.position
        head = feed.exactly(1, "an xz index")
        while head[-1] & 0x80 or len(head) == 1:
            if len(head) > _LONGEST:
                raise CorruptSourceError("xz index has a number without end", offset=start)
            head += feed.exactly(1, "an xz index")
        count = read_number(head, 1)[0]
        left, index_crc, records, size = 2 * count, crc32(head), 0, len(head)
        while left:
            # Every number has at least one byte, so one byte per number does not reach beyond the numbers.
            piece = feed.exactly(min(left, _SLICE), "an xz index")
            left -= len(piece) - sum(map((0x80).__le__, piece))
            index_crc, records, size = crc32(piece, index_crc), crc32(piece, records), size + len(piece)
        padding = feed.exactly(-size % 4, "an xz index")
        size += len(padding) + 4
        declared = int.from_bytes(feed.exactly(4, "an xz index"), "little")
        if crc32(padding, index_crc) != declared or padding.strip(b"\0"):
            raise CorruptSourceError("xz index does not match its checksum", offset=start)
        if self._index not in (None, (records, count)):
            raise CorruptSourceError("xz index does not list the blocks before it", offset=start)
        at = feed.position
        flags, length = read_footer(feed.exactly(FOOTER_SIZE, "an xz footer"), at)
        if (flags, length) != (self._header[6:8], size):
            raise CorruptSourceError("xz footer does not match its stream header", offset=at)
        self._header = b""
        self._trace.members += 1


class _Decoder:
    """Decodes a stream with liblzma, in pieces."""

    def __init__(self, memory: int, step: int) -> None:
        self._decompressor = LZMADecompressor(FORMAT_XZ, memlimit=memory)
        self._step = step
        self.produced = 0

    @property
    def eof(self) -> bool:
        return self._decompressor.eof

    def give(self, data: bytes, offset: int) -> Iterator[bytes]:
        """Yield the content of ``data``. Raises CorruptSourceError with ``offset``, that of the data in the source."""
        decompressor = self._decompressor
        more = True
        while more:
            try:
                piece = decompressor.decompress(data, self._step)
            except (LZMAError, EOFError) as error:
                raise CorruptSourceError("corrupt xz data nearby", offset=offset) from error
            data = b""
            more = not decompressor.eof and not decompressor.needs_input
            if piece:
                self.produced += len(piece)
                yield piece


def _chunks(feed: Feed) -> Iterator[tuple[int, bytes]]:
    """Yield the chunks of LZMA2 with their offsets, up to the end chunk; each has at most 64 KiB and six bytes."""
    control = -1
    while control != _END:
        at = feed.position
        head = feed.exactly(1, "xz data")
        control = head[0]
        if control >= _LZMA:
            head += feed.exactly(5 if control >= _PROPERTIES else 4, "xz data")
            size = int.from_bytes(head[3:5], "big") + 1
        elif control in _PLAIN:
            head += feed.exactly(2, "xz data")
            size = int.from_bytes(head[1:3], "big") + 1
        elif control == _END:
            size = 0
        else:
            raise CorruptSourceError(f"xz data has a chunk of unknown kind {control:#04x}", offset=at)
        yield at, head + feed.exactly(size, "xz data")


def _end(record: bytes, header: bytes) -> bytes:
    """Return index and footer of a stream with one block."""
    index = _INDEX + number(1) + record
    index += bytes(-len(index) % 4)
    index += struct.pack("<I", crc32(index))
    sizes = struct.pack("<I", len(index) // 4 - 1) + header[6:8]
    return index + struct.pack("<I", crc32(sizes)) + sizes + _FOOTER_MAGIC


def stream_header(feed: Feed) -> bytes:
    """Read a stream's header. Raises BadHeaderError and TruncatedSourceError."""
    start = feed.position
    header = feed.exactly(HEADER_SIZE, "an xz header")
    if header[:6] != MAGIC[0] or crc32(header[6:8]) != int.from_bytes(header[8:], "little"):
        raise BadHeaderError("invalid xz header", offset=start)
    return header


def read_footer(footer: bytes, offset: int) -> tuple[bytes, int]:
    """Return the stream's flags, and the size of the index before the footer. Raises CorruptSourceError."""
    if footer[10:] != _FOOTER_MAGIC or crc32(footer[4:10]) != int.from_bytes(footer[:4], "little"):
        raise CorruptSourceError("invalid xz footer", offset=offset)
    return footer[8:10], (int.from_bytes(footer[4:8], "little") + 1) * 4


def number(value: int) -> bytes:
    """Encode a number with seven bits per byte, the lowest first (section 1.2)."""
    digits = bytearray()
    while value >= 0x80:  # noqa: PLR2004  # what fits seven bits
        digits.append(value & 0x7F | 0x80)
        value >>= 7
    digits.append(value)
    return bytes(digits)


def scan(
    chunks: Iterable[bytes],
    trace: Trace,
    step: int,
    *,
    spacing: int,
    note: Note,
    checkpoint: Checkpoint | None = None,
    content: bool = True,
    largest: int = MIN_WINDOW,
) -> Iterator[bytes]:
    """A `checkpoint.Scan`, which decodes everything. Memory: that of decoding, and 64 KiB.

    Raises the errors of `xz.decode` with ``largest`` as window. Ends as `scan_units` does.
    """
    if checkpoint:
        feed = feed_from(checkpoint, chunks, trace)
        units = Blocks(feed, trace, largest, checkpoint.window, (checkpoint.crc, checkpoint.size))
    else:
        units = Blocks(Feed(chunks, trace), trace, largest)
    return scan_units(units, trace, step, spacing=spacing, note=note, checkpoint=checkpoint, content=content)


def enter(
    chunks: Iterable[bytes],
    entry: Entry,
    window: bytes,
    step: int,
    *,
    trace: Trace | None = None,
    largest: int = MIN_WINDOW,
) -> Iterator[bytes]:
    """A `checkpoint.Enter`; ``window`` is the header of the stream. Errors and memory are those of `scan`.

    The index of the entered stream cannot be checked against the blocks before the entry.
    """
    trace = trace or Trace()
    feed = feed_from(Checkpoint(entry, members=int(entry.encoded > 0)), chunks, trace)
    return enter_units(Blocks(feed, trace, largest, window), step)
