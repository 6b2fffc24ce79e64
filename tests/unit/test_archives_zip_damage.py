"""Zip archives that are damaged, or that lie: refused by name, or read right."""

from __future__ import annotations

import bz2
import io
import lzma
import struct
import zipfile
from collections.abc import Callable, Generator
from dataclasses import dataclass
from functools import partial

import pytest

from fixtures.zips import STORED, Entry, Unseekable, contents, decoded, each_cut, end_record, listed, zip64_end, zip_of
from lengths import long
from penstock.archives.archive import MAX_MEMBERS
from penstock.archives.zip import entries
from penstock.archives.zip.end import MAX_DIRECTORY
from penstock.archives.zip.extents import Extents
from penstock.errors import (
    BadHeaderError,
    BadSourceError,
    ChecksumMismatchError,
    CodecMismatchError,
    CorruptSourceError,
    EncryptedMemberError,
    ExpansionLimitError,
    PenstockError,
    TruncatedSourceError,
)
from penstock.limits import MIB
from penstock.model.member import Member

TEXTS = {"a.csv": b"id,name\n1,reservoir\n" * 4, "b.txt": b"stored", "c/d.json": b'{"e": null}' * 3}


def small(*, seekable: bool, zip64: bool) -> bytes:
    plain, unseekable = io.BytesIO(), Unseekable()
    with zipfile.ZipFile(plain if seekable else unseekable, "w") as archive:
        for method, (name, text) in zip((8, 0, 12), TEXTS.items(), strict=True):
            info = zipfile.ZipInfo(name, (2024, 2, 29, 12, 30, 58))
            info.compress_type = method
            with archive.open(info, "w", force_zip64=zip64) as file:
                file.write(text)
        archive.comment = b"of three"
    return plain.getvalue() if seekable else bytes(unseekable.written)


def small_zip64() -> bytes:
    data = small(seekable=True, zip64=True)
    at = data.rindex(b"PK\5\6")
    size, offset = struct.unpack_from("<2L", data, at + 12)
    end = end_record(0, 0, 0, here=0xFFFF, count=0xFFFF, size=0xFFFFFFFF, offset=0xFFFFFFFF)
    return data[:at] + zip64_end(3, size, offset) + end


SMALL: dict[str, Callable[[], bytes]] = {
    "plain": partial(small, seekable=True, zip64=False),
    "with descriptors": partial(small, seekable=False, zip64=False),
    "with zip64 sizes": partial(small, seekable=True, zip64=True),
    "with a zip64 end": small_zip64,
}


@pytest.mark.parametrize("kind", SMALL)
def test_an_archive_that_is_cut_off_anywhere_is_refused(kind: str) -> None:
    data = SMALL[kind]()
    assert contents(data) == TEXTS
    for cut in each_cut(data):
        with pytest.raises(TruncatedSourceError) as caught:
            listed(cut)
        assert caught.value.offset == len(cut)


@pytest.mark.parametrize("kind", ["plain", "with descriptors", long("with zip64 sizes"), long("with a zip64 end")])
def test_whatever_byte_is_damaged_what_is_delivered_is_right(kind: str) -> None:
    """A name, a time or a mode that is changed in the directory alone may only lead to a refusal or a skipped entry."""
    data = SMALL[kind]()
    refused = 0
    for at in range(len(data)):
        for damage in (0x01, 0x20, 0x80, 0xFF):
            damaged = data[:at] + bytes([data[at] ^ damage]) + data[at + 1 :]
            try:
                members = [entry for entry in listed(damaged) if isinstance(entry, Member)]
            except PenstockError:
                refused += 1
                continue
            for member in members:
                try:
                    text = decoded(damaged, member)
                except PenstockError:
                    refused += 1
                else:
                    assert TEXTS.get(member.name) == text, (at, damage)
    assert refused > len(data)


@pytest.mark.parametrize("cut", range(len(TEXTS["a.csv"]) - 60))
def test_content_that_is_cut_off_is_refused_though_the_directory_goes_along(cut: int) -> None:
    whole = Entry(b"a", TEXTS["a.csv"])
    data = zip_of(Entry(b"a", TEXTS["a.csv"], data=whole.body[:cut]))
    (member,) = listed(data)
    assert isinstance(member, Member)
    with pytest.raises(BadSourceError):
        decoded(data, member)


# The end


def refusal(data: bytes) -> PenstockError:
    with pytest.raises(PenstockError) as caught:
        listed(data)
    return caught.value


