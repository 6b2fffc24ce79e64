"""The index at the end of an xz source tells where it can be entered, and nothing else of it is read."""

from __future__ import annotations

import random
import struct
import zlib
from collections.abc import Generator
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fixtures.units import Block, pieces_of, xz, xz_block, xz_stream
from lengths import examples
from penstock.codecs import Trace
from penstock.codecs.checkpoint import Checkpoint
from penstock.codecs.codec import TailIndex
from penstock.codecs.xz import tail as xz_tail
from penstock.codecs.xz.index import enter, scan
from penstock.errors import BadSourceError, CorruptSourceError
from penstock.model.span import Entry
from penstock.testing import MemoryRanges

DATA = random.Random(1).randbytes(12_000)


class NonEmptyRanges(MemoryRanges):
    """A source that is read in ranges, none of them empty."""

    def read(self, start: int, end: int) -> Generator[bytes, None, None]:
        assert start < end
        return super().read(start, end)


def tail(data: bytes, spacing: int = 1, chunk: int = 0) -> TailIndex:
    return xz_tail.tail(NonEmptyRanges(data, chunk), spacing)


def noted(data: bytes, spacing: int) -> list[Checkpoint]:
    notes: list[Checkpoint] = []
    for _ in scan([data], Trace(), 65_536, spacing=spacing, note=notes.append):
        pass
    return notes


@settings(max_examples=examples(40), deadline=None)
@given(
    streams=st.lists(st.lists(st.sampled_from([0, 1, 300, 1_000]), max_size=5), min_size=1, max_size=4),
    padding=st.sampled_from([0, 4, 16]),
    spacing=st.sampled_from([1, 700, 1_500]),
    chunk=st.sampled_from([1, 7, 65_536]),
)
def test_it_tells_what_a_scan_finds(streams: list[list[int]], padding: int, spacing: int, chunk: int) -> None:
    rng = random.Random(2)
    data = b"".join(xz([rng.randbytes(size) for size in sizes]) + bytes(padding) for sizes in streams)
    total = sum(map(sum, streams))
    found = tail(data, spacing, chunk)
    assert found.total == total
    assert found.entries[0].entry == Entry(0, 0)
    assert all(b.entry.decoded - a.entry.decoded >= spacing for a, b in pairwise(found.entries))
    everywhere = {(note.entry, note.window) for note in noted(data, 1)}
    assert {(one.entry, one.window) for one in found.entries} <= everywhere
    if spacing == 1:
        assert len(found.entries) == len([note for note in noted(data, 1) if note.entry.decoded < max(total, 1)])
    whole = b"".join(enter([data], Entry(0, 0), b"", 65_536))
    for one in found.entries:
        rest = enter([data[one.entry.encoded :]], one.entry, one.window, 65_536)
        assert b"".join(rest) == whole[one.entry.decoded :]


def test_blocks_are_not_read() -> None:
    data = xz(pieces_of(DATA * 20, 30_000))
    reads = NonEmptyRanges(data)
    xz_tail.tail(reads, 1)
    assert sum(end - start for start, end in reads.ranges) < 5_000


def test_a_source_of_very_many_streams_is_left_alone() -> None:
    data = xz([b"x"]) * (xz_tail.MAX_STREAMS + 1)
    found = tail(data)
    assert [one.entry for one in found.entries] == [Entry(0, 0)]
    assert tail(xz([b"x"]) * xz_tail.MAX_STREAMS).total == xz_tail.MAX_STREAMS


def test_entries_beyond_what_memory_holds_are_thinned(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(xz_tail, "_MOST", 10)
    data = xz(pieces_of(DATA[:9_700], 100))
    found = tail(data)
    assert 5 <= len(found.entries) <= 12
    assert found.total == 9_700
    assert {one.entry for one in found.entries} <= {note.entry for note in noted(data, 1)}


@pytest.mark.parametrize("kept", range(1, 120, 7))
def test_a_truncated_source_is_refused_with_an_offset_within_it(kept: int) -> None:
    data = xz(pieces_of(DATA[:3_000], 1_000))[:-kept]
    with pytest.raises(BadSourceError) as error:
        tail(data)
    assert 0 <= error.value.offset <= len(data)


@settings(max_examples=examples(60), deadline=None)
@given(data=st.data())
def test_damage_to_header_index_or_footer_is_refused(data: st.DataObject) -> None:
    whole = bytearray(xz(pieces_of(DATA[:3_000], 1_000)))
    index = 4 * (int.from_bytes(whole[-8:-4], "little") + 1) + 12
    at = data.draw(st.sampled_from([*range(12), *range(len(whole) - index, len(whole))]))
    whole[at] ^= 1 << data.draw(st.integers(0, 7))
    with pytest.raises(BadSourceError) as error:
        tail(bytes(whole))
    assert 0 <= error.value.offset <= len(whole)


def test_a_missing_block_is_refused() -> None:
    blocks = [xz_block(piece) for piece in pieces_of(DATA, 1_000)]
    with pytest.raises(BadSourceError):
        tail(xz_stream(blocks[:3] + blocks[4:], listed=blocks))


@pytest.mark.parametrize("zeros", [1, 2, 3, 5])
def test_zeros_that_are_no_padding_are_refused(zeros: int) -> None:
    with pytest.raises(CorruptSourceError):
        tail(xz([b"x"]) + bytes(zeros))


@pytest.mark.parametrize("data", [bytes(8), bytes(100_000), b"YZ", xz([b"x"]) + bytes(100_000)])
def test_what_is_no_xz_is_refused(data: bytes) -> None:
    with pytest.raises(BadSourceError):
        tail(data)


def test_an_index_that_claims_a_number_of_blocks_without_end_is_refused() -> None:
    data = xz([DATA])
    index = b"\0" + b"\xff" * 8 + b"\x7f" + bytes(2)
    index += struct.pack("<I", zlib.crc32(index))
    end = struct.pack("<I", len(index) // 4 - 1) + data[6:8]
    footer = struct.pack("<I", zlib.crc32(end)) + end + b"YZ"
    with pytest.raises(BadSourceError):
        tail(data[:-12] + index + footer)


def test_sizes_beyond_all_measure_are_told_as_they_are() -> None:
    blocks = [xz_block(DATA[:1_000]), xz_block(DATA[:2_000])]
    lies: list[Block] = [replace(blocks[0], size=1 << 62), blocks[1]]
    assert tail(xz_stream(blocks, listed=lies)).total == (1 << 62) + 2_000
