"""Members of BGZF are passed over where only sizes are wanted, and no other member ever is."""

from __future__ import annotations

import gzip
import json
import random
import shutil
import struct
import subprocess
import zlib
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fixtures.encoded import chop, gzip_header, gzip_member
from fixtures.units import BGZF_END, bgzf, bgzf_member, pieces_of
from lengths import examples
from penstock.codecs import Trace
from penstock.codecs.checkpoint import Checkpoint
from penstock.codecs.gzip.decode import decode
from penstock.codecs.gzip.index import enter, scan
from penstock.errors import BadSourceError, TruncatedSourceError

DATA = random.Random(1).randbytes(5_000).hex().encode()


def walked(
    data: bytes, spacing: int = 1, *, chunk: int = 0, go_on: Checkpoint | None = None
) -> tuple[bytes, list[Checkpoint], Trace]:
    """What had to be inflated, what was noted and traced."""
    trace, notes = Trace(), list[Checkpoint]()
    chunks = chop(data[go_on.entry.encoded if go_on else 0 :], chunk)
    pieces = scan(chunks, trace, 65_536, spacing=spacing, note=notes.append, checkpoint=go_on, content=False)
    return b"".join(map(bytes, pieces)), notes, trace


@settings(max_examples=examples(40), deadline=None)
@given(
    sizes=st.lists(st.sampled_from([0, 1, 400, 2_000]), min_size=1, max_size=8),
    chunk=st.sampled_from([1, 7, 65_536]),
    spacing=st.sampled_from([1, 700, 3_000]),
)
def test_walking_finds_what_inflating_finds(sizes: Sequence[int], chunk: int, spacing: int) -> None:
    data = bgzf([DATA[:size] for size in sizes])
    inflated, notes, trace = walked(data, spacing, chunk=chunk)
    read, found = Trace(), list[Checkpoint]()
    whole = b"".join(map(bytes, scan([data], read, 65_536, spacing=spacing, note=found.append)))
    assert inflated == b""
    assert (notes, trace) == (found, read)
    assert trace.crc32 == zlib.crc32(whole)
    for note in notes:
        assert (
            b"".join(enter([data[note.entry.encoded :]], note.entry, note.window, 65_536))
            == whole[note.entry.decoded :]
        )
        go_on = Checkpoint.from_json(json.loads(json.dumps(note.to_json())))
        assert walked(data, spacing, chunk=chunk, go_on=go_on)[1:] == (notes[notes.index(note) + 1 :], trace)


@pytest.mark.parametrize(
    "other",
    [
        gzip_member(DATA),
        gzip_member(DATA, gzip_header(extra=b"AB\2\0zz")),
        gzip_member(DATA, gzip_header(extra=b"BC\2\0")),
        gzip_member(DATA, gzip_header(extra=b"BC\3\0abc")),
        gzip_member(DATA, gzip_header(extra=b"BC\2\0\0\0", name=b"n")),
        bgzf_member(DATA, size=18),
        bgzf_member(DATA, size=200),
        bgzf_member(DATA, size=65_536),
    ],
    ids=["plain", "other field", "no value", "three bytes", "name", "too short", "too small", "too large"],
)
def test_what_does_not_say_its_length_or_not_the_right_one_is_inflated(other: bytes) -> None:
    data = bgzf_member(b"before") + other + bgzf_member(b"after") + BGZF_END
    inflated, _, trace = walked(data, 1 << 40)
    assert inflated == DATA
    assert (trace.produced, trace.crc32, trace.members) == (len(DATA) + 11, zlib.crc32(b"before" + DATA + b"after"), 4)


def test_what_follows_must_be_a_member_or_the_end() -> None:
    # Zeros as they are: wherever its end is said to be, a trailer seems to stand before it.
    data = bgzf_member(bytes(5_000), size=200, level=0) + BGZF_END
    inflated, _, trace = walked(data)
    assert (len(inflated), trace.produced, trace.warnings) == (5_000, 5_000, [])


def test_other_fields_may_stand_before_the_one_with_the_length() -> None:
    inflated, _, trace = walked(bgzf_member(DATA, extra=b"XY\3\0abc") + BGZF_END)
    assert (inflated, trace.produced) == (b"", len(DATA))


def test_a_scan_that_inflates_between_walks_goes_on_from_any_entry() -> None:
    rows = b"".join(b"%d,reservoir,%d\n" % (n, n * n) for n in range(20_000))
    writer = zlib.compressobj(6, zlib.DEFLATED, 31, 1)
    plain = writer.compress(rows) + writer.flush()
    data = bgzf(pieces_of(DATA, 3_000))[: -len(BGZF_END)] + plain + bgzf(pieces_of(DATA, 3_000))
    whole, (_, notes, trace) = gzip.decompress(data), walked(data, 20_000)
    assert any(note.entry.raw for note in notes)
    assert trace.crc32 == zlib.crc32(whole)
    for number, note in enumerate(notes):
        assert walked(data, 20_000, go_on=note)[1:] == (notes[number + 1 :], trace)


