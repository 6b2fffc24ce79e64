"""Ranged reads of a plain tar archive: how many, and how large."""

from __future__ import annotations

import tracemalloc

import pytest

from fixtures.tars import Ranges, entered, tar_of
from penstock.archives import archive
from penstock.archives.tar import TAR, ranges
from penstock.archives.tar.ranges import LEAST, MOST
from penstock.codecs import Trace
from penstock.errors import ExpansionLimitError, TruncatedSourceError
from penstock.limits import KIB, MIB
from penstock.model.member import Member, MemberContent


def listed(data: bytes) -> Ranges:
    assert TAR.entries
    reader = Ranges(data)
    for _ in TAR.entries(reader):
        pass
    return reader


def test_small_members_share_requests() -> None:
    data = tar_of({f"{number}.csv": b"x" * 300 for number in range(10_000)})
    reader = listed(data)
    assert len(reader.reads) <= len(data) // MOST + 6
    assert max(end - start for start, end in reader.reads) == MOST


def test_contents_of_large_members_are_jumped_over() -> None:
    data = tar_of({f"{number}.bin": bytes(MIB) for number in range(20)})
    reader = listed(data)
    assert len(reader.reads) <= 21
    assert sum(end - start for start, end in reader.reads) <= 21 * LEAST


def test_reads_shrink_again_behind_small_members() -> None:
    files = {f"{number}.csv": b"x" for number in range(5000)}
    data = tar_of(files | {f"{number}.bin": bytes(3 * MIB) for number in range(5)})
    reader = listed(data)
    assert [end - start for start, end in reader.reads[-4:]][:-1] == [LEAST] * 3


@pytest.mark.parametrize("size", [0, 1, 511, 512, 513, 60 * KIB, 70 * KIB, 200 * KIB])
def test_members_of_any_size_are_found(size: int) -> None:
    files = {f"{number}": bytes([number]) * size for number in range(1, 12)}
    members, skipped = entered(Ranges(tar_of(files)))
    assert not skipped
    assert {member.name: content for member, content in members} == files


def test_memory_does_not_grow_with_the_archive() -> None:
    reader = Ranges(tar_of({f"{number}.csv": b"x" * 300 for number in range(12_000)}))
    assert TAR.entries
    tracemalloc.start()
    try:
        for _ in TAR.entries(reader):
            pass
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 2 * MOST + 256 * KIB


def test_entries_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    assert archive.MAX_MEMBERS == 1_000_000
    monkeypatch.setattr(ranges, "MAX_MEMBERS", 2)
    listed(tar_of({"a": b"", "b": b""}))
    with pytest.raises(ExpansionLimitError, match="more than 2 entries"):
        listed(tar_of({"a": b"", "b": b"", "c": b""}))


def test_missing_bytes_of_a_member_are_an_error() -> None:
    assert TAR.locate
    assert TAR.method
    with pytest.raises(TruncatedSourceError, match=r"'a' .*at byte 10"):
        TAR.locate(Ranges(bytes(10)), Member("a", content=MemberContent(5, 11)))
    for wrong in (b"abc", b"abcde"):
        with pytest.raises(TruncatedSourceError, match="the member has 4 bytes"):
            list(TAR.method(MemberContent(5, 9), 0, b"").decode([wrong], Trace(), 2))


def test_a_reader_that_ends_early_is_an_error() -> None:
    class Short(Ranges):
        @property
        def size(self) -> int:
            return len(self.data) + 512

        def read(self, start: int, end: int):  # type: ignore[no-untyped-def]
            yield from [self.data[start:end]] if self.data[start:end] else []

    with pytest.raises(TruncatedSourceError, match="before its size"):
        entered(Short(tar_of({"a": b"1"})))
