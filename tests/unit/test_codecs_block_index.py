"""A source of units is entered at every place that its scan has noted, and a scan goes on from every one of them."""

from __future__ import annotations

import json
import lzma
import random
import shutil
import subprocess
from dataclasses import dataclass, replace
from functools import cache
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fixtures.encoded import chop, zstd_frame
from fixtures.units import MAKERS, pieces_of, shifted, xz_block, xz_empty_block, xz_stream, zstd
from lengths import examples
from penstock.codecs import CODECS, Trace
from penstock.codecs import block_index as units
from penstock.codecs.block_index import passing
from penstock.codecs.checkpoint import Checkpoint
from penstock.codecs.indexers import indexers_within
from penstock.codecs.xz import tail as xz_tail
from penstock.errors import BadSourceError, CorruptSourceError
from penstock.limits import MIB
from penstock.model.span import Entry
from penstock.testing import MemoryRanges

WAYS = indexers_within(8 * MIB)
CHUNKS = st.sampled_from([1, 7, 65_536])


def codec_of(maker: str) -> str:
    """The codec with whose name that of a maker starts. ``pzstd`` writes zstd."""
    return next((name for name in WAYS if maker.startswith(name)), "zstd")


def decoded(codec: str, encoded: bytes) -> bytes:
    return b"".join(CODECS[codec].decode([encoded], Trace(), 65_536))


@dataclass(frozen=True, slots=True)
class Scanned:
    content: bytes
    notes: list[Checkpoint]
    trace: Trace
    cuts: list[int]


def scanned(
    codec: str,
    encoded: bytes,
    spacing: int,
    *,
    chunk: int = 0,
    step: int = 65_536,
    go_on: Checkpoint | None = None,
    content: bool = True,
) -> Scanned:
    trace, notes, found = Trace(), list[Checkpoint](), bytearray()
    cuts = [go_on.entry.decoded if go_on else 0]
    chunks = chop(encoded[go_on.entry.encoded if go_on else 0 :], chunk)
    for piece in WAYS[codec].scan(
        chunks, trace, step, spacing=spacing, note=notes.append, checkpoint=go_on, content=content
    ):
        assert len(piece) <= step
        assert piece or not content
        found += piece
        cuts.append(trace.produced)
    return Scanned(bytes(found), notes, trace, cuts)


def entered(codec: str, encoded: bytes, at: Checkpoint, *, chunk: int = 0, step: int = 65_536) -> bytes:
    trace = Trace()
    pieces = []
    for piece in WAYS[codec].enter(chop(encoded[at.entry.encoded :], chunk), at.entry, at.window, step, trace=trace):
        assert 1 <= len(piece) <= step
        pieces.append(piece)
        assert trace.produced == at.entry.decoded + sum(map(len, pieces))
    return b"".join(pieces)


@cache
def noise(maker: str, seed: int) -> bytes:
    """A source of some units of noise."""
    return MAKERS[maker](pieces_of(random.Random(seed).randbytes(4_000), 900))


