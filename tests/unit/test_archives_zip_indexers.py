"""The indexers of compressed members hold what they scan to the directory, and go on from every entry."""

from __future__ import annotations

import json
import random
import zlib
from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fixtures.encoded import chop, zstd_frame
from fixtures.units import pieces_of, xz, zstd
from lengths import examples
from penstock.archives.zip import method
from penstock.codecs import Trace
from penstock.codecs.checkpoint import Checkpoint
from penstock.codecs.codec import Indexer
from penstock.errors import BadSourceError, ChecksumMismatchError, CorruptSourceError
from penstock.limits import MIN_WINDOW
from penstock.model.member import MemberContent
from penstock.testing import MemoryRanges


def deflated(data: bytes) -> bytes:
    writer = zlib.compressobj(6, zlib.DEFLATED, -15)
    parts = (writer.compress(piece) + writer.flush(zlib.Z_BLOCK) for piece in pieces_of(data, 500))
    return b"".join(parts) + writer.flush()


WRITERS: dict[str, Callable[[bytes], bytes]] = {
    "deflate": deflated,
    "zstd": lambda data: zstd(pieces_of(data, 500) or [b""], checksum=False),
    "xz": lambda data: xz(pieces_of(data, 500)),
}
METHODS = st.sampled_from(sorted(WRITERS))
DATA = random.Random(5).randbytes(3_000) + b"reservoir,turbine\n" * 400


def content_of(name: str, data: bytes = DATA, encoded: bytes = b"") -> tuple[MemberContent, bytes]:
    encoded = encoded or WRITERS[name](data)
    return MemberContent(70, 70 + len(encoded), name, zlib.crc32(data), size=len(data)), encoded


def indexer_of(content: MemberContent) -> Indexer:
    load = method(content, MIN_WINDOW, b"").indexer
    assert load
    return load()


def scanned(
    content: MemberContent,
    encoded: bytes,
    *,
    spacing: int = 700,
    chunk: int = 0,
    step: int = 65_536,
    go_on: Checkpoint | None = None,
    decode: bool = True,
) -> tuple[bytes, list[Checkpoint], Trace]:
    trace, notes, start = Trace(), list[Checkpoint](), go_on.entry.encoded if go_on else 0
    pieces = indexer_of(content).scan(
        chop(encoded[start:], chunk),
        trace,
        step,
        spacing=spacing,
        note=notes.append,
        checkpoint=go_on,
        content=decode,
    )
    return b"".join(map(bytes, pieces)), notes, trace


@settings(max_examples=examples(40), deadline=None)
@given(
    name=METHODS,
    size=st.integers(1, len(DATA)),
    spacing=st.integers(300, 5_000),
    chunk=st.sampled_from([1, 7, 65_536]),
    step=st.sampled_from([100, 65_536]),
)
def test_every_entry_gives_the_rest_and_a_scan_goes_on_there(
    name: str, size: int, spacing: int, chunk: int, step: int
) -> None:
    data = DATA[-size:]
    content, encoded = content_of(name, data)
    whole, notes, trace = scanned(content, encoded, spacing=spacing, chunk=chunk, step=step)
    assert (whole, trace.produced, trace.consumed) == (data, size, len(encoded))
    assert trace.crc32 == (None if name != "deflate" and len(notes) == 1 else content.crc32)
    for number, note in enumerate(notes):
        assert note.crc32 == zlib.crc32(data[: note.entry.decoded])
        entered = indexer_of(content).enter([encoded[note.entry.encoded :]], note.entry, note.window, step)
        assert b"".join(entered) == data[note.entry.decoded :]
        kept = Checkpoint.from_json(json.loads(json.dumps(note.to_json())))
        rest = scanned(content, encoded, spacing=spacing, chunk=chunk, step=step, go_on=kept)
        assert rest[:2] == (data[note.entry.decoded :], notes[number + 1 :])
        if note.entry.decoded:
            assert rest[2] == trace


@pytest.mark.parametrize("name", WRITERS)
@pytest.mark.parametrize("halfway", [False, True])
def test_a_scan_refuses_what_the_directory_does_not_declare(name: str, halfway: bool) -> None:
    content, encoded = content_of(name)
    _, notes, _ = scanned(content, encoded)
    go_on = notes[len(notes) // 2] if halfway else None
    with pytest.raises(ChecksumMismatchError, match="CRC32 of the member's bytes is"):
        scanned(replace(content, crc32=1), encoded, go_on=go_on)
    with pytest.raises(CorruptSourceError, match="has 10,200 bytes, the directory declares 10,201"):
        scanned(replace(content, size=len(DATA) + 1), encoded, go_on=go_on)
    with pytest.raises(CorruptSourceError, match="has more than its 10,199 bytes"):
        scanned(replace(content, size=len(DATA) - 1), encoded, go_on=go_on)


def test_bytes_that_are_skipped_have_a_size_but_no_crc32() -> None:
    content, encoded = content_of("zstd")
    read, notes, trace = scanned(replace(content, crc32=1), encoded, decode=False)
    assert (read, trace.produced, notes[-1].crc32) == (b"", len(DATA), None)
    assert scanned(replace(content, crc32=1), encoded, decode=False, go_on=notes[-1])[2] == trace
    with pytest.raises(CorruptSourceError, match="has more than its 5,000 bytes"):
        scanned(replace(content, size=5_000), encoded, decode=False)


def test_the_index_at_the_end_of_xz_must_have_the_declared_size() -> None:
    content, encoded = content_of("xz")
    tail = indexer_of(content).tail
    assert tail
    assert tail(MemoryRanges(encoded), 700).total == len(DATA)
    wrong = indexer_of(replace(content, size=5)).tail
    assert wrong
    with pytest.raises(CorruptSourceError, match="the directory declares 5"):
        wrong(MemoryRanges(encoded), 700)


def test_a_member_of_one_frame_is_left_to_its_decoder() -> None:
    content, encoded = content_of("zstd", encoded=zstd_frame(DATA))
    assert len(scanned(replace(content, crc32=1), encoded)[1]) == 1


@pytest.mark.parametrize("name", WRITERS)
def test_a_cut_member_is_never_whole(name: str) -> None:
    content, encoded = content_of(name)
    for left in range(0, len(encoded), 97):
        try:
            notes = scanned(content, encoded[:left])[1]
        except BadSourceError:
            continue
        # It is left to its decoder, because it cannot be split.
        assert len(notes) == 1
        assert name != "deflate"
