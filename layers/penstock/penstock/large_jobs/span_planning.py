"""Where a source is cut: sizes of parts and spans, and the spans themselves. Pure arithmetic over an index."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

from penstock.codecs.index_file import Listed
from penstock.errors import OutputTooLargeError
from penstock.limits import GIB, MIB, S3, Budget, S3Limits
from penstock.model.span import Entry, Span, Stored

# Spans for each worker: the last ones then end at about the same time, and a span that is tried again costs little.
WAVES = 4
# A smaller span costs more in invocations (0.1 s each) than its bytes do; a larger one takes minutes to try again.
MIN_SPAN, MAX_SPAN = 64 * MIB, 4 * GIB
# Where the cost of a request no longer shows in CPU per byte (docs/adr/0004).
PART = 8 * MIB
# Executions of a Distributed Map, one a span: https://docs.aws.amazon.com/step-functions/latest/dg/limits.html
MAX_SPANS = 10_000

# Entries lie so far apart that an index, 32 KiB an entry at worst, takes less than 0.2 % of the decoded bytes...
MIN_SPACING = 16 * MIB
# ...and that at a ratio of 8 there are no more than this: their directory is held in memory.
MAX_ENTRIES = 16_384
_RATIO = 8

# A decoder may look so far ahead before it gives out what it has.
LOOK_AHEAD = 64


@dataclass(frozen=True, slots=True)
class SpanBoundary:
    """An entry of an index, and where its window is stored."""

    entry: Entry
    window: Stored | None = None


def spacing(size: int) -> int:
    """Decoded bytes between two entries for a source of ``size`` encoded bytes."""
    return max(MIN_SPACING, size * _RATIO // MAX_ENTRIES)


def span_boundary(listed: Listed, key: str) -> SpanBoundary:
    """An entry as a segment lists it, which is stored under ``key``."""
    return SpanBoundary(listed.entry, Stored(key, listed.start, listed.size) if listed.size else None)


def part_size(total: int, budget: Budget, s3: S3Limits = S3, *, least: int = PART) -> int:
    """Bytes of every part but the last, so that ``total`` fits: in whole MiB, and ``least`` where that suffices.

    Raises OutputTooLargeError when such a part does not fit the function's memory, or S3.
    """
    needed = -(-total // s3.max_parts)
    size = least if needed <= least else -(-needed // MIB) * MIB
    if total > s3.max_object or size > s3.max_part:
        raise OutputTooLargeError(f"{total:,} bytes exceed S3's largest object", hint="Split the file at its source.")
    if size > budget.largest_part:
        raise OutputTooLargeError(
            f"{total:,} bytes in {s3.max_parts:,} parts make parts of {size:,} bytes, "
            f"more than the {budget.largest_part:,} that the function's memory holds"
        )
    return size


def span_size(total: int, workers: int) -> int:
    """Decoded bytes of a span, to keep so many workers busy."""
    return max(MIN_SPAN, min(MAX_SPAN, total // (workers * WAVES)), -(-total // MAX_SPANS))


def cut_parts(places: Sequence[SpanBoundary], *, total: int, source_size: int, part: int, span: int) -> Iterator[Span]:
    """Spans of whole parts; ``span`` is rounded up to them. An empty source is one span without a byte.

    No two spans are entered at the same place: where those lie far apart, spans are larger.
    """
    size = max(1, -(-span // part)) * part
    entries = [place_.entry.decoded for place_ in places]
    alike = groupby(range(0, max(total, 1), size), key=lambda start: bisect_right(entries, start))
    starts = [next(group) for _, group in alike]
    for one in _entered(places, list(zip(starts, [*starts[1:], total], strict=True)), source_size):
        yield replace(one, first_part=one.start // part + 1, part_size=part)


def cut_records(
    places: Sequence[SpanBoundary], *, first: tuple[int, int], total: int, source_size: int, span: int
) -> Iterator[Span]:
    """Spans of whole records, from ``first`` (offset and row) on: to the first record of an entry that lies at least
    ``span`` bytes behind the one before."""
    borders = [first]
    # Going by records, every second entry of those that lie just so far apart would be a little too near.
    reached = max(place_.entry.decoded for place_ in places if place_.entry.decoded <= first[0])
    for place_ in places:
        entry = place_.entry
        if reached + span <= entry.decoded and borders[-1][0] < entry.record < total:
            borders.append((entry.record, entry.row))
            reached = entry.decoded
    starts = [start for start, _ in borders]
    ranges = list(zip(starts, [*starts[1:], total], strict=True))
    for one in _entered(places, ranges, source_size):
        if one.size:
            yield replace(one, first_row=borders[one.number - 1][1])


def _entered(places: Iterable[SpanBoundary], ranges: Sequence[tuple[int, int]], source_size: int) -> Iterator[Span]:
    """A span for each range of decoded bytes."""
    ahead = _Ahead(places)
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


class _Ahead:
    """Entries in ascending order, asked for in ascending order: one and the next are held."""

    def __init__(self, places: Iterable[SpanBoundary]) -> None:
        self._rest = iter(places)
        self._last = next(self._rest)
        self._next = next(self._rest, None)

    def before(self, offset: int) -> SpanBoundary:
        """The last entry at or before a decoded offset."""
        while self._next and self._next.entry.decoded <= offset:
            self._last, self._next = self._next, next(self._rest, None)
        return self._last

    def encoded_end(self, offset: int, source_size: int) -> int:
        """Where the encoded bytes end that lead to a decoded offset, which `before` was asked for."""
        at = self._last if self._last.entry.decoded == offset else self._next
        return at.entry.encoded + (at.entry.bits > 0) if at else source_size
