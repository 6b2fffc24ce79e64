"""A raw deflate stream is entered at every place that its scan has noted, and a scan goes on from every one of them."""

from __future__ import annotations

import json
import random
import zlib
from collections.abc import Callable
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fixtures.encoded import chop, deflate
from lengths import examples
from penstock.codecs import Trace
from penstock.codecs.checkpoint import Checkpoint
from penstock.codecs.engine import ISAL, ZLIB, Engine
from penstock.codecs.gzip.raw_index import enter, scan
from penstock.errors import CorruptIndexError, CorruptSourceError, TruncatedSourceError
from penstock.model.span import Entry

ENGINES = {"zlib": ZLIB} | ({"isal": ISAL} if ISAL else {})
CHUNKS = st.sampled_from([1, 7, 65_536])
STEPS = st.sampled_from([100, 65_536])


def flushed(data: bytes, every: int, flush: int, *, level: int = 6, strategy: int = 0) -> bytes:
    writer = zlib.compressobj(level, zlib.DEFLATED, -15, 8, strategy)
    pieces = [data[at : at + every] for at in range(0, len(data), every)]
    return b"".join(writer.compress(piece) + writer.flush(flush) for piece in pieces) + writer.flush()


WRITERS: dict[str, Callable[[bytes], bytes]] = {
    "one stream": deflate,
    "sync flushes": lambda data: flushed(data, 700, zlib.Z_SYNC_FLUSH),
    "full flushes": lambda data: flushed(data, 900, zlib.Z_FULL_FLUSH),
    "block flushes": lambda data: flushed(data, 300, zlib.Z_BLOCK),
    "fixed codes": lambda data: flushed(data, 500, zlib.Z_BLOCK, strategy=zlib.Z_FIXED),
    "stored": lambda data: flushed(data, 600, zlib.Z_SYNC_FLUSH, level=0),
}


@st.composite
def sources(draw: st.DrawFn) -> tuple[bytes, bytes]:
    """A stream, and its content as zlib decodes it."""
    size, seed = draw(st.integers(0, 12_000)), draw(st.integers(0, 1_000_000))
    rng = random.Random(seed)
    noise = rng.randbytes(size)
    words = b"".join(rng.choice([b"reservoir", b"turbine", b"pen"]) + b"%d," % n for n in range(size // 8))
    data = draw(st.sampled_from([noise, words, bytes(size), noise[: size // 3] + words]))
    encoded = WRITERS[draw(st.sampled_from(sorted(WRITERS)))](data)
    return encoded, zlib.decompress(encoded, wbits=-15)


def scanned(
    encoded: bytes, spacing: int, *, chunk: int = 0, step: int = 65_536, go_on: Checkpoint | None = None
) -> tuple[bytes, list[Checkpoint], Trace]:
    trace, notes, start = Trace(), list[Checkpoint](), go_on.entry.encoded if go_on else 0
    chunks = chop(encoded[start:], chunk)
    pieces = scan(chunks, trace, step, spacing=spacing, note=notes.append, checkpoint=go_on)
    return b"".join(map(bytes, pieces)), notes, trace


def entered(encoded: bytes, at: Checkpoint, *, chunk: int = 0, step: int = 65_536, engine: Engine = ZLIB) -> bytes:
    pieces = list(enter(chop(encoded[at.entry.encoded :], chunk), at.entry, at.window, step, engine=engine))
    assert all(1 <= len(piece) <= step for piece in pieces)
    return b"".join(pieces)


# Every entry costs another decoding of what is left: some thirty for each stream.
def spacing_for(data: bytes, draw: int) -> int:
    return max(draw, len(data) // 30)


@settings(max_examples=examples(60), deadline=None)
@given(source=sources(), spacing=st.integers(1, 5_000), chunk=CHUNKS, step=STEPS)
def test_every_entry_gives_the_rest_as_zlib_does(
    source: tuple[bytes, bytes], spacing: int, chunk: int, step: int
) -> None:
    encoded, decoded = source
    content, notes, trace = scanned(encoded, spacing_for(decoded, spacing), chunk=chunk, step=step)
    assert (content, trace.produced, trace.consumed) == (decoded, len(decoded), len(encoded))
    assert notes[0].entry == Entry(0, 0)
    assert all(b.entry.decoded - a.entry.decoded >= spacing for a, b in pairwise(notes))
    for note in notes:
        for engine in ENGINES.values():
            assert entered(encoded, note, chunk=chunk, step=step, engine=engine) == decoded[note.entry.decoded :]


@settings(max_examples=examples(60), deadline=None)
@given(source=sources(), spacing=st.integers(1, 5_000), chunk=CHUNKS, step=STEPS)
def test_a_scan_goes_on_in_another_process_as_if_it_had_never_stopped(
    source: tuple[bytes, bytes], spacing: int, chunk: int, step: int
) -> None:
    encoded, decoded = source
    spacing = spacing_for(decoded, spacing)
    _, notes, trace = scanned(encoded, spacing)
    for number, note in enumerate(notes):
        kept = Checkpoint.from_json(json.loads(json.dumps(note.to_json())))
        rest = scanned(encoded, spacing, chunk=chunk, step=step, go_on=kept)
        assert rest == (decoded[note.entry.decoded :], notes[number + 1 :], trace)


STREAM = flushed(random.Random(1).randbytes(9_000), 500, zlib.Z_BLOCK)


def test_there_are_entries_inside_bytes() -> None:
    _, notes, _ = scanned(flushed(b"reservoir,turbine\n" * 500, 300, zlib.Z_BLOCK), 300)
    assert any(note.entry.bits for note in notes)


def test_bytes_after_the_stream_are_not_read() -> None:
    content, _, trace = scanned(STREAM + b"what follows", 500)
    assert (len(content), trace.consumed) == (9_000, len(STREAM))


@pytest.mark.parametrize("left", [0, 1, 4_000, len(STREAM) - 1])
def test_a_stream_that_is_cut_off_says_where(left: int) -> None:
    with pytest.raises(TruncatedSourceError) as caught:
        scanned(STREAM[:left], 500)
    assert caught.value.offset == left


def test_damage_is_found_near_its_offset() -> None:
    damaged = bytearray(flushed(b"reservoir,turbine\n" * 500, 300, zlib.Z_FULL_FLUSH))
    _, notes, _ = scanned(bytes(damaged), 300)
    at = notes[10].entry.encoded
    damaged[at] = 0b110  # a block of the reserved type
    with pytest.raises(CorruptSourceError) as caught:
        scanned(bytes(damaged), 300)
    assert abs(caught.value.offset - at) <= 8
    with pytest.raises(CorruptSourceError) as caught:
        entered(bytes(damaged), notes[9])
    assert abs(caught.value.offset - at) <= 100


def test_an_entry_that_no_scan_has_noted_is_refused() -> None:
    with pytest.raises(CorruptIndexError):
        entered(STREAM, Checkpoint(Entry(0, 0, bits=9)))
