"""The decoded bytes of a compressed archive, read by ranges through its index."""

from __future__ import annotations

import gzip
import random
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fixtures.tars import tar_of
from fixtures.units import bgzf, pieces_of, xz, zstd
from lengths import examples
from machine_sources import TEXT, in_blocks, in_members
from penstock.archives.tar import TAR
from penstock.delivery.member_store import MemberObjects
from penstock.delivery.ports import ObjectStore
from penstock.errors import BadSourceError, IncompleteJobError, SourceChangedError
from penstock.large_jobs import decoded_ranges
from penstock.large_jobs.decoded_ranges import DecodedArchives, DecodedRanges, archive_index
from penstock.large_jobs.index_pass import IndexPass
from penstock.limits import KIB, MIN_MEMORY, Budget
from penstock.model.member import Member
from penstock.model.object import Source
from penstock.model.route import Route
from penstock.model.source import ByteSource
from penstock.testing import ManualDeadline, MemoryObjectStore, MemoryWorkFiles

SPACING = 2 * KIB
BUDGET = replace(Budget.of(MIN_MEMORY), step=KIB)
ROUTE = Route("archives", ("*",), "", archive="members")
PACKED = {
    "gzip": in_blocks(TEXT),
    "gzip in one block": gzip.compress(TEXT),
    "gzip in members": in_members(TEXT),
    "gzip in members of a byte": in_members(TEXT[:300], 1),
    "bgzf": bgzf(pieces_of(TEXT, 5_000)),
    "xz": xz(pieces_of(TEXT, 3_000)),
    "zstd": zstd(pieces_of(TEXT, 3_000)),
    "zstd without sizes": zstd(pieces_of(TEXT, 3_000), sized=False),
}


@dataclass
class CountingStore:
    """Counts how often a source is opened, and the encoded bytes that are read."""

    store: MemoryObjectStore
    opened: int = 0

    def open_source(self, source: Source, *, start: int = 0, end: int | None = None) -> ByteSource:
        self.opened += 1
        return self.store.open_source(source, start=start, end=end)


class Archive:
    """A compressed object, and its index."""

    def __init__(self, data: bytes, codec: str) -> None:
        self.store = MemoryObjectStore("drops", piece=700)
        self.source = self.store.put("drops", "a", data)
        self.files = MemoryWorkFiles()
        self.codec = codec

    def index(self) -> None:
        index = archive_index(self.files, self.source, self.codec, SPACING)
        deadline = ManualDeadline(900.0)
        objects = MemberObjects(self.store, BUDGET)
        assert IndexPass(index, ROUTE, objects, BUDGET, deadline, 10.0, lambda _: None).run()

    def open(self, store: ObjectStore | None = None) -> DecodedRanges:
        return DecodedArchives(store or self.store, self.files, BUDGET, SPACING)(self.source, self.codec)


def indexed(name: str) -> Archive:
    made = Archive(PACKED[name], name.split(" ", maxsplit=1)[0].replace("bgzf", "gzip"))
    made.index()
    return made


def text_of(name: str) -> bytes:
    return TEXT[:300] if name.endswith("a byte") else TEXT


def joined(ranges: DecodedRanges, start: int, end: int) -> bytes:
    return b"".join(ranges.read(start, end))


@pytest.mark.parametrize("name", list(PACKED))
@settings(max_examples=examples(20), deadline=None)
@given(data=st.data())
def test_any_range_in_any_order_is_that_slice_of_the_content(name: str, data: st.DataObject) -> None:
    text = text_of(name)
    offsets = st.integers(0, len(text))
    ranges = indexed(name).open()
    assert ranges.size == len(text)
    for start, end in data.draw(st.lists(st.tuples(offsets, offsets), max_size=8)):
        assert joined(ranges, start, end) == text[start:end]


