"""Avro is cut at blocks: any cut gives the records of one pass, whatever the data holds."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from avro_files import SYNC, avro_file, block, encoded, header, in_blocks, long, record
from lengths import examples
from penstock.errors import CorruptSourceError
from penstock.formats import Within, open_source, parse
from penstock.formats.boundaries import Boundaries, BoundariesState, RecordStart, Text, text_of
from penstock.formats.survey import Survey, reach, stitch, survey
from penstock.model.load import Resume
from penstock.model.parse_options import Format, ParseOptions

AVRO = ParseOptions(format=Format.AVRO)
BLOB = record("Blob", id="long", data="bytes")


def text(data: bytes) -> Text:
    found = text_of(AVRO, data)
    assert found
    return found


def blocks_of(data: bytes) -> list[tuple[int, int]]:
    """The offset of each block, and the number of its first record, by the parser."""
    found: list[tuple[int, int]] = []
    for batch in parse([data], AVRO, batch_bytes=1):
        for index in range(len(batch.rows)):
            place = batch.position(index)
            if not found or found[-1][0] != place.offset:
                found.append((place.offset, place.row))
    return found


def expected(data: bytes, piece: int) -> list[RecordStart]:
    found = blocks_of(data)
    end = (len(data), 1 + sum(batch.count for batch in parse([data], AVRO, batch_bytes=1000)))
    return [
        RecordStart(mark, *next(((offset, row) for offset, row in found if offset >= mark), end))
        for mark in range(0, len(data), piece)
    ]


def surveyed(data: bytes, piece: int, chunk: int = 50) -> list[RecordStart]:
    described = text(data)
    surveys = []
    for start in range(0, len(data), piece):
        end = min(start + piece, len(data))
        first, last = reach(described, start, end, len(data))
        part = data[first:last]
        found = survey((part[at : at + chunk] for at in range(0, len(part), chunk)), described, start, end)
        surveys.append(Survey.from_json(json.loads(json.dumps(found.to_json()))))
    return stitch(surveys)


def counted(data: bytes, piece: int) -> list[RecordStart]:
    """In order, by `Boundaries`, each piece by a new process."""
    state = BoundariesState(text(data))
    found: list[RecordStart] = []
    for start in range(0, len(data), piece):
        boundaries = Boundaries(BoundariesState.from_json(json.loads(json.dumps(state.to_json()))))
        boundaries.mark()
        boundaries.feed(data[start : start + piece])
        if start + piece >= len(data):
            boundaries.finish()
        found += boundaries.take()
        state = boundaries.state
    return found


def parts(data: bytes, starts: Sequence[RecordStart]) -> list[object]:
    """The records of the parts that begin at these places."""
    within = open_source([data], AVRO)
    ends = [*(start.offset for start in starts[1:]), len(data)]
    found: list[object] = []
    for start, end in zip(starts, ends, strict=True):
        part = replace(within, offset=start.offset, row=start.row)
        for batch in parse([data[start.offset : end]], AVRO, batch_bytes=300, within=part):
            found += [(batch.position(index).row, row) for index, row in enumerate(batch.rows)]
    return found


def records(data: bytes) -> list[object]:
    return [
        (batch.position(index).row, row)
        for batch in parse([data], AVRO, batch_bytes=300)
        for index, row in enumerate(batch.rows)
    ]


# Data that holds the marker, alone and before what looks like a block.
FALSE = st.sampled_from(
    [
        *(b"", b"x", SYNC, SYNC + SYNC, SYNC[:8], SYNC + long(1) + long(1) + b"x" + SYNC),
        *(SYNC + long(3) + long(40), SYNC + long(2**40) + long(5), SYNC + b"\xff" * 30, SYNC + long(1) + long(2**30)),
        avro_file(BLOB, [{"id": 1, "data": b"y"}], [{"id": 2, "data": b"z"}]),
    ]
)
FILES = st.tuples(st.lists(FALSE, max_size=20), st.integers(1, 4)).map(
    lambda given: avro_file(BLOB, *in_blocks([{"id": n, "data": data} for n, data in enumerate(given[0])], given[1]))
)


@given(FILES, st.integers(15, 400))
@settings(max_examples=examples(120), deadline=None)
def test_every_range_finds_the_blocks_that_begin_in_it(data: bytes, piece: int) -> None:
    starts = expected(data, piece)
    assert surveyed(data, piece) == starts
    assert counted(data, piece) == starts
    assert parts(data, starts) == records(data)


def test_a_copy_of_the_file_within_its_data_misleads_nobody() -> None:
    inner = avro_file(BLOB, *([{"id": n, "data": b"i" * 30}] for n in range(40)))
    data = avro_file(BLOB, [{"id": 1, "data": b"a"}], [{"id": 2, "data": inner}], [{"id": 3, "data": b"b"}])
    for piece in (100, 333, 1000):
        assert surveyed(data, piece) == expected(data, piece)


def test_blocks_of_any_size_are_found_and_empty_ones_may_begin_a_span() -> None:
    values = [{"id": n, "data": b"d" * (n * n % 90)} for n in range(30)]
    data = avro_file(BLOB, [], values[:20], [], values[20:], [])
    for piece in (40, 500, 10**6):
        for starts in (surveyed(data, piece), counted(data, piece)):
            assert parts(data, starts) == records(data)


def test_records_after_damage_are_left_to_the_span_before() -> None:
    good = [block(1, encoded(BLOB, [{"id": n, "data": b"x" * 50}])) for n in range(10)]
    damaged = good[4][:-1] + b"?"
    data = header(BLOB) + b"".join([*good[:4], damaged, *good[5:]])
    size = len(good[0])
    starts = [surveyed(data, size), counted(data, size)]
    assert starts[0] == starts[1]
    begun = {start.offset for start in starts[0]}
    assert max(begun - {len(data)}) == len(header(BLOB)) + 4 * size
    with pytest.raises(CorruptSourceError):
        parts(
            data,
            sorted({(start.offset, start.row): start for start in starts[0]}.values(), key=lambda start: start.offset),
        )


def test_a_header_that_is_longer_than_the_head_is_not_cut() -> None:
    data = avro_file({**BLOB, "doc": "x" * 200_000}, [{"id": 1, "data": b""}])
    assert text_of(AVRO, data[:131_136]) is None


def test_a_span_passes_the_records_of_its_first_block_that_are_loaded() -> None:
    data = avro_file(
        BLOB, [{"id": n, "data": b"x"} for n in range(1, 6)], [{"id": n, "data": b"x"} for n in range(6, 9)]
    )
    within: Within = replace(open_source([data], AVRO), loaded=4)
    body = data[within.offset :]
    found = [row for batch in parse([body], AVRO, batch_bytes=1000, within=within) for row in batch.rows]
    assert [row["id"] for row in found] == [4, 5, 6, 7, 8]  # type: ignore[index]
    resume = Resume(chunk=1, offset=within.offset + 1, row=7)
    found = [row for batch in parse([body], AVRO, batch_bytes=1000, within=within, resume=resume) for row in batch.rows]
    assert [row["id"] for row in found] == [7, 8]  # type: ignore[index]