@pytest.mark.parametrize("after", [b"\0" * 7, b"garbage that was appended"])
def test_what_follows_the_last_member_is_judged_as_by_the_decoder(after: bytes) -> None:
    data = bgzf(pieces_of(DATA, 3_000)) + after
    _, _, trace = walked(data)
    read = Trace()
    assert sum(map(len, decode([data], read, 65_536))) == trace.produced
    assert trace.warnings == read.warnings != []


@settings(max_examples=examples(40), deadline=None)
@given(cut=st.data())
def test_a_truncated_source_is_refused_with_its_length(cut: st.DataObject) -> None:
    members = [bgzf_member(piece) for piece in pieces_of(DATA, 3_000)]
    ends = [sum(map(len, members[:number])) for number in range(len(members) + 1)]
    whole = b"".join(members)
    data = whole[: cut.draw(st.integers(1, len(whole) - 1).filter(lambda at: at not in ends))]
    with pytest.raises(TruncatedSourceError) as error:
        walked(data)
    assert error.value.offset == len(data)


@settings(max_examples=examples(60), deadline=None)
@given(data=st.data())
def test_damage_is_found_by_the_walk_or_shows_in_the_sizes_and_checksum_that_it_tells(data: st.DataObject) -> None:
    encoded = bytearray(bgzf(pieces_of(DATA, 3_000)))
    encoded[data.draw(st.integers(0, len(encoded) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    try:
        content = b"".join(decode([bytes(encoded)], Trace(), 65_536))
        _, _, trace = walked(bytes(encoded))
    except BadSourceError:
        return
    assert (trace.produced, trace.crc32) == (len(content), zlib.crc32(content))


@settings(max_examples=examples(60), deadline=None)
@given(data=st.data())
def test_a_walk_over_damage_that_a_decoder_finds_tells_another_size_or_checksum_than_the_content_has(
    data: st.DataObject,
) -> None:
    encoded = bytearray(bgzf(pieces_of(DATA, 3_000)))
    encoded[data.draw(st.integers(0, len(encoded) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    content, damaged = bytearray(), False
    try:
        for piece in decode([bytes(encoded)], Trace(), 65_536):
            content += piece
    except BadSourceError:
        damaged = True
    try:
        _, _, trace = walked(bytes(encoded))
    except BadSourceError:
        return
    assert not damaged or (trace.produced, trace.crc32) != (len(content), zlib.crc32(content))


def test_a_trailer_that_says_more_than_a_member_may_hold_is_not_believed() -> None:
    member = bytearray(bgzf_member(DATA))
    member[-4:] = struct.pack("<I", 65_537)
    with pytest.raises(BadSourceError):
        walked(bytes(member) + BGZF_END)


@pytest.mark.skipif(not shutil.which("bgzip"), reason="bgzip is not installed")
def test_what_bgzip_writes_is_walked() -> None:
    data = DATA * 40
    encoded = subprocess.run(["bgzip", "-c"], input=data, capture_output=True, check=True, timeout=60).stdout
    inflated, notes, trace = walked(encoded, 100_000)
    assert inflated == b""
    assert (trace.produced, trace.crc32) == (len(data), zlib.crc32(data))
    assert len(notes) == 4


NO_END = ["no BGZF end-of-file marker: the source may be cut short between two blocks"]


@pytest.mark.parametrize("chunk", [1, 7, 65_536])
@pytest.mark.parametrize(
    ("data", "warnings"),
    [
        (bgzf_member(DATA), NO_END),
        (bgzf_member(DATA) * 3, NO_END),
        (bgzf_member(DATA) + BGZF_END, []),
        (bgzf_member(DATA) + BGZF_END + bgzf_member(DATA), NO_END),
        (BGZF_END, []),
        (gzip_member(DATA), []),
        (bgzf_member(DATA) + gzip_member(DATA), []),
        (b"", []),
    ],
    ids=["one", "three", "whole", "joined and cut", "empty", "gzip", "gzip behind", "nothing"],
)
def test_bgzf_without_its_marker_is_warned_of_in_one_pass_and_by_the_walk(
    data: bytes, warnings: list[str], chunk: int
) -> None:
    decoding, scanning = Trace(), Trace()
    list(decode(chop(data, chunk), decoding, 65_536))
    list(scan(chop(data, chunk), scanning, 65_536, spacing=1, note=lambda _: None))
    _, _, walking = walked(data, chunk=chunk)
    assert decoding.warnings == scanning.warnings == walking.warnings == warnings


def test_the_marker_is_asked_for_also_behind_a_checkpoint() -> None:
    data = bgzf_member(DATA) * 3
    _, notes, _ = walked(data)
    _, _, trace = walked(data, go_on=notes[-1])
    assert trace.warnings == NO_END
