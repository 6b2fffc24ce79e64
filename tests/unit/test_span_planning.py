"""Spans of every size of source: nothing is left out, nothing is in two, and everything keeps within S3's limits."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from penstock.codecs.index_file import Listed
from penstock.errors import OutputTooLargeError
from penstock.large_jobs.span_planning import (
    LOOK_AHEAD,
    MAX_ENTRIES,
    MAX_SPANS,
    PART,
    SpanBoundary,
    cut_parts,
    cut_records,
    part_size,
    spacing,
    span_boundary,
    span_size,
)
from penstock.limits import GIB, MIB, S3, TIB, Budget, S3Limits
from penstock.model.span import Entry, Span, Stored

SIZES = st.one_of(
    st.integers(1, S3.max_object), st.integers(0, 50).map(lambda n: min(S3.max_object, 1 << n)), st.just(S3.max_object)
)
LARGE = Budget.of(10_240 * MIB)


@st.composite
def indexes(draw: st.DrawFn) -> tuple[list[SpanBoundary], int, int]:
    """Entries with their records, and the decoded and the encoded size of their source."""
    total, source_size = draw(st.integers(0, 2000)), draw(st.integers(30, 900))
    decoded = [0, *sorted(draw(st.sets(st.integers(1, total), max_size=12)))] if total else [0]
    encoded = sorted(draw(st.lists(st.integers(0, source_size - 20), min_size=len(decoded), max_size=len(decoded))))
    places: list[SpanBoundary] = []
    for at, (start, there) in enumerate(zip(decoded, encoded, strict=True)):
        # A record may be longer than the distance of several entries: they then have the same one.
        record = max(min(total, start + draw(st.integers(0, 400))), places[-1].entry.record if places else 0)
        row = places[-1].entry.row + (record > places[-1].entry.record) * draw(st.integers(1, 9)) if places else 1
        window = Stored("segment", at * 100, 100) if at % 2 else None
        bits = draw(st.integers(0, 7)) if at % 2 else 0
        places.append(SpanBoundary(Entry(start, there, bits, raw=bool(at % 2), record=record, row=row), window))
    return places, total, source_size


def check_entries(spans: Sequence[Span], places: Sequence[SpanBoundary], source_size: int) -> None:
    """Each span is entered where the index says, not behind its start, and reads as far as it must and no more."""
    known = {one.entry: one.window for one in places}
    for span in spans:
        assert span.entry in known
        assert span.window == known[span.entry]
        assert span.entry.decoded <= span.start
        assert not [one for one in places if span.entry.decoded < one.entry.decoded <= span.start]
        needed = min((one.entry.encoded for one in places if one.entry.decoded >= span.end), default=source_size)
        assert min(needed, source_size) <= span.encoded_end <= source_size
        if needed < source_size and span is not spans[-1]:
            assert span.encoded_end <= needed + 1 + LOOK_AHEAD
    assert sum(span.bytes_in for span in spans) == source_size
    assert all(span.bytes_in >= 0 for span in spans)


@given(indexes(), st.integers(1, 60), st.integers(1, 700))
def test_spans_of_parts_tile_the_source(index: tuple[list[SpanBoundary], int, int], part: int, size: int) -> None:
    places, total, source_size = index
    spans = list(cut_parts(places, total=total, source_size=source_size, part=part, span=size))
    assert [span.number for span in spans] == list(range(1, len(spans) + 1))
    assert (spans[0].start, spans[-1].end) == (0, total)
    assert all(before.end == after.start for before, after in pairwise(spans))
    check_entries(spans, places, source_size)


@given(indexes(), st.integers(1, 60), st.integers(1, 700))
def test_parts_are_numbered_from_one_without_a_gap_and_only_the_last_is_short(
    index: tuple[list[SpanBoundary], int, int], part: int, size: int
) -> None:
    places, total, source_size = index
    spans = list(cut_parts(places, total=total, source_size=source_size, part=part, span=size))
    numbers = [
        number
        for span in spans
        for number in range(span.first_part, span.first_part + max(1, -(-span.size // span.part_size)))
    ]
    assert numbers == list(range(1, max(1, -(-total // part)) + 1))
    assert {span.part_size for span in spans} == {part}
    assert all(span.size % part == 0 for span in spans[:-1])


@given(indexes(), st.integers(1, 60), st.integers(1, 700))
def test_no_two_spans_of_parts_are_entered_at_one_place(
    index: tuple[list[SpanBoundary], int, int], part: int, size: int
) -> None:
    places, total, source_size = index
    spans = list(cut_parts(places, total=total, source_size=source_size, part=part, span=size))
    assert len({span.entry for span in spans}) == len(spans)


def test_an_empty_source_is_one_span_without_a_byte() -> None:
    (span,) = cut_parts([SpanBoundary(Entry(0, 0))], total=0, source_size=20, part=8, span=8)
    assert (span.size, span.first_part, span.bytes_in) == (0, 1, 20)


@given(indexes(), st.integers(1, 700))
def test_spans_of_records_tile_the_source_from_its_first_record_on(
    index: tuple[list[SpanBoundary], int, int], size: int
) -> None:
    places, total, source_size = index
    first = places[0].entry.record, places[0].entry.row
    spans = list(cut_records(places, first=first, total=total, source_size=source_size, span=size))
    if first[0] == total:
        assert spans == []
        return
    assert [span.number for span in spans] == list(range(1, len(spans) + 1))
    assert (spans[0].start, spans[0].first_row, spans[-1].end) == (*first, total)
    assert all(before.end == after.start for before, after in pairwise(spans))
    assert all(span.size > 0 for span in spans)
    check_entries(spans, places, source_size)


@given(indexes(), st.integers(1, 700))
def test_every_span_of_records_begins_with_a_record_whose_row_is_known(
    index: tuple[list[SpanBoundary], int, int], size: int
) -> None:
    places, total, source_size = index
    rows = {one.entry.record: one.entry.row for one in places}
    first = places[0].entry.record, places[0].entry.row
    for span in cut_records(places, first=first, total=total, source_size=source_size, span=size):
        assert span.first_row == rows[span.start]


@given(indexes(), st.integers(1, 700), st.data())
def test_what_was_loaded_before_is_in_no_span(
    index: tuple[list[SpanBoundary], int, int], size: int, data: st.DataObject
) -> None:
    places, total, source_size = index
    first = data.draw(st.integers(places[0].entry.record, total))
    spans = list(cut_records(places, first=(first, 77), total=total, source_size=source_size, span=size))
    if first == total:
        assert spans == []
    else:
        assert (spans[0].start, spans[0].first_row, spans[-1].end) == (first, 77, total)
        assert all(before.end == after.start for before, after in pairwise(spans))
        check_entries(spans, places, source_size)


@given(st.integers(1, 500), st.integers(1, 40), st.data())
def test_entries_a_span_apart_begin_a_span_each(span: int, count: int, data: st.DataObject) -> None:
    delays = [0, *data.draw(st.lists(st.integers(0, span - 1), min_size=count, max_size=count))]
    places = [
        SpanBoundary(Entry(at * span, at * span, record=at * span + late, row=at)) for at, late in enumerate(delays)
    ]
    total = (count + 1) * span
    spans = list(cut_records(places, first=(0, 0), total=total, source_size=total, span=span))
    assert [one.start for one in spans] == [place_.entry.record for place_ in places]


@given(indexes(), st.integers(1, 700))
def test_there_are_no_more_spans_of_records_than_the_size_asks_for(
    index: tuple[list[SpanBoundary], int, int], size: int
) -> None:
    places, total, source_size = index
    first = places[0].entry.record, places[0].entry.row
    spans = list(cut_records(places, first=first, total=total, source_size=source_size, span=size))
    assert len(spans) <= total // size + 1


def test_a_record_longer_than_a_span_stays_in_one_piece() -> None:
    long = [
        SpanBoundary(Entry(at, at, record=record, row=row)) for at, record, row in ((0, 0, 1), (10, 95, 2), (20, 95, 2))
    ]
    spans = list(cut_records(long, first=(0, 1), total=100, source_size=100, span=5))
    assert [(span.start, span.end, span.first_row) for span in spans] == [(0, 95, 1), (95, 100, 2)]


def test_entries_without_a_record_behind_them_begin_no_span() -> None:
    places = [SpanBoundary(Entry(0, 0, record=0, row=1)), SpanBoundary(Entry(90, 90, record=100, row=9))]
    (span,) = cut_records(places, first=(0, 1), total=100, source_size=100, span=5)
    assert (span.start, span.end) == (0, 100)


@given(SIZES)
@example(S3.max_parts * PART)
@example(S3.max_parts * PART + 1)
def test_parts_of_any_object_keep_within_the_limits_of_s3(total: int) -> None:
    size = part_size(total, Budget.of(10_240 * MIB)) if total <= 10_000 * GIB else None
    if size:
        assert S3.min_part <= size <= S3.max_part
        assert -(-total // size) <= S3.max_parts
        assert size == PART or (size % MIB == 0 and -(-total // (size - MIB)) > S3.max_parts)


def test_the_largest_object_of_all_has_parts_when_memory_does_not_matter() -> None:
    vast = Budget(read_chunk=MIB, step=MIB, buffer_bytes=6 * GIB, uploads=1, largest_part=6 * GIB)
    size = part_size(S3.max_object, vast)
    assert (size, S3.max_object / size <= S3.max_parts) == (5 * GIB, True)


@pytest.mark.parametrize("total", [S3.max_object + 1, 100 * TIB])
def test_what_exceeds_the_largest_object_is_refused(total: int) -> None:
    with pytest.raises(OutputTooLargeError, match="maximum object size"):
        part_size(total, LARGE)


def test_what_the_memory_cannot_hold_is_refused_before_anything_is_written() -> None:
    with pytest.raises(OutputTooLargeError, match="memory only allows"):
        part_size(40 * TIB, Budget.of(128 * MIB))


def test_a_plan_for_smaller_limits_is_made_by_the_same_rules() -> None:
    assert part_size(40, LARGE, S3Limits(max_parts=10), least=4) == 4
    assert part_size(41, LARGE, S3Limits(max_parts=10), least=4) == MIB


@given(SIZES, st.integers(1, 1000))
def test_there_are_never_more_spans_than_a_map_takes(total: int, workers: int) -> None:
    assert -(-total // span_size(total, workers)) <= MAX_SPANS


@given(SIZES)
def test_an_index_never_has_more_entries_than_a_plan_can_hold(size: int) -> None:
    assert size * 8 // spacing(size) <= MAX_ENTRIES


def test_a_place_knows_where_its_window_lies() -> None:
    entry = Entry(5, 3, raw=True)
    assert span_boundary(Listed(entry, 40, 7), "segment") == SpanBoundary(entry, Stored("segment", 40, 7))
    assert span_boundary(Listed(entry, 40, 0), "segment") == SpanBoundary(entry)