def test_the_error_of_an_archive_without_an_end_says_at_which_byte_it_is_cut_off() -> None:
    data = zip_of(Entry(b"a"))
    error = refusal(data[:-22])
    assert isinstance(error, TruncatedSourceError)
    assert str(error) == f"the zip is cut off at byte {len(data) - 22}: it has no end record (at byte {len(data) - 22})"
    error = refusal(zip_of(Entry(b"a"), comment=b"0123456789")[:-1])
    assert isinstance(error, TruncatedSourceError)
    assert "its comment ends at byte" in error.message


@pytest.mark.parametrize("rest", [b"\r\n", bytes(40_000)])
def test_bytes_behind_the_end_are_ignored_with_a_warning(rest: bytes) -> None:
    data = zip_of(Entry(b"a"), Entry(b"b"), comment=b"a comment")
    *members, warning = listed(data + rest)
    assert [member.name for member in members] == ["a", "b"]
    assert str(warning) == f"the bytes from byte {len(data)} follow the end of the archive: ignored as trailing garbage"


@pytest.mark.parametrize(
    "whole",
    [
        pytest.param(zip_of(Entry(b"a")) + zip_of(Entry(b"b"))[:-22], id="another archive, which is cut off"),
        pytest.param(
            zip_of(Entry(b"inner.zip", method=STORED, text=zip_of(Entry(b"a"))), Entry(b"b"))[:-100],
            id="an archive that is cut off behind an inner one",
        ),
    ],
)
def test_the_end_of_another_archive_is_not_taken_for_that_of_this_one(whole: bytes) -> None:
    error = refusal(whole)
    assert isinstance(error, CorruptSourceError)
    assert "bytes follow the end of the zip" in error.message


def test_what_is_no_zip_is_said_to_be_none() -> None:
    error = refusal(b"id,name\n" * 100)
    assert isinstance(error, CodecMismatchError)
    assert "neither the start nor the end of one" in error.message


def test_an_encrypted_directory_is_refused() -> None:
    entry = Entry(b"a")
    front, directory = entry.header() + entry.body, entry.listing(0)
    numbers = 1, len(directory), len(front)
    record, locator = zip64_end(*numbers, needed=62, rest=76)[:56], zip64_end(*numbers)[56:]
    error = refusal(front + directory + record + bytes(32) + locator + end_record(*numbers, here=0))
    assert isinstance(error, EncryptedMemberError)
    assert "directory is encrypted" in error.message


@pytest.mark.parametrize("end", [{"disk": 1}, {"first": 1}, {"here": 0}])
def test_a_volume_of_a_set_is_refused(end: dict[str, int]) -> None:
    error = refusal(zip_of(Entry(b"a"), **end))
    assert isinstance(error, BadHeaderError)
    assert "several volumes" in error.message
    assert "another volume" in str(refusal(zip_of(Entry(b"a", disk=1))))


@pytest.mark.parametrize(
    "end",
    [{"here": 0, "count": 0}, {"here": 2, "count": 2}, {"size": 46}, {"size": 9999}, {"offset": 1000}, {"size": 0}],
)
def test_an_end_that_disagrees_with_its_directory_is_refused(end: dict[str, int]) -> None:
    assert isinstance(refusal(zip_of(Entry(b"a", comment=b"c" * 60), **end)), CorruptSourceError)


@pytest.mark.parametrize(
    "lie",
    [
        {"here": 2, "count": 2},
        {"size": 1},
        {"offset": 1},
        {"disk": 1},
        {"volumes": 2},
        {"located": 1},
        {"rest": 45},
        {"count": 2**63, "here": 2**63},
        {"size": 2**63},
        {"offset": 2**63},
        {"located": 2**64 - 1},
        {"rest": 2**64 - 1},
    ],
)
@pytest.mark.parametrize("full", [True, False])
def test_a_zip64_end_that_lies_is_refused(lie: dict[str, int], full: bool) -> None:
    entry = Entry(b"a")
    front, directory = entry.header() + entry.body, entry.listing(0)
    numbers = 1, len(directory), len(front)
    end = end_record(*numbers)
    if full:
        end = end_record(0, 0, 0, here=0xFFFF, count=0xFFFF, size=0xFFFFFFFF, offset=0xFFFFFFFF)
    assert contents(front + directory + zip64_end(*numbers) + end) == {"a": b"content"}
    assert isinstance(
        refusal(front + directory + zip64_end(*numbers, **lie) + end), BadSourceError | ExpansionLimitError
    )


