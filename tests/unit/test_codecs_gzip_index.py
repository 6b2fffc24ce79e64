"""A gzip source is entered at every place that its scan has noted, and a scan goes on from every one of them."""

from __future__ import annotations

import gzip
import json
import random
import shutil
import struct
import subprocess
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from fixtures.encoded import chop, gzip_header, gzip_member, gzip_trailer
from lengths import examples
from penstock.codecs import Trace
from penstock.codecs.checkpoint import Checkpoint
from penstock.codecs.engine import ISAL, ZLIB, Engine
from penstock.codecs.gzip.decode import decode
from penstock.codecs.gzip.index import enter, scan
from penstock.codecs.speedups import isal_zlib
from penstock.errors import BadSourceError, ChecksumMismatchError, TruncatedSourceError
from penstock.model.span import Entry

ENGINES = {"zlib": ZLIB} | ({"isal": ISAL} if ISAL else {})
CHUNKS = st.sampled_from([1, 7, 65_536])


@dataclass(frozen=True, slots=True)
class Scanned:
    """What a scan has yielded, noted and traced; ``cuts`` are the offsets at which a piece ended."""

    content: bytes
    notes: list[Checkpoint]
    trace: Trace
    cuts: list[int]


def scanned(
    encoded: bytes, spacing: int, *, chunk: int = 0, step: int = 65_536, go_on: Checkpoint | None = None
) -> Scanned:
    trace, notes, cuts, content = Trace(), list[Checkpoint](), [go_on.entry.decoded if go_on else 0], bytearray()
    start = go_on.entry.encoded if go_on else 0
    chunks = chop(encoded[start:], chunk)
    for piece in scan(chunks, trace, step, spacing=spacing, note=notes.append, checkpoint=go_on):
        assert 1 <= len(piece) <= step
        content += piece
        cuts.append(cuts[-1] + len(piece))
        assert trace.produced == cuts[-1]
    return Scanned(bytes(content), notes, trace, cuts)


def entered(encoded: bytes, at: Checkpoint, *, chunk: int = 0, step: int = 65_536, engine: Engine = ZLIB) -> bytes:
    chunks = chop(encoded[at.entry.encoded :], chunk)
    pieces = list(enter(chunks, at.entry, at.window, step, engine=engine))
    assert all(1 <= len(piece) <= step for piece in pieces)
    return b"".join(pieces)


@lru_cache(maxsize=8)
def rows(size: int, seed: int = 0) -> bytes:
    """CSV that compresses to about half, so that blocks end at any bit."""
    rng = random.Random(seed)
    lines = (
        f"{rng.randrange(10**6)},{rng.choice(['reservoir', 'turbine', 'pen'])},{rng.random():.4f}\n"
        for _ in iter(int, 1)
    )
    text = bytearray()
    while len(text) < size:
        text += next(lines).encode()
    return bytes(text[:size])


def flushed(data: bytes, every: int, flush: int, *, level: int = 6, memory: int = 8, strategy: int = 0) -> bytes:
    """A member whose writer flushes after so many bytes."""
    writer = zlib.compressobj(level, zlib.DEFLATED, 31, memory, strategy)
    parts = [
        part
        for at in range(0, len(data), every)
        for part in (writer.compress(data[at : at + every]), writer.flush(flush) if at + every < len(data) else b"")
    ]
    return b"".join(parts) + writer.flush()


def bgzf(data: bytes, block: int = 3_000) -> bytes:
    """Members with their size in the extra field, and an empty one at the end."""

    def member(piece: bytes) -> bytes:
        body = gzip_member(piece, gzip_header(extra=b"BC\2\0\0\0"))
        return body[:16] + struct.pack("<H", len(body) - 1) + body[18:]

    return b"".join(member(data[at : at + block]) for at in range(0, len(data), block)) + member(b"")


