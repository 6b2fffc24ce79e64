"""Archives as sources of a run: by which name, within which limits, by how many reads."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from archive_plant import zip_of
from fixtures.tars import tar_of
from penstock.archives import Archive, archive_named
from penstock.archives.tar import TAR
from penstock.archives.zip import ZIP
from penstock.delivery.block_ranges import BLOCK
from penstock.delivery.member_store import MemberObjects
from penstock.errors import CodecMismatchError, ExpansionLimitError, FileChangedError, FileError
from penstock.limits import MIB, Budget
from penstock.model.object import Source
from penstock.model.route import Route
from penstock.run.archive_source import ArchiveSource
from penstock.run.local_source import FileSource
from penstock.testing.objects import MemoryObjectSource, MemoryObjectStore

BUDGET = Budget.of(128 * MIB)
ROUTE = Route("--to", (), "out/", max_ratio=250)
FILES = {"a.csv": b"a" * 700, "b.csv": b"b"}


@pytest.mark.parametrize(
    "name", ["a.tar", "in/A.TAR", "a.tar.gz", "a.tgz", "a.tbz2", "a.txz", "a.tar.zst", "a.b.tar.xz"]
)
def test_names_of_archives(name: str) -> None:
    assert archive_named(name) is TAR


@pytest.mark.parametrize(
    "name", ["", "tar", "a.tar/b", "a.gz", "a.csv", "a.tar.csv", "a.xlsx", "a.docx", "a.jar", "a.tgz2"]
)
def test_names_of_other_sources(name: str) -> None:
    assert archive_named(name) is None


class Reads(MemoryObjectStore):
    """Notes the ranges that are read."""

    ranges: list[tuple[int, int | None]]

    def open_source(self, source: Source, *, start: int = 0, end: int | None = None) -> MemoryObjectSource:
        self.ranges.append((start, end))
        return super().open_source(source, start=start, end=end)


def source(data: bytes, key: str = "in/data.tar", archive: Archive = TAR) -> ArchiveSource:
    store = Reads("lake")
    store.ranges = []
    return ArchiveSource(store.put("lake", key, data), archive, MemberObjects(store, BUDGET), ROUTE)


@pytest.mark.parametrize("packed", [False, True])
def test_members_are_read_or_left_unread(packed: bool) -> None:
    data = tar_of(FILES)
    opened = source(gzip.compress(data) if packed else data, "data.tgz" if packed else "data.tar").opened()
    assert opened.codec == ("gzip" if packed else "identity")
    read = {}
    for entry, content in opened.entries({}):
        assert content
        assert content.size == len(FILES[entry.name])
        read[entry.name] = b"".join(content.chunks())
    assert read == FILES
    assert [entry.name for entry, _ in opened.entries({})] == list(FILES)


def test_content_that_is_no_archive_is_refused_by_name() -> None:
    for data, key in ((b"id,name\n" * 100, "data.tar"), (gzip.compress(b"id\n"), "data.tar.gz"), (b"PK\3\4", "a.tar")):
        with pytest.raises(CodecMismatchError, match="says tar, but the content is not") as caught:
            source(data, key).opened()
        assert caught.value.source == f"s3://lake/{key}"


def test_an_empty_tar_is_nothing_but_zeros() -> None:
    assert list(source(bytes(10_240)).opened().entries({})) == []


def test_an_archive_that_must_be_entered_is_refused_under_a_codec() -> None:
    with pytest.raises(CodecMismatchError, match="compressed with gzip"):
        source(gzip.compress(zip_of(FILES)), "data.zip.gz", ZIP).opened()


def test_damage_names_the_archive() -> None:
    data = bytearray(tar_of(FILES))
    data[1540] ^= 1
    with pytest.raises(Exception, match=r"s3://lake/in/data.tar: .*at byte 1,536"):
        list(source(bytes(data)).entries({}))


def test_small_members_share_reads_and_large_ones_have_their_own() -> None:
    small = {f"{number}": bytes([number]) * 1000 for number in range(100)}
    large = {"large": b"x" * (BLOCK + 1)}
    opened = source(tar_of(small | large))
    read = {}
    for entry, content in opened.entries({}):
        assert content
        read[entry.name] = b"".join(content.chunks())
    assert read == small | large
    assert isinstance(opened.objects.objects, Reads)
    assert len(opened.objects.objects.ranges) <= 8


@pytest.mark.parametrize(("size", "fits"), [(64 * MIB, True), (64 * MIB + 1, False)])
def test_a_member_is_limited_by_its_encoded_size(size: int, fits: bool) -> None:
    opened = source(zip_of({"bomb": bytes(size)}), "data.zip", ZIP).opened()
    ((_, content),) = opened.entries({})
    assert content
    if fits:
        assert sum(map(len, content.chunks())) == size
    else:
        with pytest.raises(
            ExpansionLimitError, match=r"lake/data.zip/bomb: [\d,]+ bytes decode to more than 67,108,864"
        ):
            list(content.chunks())


def test_a_file_is_read_by_ranges(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"0123456789" * 100_000)
    file = FileSource(path)
    for start, end in ((0, 0), (3, 7), (0, 1_000_000), (999_999, 1_000_000)):
        assert b"".join(file.read(start, end)) == path.read_bytes()[start:end]
    path.write_bytes(b"changed")
    with pytest.raises(FileChangedError):
        list(file.read(0, 1))
    path.unlink()
    with pytest.raises(FileError):
        list(file.read(0, 1))
