"""tar archives that are cut off, damaged or followed by something else."""

from __future__ import annotations

import re
import tracemalloc
from collections.abc import Callable, Iterator

import pytest

from fixtures.tars import Ranges, entered, summary, tar_of, walked, with_sum
from penstock.archives.archive import Skipped
from penstock.archives.tar import TAR
from penstock.errors import BadHeaderError, TruncatedSourceError
from penstock.model.member import Member

FILES = {"a": b"a" * 700, "b": b"", "c" * 120: b"c"}
DATA = tar_of(FILES)
# Headers begin at 0, 1536 and 2048 (a pax header of two blocks before the last); each content ends where it says.
CONTENTS = [(512, 1212, 1536), (2048, 2048, 2048), (3584, 3585, 4096)]


def test_the_layout_is_as_these_tests_assume() -> None:
    members, _ = entered(Ranges(DATA))
    assert [(one.content.start, one.content.end) for one, _ in members if one.content] == [
        each[:2] for each in CONTENTS
    ]


def test_an_archive_that_is_cut_off_anywhere() -> None:
    for cut in range(4096 + 1024):
        for read in (lambda cut: walked(DATA[:cut], 700), lambda cut: entered(Ranges(DATA[:cut]))):
            _expect_at_cut(cut, read)


def _expect_at_cut(cut: int, read: Callable[[int], tuple[list[tuple[Member, bytes]], list[Skipped]]]) -> None:
    ends_after_a_member = cut in (0, *range(1212, 1537), 2048) or cut >= 3585
    if not ends_after_a_member:
        with pytest.raises(TruncatedSourceError) as caught:
            read(cut)
        assert caught.value.offset == cut
        return
    members, warnings = read(cut)
    whole = [name for name, (_, end, _) in zip(FILES, CONTENTS, strict=True) if 0 < end <= cut]
    assert [member.name for member, _ in members] == whole
    assert [str(each) for each in warnings] == [
        f"the archive ends at byte {cut:,} without its end mark; it may be cut off"
    ]


def test_an_archive_with_only_its_end_mark_has_no_warning() -> None:
    assert walked(DATA[: 4096 + 1024])[1] == []


def test_a_flipped_bit_in_a_header_is_never_unnoticed() -> None:
    pax_records = range(2560, 3072)  # they have no checksum
    for at in (*range(512), *range(1536, 2560), *range(pax_records.stop, 3584)):
        damaged = bytearray(DATA)
        damaged[at] ^= 1
        for read in (walked, lambda data: entered(Ranges(data))):
            with pytest.raises(BadHeaderError) as caught:
                read(bytes(damaged))
            assert caught.value.offset == at // 512 * 512


def test_a_flipped_bit_in_a_content_is_not_noticed() -> None:
    """Tar has no checksum of contents: this is what the documentation says."""
    damaged = bytearray(DATA)
    damaged[600] ^= 1
    assert walked(bytes(damaged))[0][0][1] != FILES["a"]


def test_members_before_the_damage_are_read() -> None:
    damaged = bytearray(DATA)
    damaged[1540] ^= 1
    seen: list[str] = []
    assert TAR.walk
    with pytest.raises(BadHeaderError, match=re.escape("the checksum of the block is wrong (at byte 1,536)")):
        seen.extend(entry.name for entry, _ in TAR.walk(iter([bytes(damaged)])))
    assert seen == ["a"]


def test_garbage_behind_the_end_is_ignored_with_a_warning() -> None:
    for garbage in (b"x", b"garbage" * 1000):
        for members, warnings in (walked(DATA + garbage), entered(Ranges(DATA + garbage))):
            assert summary(members) == list(FILES.items())
            assert [str(each) for each in warnings] == [
                f"the bytes from byte {len(DATA):,} follow the end of the archive: ignored as trailing garbage"
            ]


def test_garbage_in_place_of_the_end_is_an_error() -> None:
    for between in (b"", bytes(512)):
        with pytest.raises(BadHeaderError) as caught:
            walked(DATA[:4096] + between + b"g" * 512)
        assert caught.value.offset == 4096 + len(between)


@pytest.mark.parametrize("zeros", [512, 1024, 10240])
def test_an_archive_behind_another_is_read_with_a_warning(zeros: int) -> None:
    data = DATA[:4096] + bytes(zeros) + tar_of({"later": b"1"})
    for members, warnings in (walked(data), entered(Ranges(data))):
        assert summary(members) == [*FILES.items(), ("later", b"1")]
        assert [str(each) for each in warnings] == [
            f"the archive ends at byte 4,096, but another follows at byte {4096 + zeros:,} and is read as well"
        ]


def test_a_header_that_describes_no_member_is_an_error() -> None:
    for end in (b"", bytes(1024)):
        with pytest.raises(TruncatedSourceError, match="before the member that its last header describes"):
            walked(DATA[:3072] + end)


def test_headers_for_all_members_do_not_add_up_in_memory() -> None:
    """Each may have 1 MiB, and another keyword."""

    def header(kind: bytes, size: int) -> bytes:
        block = b"name".ljust(124, b"\0") + b"%011o\0" % size
        return with_sum((block.ljust(156, b"\0") + kind).ljust(257, b"\0") + b"ustar\00000" + bytes(247))

    def chunks() -> Iterator[bytes]:
        for number in range(20):
            content = b"%d GNU.sparse.%03d=%s\n" % (900_023, number, b"x" * 900_000)
            assert len(content) == 900_023
            yield header(b"g", len(content)) + content + bytes(-len(content) % 512)
        yield header(b"0", 0) + bytes(1024)

    assert TAR.walk
    tracemalloc.start()
    (entry,) = [entry for entry, _ in TAR.walk(chunks())]
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert str(entry) == "name: it is a sparse file"
    assert peak < 8e6