def pigz(data: bytes, block: int = 4_000) -> bytes:
    """One member of pieces that were compressed apart, each with the one before as its dictionary."""
    parts = []
    for at in range(0, len(data), block):
        before = data[max(0, at - 32_768) : at]
        writer = (
            zlib.compressobj(6, zlib.DEFLATED, -15, zdict=before) if before else zlib.compressobj(6, zlib.DEFLATED, -15)
        )
        parts += [writer.compress(data[at : at + block]), writer.flush(zlib.Z_SYNC_FLUSH)]
    return gzip_header() + b"".join(parts) + b"\3\0" + gzip_trailer(data)


WRITERS: dict[str, Callable[[bytes], bytes]] = {
    "small blocks": lambda data: flushed(data, len(data) + 1, zlib.Z_NO_FLUSH, memory=1),
    "sync flushes": lambda data: flushed(data, 700, zlib.Z_SYNC_FLUSH, memory=1),
    "full flushes": lambda data: flushed(data, 700, zlib.Z_FULL_FLUSH),
    "block flushes": lambda data: flushed(data, 300, zlib.Z_BLOCK),
    "fixed codes": lambda data: flushed(data, 500, zlib.Z_BLOCK, strategy=zlib.Z_FIXED),
    "literals only": lambda data: flushed(data, 500, zlib.Z_BLOCK, strategy=zlib.Z_HUFFMAN_ONLY),
    "runs": lambda data: flushed(data, 500, zlib.Z_PARTIAL_FLUSH, strategy=zlib.Z_RLE),
    "stored": lambda data: flushed(data, 600, zlib.Z_SYNC_FLUSH, level=0),
    "one member": gzip_member,
    "BGZF": bgzf,
    "pigz": pigz,
}


