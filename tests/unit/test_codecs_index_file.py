"""Entries and windows as a file: compact, read in pieces, and never believed without a checksum."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lengths import examples
from penstock.codecs.index_file import HEADER_SIZE, directory_size, pack, read_directory, read_window
from penstock.errors import CorruptIndexError
from penstock.limits import MIB
from penstock.model.span import Entry

WINDOW = 32 * 1024
OFFSETS = st.integers(0, 2**60 - 1)
SMALL = st.integers(-1, 2**63 - 1)
KEPT = st.lists(
    st.tuples(
        st.builds(Entry, OFFSETS, OFFSETS, st.integers(0, 7), st.booleans(), SMALL, SMALL),
        st.one_of(st.just(b""), st.binary(max_size=300), st.integers(1, WINDOW).map(bytes)),
    ),
    max_size=8,
)
SAMPLE = pack(
    [
        (Entry(0, 0, record=0, row=0), b""),
        (Entry(20 * MIB, 5 * MIB, 3, True, 20 * MIB + 7, 90_000), b"id,name\n" * 4_096),
    ]
)


def windows(segment: bytes) -> list[bytes]:
    return [read_window(segment[one.start : one.start + one.size]) for one in read_directory(segment)]


@given(kept=KEPT)
def test_what_is_packed_is_read_again(kept: list[tuple[Entry, bytes]]) -> None:
    segment = pack(kept)
    listed = read_directory(segment[: directory_size(segment[:HEADER_SIZE])])
    assert listed == read_directory(segment)
    assert [one.entry for one in listed] == [entry for entry, _ in kept]
    assert windows(segment) == [window for _, window in kept]


@given(kept=KEPT)
def test_windows_lie_side_by_side_after_the_directory(kept: list[tuple[Entry, bytes]]) -> None:
    segment = pack(kept)
    at = directory_size(segment)
    for one in read_directory(segment):
        assert one.start == at
        at += one.size
    assert at == len(segment)


@pytest.mark.parametrize("decoded", [16 * MIB, 100 * MIB, 1024 * MIB])
@pytest.mark.parametrize("segments", [1, 1000], ids=["one segment", "a segment for each entry"])
def test_an_index_is_at_most_two_thousandths_of_the_content_whatever_it_holds(decoded: int, segments: int) -> None:
    rng = random.Random(0)
    spacing = 16 * MIB
    kept = [(Entry(at, at, raw=True), rng.randbytes(WINDOW) if at else b"") for at in range(0, decoded, spacing)]
    size = len(pack(kept)) if segments == 1 else sum(len(pack([one])) for one in kept)
    assert size <= 0.002 * decoded


def test_no_window_takes_more_than_the_stated_bound() -> None:
    empty = len(pack([(Entry(0, 0), b"")]))
    assert empty == HEADER_SIZE + 36
    sizes = [len(pack([(Entry(0, 0), random.Random(seed).randbytes(WINDOW))])) for seed in range(20)]
    assert max(sizes) <= empty + 32_784


@settings(max_examples=examples(300))
@given(at=st.integers(0, len(SAMPLE) - 1), change=st.integers(1, 255))
def test_a_changed_byte_is_found_before_it_is_used(at: int, change: int) -> None:
    bad = bytearray(SAMPLE)
    bad[at] ^= change
    with pytest.raises(CorruptIndexError) as caught:
        windows(bytes(bad))
    assert "Delete" in caught.value.hint


@pytest.mark.parametrize("size", range(directory_size(SAMPLE)))
def test_a_directory_that_is_cut_short_is_refused(size: int) -> None:
    with pytest.raises(CorruptIndexError):
        read_directory(SAMPLE[:size])


def test_a_window_that_is_cut_short_is_refused() -> None:
    last = read_directory(SAMPLE)[-1]
    for size in range(1, last.size):
        with pytest.raises(CorruptIndexError):
            read_window(SAMPLE[last.start : last.start + size])


@pytest.mark.parametrize(
    "foreign", [b"PK\3\4" + bytes(100), b"PNSX\2" + bytes(100), b"{}" * 50], ids=["zip", "newer", "JSON"]
)
def test_what_is_no_segment_of_this_version_is_refused(foreign: bytes) -> None:
    with pytest.raises(CorruptIndexError, match="not an index segment of version 1"):
        directory_size(foreign)