@st.composite
def contents(draw: st.DrawFn) -> list[bytes]:
    rng = random.Random(draw(st.integers(0, 1_000_000)))
    sizes = draw(st.lists(st.sampled_from([0, 1, 50, 1_000, 3_000]), min_size=1, max_size=8))
    return [rng.randbytes(size // 2) + bytes(size - size // 2) for size in sizes]


@pytest.mark.parametrize("maker", MAKERS)
@settings(max_examples=15, deadline=None)
@given(pieces=contents(), chunk=CHUNKS, step=st.sampled_from([1_000, 65_536]), spacing=st.sampled_from([1, 999, 2_500]))
def test_every_entry_gives_the_rest_bit_for_bit(
    maker: str, pieces: list[bytes], chunk: int, step: int, spacing: int
) -> None:
    codec, encoded = codec_of(maker), MAKERS[maker](pieces)
    whole = decoded(codec, encoded)
    assert whole.startswith(b"".join(pieces)) or "padded" in maker
    result = scanned(codec, encoded, spacing, chunk=chunk, step=step)
    assert result.content == whole
    assert result.notes[0].entry == Entry(0, 0)
    assert all(b.entry.decoded - a.entry.decoded >= spacing for a, b in pairwise(result.notes))
    assert {note.entry.decoded for note in result.notes} <= set(result.cuts)
    for note in result.notes:
        assert entered(codec, encoded, note, chunk=chunk, step=step) == whole[note.entry.decoded :]


@pytest.mark.parametrize("maker", MAKERS)
@settings(max_examples=15, deadline=None)
@given(pieces=contents(), chunk=CHUNKS, spacing=st.sampled_from([1, 2_500]), content=st.booleans())
def test_a_scan_that_goes_on_from_an_entry_finds_what_an_uninterrupted_one_does(
    maker: str, pieces: list[bytes], chunk: int, spacing: int, content: bool
) -> None:
    codec, encoded = codec_of(maker), MAKERS[maker](pieces)
    whole = scanned(codec, encoded, spacing, content=content)
    for number, note in enumerate(whole.notes):
        read_back = Checkpoint.from_json(json.loads(json.dumps(note.to_json())))
        rest = scanned(codec, encoded, spacing, chunk=chunk, go_on=read_back, content=content)
        assert rest.notes == whole.notes[number + 1 :]
        assert rest.trace == whole.trace


@pytest.mark.parametrize("maker", MAKERS)
@settings(max_examples=15, deadline=None)
@given(pieces=contents(), spacing=st.sampled_from([1, 2_500]))
def test_a_scan_without_content_finds_the_same_places(maker: str, pieces: list[bytes], spacing: int) -> None:
    codec, encoded = codec_of(maker), MAKERS[maker](pieces)
    hopped, read = (scanned(codec, encoded, spacing, content=content) for content in (False, True))
    assert hopped.notes == read.notes
    assert hopped.trace == read.trace


def test_frames_that_declare_their_size_are_not_decoded() -> None:
    encoded = bytearray(zstd([bytes(1_000)] * 3))
    assert scanned("zstd", bytes(encoded), 1, content=False).content == b""
    assert scanned("zstd", zstd([bytes(1_000)] * 3, sized=False), 1, content=False).content == bytes(3_000)


@pytest.mark.parametrize("maker", MAKERS)
def test_the_content_between_two_entries_ends_where_the_second_lies(maker: str) -> None:
    codec, encoded = codec_of(maker), MAKERS[maker](pieces_of(random.Random(1).randbytes(9_000), 700))
    for one, other in pairwise(scanned(codec, encoded, 1).notes):
        trace = Trace()
        pieces = WAYS[codec].enter(chop(encoded[one.entry.encoded :], 0), one.entry, one.window, 64, trace=trace)
        assert sum(map(len, passing(pieces, trace, other.entry))) > 0
        for wrong in (
            replace(other.entry, decoded=other.entry.decoded - 1),
            replace(other.entry, encoded=other.entry.encoded - 4),
        ):
            trace = Trace()
            pieces = WAYS[codec].enter(chop(encoded[one.entry.encoded :], 0), one.entry, one.window, 64, trace=trace)
            with pytest.raises(CorruptSourceError):
                list(passing(pieces, trace, wrong))


@pytest.mark.parametrize("content", [True, False])
@pytest.mark.parametrize("maker", MAKERS)
@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_a_truncated_source_is_refused_with_an_offset_within_it_unless_a_unit_has_just_ended(
    maker: str, content: bool, data: st.DataObject
) -> None:
    codec, encoded = codec_of(maker), noise(maker, 2)
    cut = encoded[: data.draw(st.integers(1, len(encoded) - 1))]
    try:
        expected = decoded(codec, cut)
    except BadSourceError:
        with pytest.raises(BadSourceError) as error:
            scanned(codec, cut, 1_000, content=content)
        assert 0 <= error.value.offset <= len(cut)
    else:
        assert scanned(codec, cut, 1_000).content == expected


@pytest.mark.parametrize("maker", MAKERS)
@settings(max_examples=examples(40), deadline=None)
@given(data=st.data())
def test_a_damaged_source_is_read_as_its_codec_reads_it_or_refused(maker: str, data: st.DataObject) -> None:
    codec, encoded = codec_of(maker), bytearray(noise(maker, 3))
    encoded[data.draw(st.integers(0, len(encoded) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    try:
        expected = decoded(codec, bytes(encoded))
    except BadSourceError:
        with pytest.raises(BadSourceError) as error:
            scanned(codec, bytes(encoded), 1_000)
        assert 0 <= error.value.offset <= len(encoded)
    else:
        assert scanned(codec, bytes(encoded), 1_000).content == expected


def test_a_frame_whose_blocks_cannot_hold_its_size_is_refused() -> None:
    frame = bytearray(zstd_frame(bytes(200_000)))
    assert frame[5:9] == (200_000).to_bytes(4, "little")
    frame[5:9] = (300_000).to_bytes(4, "little")
    with pytest.raises(CorruptSourceError, match="300,000 bytes has blocks for 200,000 at most"):
        scanned("zstd", bytes(frame), 1, content=False)


def test_empty_blocks_of_xz_are_passed() -> None:
    blocks = [xz_block(b"a" * 500), xz_empty_block(), xz_block(b"b" * 500), xz_empty_block()]
    encoded = xz_stream(blocks)
    assert lzma.decompress(encoded) == b"a" * 500 + b"b" * 500
    result = scanned("xz", encoded, 1)
    assert [note.entry.decoded for note in result.notes] == [0, 500, 1_000]
    assert entered("xz", encoded, result.notes[1]) == b"b" * 500


def test_an_xz_index_that_does_not_list_the_blocks_is_refused_by_a_scan_however_often_it_is_interrupted() -> None:
    blocks = [xz_block(bytes([n]) * (500 + n)) for n in range(4)]
    honest, lie = xz_stream(blocks), xz_stream(blocks, listed=shifted(blocks, 1, 2, 7))
    for note in [None, *scanned("xz", honest, 1).notes]:
        with pytest.raises(CorruptSourceError, match="index"):
            scanned("xz", lie, 1, go_on=note)


@pytest.mark.parametrize("sized", [True, False])
def test_a_source_that_begins_with_a_large_unit_is_not_read_to_its_end(
    sized: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(units, "LARGEST", 300_000)
    encoded = zstd([bytes(1_000_000), b"more"], sized=sized)
    result = scanned("zstd", encoded, 100_000, chunk=50, content=False)
    assert [note.entry for note in result.notes] == [Entry(0, 0)]
    assert result.trace.produced < 600_000


@pytest.mark.skipif(not shutil.which("pzstd"), reason="pzstd is not installed")
def test_what_pzstd_writes_is_entered(tmp_path: Path) -> None:
    data = random.Random(4).randbytes(500_000).hex().encode() * 12
    (tmp_path / "a").write_bytes(data)
    subprocess.run(["pzstd", "-1", "-p", "2", "-q", "a"], cwd=tmp_path, check=True, timeout=60)
    _enters_everywhere("zstd", (tmp_path / "a.zst").read_bytes(), data)


@pytest.mark.skipif(not shutil.which("xz"), reason="xz is not installed")
@pytest.mark.parametrize("options", [[], ["--x86", "--lzma2=preset=0"], ["--delta=dist=2", "--lzma2=preset=1"]])
def test_what_xz_writes_in_blocks_is_entered(tmp_path: Path, options: list[str]) -> None:
    data = random.Random(5).randbytes(200_000).hex().encode()
    (tmp_path / "a").write_bytes(data)
    level = [] if options else ["-1"]
    command = ["xz", "-T2", "--block-size=64KiB", *level, *options, "a"]
    subprocess.run(command, cwd=tmp_path, check=True, timeout=60)
    _enters_everywhere("xz", (tmp_path / "a.xz").read_bytes(), data)


def _enters_everywhere(codec: str, encoded: bytes, data: bytes) -> None:
    result = scanned(codec, encoded, 50_000)
    assert result.content == data
    assert len(result.notes) > 1
    for note in result.notes:
        assert entered(codec, encoded, note) == data[note.entry.decoded :]


def test_a_frame_shorter_than_it_declares_is_corrupt_in_a_scan_and_where_it_is_entered() -> None:
    short = b"\x28\xb5\x2f\xfd\x20\x10\x40\0\0a,b\n1,2\n\x01\0\0"
    for content in (True, False):
        with pytest.raises(CorruptSourceError):
            scanned("zstd", zstd_frame(b"x" * 100) + short, 1, content=content)
    with pytest.raises(CorruptSourceError, match="declares 16 bytes and holds 8"):
        entered("zstd", short, Checkpoint(Entry(0, 0)))


def test_blocks_of_an_unknown_check_are_warned_of_by_the_scan_and_by_the_tail() -> None:
    encoded = xz_stream([xz_block(b"a" * 50)], check=2)
    told = ["xz check type 2 is not known here: the content was decoded, but not verified"]
    assert scanned("xz", encoded, 1).trace.warnings == told
    assert list(xz_tail.tail(MemoryRanges(encoded), 1).warnings) == told
