"""The entries of a source, and the checkpoints from which an index pass resumes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol, Self, TypeVar

from penstock.codecs.trace import Trace
from penstock.errors import CorruptIndexError, RequestRefusedError
from penstock.model.serialization import from_plain, to_plain
from penstock.model.span import Entry

V = TypeVar("V")

# S3 objects use a ten-thousandth of this range.
_OFFSETS = range(1 << 60)
_BITS = range(8)
_CRCS = range(1 << 32)
# The maximum distance of a match in deflate.
LARGEST_WINDOW = 32 * 1024


def restored(kind: type[V], plain: object) -> V:
    """Restore a value that `to_plain` wrote to an index file. Raises CorruptIndexError."""
    try:
        return from_plain(kind, plain)
    except RequestRefusedError as error:
        raise CorruptIndexError(f"an index file is damaged: {error}") from error


def check_entry(entry: Entry, window: bytes) -> None:
    """Raises CorruptIndexError for an entry that no scan can have noted."""
    in_range = entry.decoded in _OFFSETS and entry.encoded in _OFFSETS and entry.bits in _BITS
    if not in_range or len(window) > LARGEST_WINDOW:
        raise CorruptIndexError(f"index entry is out of range: {entry}, with a window of {len(window):,} bytes")


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """An entry, and the state that a scan needs to resume there in another process.

    ``window`` is the data before the entry that a decoder needs: the last up to 32 KiB of a gzip member, the header of
    an xz stream; empty at the start of either. ``crc`` and ``size`` are those of the member so far (for an xz stream,
    the CRC of its index and the number of its blocks). ``crc32``, ``members`` and ``warnings`` are the trace's, of the
    complete source.
    """

    entry: Entry
    window: bytes = b""
    crc: int = 0
    size: int = 0
    crc32: int | None = None
    members: int = 0
    warnings: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Convert to JSON values: at most 44 KB as text, plus the warnings."""
        plain: dict[str, Any] = to_plain(self)
        return plain

    @classmethod
    def from_json(cls, plain: object) -> Self:
        """Restore a checkpoint. Raises CorruptIndexError."""
        checkpoint = restored(cls, plain)
        check_entry(checkpoint.entry, checkpoint.window)
        counted = checkpoint.size in _OFFSETS and checkpoint.members in _OFFSETS
        if not counted or checkpoint.crc not in _CRCS or (checkpoint.crc32 or 0) not in _CRCS:
            raise CorruptIndexError("index checkpoint has invalid counters")
        return checkpoint


Note = Callable[[Checkpoint], None]


class Scan(Protocol):
    """A pass over the encoded ``chunks`` of a source that notes its entries.

    Yields the content in pieces of at most ``step`` bytes. A piece is valid until the next one is requested. Without
    ``content``, the scan skips data that it need not decode to know the sizes, and pieces may be empty.

    Entries lie at least ``spacing`` decoded bytes apart, the first at 0. An entry is noted after the piece that ends
    there and before the next. With ``checkpoint``, ``chunks`` begin at its entry, and the scan resumes: same entries,
    same checksums, offsets in the complete source. The entry of the checkpoint is not noted again.

    Raises BadSourceError with the offset.
    """

    def __call__(
        self,
        chunks: Iterable[bytes],
        trace: Trace,
        step: int,
        *,
        spacing: int,
        note: Note,
        checkpoint: Checkpoint | None = None,
        content: bool = True,
    ) -> Iterator[bytes | memoryview]: ...


class Enter(Protocol):
    """Yields the content from ``entry`` to the end of the source, in pieces of 1 to ``step`` bytes.

    ``chunks`` begin at byte ``entry.encoded``; ``window`` was noted with the entry. Raises BadSourceError with the
    offset in the complete source.
    """

    def __call__(
        self, chunks: Iterable[bytes], entry: Entry, window: bytes, step: int, *, trace: Trace | None = None
    ) -> Iterator[bytes]: ...
