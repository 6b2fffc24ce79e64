"""Zips that hold more than they can, and zips with more entries than their end can count."""

from __future__ import annotations

import io
import zipfile
import zlib

import pytest

from fixtures.encoded import deflate
from fixtures.tars import QUINE
from fixtures.zips import STORED, Entry, contents, end_record, listed, zip64_end, zip_of
from lengths import long
from penstock.archives.zip import directory
from penstock.errors import CorruptSourceError, ExpansionLimitError
from penstock.limits import MIB

KERNEL = bytes(MIB)


def full_overlap(count: int) -> bytes:
    """Every entry has the same header and content (David Fifield, https://www.bamsoftware.com/hacks/zipbomb/)."""
    kernel = Entry(b"kernel", KERNEL)
    front = kernel.header() + kernel.body
    listing = kernel.listing(0) * count
    return front + listing + end_record(count, len(listing), len(front))


def quoted_overlap(count: int) -> bytes:
    """As his zbsm.zip: a stored block of Deflate at the start of each member quotes the header of the next one."""
    text, body, tail, made = KERNEL, deflate(KERNEL), b"", list[tuple[Entry, int]]()
    for number in reversed(range(count)):
        entry = Entry(b"%04d" % number, text, data=body)
        tail = entry.header() + body
        made.append((entry, len(tail)))
        header = entry.header()
        quote = b"\0" + len(header).to_bytes(2, "little") + (len(header) ^ 0xFFFF).to_bytes(2, "little")
        text, body = header + text, quote + tail
    listing = b"".join(entry.listing(len(tail) - length) for entry, length in reversed(made))
    return tail + listing + end_record(count, len(listing), len(tail))


def test_overlapping_bombs_are_refused_and_two_members_named() -> None:
    bomb = quoted_overlap(50)
    with zipfile.ZipFile(io.BytesIO(bomb)) as archive:  # else it would be refused as damaged
        assert len(zlib.decompress(bomb[34:], -15)) == archive.infolist()[0].file_size > MIB
    with pytest.raises(CorruptSourceError, match=r"members '0000' \(1\) and '0001' \(2\) overlap \(at byte 39\)"):
        listed(bomb)
    with pytest.raises(CorruptSourceError, match=r"'kernel' \(1\) and 'kernel' \(2\) overlap|behind the start"):
        listed(full_overlap(50))


def test_a_quine_is_an_archive_like_any_other() -> None:
    data = QUINE.read_bytes()
    assert contents(data) == {"r/r.zip": data}


def many(count: int) -> tuple[bytes, bytes, tuple[int, int, int]]:
    """Members and directory of an archive, and the numbers of its end record."""
    members = [Entry(b"%06d" % number, b"", method=STORED) for number in range(count)]
    header = len(members[0].header())
    front = b"".join(member.header() for member in members)
    listing = b"".join(member.listing(number * header) for number, member in enumerate(members))
    return front, listing, (count, len(listing), len(front))


@pytest.mark.parametrize("count", [long(65_536), long(70_000)])
def test_more_entries_than_16_bits_count_are_read_with_zip64_and_without(count: int) -> None:
    """Writers that know no zip64, such as old ones of Java, leave the upper bits out."""
    front, listing, numbers = many(count)
    wrapped = count & 0xFFFF
    for end in (
        zip64_end(*numbers) + end_record(*numbers, here=0xFFFF, count=0xFFFF),
        end_record(*numbers, here=wrapped, count=wrapped),
    ):
        found = listed(front + listing + end)
        assert [entry.name for entry in found] == [f"{number:06}" for number in range(count)]
    for wrong in (wrapped + 1, 0xFFFF):
        with pytest.raises(CorruptSourceError, match=f"has {count:,} whole entries"):
            listed(front + listing + end_record(*numbers, here=wrong, count=wrong))


def test_entries_that_no_end_counts_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(directory, "MAX_MEMBERS", 65_540)
    front, listing, numbers = many(65_541)
    with pytest.raises(ExpansionLimitError, match="more than 65,540 entries"):
        listed(front + listing + end_record(*numbers, here=5, count=5))


def test_a_directory_that_counts_no_entry_has_none() -> None:
    whole = zip_of(Entry(b"a"), here=0, count=0)
    with pytest.raises(CorruptSourceError, match="declares 0 entries"):
        listed(whole)
