"""The container around the blocks of an Avro file: its header, and where each block lies.

https://avro.apache.org/docs/1.12.0/specification/#object-container-files
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from penstock.codecs.feed import Feed
from penstock.errors import BadHeaderError, BlockTooLargeError, CorruptSourceError, TruncatedSourceError
from penstock.formats.avro.block_codecs import UNDECODABLE, Decompress, TooLargeError, decompressor, names
from penstock.formats.avro.long import LONG, parse_long
from penstock.limits import GIB, MIB, RUNTIME_BYTES

MAGIC = b"Obj\x01"
SYNC = 16
# The two longs before the bytes of a block.
BLOCK_HEADER = 2 * LONG
# A header may take so many bytes, and hold so many pairs of names and values.
HEADER = 4 * MIB
_MOST_PAIRS = 1000
# Records of one block: of a larger number, no byte can be behind each.
MOST_RECORDS = 1 << 31
# The most memory that a function can have. Decoded bytes are counted up to it.
_COUNTED = 10 * GIB // 2
_SCHEMA, _CODEC = "avro.schema", "avro.codec"


@dataclass(frozen=True, slots=True)
class Header:
    """``size``: its bytes, up to the first block. ``raw``: those bytes."""

    schema: bytes
    codec: str
    sync: bytes
    raw: bytes

    @property
    def size(self) -> int:
        return len(self.raw)

    def decompress(self) -> Decompress:
        """Return what decompresses a block. Raises BadHeaderError."""
        found = decompressor(self.codec)
        if found is None:
            raise BadHeaderError(
                f"the blocks of the Avro file are compressed by {self.codec!r}, which is not read",
                offset=0,
                hint=f"Let the sender use one of the codecs {', '.join(names())}.",
            )
        return found


@dataclass(frozen=True, slots=True)
class Block:
    """One block: its offset in the source, the number of its records, and where its bytes are."""

    offset: int
    count: int
    start: int
    size: int

    @property
    def end(self) -> int:
        """The offset behind its sync marker."""
        return self.start + self.size + SYNC


def read_header(feed: Feed) -> Header:
    """Read the header of a file. Raises BadHeaderError, CorruptSourceError and TruncatedSourceError.

    Memory: HEADER bytes, twice.
    """
    reader = _Bounded(feed)
    magic = feed.peek(len(MAGIC))
    if not magic:
        raise TruncatedSourceError("the file is empty: an Avro file has a header at least", offset=0)
    if not MAGIC.startswith(magic):
        raise BadHeaderError(f"this is not an Avro file: it starts with {magic.hex(' ')}", offset=0)
    reader.take(len(MAGIC))
    metadata: dict[str, bytes] = {}
    while count := reader.long():
        if count < 0:
            reader.long()
        if len(metadata) + abs(count) > _MOST_PAIRS:
            raise reader.too_long(f"{abs(count):,} pairs of names and values")
        for _ in range(abs(count)):
            name = reader.take(reader.long()).decode("utf-8", "replace")
            metadata[name] = reader.take(reader.long())
    sync = reader.take(SYNC)
    if _SCHEMA not in metadata:
        raise BadHeaderError("the header of the Avro file has no schema", offset=0)
    codec = metadata.get(_CODEC, b"null").decode("utf-8", "replace") or "null"
    return Header(metadata[_SCHEMA], codec, sync, reader.raw)


class _Bounded:
    """Reads a header, up to HEADER bytes."""

    def __init__(self, feed: Feed) -> None:
        self._feed = feed
        self._pieces: list[bytes] = []
        self._size = 0

    @property
    def raw(self) -> bytes:
        return b"".join(self._pieces)

    def take(self, count: int) -> bytes:
        if count < 0:
            raise CorruptSourceError("the header of the Avro file has a negative length", offset=self._size)
        if self._size + count > HEADER:
            raise self.too_long(f"{count:,} bytes")
        piece = self._feed.exactly(count, "the header of the Avro file")
        self._pieces.append(piece)
        self._size += count
        return piece

    def long(self) -> int:
        number, size = parse_long(self._feed.peek(LONG), 0)
        if not size:
            self.take(LONG)  # raises the error of a source that ends
            raise CorruptSourceError("the header of the Avro file has an integer of more than 64 bits", offset=0)
        self.take(size)
        return number

    def too_long(self, what: str) -> CorruptSourceError:
        return CorruptSourceError(
            f"the header of the Avro file declares {what}: that is more than {HEADER:,} bytes in all, "
            f"or {_MOST_PAIRS:,} pairs",
            offset=self._size,
        )


def read_block(feed: Feed, base: int) -> Block | None:
    """Read where the next block lies; None at the end of the source. ``base`` is the offset at which the feed began.

    Raises CorruptSourceError and TruncatedSourceError.
    """
    head = feed.peek(BLOCK_HEADER)
    if not head:
        return None
    offset = base + feed.position
    count, at = parse_long(head, 0)
    size, end = parse_long(head, at) if at else (0, 0)
    if not end:
        if len(head) < BLOCK_HEADER:
            raise TruncatedSourceError("the source ends inside the header of a block", offset=offset)
        raise CorruptSourceError("the header of a block is no pair of integers", offset=offset)
    if not is_plausible(count, size):
        raise CorruptSourceError(f"a block declares {count:,} records and {size:,} bytes", offset=offset)
    feed.skip(end, "the header of a block")
    return Block(offset, count, offset + end, size)


def is_plausible(count: int, size: int) -> bool:
    """Whether a block may declare so many records and bytes."""
    return 0 <= count < MOST_RECORDS and 0 <= size < 1 << 48


def check_sync(feed: Feed, block: Block, sync: bytes) -> None:
    """Pass the marker behind a block. Raises CorruptSourceError and TruncatedSourceError."""
    if not feed.peek(1):
        raise TruncatedSourceError("the source ends before the marker of a block", offset=block.start + block.size)
    found = feed.exactly(SYNC, "the marker after a block")
    if found != sync:
        raise CorruptSourceError(
            f"the block at byte {block.offset:,} is not followed by the file's sync marker",
            offset=block.start + block.size,
        )


def read_bytes(feed: Feed, block: Block, decompress: Decompress, bound: int) -> bytes:
    """Read and decompress the bytes of a block. Raises BlockTooLargeError before it holds more than ``bound`` bytes.

    Raises CorruptSourceError and TruncatedSourceError, too.
    """
    if block.size > bound:
        raise _too_large(block, block.size)
    data = feed.exactly(block.size, f"the block at byte {block.offset:,}")
    try:
        return decompress(data, bound, _COUNTED)
    except TooLargeError as error:
        raise _too_large(block, error.size) from None
    except UNDECODABLE as error:
        raise CorruptSourceError(
            f"the block at byte {block.offset:,} cannot be decompressed: {error}", offset=block.start
        ) from error


def _too_large(block: Block, size: int) -> BlockTooLargeError:
    needed = -(-memory_for(size) // MIB)
    more = "more than " if size > _COUNTED else ""
    return BlockTooLargeError(
        f"the block at byte {block.offset:,} of the Avro file has {more}{size:,} bytes: "
        f"it needs a function of {more}{needed:,} MB"
    )


def memory_for(size: int) -> int:
    """The memory of a function, in bytes, that takes a block of so many."""
    return RUNTIME_BYTES + 2 * size


def blocks(feed: Feed, base: int) -> Iterator[Block]:
    """Yield all blocks. Each must be passed before the next one is read."""
    while block := read_block(feed, base):
        yield block