@dataclass(frozen=True)
class Zeros:
    """Implements ``RangeReader``: zeros, and then a tail."""

    zeros: int
    tail: bytes

    @property
    def size(self) -> int:
        return self.zeros + len(self.tail)

    def read(self, start: int, end: int) -> Generator[bytes, None, None]:
        yield bytes(max(0, min(end, self.zeros) - start))
        yield self.tail[max(0, start - self.zeros) : max(0, end - self.zeros)]


def test_more_members_than_the_limit_and_a_directory_without_end_are_refused_by_name() -> None:
    for count, size in ((MAX_MEMBERS + 1, 46 * (MAX_MEMBERS + 1)), (1, MAX_DIRECTORY + 1)):
        end = end_record(0, 0, 0, here=0xFFFF, count=0xFFFF, size=0xFFFFFFFF, offset=0xFFFFFFFF)
        with pytest.raises(ExpansionLimitError):
            next(entries(Zeros(size, zip64_end(count, size, 0) + end)))


# Overlaps and duplicates


def test_entries_that_share_their_bytes_are_refused_before_the_first_is_yielded() -> None:
    """As in bombs of many entries with one content, and in zips that contain themselves."""
    error = refusal(zip_of(Entry(b"a"), Entry(b"b", start=0)))
    assert isinstance(error, CorruptSourceError)
    assert error.message == "members 'a' (1) and 'b' (2) overlap"
    many = [Entry(b"%d" % number, start=0) for number in range(100)]
    assert "overlap" in refusal(zip_of(*many)).message


def test_a_member_whose_content_holds_the_next_header_is_refused() -> None:
    inner = Entry(b"inner", b"x" * 100)
    outer = Entry(b"outer", inner.header() + inner.body, method=0)
    inner.start = 30 + 5
    front = outer.header() + outer.body
    directory = outer.listing(0) + inner.listing(0)
    assert "overlap" in refusal(front + directory + end_record(2, len(directory), len(front))).message


def test_a_zip_within_a_zip_is_one_member_however_often_it_is_nested() -> None:
    data = zip_of(Entry(b"bomb", bytes(MIB)))
    for depth in range(5):
        data = zip_of(Entry(b"%d.zip" % depth, data, method=depth % 2 * 8))
    (name,) = contents(data)
    assert name == "4.zip"


def test_an_empty_source_is_no_zip() -> None:
    assert isinstance(refusal(b""), TruncatedSourceError)


def test_a_member_that_reaches_into_the_directory_is_refused() -> None:
    assert "behind the start of the directory" in refusal(zip_of(Entry(b"a", encoded=5000))).message
    assert isinstance(refusal(zip_of(Entry(b"a", start=2**31))), CorruptSourceError)


def test_a_header_that_moves_content_into_the_next_entry_is_refused_when_it_is_located() -> None:
    first = Entry(b"a", own={"extra": bytes(40)})
    data = zip_of(first, Entry(b"b"))
    assert contents(data) == {"a": b"content", "b": b"content"}
    at = len(first.header()) - 40 - 1 - 2
    lying = data[:at] + struct.pack("<H", 41) + data[at + 2 :]
    member = listed(lying)[0]
    assert isinstance(member, Member)
    with pytest.raises(CorruptSourceError, match="'a' reaches into the next entry"):
        decoded(lying, member)


def test_two_members_of_one_name_are_refused_and_two_directories_are_not() -> None:
    error = refusal(zip_of(Entry(b"a"), Entry(b"b"), Entry(b"./a")))
    assert error.message == "members 1 and 3 have one name: 'a'"
    folder = Entry(b"d/", b"")
    assert len(listed(zip_of(folder, folder, Entry(b"A"), Entry(b"a")))) == 4


