"""The members of an archive, read as if they were objects."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fixtures.tars import tar_of
from penstock.archives.archive import Skipped
from penstock.delivery.member_store import MemberObjects, format_of
from penstock.errors import CodecMismatchError, CorruptSourceError, SourceChangedError, SourceGoneError
from penstock.limits import MIN_MEMORY, Budget
from penstock.model.member import Member
from penstock.model.object import Source, member_source
from penstock.testing.objects import MemoryByteSource, MemoryObjectStore

CONTENTS = {"a.csv": b"n\n" * 700, "b/ü.txt": b"", "c.bin": bytes(range(256)) * 10}


class Kept:
    """An archive in a bucket, and its members as sources."""

    def __init__(self, data: bytes, key: str = "in/a.tar") -> None:
        self.store = MemoryObjectStore("drops")
        self.source = self.store.put("drops", key, data)
        self.objects = MemberObjects(self.store, Budget.of(MIN_MEMORY))

    def members(self) -> dict[str, Source]:
        opened = self.objects.open_archive(self.source)
        assert opened.archive.entries
        entries = [entry for entry in opened.archive.entries(opened.ranges) if not isinstance(entry, Skipped)]
        return {entry.name: member_source(self.source, entry) for entry in entries}

    def read(self, source: Source, start: int = 0, end: int | None = None) -> bytes:
        return b"".join(self.objects.open_source(source, start=start, end=end).chunks())


def test_members_are_read_as_their_bytes() -> None:
    kept = Kept(tar_of(CONTENTS))
    assert {name: kept.read(source) for name, source in kept.members().items()} == CONTENTS


@pytest.mark.parametrize(("start", "end"), [(0, None), (0, 5), (3, 700), (1390, None), (1400, 1400), (0, 1400)])
def test_a_part_of_a_member_is_that_part_of_its_bytes(start: int, end: int | None) -> None:
    kept = Kept(tar_of(CONTENTS))
    assert kept.read(kept.members()["a.csv"], start, end) == CONTENTS["a.csv"][start:end]


def test_a_member_is_read_by_another_process_that_only_has_its_source() -> None:
    kept = Kept(tar_of(CONTENTS))
    source = kept.members()["c.bin"]
    kept.objects = MemberObjects(kept.store, kept.objects.budget)
    assert kept.read(source) == CONTENTS["c.bin"]


def test_an_object_is_read_as_before() -> None:
    kept = Kept(tar_of(CONTENTS))
    assert kept.read(kept.source) == tar_of(CONTENTS)
    assert kept.read(kept.source, 5, 9) == tar_of(CONTENTS)[5:9]


def test_a_member_of_an_archive_that_is_read_in_order_comes_from_what_holds_it() -> None:
    kept = Kept(tar_of(CONTENTS))
    source = member_source(kept.source, Member("x", 9))
    with kept.objects.holding(source, MemoryByteSource(b"held")):
        assert kept.read(source) == b"held"
    with pytest.raises(CorruptSourceError, match=r"in/a.tar/x: the tar does not say where 'x' lies"):
        kept.read(source)


def test_a_member_of_an_archive_that_was_overwritten_is_not_read() -> None:
    kept = Kept(tar_of(CONTENTS))
    source = replace(kept.members()["a.csv"], version_id="")
    fresh = MemberObjects(kept.store, kept.objects.budget)
    kept.store.put("drops", "in/a.tar", tar_of({"a.csv": b"other"}))
    with pytest.raises(SourceChangedError, match=r"s3://drops/in/a.tar was overwritten before 'a.csv' was read"):
        list(fresh.open_source(source).chunks())


def test_a_member_of_an_archive_that_was_deleted_is_not_read() -> None:
    kept = Kept(tar_of(CONTENTS))
    source = kept.members()["a.csv"]
    fresh = MemberObjects(kept.store, kept.objects.budget)
    kept.store.erase(kept.source)
    with pytest.raises(SourceGoneError, match=r"s3://drops/in/a.tar was deleted before its member 'a.csv' was read"):
        list(fresh.open_source(source).chunks())


def test_content_that_is_no_archive_is_refused() -> None:
    kept = Kept(b"a,b\n1,2\n" * 100, "in/a.csv")
    with pytest.raises(CodecMismatchError, match=r"s3://drops/in/a.csv: the content is no archive"):
        kept.objects.open_archive(kept.source)


def test_the_name_decides_for_content_that_no_format_knows() -> None:
    empty = Source("drops", "a.tar", 10240, "e")
    assert format_of(bytes(512), empty).name == "tar"
