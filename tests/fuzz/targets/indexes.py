"""Damaged sources through index and entry; and damaged indexes of sources that are in order."""

from __future__ import annotations

import json
import zlib
from collections.abc import Sequence
from dataclasses import asdict
from functools import lru_cache
from random import Random
from typing import Any

from fuzz.harness import Target
from fuzz.mutation import damaged, damaged_tree, json_text
from fuzz.targets.codecs import MOST, SOURCES
from fuzz.targets.sources import TOKENS, chunks_of
from penstock.codecs import CODECS, Trace, choose
from penstock.codecs.block_index import passing
from penstock.codecs.checkpoint import Checkpoint
from penstock.codecs.codec import Indexer
from penstock.codecs.index_file import HEADER_SIZE, directory_size, pack, read_directory, read_window
from penstock.codecs.indexers import indexers_within
from penstock.errors import BadSourceError, PenstockError
from penstock.limits import MIN_WINDOW
from penstock.model.span import Entry
from penstock.testing import MemoryRanges

WAYS = indexers_within(MIN_WINDOW)
ENDLESS = b"<too much>"
SAMPLES = 30


def make(rng: Random) -> bytes:
    return damaged(rng, SOURCES[rng.choice(tuple(WAYS))](rng), TOKENS)


def check(data: bytes, rng: Random) -> None:
    """What a scan finds is what decoding finds; entries are where they say; a scan may be cut in two anywhere."""
    codec = choose(data[:16], "name")
    if codec.name not in WAYS:
        return
    way, step, spacing = WAYS[codec.name], rng.choice((1000, 1 << 16)), rng.choice((1, 1000, 40_000))
    for content in (True, False):
        scanned, noted, trace = b"", list[Checkpoint](), Trace()
        try:
            scanned = joined(
                way.scan(chunks_of(data, rng), trace, step, spacing=spacing, note=noted.append, content=content)
            )
        except BadSourceError:
            if content:
                enter_some(way, data, noted, step, rng)
                raise
            continue
        if not content or scanned is ENDLESS:
            continue
        plain = Trace()
        assert scanned == b"".join(codec.decode([data], plain, 1 << 16)), "scan and codec decode different things"
        assert (trace.crc32, trace.members, trace.warnings) == (plain.crc32, plain.members, plain.warnings)
        for one in rng.sample(noted, min(3, len(noted))):
            entered = joined(way.enter([data[one.entry.encoded :]], one.entry, one.window, step))
            assert entered == scanned[one.entry.decoded :], f"entered at {one.entry}"
            again = Checkpoint.from_json(json.loads(json.dumps(one.to_json())))
            assert again == one
            rest, later = Trace(), list[Checkpoint]()
            resumed = way.scan(
                [data[one.entry.encoded :]], rest, step, spacing=spacing, note=later.append, checkpoint=again
            )
            assert joined(resumed) == scanned[one.entry.decoded :], f"resumed at {one.entry}"
            assert later == noted[noted.index(one) + 1 :]
            assert rest == trace
    if way.tail:
        tail(way, data, spacing, step)


def enter_some(way: Indexer, data: bytes, noted: Sequence[Checkpoint], step: int, rng: Random) -> None:
    for one in rng.sample(noted, min(2, len(noted))):
        _refusing(way.enter([data[one.entry.encoded :]], one.entry, one.window, step))


def tail(way: Indexer, data: bytes, spacing: int, step: int) -> None:
    assert way.tail
    found = way.tail(MemoryRanges(data), spacing)
    for one, other in zip(found.entries, found.entries[1:], strict=False):
        trace = Trace()
        chunks = [data[one.entry.encoded :]]
        _refusing(passing(way.enter(chunks, one.entry, one.window, step, trace=trace), trace, other.entry))


def joined(pieces: Any) -> bytes:
    content = bytearray()
    for piece in pieces:
        content += piece
        if len(content) > MOST:
            return ENDLESS
    return bytes(content)


def _refusing(pieces: Any) -> None:
    try:
        joined(pieces)
    except PenstockError:
        return


@lru_cache(maxsize=SAMPLES)
def indexed_of(seed: int) -> Indexed:
    return Indexed(seed)


class Indexed:
    """A source, mostly in order, its checkpoints, and its index as it is kept."""

    def __init__(self, seed: int) -> None:
        rng = Random(seed)
        self.name = tuple(WAYS)[seed % len(WAYS)]
        self.data = SOURCES[self.name](rng)
        self.noted: list[Checkpoint] = []
        _refusing(WAYS[self.name].scan([self.data], Trace(), 1 << 16, spacing=2000, note=self.noted.append))

    @property
    def segment(self) -> bytes:
        return pack([(one.entry, one.window) for one in self.noted])


def sample(rng: Random) -> tuple[int, Indexed]:
    seed = rng.randrange(SAMPLES)
    return seed, indexed_of(seed)


def make_segment(rng: Random) -> bytes:
    """The number of the source, and its damaged segment; often with a directory whose checksum is right."""
    seed, indexed = sample(rng)
    segment = bytearray(damaged(rng, indexed.segment))
    if rng.random() < 0.6 and len(segment) >= HEADER_SIZE:
        segment[:5] = b"PNSX\1"
        end = HEADER_SIZE + 36 * int.from_bytes(segment[5:9], "little")
        segment[9:13] = zlib.crc32(segment[HEADER_SIZE:end]).to_bytes(4, "little")
    return bytes([seed]) + bytes(segment)


def check_segment(data: bytes, rng: Random) -> None:
    indexed, segment = indexed_of(data[0] % SAMPLES if data else 0), data[1:]
    assert directory_size(segment) >= HEADER_SIZE
    for one in read_directory(segment)[:20]:
        window = read_window(segment[one.start : one.start + one.size])
        _refusing(WAYS[indexed.name].enter([indexed.data[one.entry.encoded :]], one.entry, window, 1 << 16))


def make_checkpoint(rng: Random) -> bytes:
    seed, indexed = sample(rng)
    whole = rng.choice(indexed.noted).to_json()
    if rng.random() < 0.5:
        whole["entry"] = damaged_tree(rng, asdict(Entry(**whole["entry"])))
        return json_text([seed, whole])
    return json_text([seed, damaged_tree(rng, whole)])


def check_checkpoint(data: bytes, rng: Random) -> None:
    try:
        seed, plain = json.loads(data)
    except (ValueError, TypeError, RecursionError):
        return
    indexed = indexed_of(seed % SAMPLES)
    one = Checkpoint.from_json(plain)
    chunks = [indexed.data[one.entry.encoded :]]
    way = WAYS[indexed.name]
    noted: list[Checkpoint] = []
    _refusing(way.enter(chunks, one.entry, one.window, 1 << 16))
    _refusing(way.scan(chunks, Trace(), 1 << 16, spacing=2000, note=noted.append, checkpoint=one))
    pack([(other.entry, other.window) for other in noted])


assert set(WAYS) <= set(CODECS)
TARGETS = (
    Target("index", make, check),
    Target("segments", make_segment, check_segment),
    Target("checkpoints", make_checkpoint, check_checkpoint),
)