@st.composite
def contents(draw: st.DrawFn) -> bytes:
    size = draw(st.integers(0, 12_000))
    seed = draw(st.integers(0, 1_000_000))
    kind = draw(st.sampled_from(["rows", "noise", "zeros", "mixed"]))
    noise = random.Random(seed).randbytes(size)
    if kind == "rows":
        return rows(size, seed)
    if kind == "noise":
        return noise
    return bytes(size) if kind == "zeros" else (noise[: size // 3] + rows(size // 3, seed) * 2)


@st.composite
def sources(draw: st.DrawFn) -> tuple[bytes, bytes]:
    """A source of one to three members (BGZF: more) and its content; with empty ones and zeros among them."""
    encoded, decoded = b"", b""
    for _ in range(draw(st.integers(1, 3))):
        data = draw(contents())
        encoded += WRITERS[draw(st.sampled_from(sorted(WRITERS)))](data) + gzip_member(b"") * draw(st.integers(0, 2))
        encoded += bytes(draw(st.sampled_from([0, 0, 3])))
        decoded += data
    return encoded + draw(st.sampled_from([b"", b"\0" * 5, b"what is this?"])), decoded


# Every entry costs another decoding of what is left: some thirty for each source.
def spacing_for(data: bytes, draw: int) -> int:
    return max(draw, len(data) // 30)


@settings(max_examples=examples(60), deadline=None)
@given(source=sources(), spacing=st.integers(1, 5_000), chunk=CHUNKS, step=st.sampled_from([100, 65_536]))
def test_every_entry_gives_the_rest_bit_by_bit(
    source: tuple[bytes, bytes], spacing: int, chunk: int, step: int
) -> None:
    encoded, decoded = source
    whole = scanned(encoded, spacing_for(decoded, spacing), chunk=chunk, step=step)
    assert whole.content == decoded
    for note in whole.notes:
        for engine in ENGINES.values():
            assert entered(encoded, note, chunk=chunk, step=step, engine=engine) == decoded[note.entry.decoded :]


@settings(max_examples=examples(60), deadline=None)
@given(source=sources(), spacing=st.integers(1, 5_000), chunk=CHUNKS, step=st.sampled_from([100, 65_536]))
def test_a_scan_goes_on_in_another_process_as_if_it_had_never_stopped(
    source: tuple[bytes, bytes], spacing: int, chunk: int, step: int
) -> None:
    encoded, decoded = source
    spacing = spacing_for(decoded, spacing)
    whole = scanned(encoded, spacing)
    for number, note in enumerate(whole.notes):
        kept = Checkpoint.from_json(json.loads(json.dumps(note.to_json())))
        assert kept == note
        rest = scanned(encoded, spacing, chunk=chunk, step=step, go_on=kept)
        assert rest.content == decoded[note.entry.decoded :]
        assert rest.notes == whole.notes[number + 1 :]
        assert rest.trace == whole.trace


@settings(max_examples=examples(60), deadline=None)
@given(source=sources(), spacing=st.integers(1, 5_000), chunk=CHUNKS, step=st.sampled_from([100, 65_536]))
def test_neither_chunks_nor_steps_move_an_entry(
    source: tuple[bytes, bytes], spacing: int, chunk: int, step: int
) -> None:
    encoded, _ = source
    assert scanned(encoded, spacing, chunk=chunk, step=step).notes == scanned(encoded, spacing).notes


@settings(max_examples=examples(60), deadline=None)
@given(source=sources(), spacing=st.integers(1, 5_000), step=st.sampled_from([100, 65_536]))
def test_entries_lie_apart_and_between_pieces(source: tuple[bytes, bytes], spacing: int, step: int) -> None:
    whole = scanned(source[0], spacing, step=step)
    places = [note.entry for note in whole.notes]
    assert places[0] == Entry(0, 0)
    assert all(b.decoded - a.decoded >= spacing and b.encoded > a.encoded for a, b in pairwise(places))
    assert {place.decoded for place in places} <= set(whole.cuts)


@settings(max_examples=examples(60), deadline=None)
@given(source=sources(), chunk=CHUNKS)
def test_the_trace_is_that_of_decoding(source: tuple[bytes, bytes], chunk: int) -> None:
    trace = Trace()
    for _ in decode(chop(source[0], chunk), trace, 65_536, engine=ZLIB):
        pass
    assert scanned(source[0], 500, chunk=chunk).trace == trace


def test_the_window_is_what_came_before_in_the_same_member() -> None:
    first, second = rows(50_000, 1), rows(90_000, 2)
    encoded = gzip_member(first) + WRITERS["small blocks"](second)
    content = first + second
    whole = scanned(encoded, 1_000)
    assert {note.entry.raw for note in whole.notes} == {True, False}
    for note in whole.notes:
        at = note.entry.decoded
        start = max(0 if at < len(first) else len(first), at - 32_768)
        assert note.window == (content[start:at] if note.entry.raw else b"")
        assert note.size == (at - start if note.entry.raw and at - start < 32_768 else note.size)


def test_a_member_begins_without_a_window_or_bits() -> None:
    members = [gzip_member(rows(1_000, seed)) for seed in range(5)]
    starts = [sum(map(len, members[:number])) for number in range(5)]
    notes = scanned(b"".join(members), 1_000).notes
    assert [note.entry for note in notes] == [Entry(1_000 * number, start) for number, start in enumerate(starts)]
    assert [note.members for note in notes] == [0, 1, 2, 3, 4]


def test_members_shorter_than_the_spacing_are_passed_over() -> None:
    notes = scanned(gzip_member(rows(400)) * 100, 1_000).notes
    assert [note.entry.decoded for note in notes] == list(range(0, 40_000, 1_200))


def test_a_boundary_between_bytes_is_waited_for_a_quarter_of_the_spacing() -> None:
    encoded = WRITERS["small blocks"](rows(300_000))
    boundaries = [note.entry for note in scanned(encoded, 1).notes]
    assert {entry.bits for entry in boundaries} == set(range(8))
    spacing = 10_000
    for before, entry in pairwise(note.entry for note in scanned(encoded, spacing).notes):
        due = [one for one in boundaries if one.decoded >= before.decoded + spacing]
        aligned = next(one for one in due if not one.bits)
        late = next(one for one in due if one.decoded >= before.decoded + spacing + spacing // 4)
        assert entry == (aligned if aligned.decoded < late.decoded else late)


def test_an_entry_is_noted_between_the_piece_that_ends_there_and_the_next() -> None:
    noted: list[int] = []
    encoded = WRITERS["small blocks"](rows(20_000))
    position = 0
    for piece in scan([encoded], Trace(), 1_000, spacing=2_000, note=lambda note: noted.append(note.entry.decoded)):
        # What is noted so far lies before this piece, and the last of it nowhere inside.
        assert noted[-1] <= position
        position += len(piece)
    assert len(noted) > 5


def test_what_is_consumed_is_exact_between_pieces() -> None:
    encoded = WRITERS["small blocks"](rows(50_000))
    trace = Trace()
    consumed: list[tuple[int, int]] = []

    def note(checkpoint: Checkpoint) -> None:
        entry = checkpoint.entry
        consumed.append((trace.consumed, entry.encoded + (entry.bits > 0)))

    for _ in scan([encoded], trace, 1_000, spacing=3_000, note=note):
        pass
    assert len(consumed) > 10
    assert all(traced == exact for traced, exact in consumed)


def test_an_empty_source_can_be_entered_at_its_start() -> None:
    whole = scanned(b"", 1)
    assert whole.content == b""
    assert [note.entry for note in whole.notes] == [Entry(0, 0)]
    assert entered(b"", whole.notes[0]) == b""


@pytest.mark.parametrize("level", range(1, 10))
@pytest.mark.parametrize("command", ["gzip", "pigz", "libdeflate-gzip"])
def test_what_the_usual_commands_write_can_be_entered(command: str, level: int) -> None:
    if not shutil.which(command):
        pytest.skip(f"no {command} here")
    data = rows(3_000_000)
    run = subprocess.run([command, f"-{level}", "-c"], input=data, capture_output=True, check=True, timeout=60)
    whole = scanned(run.stdout, 400_000, chunk=65_536)
    assert whole.content == data
    assert len(whole.notes) > 3
    for note in whole.notes:
        for engine in ENGINES.values():
            assert entered(run.stdout, note, chunk=65_536, engine=engine) == data[note.entry.decoded :]


def test_what_bgzip_writes_is_entered_at_its_members() -> None:
    if not shutil.which("bgzip"):
        pytest.skip("no bgzip here")
    data = rows(1_000_000)
    encoded = subprocess.run(["bgzip", "-c"], input=data, capture_output=True, check=True, timeout=60).stdout
    notes = scanned(encoded, 1).notes
    assert not any(note.entry.raw for note in notes)
    assert all(entered(encoded, note) == data[note.entry.decoded :] for note in notes)


def failure(pieces: Iterator[bytes] | Iterator[memoryview]) -> BadSourceError:
    with pytest.raises(BadSourceError) as caught:
        for _ in pieces:
            pass
    return caught.value


def outcome(pieces: Iterator[bytes] | Iterator[memoryview]) -> BadSourceError | None:
    try:
        for _ in pieces:
            pass
    except BadSourceError as error:
        return error
    return None


def scanning(
    encoded: bytes, chunk: int = 0, note: Callable[[Checkpoint], None] = lambda _: None, go_on: Checkpoint | None = None
) -> Iterator[memoryview]:
    return scan(chop(encoded, chunk), Trace(), 1_000, spacing=500, note=note, checkpoint=go_on)


@pytest.mark.parametrize("writer", ["small blocks", "stored", "sync flushes", "BGZF"])
@pytest.mark.parametrize(("chunk", "stride"), [(1, 41), (0, 13)])
def test_a_source_cut_anywhere_is_truncated_there(writer: str, chunk: int, stride: int) -> None:
    encoded = WRITERS[writer](rows(4_000))
    ends = {0, *(note.entry.encoded for note in scanned(encoded, 1).notes if not note.entry.raw)}
    ends.add(len(encoded) - len(gzip_member(b"", gzip_header(extra=b"BC\2\0\0\0"))))
    for cut in set(range(0, len(encoded), stride)) - ends:
        error = failure(scanning(encoded[:cut], chunk))
        assert isinstance(error, TruncatedSourceError), cut
        assert error.offset == cut


@settings(max_examples=examples(150), deadline=None)
@given(
    writer=st.sampled_from(sorted(WRITERS)),
    seed=st.integers(0, 1_000),
    at=st.floats(0, 1, exclude_max=True),
    value=st.integers(1, 255),
    chunk=CHUNKS,
)
@example(writer="one member", seed=0, at=0.0, value=1, chunk=1)
def test_a_damaged_source_fails_as_it_does_when_decoded(
    writer: str, seed: int, at: float, value: int, chunk: int
) -> None:
    good = WRITERS[writer](rows(5_000, seed))
    bad = bytearray(good + gzip_member(b"and more"))
    bad[int(at * len(good))] ^= value
    expected = outcome(decode(chop(bytes(bad), chunk), Trace(), 1_000, engine=ZLIB))
    notes: list[Checkpoint] = []
    found = outcome(scanning(bytes(bad), chunk, notes.append))
    assert type(found) is type(expected)
    for note in notes:
        again = outcome(scanning(bytes(bad)[note.entry.encoded :], chunk, go_on=note))
        assert (type(again), str(again)) == (type(found), str(found))


def test_an_error_after_an_entry_is_located_in_the_whole_source() -> None:
    encoded = WRITERS["small blocks"](rows(20_000)) + gzip_member(b"more")
    for note in scanned(encoded, 3_000).notes:
        for engine in ENGINES.values():
            chunks = chop(encoded[note.entry.encoded : -1], 0)
            error = failure(enter(chunks, note.entry, note.window, 1_000, engine=engine))
            assert isinstance(error, TruncatedSourceError)
            assert error.offset == len(encoded) - 1


def test_whole_members_after_an_entry_are_checked() -> None:
    first = WRITERS["small blocks"](rows(20_000))
    both = first + gzip_member(b"content")[:-8] + bytes(8)
    note = scanned(first, 3_000).notes[-1]
    error = failure(enter([both[note.entry.encoded :]], note.entry, note.window, 1_000))
    assert isinstance(error, ChecksumMismatchError)
    assert error.offset == len(both) - 8


@pytest.mark.skipif(not isal_zlib, reason="no isal for this machine")
@pytest.mark.parametrize("level", range(4))
def test_what_isal_writes_can_be_entered_where_it_begins_blocks(level: int) -> None:
    data = rows(3_000_000)
    writer = isal_zlib.compressobj(level, zlib.DEFLATED, 31)
    encoded = writer.compress(data) + writer.flush()
    whole = scanned(encoded, 400_000)
    assert whole.content == data
    assert (len(whole.notes) > 3) == (level > 0)
    assert all(entered(encoded, note) == data[note.entry.decoded :] for note in whole.notes)


@pytest.mark.parametrize("engine", ENGINES.values(), ids=list(ENGINES))
def test_a_match_reaches_back_as_far_as_deflate_allows(engine: Engine) -> None:
    noise = random.Random(3).randbytes(32_768)
    data = noise + noise[:258]
    writer = zlib.compressobj(0, zlib.DEFLATED, -15)
    stored = writer.compress(noise) + writer.flush(zlib.Z_SYNC_FLUSH)
    # The last block, fixed codes; length 258, distance 32,768; end of block.
    block = "110110001011110111111111111110000000"
    encoded = gzip_header() + stored + int(block[::-1], 2).to_bytes(5, "little") + gzip_trailer(data)
    assert gzip.decompress(encoded) == data
    note = scanned(encoded, len(noise)).notes[-1]
    assert (note.entry.decoded, note.window) == (len(noise), noise)
    assert entered(encoded, note, engine=engine) == noise[:258]


def test_the_reference_reads_what_these_tests_write() -> None:
    data = rows(20_000)
    for write in WRITERS.values():
        assert gzip.decompress(write(data)) == data