def test_names_with_one_hash_are_no_duplicates(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("penstock.archives.zip.directory.hash", len, raising=False)
    monkeypatch.setattr("penstock.archives.zip.extents.hash", len, raising=False)
    assert len(listed(zip_of(Entry(b"a"), Entry(b"b"), Entry(b"cc"), Entry(b"dd")))) == 4
    assert "one name" in refusal(zip_of(Entry(b"a"), Entry(b"b"), Entry(b"b"))).message


def test_a_directory_in_any_order_is_checked_like_one_in_order() -> None:
    for step in (1, 7_919):
        extents = Extents()
        for number in range(150_000):
            place = number * step % 150_000
            extents.add(place * 10, place * 10 + 10, str(number))
        assert extents.overlap() is None
        assert list(extents.repeated_names()) == []
        assert [extents.limit(start, -1) for start in (0, 70_000 * 10, 149_999 * 10)] == [10, 700_010, -1]
        extents.add(555, 556, "7")
        assert extents.overlap() == 555
        assert list(extents.repeated_names()) == [hash("7")]


# Headers that lie


@pytest.mark.parametrize(
    ("own", "why"),
    [
        ({"name": b"b"}, "is called b'b' in its header"),
        ({"method": 0}, "has method 0 in its header, deflate in the directory"),
        ({"flags": 1}, "is encrypted in one of its headers only"),
        ({"size": 8}, "has 8 bytes in its header, 7 in the directory"),
        ({"encoded": 1}, "has 1 encoded bytes in its header, 9 in the directory"),
        ({"crc32": 1}, "has 1 as CRC32 in its header"),
    ],
)
def test_a_header_that_differs_from_the_directory_is_refused_with_member_and_offset(
    own: dict[str, int | bytes], why: str
) -> None:
    data = zip_of(Entry(b"first"), Entry(b"a", own=own))
    _, member = listed(data)
    assert isinstance(member, Member)
    with pytest.raises(BadHeaderError) as caught:
        decoded(data, member)
    assert caught.value.message.startswith(f"member 'a' {why}")
    assert caught.value.offset == 30 + 5 + 9


def test_a_member_without_a_header_of_its_own_is_refused() -> None:
    data = bytearray(zip_of(Entry(b"a")))
    data[0] = 0
    member = listed(bytes(data))[0]
    assert isinstance(member, Member)
    with pytest.raises(BadHeaderError, match="no header of its own"):
        decoded(bytes(data), member)


# Contents that lie, and methods that are not read


def failure(entry: Entry) -> PenstockError:
    data = zip_of(Entry(b"first"), entry)
    _, member = listed(data)
    assert isinstance(member, Member)
    with pytest.raises(PenstockError) as caught:
        decoded(data, member)
    return caught.value


@pytest.mark.parametrize(
    ("entry", "kind", "message"),
    [
        (Entry(b"a", crc32=1), ChecksumMismatchError, "CRC32 of the member's bytes is fec530a9"),
        (Entry(b"a", size=6), CorruptSourceError, "has more than its 6 bytes"),
        (Entry(b"a", size=8), CorruptSourceError, "has 7 bytes, the directory declares 8"),
        (Entry(b"a", b"", data=Entry(b"a").body + b"rest"), CorruptSourceError, "more than its 0 bytes"),
        (Entry(b"a", data=Entry(b"a").body + b"rest"), CorruptSourceError, "ends before the member does"),
        (Entry(b"a", method=12, data=bz2.compress(b"content") + b"rest"), CorruptSourceError, "bzip2 data ends before"),
        (Entry(b"a", method=95, data=lzma.compress(b"content") + b"rest"), CorruptSourceError, "xz data ends before"),
        (Entry(b"a", data=b""), CorruptSourceError, "has 0 bytes"),
        (Entry(b"a", method=0, size=8), BadHeaderError, "is stored, but has 7 bytes for 8"),
        (Entry(b"a", method=97), BadHeaderError, "compressed with method 97"),
        (Entry(b"a", method=14, data=b"\0\0\4\0" + bytes(9)), BadHeaderError, "4 bytes of properties"),
        (Entry(b"a", method=14, data=b"\0\0\5\0\xff" + bytes(9)), BadHeaderError, "invalid LZMA properties 0xff"),
    ],
)
def test_a_content_that_is_not_what_the_directory_declares_is_refused(
    entry: Entry, kind: type[PenstockError], message: str
) -> None:
    error = failure(entry)
    assert isinstance(error, kind)
    assert message in error.message
    assert isinstance(error, BadSourceError)
    assert error.offset >= 44  # behind the first member: it counts from the start of the archive


def test_a_bomb_stops_at_the_declared_size() -> None:
    text = bytes(50 * MIB)
    entry = Entry(b"a", text, size=1000, crc32=0)
    data = zip_of(entry)
    (member,) = listed(data)
    assert isinstance(member, Member)
    with pytest.raises(CorruptSourceError, match="more than its 1,000 bytes"):
        decoded(data, member, step=300)


def test_nothing_that_was_deflated_to_no_bytes_is_empty() -> None:
    assert contents(zip_of(Entry(b"a", b"", data=b""))) == {"a": b""}


@pytest.mark.parametrize("extra", [b"", b"\1\0\4\0\0\0\0\0", b"\1\0\x10\0" + bytes(8)])
def test_a_zip64_field_without_the_sizes_left_to_it_is_refused(extra: bytes) -> None:
    error = refusal(zip_of(Entry(b"a", size=0xFFFFFFFF, extra=extra)))
    assert isinstance(error, BadHeaderError)
    assert "zip64 field lacks" in error.message
