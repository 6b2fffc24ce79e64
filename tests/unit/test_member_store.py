"""The members of an archive, read as if they were objects."""

from __future__ import annotations

import errno
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from tempfile import SpooledTemporaryFile
from typing import Any

import pytest

from archive_plant import zip_of
from fixtures.tars import tar_of
from penstock.archives.archive import Skipped
from penstock.delivery import inner_archives
from penstock.delivery.member_store import MemberObjects, format_of
from penstock.errors import (
    CodecMismatchError,
    CorruptSourceError,
    DiskFullError,
    ExpansionLimitError,
    SourceChangedError,
    SourceGoneError,
)
from penstock.limits import MIN_MEMORY, Budget
from penstock.model.member import Member
from penstock.model.object import Source, member_source
from penstock.testing.objects import MemoryByteSource, MemoryObjectSource, MemoryObjectStore

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


# Archives within archives.

INNER: dict[str, Callable[[dict[str, bytes]], bytes]] = {"i.tar": tar_of, "i.zip": zip_of}


def nested(name: str, outer: Callable[[dict[str, bytes]], bytes]) -> tuple[Kept, Source, dict[str, Source]]:
    """An archive with an inner one of this name, the inner one, and its members."""
    kept = Kept(outer({"first": b"1", name: INNER[name](CONTENTS)}), "in/a.zip" if outer is zip_of else "in/a.tar")
    inner = kept.members()[name]
    with kept.objects.entering(inner) as opened:
        assert opened.archive.entries
        entries = [entry for entry in opened.archive.entries(opened.ranges) if isinstance(entry, Member)]
    return kept, inner, {entry.name: member_source(inner, entry) for entry in entries}


@pytest.mark.parametrize("name", INNER)
@pytest.mark.parametrize("outer", [tar_of, zip_of])
def test_members_of_an_inner_archive_are_read_by_their_sources_alone(name: str, outer: Any) -> None:
    kept, _, members = nested(name, outer)
    fresh = MemberObjects(kept.store, kept.objects.budget)
    assert {key: b"".join(fresh.open_source(one).chunks()) for key, one in members.items()} == CONTENTS
    part = fresh.open_source(members["c.bin"], start=100, end=2000)
    assert b"".join(part.chunks()) == CONTENTS["c.bin"][100:2000]


def test_only_what_is_stored_at_both_levels_stands_in_the_object() -> None:
    for outer, name, is_stored in ((tar_of, "i.tar", True), (tar_of, "i.zip", False), (zip_of, "i.tar", False)):
        kept, _, members = nested(name, outer)
        found = kept.objects.stored_range(members["c.bin"])
        assert (found is not None) == is_stored
        if found:
            assert found[0] == kept.source
            assert kept.read(kept.source, found[1], found[1] + 2560) == CONTENTS["c.bin"]


def test_a_compressed_inner_archive_is_spooled_once_for_all_who_read_it_at_once() -> None:
    kept, inner, members = nested("i.zip", zip_of)
    counted = Counting("drops")
    counted.__dict__.update(kept.store.__dict__, reads=0)
    objects = MemberObjects(counted, kept.objects.budget)
    with objects.entering(inner):
        before = counted.reads
        with ThreadPoolExecutor(8) as pool:
            read = pool.map(lambda one: b"".join(objects.open_source(one).chunks()), list(members.values()) * 20)
        assert dict(zip(members, read, strict=False)) == CONTENTS
        assert counted.reads == before
    assert not objects._spools._spools


class Counting(MemoryObjectStore):
    reads = 0

    def open_source(self, source: Source, *, start: int = 0, end: int | None = None) -> MemoryObjectSource:
        self.reads += 1
        return super().open_source(source, start=start, end=end)


def test_an_inner_archive_that_cannot_be_spooled_leaves_no_file(monkeypatch: pytest.MonkeyPatch) -> None:
    kept, inner, _ = nested("i.zip", zip_of)
    monkeypatch.setattr(inner_archives, "IN_FILE", 100)
    with (
        pytest.raises(ExpansionLimitError, match=r"in/a.zip/i.zip: the inner archive has"),
        kept.objects.entering(inner),
    ):
        pass
    monkeypatch.undo()

    def full(file: Any, data: bytes) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(SpooledTemporaryFile, "write", full)
    with pytest.raises(DiskFullError, match=r"i.zip: .*: No space left on device"), kept.objects.entering(inner):
        pass
    assert not kept.objects._spools._spools
