"""What is equal, what differs, what nobody can tell; and what it costs to know."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import pytest

from penstock.limits import MIB
from penstock.sync.cached_digests import CachedMetadata, Digests
from penstock.sync.compare import Comparison, ExactTimestamps, FileWithObject, Match, ObjectWithObject
from penstock.sync.model import LocalFile, ObjectMetadata, RemoteFile, SyncError

DATA = bytes(range(250)) * 4
OTHER = DATA[:-1] + b"!"
LONG_AGO = 1_000_000_000_000_000_000
LATER = LONG_AGO + 10_000_000_000


@dataclass
class Disk:
    """A local tree of one content, which counts how often it is read."""

    data: bytes
    reads: int = 0

    def walk(self) -> Iterator[LocalFile | SyncError]:
        yield local(self.data)

    def location(self, name: str) -> str:
        return name

    def chunks(self, file: LocalFile) -> Iterator[bytes]:
        self.reads += 1
        yield self.data


@dataclass
class Service:
    """Answers HEADs, and counts them."""

    known: Mapping[str, ObjectMetadata] = field(default_factory=dict)
    parts: Mapping[str, list[int]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    def facts(self, file: RemoteFile) -> ObjectMetadata:
        self.asked.append("facts")
        return self.known[file.key]

    def part_size(self, file: RemoteFile, number: int) -> int:
        self.asked.append(f"part {number}")
        return self.parts[file.key][number - 1]


@dataclass
class Memory:
    """What a digest cache keeps."""

    of_files: dict[tuple[str, str], dict[str, str]] = field(default_factory=dict)
    of_objects: dict[tuple[str, str], ObjectMetadata] = field(default_factory=dict)

    def digests(self, file: LocalFile) -> Mapping[str, str]:
        return self.of_files.get((file.path, file.state), {})

    def remember_digest(self, file: LocalFile, algorithm: str, digest: str) -> None:
        self.of_files.setdefault((file.path, file.state), {})[algorithm] = digest

    def facts(self, file: RemoteFile) -> ObjectMetadata | None:
        return self.of_objects.get((file.uri, file.version))

    def remember_facts(self, file: RemoteFile, facts: ObjectMetadata) -> None:
        self.of_objects[file.uri, file.version] = facts


def local(data: bytes = DATA, *, mtime_ns: int = LONG_AGO, ctime_ns: int = LONG_AGO) -> LocalFile:
    return LocalFile("a", "/tree/a", len(data), mtime_ns, ctime_ns, 1, 2)


def remote(etag: str, key: str = "a", *, size: int = len(DATA), modified: float = 0) -> RemoteFile:
    return RemoteFile(key, "lake", key, size, etag, modified)


def md5(data: bytes) -> str:
    return hashlib.md5(data).hexdigest()


def parted(data: bytes, sizes: list[int]) -> str:
    at, digests = 0, b""
    for size in sizes:
        digests += hashlib.md5(data[at : at + size]).digest()
        at += size
    return f"{md5(digests)}-{len(sizes)}"


class World:
    """A comparison, and what it asked for."""

    def __init__(self, data: bytes = DATA, facts: ObjectMetadata | None = None, parts: list[int] | None = None) -> None:
        self.disk = Disk(data)
        self.memory = Memory()
        self.service = Service({"a": facts} if facts else {}, {"a": parts or []})
        self.comparison = self.next_run()

    def next_run(self) -> FileWithObject:
        known = CachedMetadata(self.service, self.memory)
        return FileWithObject(Digests(self.disk, self.memory, lambda: LATER), known)

    def compare(self, etag: str) -> Match:
        return self.comparison.fully(local(self.disk.data), remote(etag))


def test_files_of_unequal_size_are_neither_read_nor_asked_for() -> None:
    world = World()
    assert world.comparison.quickly(local(), remote("e", size=1)) is Match.DIFFERENT
    assert (world.disk.reads, world.service.asked) == (0, [])


def test_empty_files_are_equal() -> None:
    assert World().comparison.quickly(local(b""), remote("whatever-3", size=0)) is Match.EQUAL


def test_a_file_whose_md5_is_the_etag_is_equal_and_costs_no_request() -> None:
    world = World()
    assert world.compare(md5(DATA)) is Match.EQUAL
    assert (world.disk.reads, world.service.asked) == (1, [])


def test_either_may_be_the_source() -> None:
    world = World()
    assert world.comparison.fully(remote(md5(DATA)), local()) is Match.EQUAL


def test_the_second_comparison_reads_nothing() -> None:
    world = World()
    world.compare(md5(DATA))
    assert world.next_run().quickly(local(), remote(md5(DATA))) is Match.EQUAL
    assert world.disk.reads == 1


def test_another_md5_is_a_difference_where_the_etag_is_one() -> None:
    assert World(facts=ObjectMetadata(md5_etag=True)).compare(md5(OTHER)) is Match.DIFFERENT


def test_an_md5_outweighs_a_weak_checksum() -> None:
    collision = ObjectMetadata(md5_etag=True, checksums={"crc32": f"{zlib.crc32(DATA):08x}"})
    assert World(facts=collision).compare(md5(OTHER)) is Match.DIFFERENT


@pytest.mark.parametrize("part", [100, 333, 999])
def test_a_multipart_object_is_equal_whatever_the_part_size(part: int) -> None:
    sizes = [part] * (1000 // part) + [1000 % part]
    sizes = [size for size in sizes if size]
    world = World(facts=ObjectMetadata(md5_etag=True), parts=sizes)
    assert world.compare(parted(DATA, sizes)) is Match.EQUAL
    assert world.service.asked == ["facts", "part 1"]


def test_a_multipart_object_of_unequal_parts_is_equal() -> None:
    sizes = [100, 500, 50, 350]
    world = World(facts=ObjectMetadata(md5_etag=True), parts=sizes)
    assert world.compare(parted(DATA, sizes)) is Match.EQUAL
    # The last part is what the others leave.
    assert world.service.asked == ["facts", "part 1", "part 2", "part 3"]


def test_unequal_parts_that_look_equal_are_seen() -> None:
    sizes = [400, 200, 400]
    assert World(facts=ObjectMetadata(md5_etag=True), parts=sizes).compare(parted(DATA, sizes)) is Match.EQUAL


def test_where_part_sizes_are_not_told_the_usual_ones_prove_equality_and_none_a_difference() -> None:
    data = bytes(16 * MIB + 5)
    world = World(data, ObjectMetadata(md5_etag=True), parts=[0, 0, 0])
    there = remote(parted(data, [8 * MIB, 8 * MIB, 5]), size=len(data))
    assert world.comparison.fully(local(data), there) is Match.EQUAL
    world = World(data, ObjectMetadata(md5_etag=True), parts=[0, 0, 0])
    there = remote(parted(data, [9 * MIB, 7 * MIB, 5]), size=len(data))
    assert world.comparison.fully(local(data), there) is Match.UNKNOWN


def test_other_content_in_the_same_parts_differs() -> None:
    sizes = [400, 400, 200]
    assert World(facts=ObjectMetadata(md5_etag=True), parts=sizes).compare(parted(OTHER, sizes)) is Match.DIFFERENT


def test_a_multipart_object_is_asked_for_once_and_read_for_once() -> None:
    sizes = [400, 400, 200]
    world = World(facts=ObjectMetadata(md5_etag=True), parts=sizes)
    world.compare(parted(DATA, sizes))
    reads, asked = world.disk.reads, list(world.service.asked)
    assert world.next_run().fully(local(), remote(parted(DATA, sizes))) is Match.EQUAL
    assert (world.disk.reads, world.service.asked) == (reads, asked)


@pytest.mark.parametrize("algorithm", ["crc32", "sha1", "sha256"])
@pytest.mark.parametrize(("data", "match"), [(DATA, Match.EQUAL), (OTHER, Match.DIFFERENT)])
@pytest.mark.parametrize("etag", ["0123456789abcdef0123456789abcdef", "0123456789abcdef0123456789abcdef-7"])
def test_a_stored_checksum_decides_where_the_etag_says_nothing(
    algorithm: str, data: bytes, match: Match, etag: str
) -> None:
    value = f"{zlib.crc32(data):08x}" if algorithm == "crc32" else hashlib.new(algorithm, data).hexdigest()
    world = World(facts=ObjectMetadata(md5_etag=False, checksums={algorithm: value}))
    assert world.compare(etag) is match
    assert world.service.asked == ["facts"]


def test_a_stored_checksum_spares_the_question_for_part_sizes() -> None:
    world = World(facts=ObjectMetadata(md5_etag=True, checksums={"crc32": f"{zlib.crc32(DATA):08x}"}))
    assert world.compare("whatever-3") is Match.EQUAL
    assert world.service.asked == ["facts"]


@pytest.mark.parametrize(("data", "match"), [(DATA, Match.EQUAL), (OTHER, Match.DIFFERENT)])
def test_the_digest_in_the_metadata_decides_where_nothing_else_does(data: bytes, match: Match) -> None:
    facts = ObjectMetadata(md5_etag=False, metadata={"penstock-sha256": hashlib.sha256(data).hexdigest()})
    assert World(facts=facts).compare("opaque") is match


@pytest.mark.parametrize("etag", ["opaque", "opaque-3"])
def test_what_nothing_tells_is_unknown_and_never_guessed(etag: str) -> None:
    assert World(facts=ObjectMetadata(md5_etag=False)).compare(etag) is Match.UNKNOWN


def test_a_digest_that_was_noted_of_an_object_makes_it_known() -> None:
    world = World(facts=ObjectMetadata(md5_etag=False))
    world.comparison.facts.add_checksum(remote("opaque"), "sha256", hashlib.sha256(DATA).hexdigest())
    assert world.compare("opaque") is Match.EQUAL


@pytest.mark.parametrize("field", ["mtime_ns", "ctime_ns"])
@pytest.mark.parametrize("age", [-5_000_000_000, 0, 1_999_999_999])
def test_a_digest_is_not_trusted_of_a_file_that_had_just_changed(field: str, age: int) -> None:
    world = World()
    young = local(mtime_ns=LATER - age) if field == "mtime_ns" else local(ctime_ns=LATER - age)
    world.comparison.fully(young, remote(md5(DATA)))
    assert world.next_run().quickly(young, remote(md5(DATA))) is None


def test_a_digest_is_trusted_of_a_file_that_has_settled() -> None:
    world = World()
    settled = local(ctime_ns=LATER - 2_000_000_000)
    world.comparison.fully(settled, remote(md5(DATA)))
    assert world.next_run().quickly(settled, remote(md5(DATA))) is Match.EQUAL


@pytest.mark.parametrize(("size", "match"), [(1000, Match.EQUAL), (999, Match.DIFFERENT)])
def test_size_only_looks_at_nothing_else(size: int, match: Match) -> None:
    assert Comparison().quickly(local(), remote("other", size=size, modified=7.0)) is match
    assert Comparison().fully(local(), remote("other", size=size)) is match


@pytest.mark.parametrize(
    ("size", "seconds", "match"),
    [
        (1000, 1_000_000_000.0, Match.EQUAL),
        (1000, 999_999_999.0, Match.DIFFERENT),
        (1000, 1_000_000_001.0, Match.DIFFERENT),
        (999, 1_000_000_000.0, Match.DIFFERENT),
    ],
)
def test_exact_timestamps_look_at_size_and_second(size: int, seconds: float, match: Match) -> None:
    there = remote("other", size=size, modified=seconds)
    assert ExactTimestamps().quickly(there, local(mtime_ns=LONG_AGO + 999_999_999)) is match


def between(
    one: ObjectMetadata, other: ObjectMetadata, etags: tuple[str, str], parts: Mapping[str, list[int]] | None = None
) -> Match:
    service = Service({"a": one, "b": other}, parts or {})
    comparison = ObjectWithObject(CachedMetadata(service, Memory()))
    return comparison.fully(remote(etags[0], "a"), remote(etags[1], "b"))


PLAIN, OPAQUE = ObjectMetadata(md5_etag=True), ObjectMetadata(md5_etag=False)


def test_objects_of_equal_etags_are_equal_and_not_asked_for() -> None:
    service = Service()
    assert ObjectWithObject(CachedMetadata(service, Memory())).quickly(remote("e"), remote("e", "b")) is Match.EQUAL
    assert service.asked == []


def test_single_puts_of_unequal_md5s_differ() -> None:
    assert between(PLAIN, PLAIN, ("x", "y")) is Match.DIFFERENT


def test_objects_in_the_same_parts_differ_by_their_etags() -> None:
    assert between(PLAIN, PLAIN, ("x-2", "y-2"), {"a": [600, 400], "b": [600, 400]}) is Match.DIFFERENT


def test_objects_in_other_parts_cannot_be_told_by_their_etags() -> None:
    assert between(PLAIN, PLAIN, ("x-2", "y-2"), {"a": [600, 400], "b": [500, 500]}) is Match.UNKNOWN
    assert between(PLAIN, PLAIN, ("x", "y-2"), {"b": [500, 500]}) is Match.UNKNOWN
    assert between(PLAIN, PLAIN, ("x-2", "y-2"), {"a": [0, 0], "b": [0, 0]}) is Match.UNKNOWN


@pytest.mark.parametrize(("values", "match"), [(("1", "1"), Match.EQUAL), (("1", "2"), Match.DIFFERENT)])
def test_a_checksum_of_both_decides(values: tuple[str, str], match: Match) -> None:
    one, other = (ObjectMetadata(md5_etag=False, checksums={"crc32": value}) for value in values)
    assert between(one, other, ("x", "y-2")) is match


@pytest.mark.parametrize(("values", "match"), [(("1", "1"), Match.EQUAL), (("1", "2"), Match.DIFFERENT)])
def test_the_digest_in_the_metadata_of_both_decides(values: tuple[str, str], match: Match) -> None:
    one, other = (ObjectMetadata(md5_etag=False, metadata={"penstock-sha256": value}) for value in values)
    assert between(one, other, ("x", "y")) is match


def test_opaque_objects_without_a_common_checksum_are_unknown() -> None:
    with_crc = ObjectMetadata(md5_etag=False, checksums={"crc32": "1"})
    assert between(OPAQUE, with_crc, ("x", "y")) is Match.UNKNOWN
