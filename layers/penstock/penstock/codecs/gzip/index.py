"""Index a gzip source, whose entries are its members, and boundaries of the deflate blocks inside them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from penstock.codecs.checkpoint import Checkpoint, Note, check_entry
from penstock.codecs.checksum import crc32
from penstock.codecs.engine import FASTEST, Engine
from penstock.codecs.feed import Feed
from penstock.codecs.gzip import bgzf
from penstock.codecs.gzip.decode import MAGIC, NAME, EndMarker, end_member, inflate, members, skip_header
from penstock.codecs.gzip.padding import padded
from penstock.codecs.gzip.zlib_c import BlockInflater, DeflateError
from penstock.codecs.members import at_member
from penstock.codecs.trace import Trace
from penstock.errors import CorruptSourceError, TruncatedSourceError
from penstock.model.span import Entry

_SLICE = 64 * 1024
_NOTHING = memoryview(b"")

# To enter at a boundary inside a byte costs a little more. One boundary in eight is at a byte, so the scan waits for
# it, for this fraction of the spacing.
_WAIT_FRACTION = 4


def scan(
    chunks: Iterable[bytes],
    trace: Trace,
    step: int,
    *,
    spacing: int,
    note: Note,
    checkpoint: Checkpoint | None = None,
    content: bool = True,
) -> Iterator[memoryview]:
    """Yield the content of all members in pieces of 1 to ``step`` bytes, and ``note`` the entries.

    The next piece overwrites the previous one: copy the bytes that you keep. Without ``content``, members of BGZF are
    skipped; each yields one empty piece.

    Entries lie at least ``spacing`` decoded bytes apart, the first at 0; the last may lie at the very end. Inside a
    member, the deflate blocks limit their number: most writers begin a block every 20 to 300 KB, but some (isal) put a
    complete file into one. An entry is noted after the piece that ends there and before the next one.
    With ``checkpoint``, ``chunks`` begin at its entry, and the scan resumes: same entries, same checksums, offsets in
    the complete source. The entry of the checkpoint is not noted again.

    Raises the errors of `gzip.decode`, and ConfigurationError if no zlib library is found. Memory: one chunk of the
    source, a slice of 64 KiB, one step of output, 40 KiB of zlib's, and 32 KiB for each noted entry.
    """
    feed = Feed(chunks, trace)
    with BlockInflater(step) as inflater:
        scanner = BlockScan(feed, trace, inflater, spacing, note)
        if checkpoint is None:
            scanner.note_start()
        elif scanner.resume(checkpoint):
            yield from scanner.stream()
            scanner.end_member()
        end = EndMarker(trace)
        while at_member(feed, trace, NAME, MAGIC):
            if trace.produced >= scanner.due:
                scanner.note_start()
            # A skipped member is BGZF. For any other member, the header decides below.
            end.member(is_bgzf=True)
            if not content and bgzf.pass_over(feed, trace):
                yield _NOTHING
                continue
            end.member(is_bgzf=skip_header(feed))
            inflater.start()
            yield from scanner.stream()
            scanner.end_member()
        end.check()


class BlockScan:
    """One scan of deflate streams. ``due``: the first decoded offset at which the next entry may lie."""

    def __init__(self, feed: Feed, trace: Trace, inflater: BlockInflater, spacing: int, note: Note) -> None:
        self.due = 0
        self._feed = feed
        self._trace = trace
        self._inflater = inflater
        self._spacing = spacing
        self._note = note
        self._crc = 0
        self._size = 0

    def resume(self, checkpoint: Checkpoint) -> bool:
        """Continue at a checkpoint. Returns whether it lies inside a stream."""
        entry, trace = checkpoint.entry, self._trace
        self._feed.position = trace.consumed = entry.encoded
        trace.produced, trace.members, trace.crc32 = entry.decoded, checkpoint.members, checkpoint.crc32
        trace.warnings[:] = checkpoint.warnings
        self.due = entry.decoded + self._spacing
        if entry.raw:
            self._crc, self._size = checkpoint.crc, checkpoint.size
            first = self._feed.exactly(1, "deflate data")[0] if entry.bits else 0
            self._inflater.enter(checkpoint.window, entry.bits, first)
        return entry.raw

    def stream(self) -> Iterator[memoryview]:
        """Yield the content of one deflate stream, or the rest of it."""
        inflater, feed = self._inflater, self._feed
        while not inflater.eof:
            if not inflater.pending:
                inflater.give(feed.take(_SLICE))
            moved = self._inflate()
            if inflater.at_boundary and self._worth_entering():
                yield from self._content()
                self._note_block()
            elif inflater.filled == inflater.size:
                yield from self._content()
            elif not moved and not inflater.pending:
                yield from self._content()
                raise TruncatedSourceError("the source ends inside deflate data", offset=feed.position)
        yield from self._content()
        feed.give_back(inflater.take_back())

    def end_member(self) -> None:
        """Check the trailer of a gzip member after its stream."""
        end_member(self._feed, self._trace, self._crc, self._size)
        self._crc = self._size = 0

    def note_start(self) -> None:
        """Note an entry before a member or a stream."""
        self._noted(Entry(self._trace.produced, self._feed.position), b"")

    def _inflate(self) -> bool:
        """Inflate the available input, up to the next boundary if an entry is due.

        The output before an entry is due ends one byte early, because zlib may pass a boundary right after a full
        buffer.
        """
        inflater = self._inflater
        room = inflater.size - inflater.filled
        before = self.due - 1 - self._trace.produced - inflater.filled
        try:
            return inflater.inflate(min(room, before) if before > 0 else room, blocks=before <= 0)
        except DeflateError as error:
            raise CorruptSourceError("corrupt deflate data nearby", offset=self._position()) from error

    def _worth_entering(self) -> bool:
        late = self._trace.produced + self._inflater.filled - self.due
        return late >= 0 and (not self._inflater.unused_bits or late >= self._spacing // _WAIT_FRACTION)

    def _content(self) -> Iterator[memoryview]:
        piece = self._inflater.content()
        self._trace.consumed = self._position()
        if piece:
            self._crc = crc32(piece, self._crc)
            self._size += len(piece)
            self._trace.produced += len(piece)
            yield piece

    def _note_block(self) -> None:
        inflater, encoded = self._inflater, self._position()
        if unused := inflater.unused_bits:
            entry = Entry(self._trace.produced, encoded - 1, bits=8 - unused, raw=True)
        else:
            entry = Entry(self._trace.produced, encoded, raw=True)
        self._noted(entry, inflater.window())

    def _noted(self, entry: Entry, window: bytes) -> None:
        trace = self._trace
        self.due = entry.decoded + self._spacing
        self._note(Checkpoint(entry, window, self._crc, self._size, trace.crc32, trace.members, tuple(trace.warnings)))

    def _position(self) -> int:
        """Return the offset of the next byte that the inflater has not used."""
        return self._feed.position - self._inflater.pending


def enter(
    chunks: Iterable[bytes],
    entry: Entry,
    window: bytes,
    step: int,
    *,
    trace: Trace | None = None,
    engine: Engine = FASTEST,
) -> Iterator[bytes]:
    """Yield the content from ``entry`` to the end of the source, in pieces of 1 to ``step`` bytes.

    ``chunks`` begin at byte ``entry.encoded``; ``window`` was noted with the entry. Raises the errors of
    `gzip.decode`, with offsets in the complete source. The checksum of a member that is entered in its middle cannot
    be checked, but the scan has done so; those of the members after it are checked. Raises CorruptIndexError for an
    entry that no scan can have noted.
    """
    check_entry(entry, window)
    trace = trace or Trace()
    feed = feed_at(entry, chunks, trace)
    if entry.raw:
        yield from inflate(feed, trace, step, engine, window)
        feed.exactly(8, "a gzip trailer")
        trace.members += 1
    yield from members(feed, trace, step, engine)


def feed_at(entry: Entry, chunks: Iterable[bytes], trace: Trace) -> Feed:
    """Return a feed of ``chunks``, which begin at an entry, and set the trace to it. An entry inside a byte is padded
    to one at a byte."""
    trace.produced = entry.decoded
    feed = Feed(_padded(chunks, entry.bits) if entry.bits else chunks, trace)
    feed.position = entry.encoded - (len(padded(entry.bits, 0)) - 1 if entry.bits else 0)
    return feed


def _padded(chunks: Iterable[bytes], bits: int) -> Iterator[bytes]:
    """Yield the same chunks, with empty blocks for the lowest bits of the first byte."""
    rest = iter(chunks)
    for chunk in rest:
        if chunk:
            yield padded(bits, chunk[0])
            yield chunk[1:]
            yield from rest