@settings(max_examples=examples(40), deadline=None)
@given(
    sizes=st.lists(st.integers(0, 6_000), max_size=12),
    packed=st.sampled_from([gzip.compress, in_blocks, lambda data: in_members(data, 4_000)]),
    seed=st.integers(0, 1_000),
)
def test_a_random_archive_has_the_members_that_were_written(
    sizes: list[int], packed: Callable[[bytes], bytes], seed: int
) -> None:
    rng = random.Random(seed)
    files = {f"{number}.bin": rng.randbytes(size // 2) + bytes(size - size // 2) for number, size in enumerate(sizes)}
    made = Archive(packed(tar_of(files)), "gzip")
    made.index()
    ranges = made.open()
    assert TAR.entries
    members = [entry for entry in TAR.entries(ranges) if isinstance(entry, Member)]
    rng.shuffle(members)
    found = {one.name: joined(ranges, one.content.start, one.content.end) for one in members if one.content}
    assert found == files


def test_a_range_may_be_left_before_its_end() -> None:
    ranges = indexed("gzip").open()
    pieces = ranges.read(0, 40_000)
    first = next(pieces)
    pieces.close()
    assert (first, joined(ranges, len(first), 50_000)) == (TEXT[: len(first)], TEXT[len(first) : 50_000])


def test_ranges_in_order_are_decoded_once() -> None:
    made = indexed("gzip")
    store = CountingStore(made.store)
    ranges = made.open(store)  # type: ignore[arg-type]  # it is only read
    at = random.Random(1).sample(range(len(TEXT)), 200)
    found = [joined(ranges, start, start + 10) for start in sorted(at)]
    assert found == [TEXT[start : start + 10] for start in sorted(at)]
    assert store.opened == 1


def test_contents_between_ranges_are_jumped_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoded_ranges, "NEAR", KIB)
    made = indexed("gzip")
    store = CountingStore(made.store)
    ranges = made.open(store)  # type: ignore[arg-type]  # as above
    assert [joined(ranges, at, at + 10) for at in (0, 100, 45_000)] == [TEXT[at : at + 10] for at in (0, 100, 45_000)]
    assert store.opened == 2


def test_what_was_just_read_is_kept() -> None:
    made = indexed("gzip")
    store = CountingStore(made.store)
    ranges = made.open(store)  # type: ignore[arg-type]  # as above
    assert joined(ranges, 20_000, 30_000) == TEXT[20_000:30_000]
    assert joined(ranges, 20_000, 40_000) == TEXT[20_000:40_000]
    assert store.opened == 1


def test_what_is_no_longer_kept_is_decoded_from_the_entry_before(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoded_ranges, "KEPT", KIB)
    ranges = indexed("gzip").open()
    for start in (20_000, 10_000, 45_000, 44_990, 0):
        assert joined(ranges, start, start + 5_000) == TEXT[start : start + 5_000]


def test_threads_read_ranges_at_once() -> None:
    ranges = indexed("gzip").open()
    starts = list(range(0, len(TEXT), 500))
    random.Random(2).shuffle(starts)
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda start: joined(ranges, start, start + 700), starts))
    assert found == [TEXT[start : start + 700] for start in starts]


def test_an_archive_without_an_index_is_not_opened() -> None:
    made = Archive(PACKED["gzip"], "gzip")
    with pytest.raises(
        IncompleteJobError, match=r"s3://drops/a: its index, s3://.*/jobs/index-.*/, is missing"
    ) as caught:
        made.open()
    assert "penstock redrive" in caught.value.hint


def test_a_segment_that_has_expired_is_no_deleted_source() -> None:
    made = indexed("gzip")
    made.files.files = {key: data for key, data in made.files.files.items() if key.endswith("state.json")}
    with pytest.raises(IncompleteJobError, match="its index, s3://"):
        joined(made.open(), 0, 10)


def test_an_archive_that_was_overwritten_is_not_read() -> None:
    made = Archive(PACKED["gzip"], "gzip")
    made.source = replace(made.source, version_id="")
    made.index()
    ranges = made.open()
    made.store.put("drops", "a", in_blocks(TEXT[::-1]))
    with pytest.raises(SourceChangedError):
        joined(ranges, 0, 10)


@pytest.mark.parametrize("name", list(PACKED))
def test_the_index_verifies_all_of_an_archive(name: str) -> None:
    """Also where its codec lets a pass jump: every byte that is flipped is found, or is none that decoding needs."""
    codec = name.split(" ", maxsplit=1)[0].replace("bgzf", "gzip")
    data = bytearray(PACKED[name])
    rng = random.Random(name)
    found = 0
    for _ in range(12):
        at = rng.randrange(len(data) // 4, len(data) * 3 // 4)
        damaged = data[:at] + bytes([data[at] ^ 0x10]) + data[at + 1 :]
        made = Archive(bytes(damaged), codec)
        with suppress(BadSourceError):
            made.index()
            assert joined(made.open(), 0, len(text_of(name))) == text_of(name)
            continue
        found += 1
    assert found >= 9
