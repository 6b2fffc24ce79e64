"""The contents of members of an archive that is read in order."""

from __future__ import annotations

import errno
from tempfile import SpooledTemporaryFile
from typing import Any

import pytest

from penstock.delivery.walked_members import IN_FILE, IN_MEMORY, SpooledMember, StreamedMember
from penstock.errors import DiskFullError, ExpansionLimitError
from penstock.model.source import HeldSource

DATA = bytes(range(256)) * (IN_MEMORY // 256 + 5)


@pytest.mark.parametrize("size", [0, 5, len(DATA)])
def test_a_spooled_member_can_be_read_again(size: int) -> None:
    with SpooledMember(size, iter([DATA[:size]])) as member:
        assert [b"".join(member.chunks()) for _ in range(2)] == [DATA[:size]] * 2
        assert member.size == size


def test_a_member_too_large_for_the_disk_is_refused_before_it_is_read() -> None:
    with pytest.raises(ExpansionLimitError, match="its archive is read in order"):
        SpooledMember(IN_FILE + 1, iter([]))
    with SpooledMember(IN_FILE + 1, iter([]), most=IN_FILE + 1) as member:
        assert member.size == IN_FILE + 1


def test_a_full_disk_fails_the_member_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(file: Any, data: bytes) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(SpooledTemporaryFile, "write", full)
    with pytest.raises(DiskFullError, match="3 bytes does not fit the temporary files: No space left on device"):
        SpooledMember(3, iter([b"abc"])).__enter__()


@pytest.mark.parametrize("data", [b"", b"abc"])
def test_members_yield_their_bytes(data: bytes) -> None:
    assert b"".join(HeldSource(data).chunks()) == data
    assert b"".join(StreamedMember(len(data), iter([data])).chunks()) == data
