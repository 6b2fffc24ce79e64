"""Reads ranges of the decoded bytes of a compressed archive, from the entries of its index."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from threading import RLock

from penstock.codecs.index_file import read_window
from penstock.codecs.indexers import indexers_within
from penstock.delivery.ports import ObjectStore
from penstock.errors import IncompleteJobError, SourceGoneError, TruncatedSourceError
from penstock.large_jobs.index_pass import Index, first_of
from penstock.large_jobs.ports import WorkFiles
from penstock.large_jobs.span_planning import SpanBoundary, spacing
from penstock.limits import MIB, Budget
from penstock.model.object import Source

# Decoded bytes that are kept, so that a small member whose format or columns were looked at is not decoded again.
KEPT = 2 * MIB
# A decoder runs on to an entry that lies at most so far ahead: to enter there costs a request, and what was read ahead.
NEAR = 4 * MIB


@dataclass(frozen=True, slots=True)
class DecodedArchives:
    """Opens archives through their indexes. ``index_spacing`` is that of the environment, or 0."""

    objects: ObjectStore
    files: WorkFiles
    budget: Budget
    index_spacing: int = 0

    def __call__(self, source: Source, codec: str) -> DecodedRanges:
        """Return the decoded bytes of an archive. Raises IncompleteJobError if its index is missing."""
        return DecodedRanges(self.objects, archive_index(self.files, source, codec, self.index_spacing), self.budget)


def archive_index(files: WorkFiles, source: Source, codec: str, index_spacing: int) -> Index:
    """Return the index of a compressed archive: one that verifies all of it before a member is delivered."""
    return Index(files, source, codec, index_spacing or spacing(source.size), checked=True)


class DecodedRanges:
    """Implements ``RangeReader``, for several threads at once. Raises the errors of decoding and of the source.

    A decoder runs on if the next range begins after the one before. Elsewhere it enters anew, and decodes the bytes
    between the entry and the range: about the spacing of the index at most. Memory: the directory of a segment and, for
    each range that is read at once, that of decoding and KEPT.
    """

    def __init__(self, objects: ObjectStore, index: Index, budget: Budget) -> None:
        state = index.state()
        if not state.done:
            raise _missing(index)
        self._objects = objects
        self._index = index
        self._budget = budget
        self._size = state.total
        self._segments = state.segments
        self._starts = [first_of(segment) for segment in state.segments]
        self._listed: tuple[int, list[SpanBoundary]] = -1, []
        self._running: _Decoder | None = None
        # Re-entrant: a range that was left is closed wherever the garbage collector runs, also while the lock is held.
        self._lock = RLock()

    @property
    def size(self) -> int:
        return self._size

    def read(self, start: int, end: int) -> Generator[bytes, None, None]:
        with self._decoder_at(start) as decoder:
            yield from decoder.read(start, min(end, self._size))

    @contextmanager
    def _decoder_at(self, start: int) -> Iterator[_Decoder]:
        """Take the running decoder, or a new one, and keep it for the next range."""
        decoder = self._take(start)
        try:
            yield decoder
        except Exception:
            decoder.close()
            raise
        finally:
            with self._lock:
                before, self._running = self._running, None if decoder.is_closed else decoder
            if before:
                before.close()

    def _take(self, start: int) -> _Decoder:
        with self._lock:
            boundary = self._boundary_before(start)
            running, self._running = self._running, None
        if running and running.begin <= start and boundary.entry.decoded <= running.end + NEAR:
            return running
        if running:
            running.close()
        return _Decoder(self._decoded(boundary), boundary.entry.decoded, self._budget.step)

    def _boundary_before(self, offset: int) -> SpanBoundary:
        number = bisect_right(self._starts, offset) - 1
        if self._listed[0] != number:
            with _naming_missing(self._index):
                self._listed = number, list(self._index.boundaries_of(self._segments[number]))
        found = self._listed[1]
        return found[bisect_right(found, offset, key=lambda boundary: boundary.entry.decoded) - 1]

    def _decoded(self, boundary: SpanBoundary) -> Generator[bytes, None, None]:
        entry, index = boundary.entry, self._index
        with _naming_missing(index):
            window = read_window(index.files.read_part(boundary.window)) if boundary.window else b""
        way = indexers_within(self._budget.window)[index.codec]
        with closing(self._objects.open_source(index.source, start=entry.encoded).chunks()) as chunks:
            yield from way.enter(chunks, entry, window, self._budget.step)


class _Decoder:
    """Decoded bytes in order, of which the last KEPT are kept: those from ``begin`` to ``end``."""

    def __init__(self, pieces: Generator[bytes, None, None], start: int, step: int) -> None:
        self._pieces = pieces
        self._step = step
        self._kept = bytearray()
        self.begin = self.end = start
        self.is_closed = False

    def read(self, start: int, end: int) -> Generator[bytes, None, None]:
        at = start
        while at < end:
            while self.end <= at:
                self._decode()
            first = at - self.begin
            with memoryview(self._kept) as kept:
                piece = bytes(kept[first : min(first + self._step, end - self.begin)])
            at += len(piece)
            yield piece

    def _decode(self) -> None:
        piece = next(self._pieces, b"")
        if not piece:
            raise TruncatedSourceError("the content ends before the end that its index records", offset=self.end)
        self._kept += piece
        self.end += len(piece)
        if (over := len(self._kept) - KEPT) > 0:
            del self._kept[:over]
            self.begin += over

    def close(self) -> None:
        self.is_closed = True
        self._kept.clear()
        self._pieces.close()


@contextmanager
def _naming_missing(index: Index) -> Iterator[None]:
    """Tell a file of the index that has expired from a source that was deleted."""
    try:
        yield
    except SourceGoneError as error:
        raise _missing(index) from error


def _missing(index: Index) -> IncompleteJobError:
    return IncompleteJobError(
        f"{index.source.uri}: its index, s3://{index.files.bucket}/{index.folder}/, is missing",
        hint="Work files expire after WorkRetentionDays. `penstock redrive` of the archive's job recreates them.",
    )
