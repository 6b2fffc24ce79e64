"""Splits a source: computes part sizes, span sizes and spans from an index, without I/O."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

from penstock.codecs.index_file import Listed
from penstock.errors import OutputTooLargeError
from penstock.limits import GIB, MIB, S3, Budget, S3Limits
from penstock.model.span import Entry, Span, Stored

# Spans for each worker: the last spans then end at about the same time, and the retry of a span costs little.
WAVES = 4
# A smaller span costs more for its invocation (0.1 s) than for its bytes. The retry of a larger span takes minutes.
MIN_SPAN, MAX_SPAN = 64 * MIB, 4 * GIB
# With this size, the cost of a request no longer matters for the CPU per byte (docs/adr/0004).
PART = 8 * MIB
# Executions of a Distributed Map, one for each span: https://docs.aws.amazon.com/step-functions/latest/dg/limits.html
MAX_SPANS = 10_000

# With this distance between entries, an index of at most 32 KiB an entry takes less than 0.2 % of the decoded bytes.
MIN_SPACING = 16 * MIB
# At a ratio of 8, an index has at most this many entries: their directory is held in memory.
MAX_ENTRIES = 16_384
_RATIO = 8

# A decoder may read so many bytes ahead before it outputs decoded bytes.
LOOK_AHEAD = 64


@dataclass(frozen=True, slots=True)
class SpanBoundary:
    """An entry of an index, and the location of its stored window."""

    entry: Entry
    window: Stored | None = None


def spacing(size: int) -> int:
    """Return the decoded bytes between two entries, for a source of ``size`` encoded bytes."""
    return max(MIN_SPACING, size * _RATIO // MAX_ENTRIES)


def span_boundary(listed: Listed, key: str) -> SpanBoundary:
    """Return the boundary of an entry that the segment at ``key`` lists."""
    return SpanBoundary(listed.entry, Stored(key, listed.start, listed.size) if listed.size else None)


def part_size(total: int, budget: Budget, s3: S3Limits = S3, *, least: int = PART) -> int:
    """Return the size of every part but the last, so that ``total`` fits: ``least`` if possible, else in whole MiB.

    Raises OutputTooLargeError if such a part does not fit the function's memory or S3's limits.
    """
    needed = -(-total // s3.max_parts)
    size = least if needed <= least else -(-needed // MIB) * MIB
    if total > s3.max_object or size > s3.max_part:
        raise OutputTooLargeError(
            f"{total:,} bytes exceed S3's maximum object size", hint="Split the file at its source."
        )
    if size > budget.largest_part:
        raise OutputTooLargeError(
            f"{total:,} bytes in {s3.max_parts:,} parts need parts of {size:,} bytes, "
            f"but the function's memory only allows {budget.largest_part:,}"
        )
    return size


def span_size(total: int, workers: int) -> int:
    """Return the decoded bytes of a span, so that all workers have spans."""
    return max(MIN_SPAN, min(MAX_SPAN, total // (workers * WAVES)), -(-total // MAX_SPANS))


def cut_parts(
    boundaries: Sequence[SpanBoundary], *, total: int, source_size: int, part: int, span: int
) -> Iterator[Span]:
    """Yield spans of complete parts. ``span`` is rounded up to parts. An empty source has one empty span.

    No two spans start decoding at the same entry: if entries are far apart, spans are larger.
    """
    size = max(1, -(-span // part)) * part
    entries = [boundary.entry.decoded for boundary in boundaries]
    groups = groupby(range(0, max(total, 1), size), key=lambda start: bisect_right(entries, start))
    starts = [next(group) for _, group in groups]
    for planned in _spans(boundaries, list(zip(starts, [*starts[1:], total], strict=True)), source_size):
        yield replace(planned, first_part=planned.start // part + 1, part_size=part)


def cut_records(
    boundaries: Sequence[SpanBoundary],
    *,
    first: tuple[int, int],
    total: int,
    source_size: int,
    span: int,
    tail: int = 0,
) -> Iterator[Span]:
    """Yield spans of complete records, from ``first`` (offset and row).

    A span ends at the first record of an entry that is at least ``span`` bytes after the entry of its start. No cut is
    in the last ``tail`` bytes: a footer may begin there.
    """
    borders = [first]
    # Measured by records, every second entry at just that distance would be slightly too near.
    reached = max(boundary.entry.decoded for boundary in boundaries if boundary.entry.decoded <= first[0])
    for boundary in boundaries:
        entry = boundary.entry
        if reached + span <= entry.decoded and borders[-1][0] < entry.record < total - tail:
            borders.append((entry.record, entry.row))
            reached = entry.decoded
    starts = [start for start, _ in borders]
    ranges = list(zip(starts, [*starts[1:], total], strict=True))
    for planned in _spans(boundaries, ranges, source_size):
        if planned.size:
            yield replace(planned, first_row=borders[planned.number - 1][1])


def _spans(boundaries: Iterable[SpanBoundary], ranges: Sequence[tuple[int, int]], source_size: int) -> Iterator[Span]:
    """Yield a span for each range of decoded bytes."""
    ahead = _EntryCursor(boundaries)
    entered = ahead.before(ranges[0][0])
    shared = 0
    for number, (start, end) in enumerate(ranges, start=1):
        if end == ranges[-1][1]:
            following, encoded_end, share_end = None, source_size, source_size
        else:
            following = ahead.before(end)
            encoded_end = min(ahead.encoded_end(end, source_size) + LOOK_AHEAD, source_size)
            share_end = max(shared, following.entry.encoded)
        yield Span(
            number,
            start,
            end,
            entered.entry,
            encoded_end,
            share_end - shared,
            entered.window,
            following=following.entry if following else None,
        )
        entered, shared = following or entered, share_end


class _EntryCursor:
    """Entries in ascending order, read in ascending order: only two are held in memory."""

    def __init__(self, boundaries: Iterable[SpanBoundary]) -> None:
        self._rest = iter(boundaries)
        self._last = next(self._rest)
        self._next = next(self._rest, None)

    def before(self, offset: int) -> SpanBoundary:
        """Return the last entry at or before a decoded offset."""
        while self._next and self._next.entry.decoded <= offset:
            self._last, self._next = self._next, next(self._rest, None)
        return self._last

    def encoded_end(self, offset: int, source_size: int) -> int:
        """Return the end of the encoded bytes for a decoded offset, which was passed to `before`."""
        at = self._last if self._last.entry.decoded == offset else self._next
        return at.entry.encoded + (at.entry.bits > 0) if at else source_size
