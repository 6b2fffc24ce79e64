"""Zip archives as `zipfile` writes them, and what their fields mean."""

from __future__ import annotations

import io
import struct
import zipfile
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fixtures.zips import Entry, Unseekable, content_of, contents, decoded, listed, zip64_end, zip_of
from penstock.archives import recognise
from penstock.archives.archive import Skipped
from penstock.archives.zip import ZIP, entries, locate
from penstock.archives.zip.directory import WINDOW
from penstock.model.member import Member
from penstock.testing import MemoryRanges

METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)
SEGMENTS = st.text(st.characters(exclude_categories=["C"], exclude_characters="/\\:"), min_size=1, max_size=12)
NAMES = st.lists(SEGMENTS.filter(lambda text: text.strip(".")), min_size=1, max_size=3).map("/".join)
MEMBERS = st.dictionaries(
    NAMES, st.tuples(st.binary(max_size=200), st.integers(1, 300), st.sampled_from(METHODS)), max_size=6
)


def written(members: dict[str, tuple[bytes, int, int]], *, seekable: bool, zip64: bool, comment: bytes) -> bytes:
    plain, unseekable = io.BytesIO(), Unseekable()
    with zipfile.ZipFile(plain if seekable else unseekable, "w") as archive:
        for name, (text, times, method) in members.items():
            info = zipfile.ZipInfo(name, (2024, 2, 29, 12, 30, 58))
            info.compress_type = method
            with archive.open(info, "w", force_zip64=zip64) as file:
                file.write(text * times)
        archive.comment = comment
    return plain.getvalue() if seekable else bytes(unseekable.written)


@st.composite
def archives(draw: st.DrawFn) -> tuple[bytes, dict[str, bytes]]:
    """An archive, and what is in it."""
    members = draw(MEMBERS)
    comment, prefix = draw(st.binary(max_size=40)), draw(st.binary(max_size=100))
    data = written(members, seekable=draw(st.booleans()), zip64=draw(st.booleans()), comment=comment)
    return prefix + data, {name: text * times for name, (text, times, _) in members.items()}


@given(archives(), st.integers(0, 9000), st.sampled_from([1, 100, 65_536]))
def test_what_zipfile_writes_is_read(archive: tuple[bytes, dict[str, bytes]], chunk: int, step: int) -> None:
    data, wanted = archive
    chunk = chunk if chunk > len(data) // 1000 else 0
    assert contents(data, chunk=chunk, step=step) == wanted
    assert [entry.number for entry in listed(data)] == list(range(1, len(wanted) + 1))


@pytest.mark.parametrize("chunk", [1, 2, 7, 100, 65_536])
@pytest.mark.parametrize("step", [1, 9, 4096])
@pytest.mark.parametrize("method", METHODS)
def test_every_method_is_read_in_any_chunks_and_steps(chunk: int, step: int, method: int) -> None:
    text = b"id,name\n1,reservoir\n" * 300
    data = written({"a.csv": (text, 1, method)}, seekable=True, zip64=False, comment=b"")
    assert contents(data, chunk=chunk, step=step) == {"a.csv": text}


def test_a_small_archive_is_listed_by_one_read_and_a_member_located_by_one() -> None:
    data = zip_of(*(Entry(b"%d" % number) for number in range(100)))
    reader = MemoryRanges(data)
    members = [entry for entry in entries(reader) if isinstance(entry, Member)]
    assert reader.ranges == [(0, len(data))]
    locate(reader, members[50])
    assert len(reader.ranges) == 2
    assert sum(end - start for start, end in reader.ranges[1:]) < 400


def test_a_directory_beyond_one_window_is_read_in_windows_twice() -> None:
    members = [Entry(b"%d" % number, b"", comment=bytes(60_000)) for number in range(100)]
    reader = MemoryRanges(zip_of(*members), chunk=50_000)
    assert len(list(entries(reader))) == 100
    assert max(end - start for start, end in reader.ranges) == WINDOW
    assert len(reader.ranges) == 1 + 2 * 3


def test_an_entry_says_where_its_header_lies_and_where_the_next_begins() -> None:
    first, second = Entry(b"a", b"x" * 99, method=0), Entry(b"b")
    one, two = (entry for entry in listed(zip_of(first, second)) if isinstance(entry, Member))
    middle = 30 + 1 + 99
    assert (content_of(one).start, content_of(one).end, content_of(one).limit) == (0, 99, middle)
    assert content_of(two).start == middle
    assert content_of(two).limit == middle + 30 + 1 + len(second.body)
    located = content_of(locate(MemoryRanges(zip_of(first, second)), one))
    assert (located.start, located.end, located.limit) == (31, 130, 130)


# Recognition


def test_a_zip_is_recognised_by_its_first_bytes_and_a_workbook_is_none() -> None:
    assert recognise(zip_of(Entry(b"a"))) is ZIP
    assert recognise(zip_of()) is ZIP
    assert recognise(zip_of(Entry(b"[Content_Types].xml"))) is None
    assert recognise(zip_of(Entry(b"mimetype", b"application/epub+zip", method=0))) is None
    assert recognise(b"PK and more") is None


# Names


def only(data: bytes) -> Member | Skipped:
    (entry,) = listed(data)
    return entry


def unicode_path(name: bytes, text: str, *, crc32: int | None = None, version: int = 1) -> bytes:
    crc32 = zlib.crc32(name) if crc32 is None else crc32
    encoded = text.encode()
    return struct.pack("<HHBL", 0x7075, 5 + len(encoded), version, crc32) + encoded


@pytest.mark.parametrize(
    ("raw", "flags", "extra", "name"),
    [
        ("é.csv".encode(), 1 << 11, b"", "é.csv"),
        (b"\x82.csv", 0, b"", "é.csv"),
        (b"e.csv", 0, unicode_path(b"e.csv", "漢.csv"), "漢.csv"),
        (b"e.csv", 0, b"\xff\xff\2\0ab" + unicode_path(b"e.csv", "漢.csv"), "漢.csv"),
        (b"e.csv", 0, unicode_path(b"e.csv", "漢.csv", crc32=1), "e.csv"),
        (b"e.csv", 0, unicode_path(b"e.csv", "漢.csv", version=2), "e.csv"),
        (b"e.csv", 0, unicode_path(b"e.csv", "漢.csv")[:-1], "e.csv"),
        (b"e.csv", 1 << 11, unicode_path(b"e.csv", "漢.csv"), "e.csv"),
        (b"./a//b", 0, b"", "a/b"),
    ],
)
def test_names_are_utf_8_by_flag_or_by_the_unicode_field_of_this_name_and_else_cp437(
    raw: bytes, flags: int, extra: bytes, name: str
) -> None:
    data = zip_of(Entry(raw, b"text", flags=flags, extra=extra, own={"extra": extra}))
    entry = only(data)
    assert isinstance(entry, Member)
    assert entry.name == name
    assert decoded(data, entry) == b"text"


@pytest.mark.parametrize(("host", "name"), [(3, "é.csv"), (19, "é.csv"), (0, "├⌐.csv"), (7, "├⌐.csv")])
def test_a_name_without_a_mark_is_utf_8_if_it_was_made_on_unix_and_is_valid(host: int, name: str) -> None:
    data = zip_of(Entry("é.csv".encode(), b"text", host=host))
    assert contents(data) == {name: b"text"}


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"../a", "its name leads out of the archive (..)"),
        (b"a/../../b", "its name leads out of the archive (..)"),
        (b"/etc/passwd", "its name is absolute"),
        (b"C:/a", "its name starts with a drive letter"),
        (b"a\\..\\b", "its name has a backslash"),
        (b"a\0b", "its name has a control character"),
        (b"a\nb", "its name has a control character"),
        (b"", "it has no name"),
        (b".", "it has no name"),
        (b"a" * 1025, "its name is longer than 1,024 bytes"),
        (b"\xff", "its name is not valid Unicode"),
    ],
)
def test_an_unsafe_name_is_skipped_with_its_reason(raw: bytes, reason: str) -> None:
    entry = only(zip_of(Entry(raw, flags=1 << 11)))
    assert isinstance(entry, Skipped)
    assert entry.reason == reason
    entry.name.encode()  # it can be written to a log


@pytest.mark.parametrize("host", [0, 10, 14])
def test_a_backslash_of_dos_and_windows_separates_segments(host: int) -> None:
    assert contents(zip_of(Entry(b"a\\b.csv", b"text", host=host))) == {"a/b.csv": b"text"}
    entry = only(zip_of(Entry(b"..\\b.csv", host=host)))
    assert isinstance(entry, Skipped)


# What is no file


@pytest.mark.parametrize(
    ("entry", "reason"),
    [
        (Entry(b"a/", b"", mode=0o040755), "it is a directory"),
        (Entry(b"a/", b"", host=0, attributes=0x10, mode=0), "it is a directory"),
        (Entry(b"a", b"", host=0, attributes=0x10, mode=0), "it is a directory"),
        (Entry(b"a/", b"text"), "its name is that of a directory, but it has content"),
        (Entry(b"a", b"/etc", mode=0o120777), "it is a symbolic link"),
        (Entry(b"a", b"", mode=0o010644), "it is a FIFO"),
        (Entry(b"a", b"", mode=0o140644), "it is a socket"),
        (Entry(b"a", b"", mode=0o020644), "it is a character device"),
        (Entry(b"a", b"", mode=0o060644), "it is a block device"),
    ],
)
def test_what_is_no_file_is_skipped_with_its_reason(entry: Entry, reason: str) -> None:
    assert only(zip_of(entry)) == Skipped(entry.name.decode(), 1, reason)


# Modes and times


def member(entry: Entry) -> Member:
    found = only(zip_of(entry))
    assert isinstance(found, Member)
    return found


def test_permissions_are_those_of_unix_and_unknown_from_other_hosts() -> None:
    assert member(Entry(b"a", mode=0o104755)).mode == 0o4755
    assert member(Entry(b"a", mode=0o100640, host=19)).mode == 0o640
    assert member(Entry(b"a", mode=0o100640, host=0)).mode == 0


@pytest.mark.parametrize(
    ("date", "time", "extra", "wanted"),
    [
        (0x585D, 0x63DD, b"", "2024-02-29T12:30:58"),
        (0, 0, b"", ""),
        (0x585D, 0xFFFF, b"", ""),
        (0, 0, struct.pack("<HHBi", 0x5455, 5, 1, 1_700_000_000), "2023-11-14T22:13:20Z"),
        (0, 0, struct.pack("<HHBi", 0x5455, 5, 1, -1), "1969-12-31T23:59:59Z"),
        (0x585D, 0x63DD, struct.pack("<HHBi", 0x5455, 5, 2, 1_700_000_000), "2024-02-29T12:30:58"),
        (0x585D, 0x63DD, struct.pack("<HHB", 0x5455, 1, 1), "2024-02-29T12:30:58"),
    ],
)
def test_the_time_is_utc_by_its_field_and_else_as_dos_has_it(date: int, time: int, extra: bytes, wanted: str) -> None:
    assert member(Entry(b"a", date=date, time=time, extra=extra)).modified == wanted


# zip64


def test_an_archive_that_leaves_every_number_to_zip64_is_read_behind_a_prefix_too() -> None:
    text = b"row\n" * 1000
    field = struct.pack("<HHQQQ", 1, 24, len(text), len(text), 0)
    full = Entry(b"a", text, method=0, size=0xFFFFFFFF, encoded=0xFFFFFFFF, start=0xFFFFFFFF, extra=field)
    full.own = {"extra": field[:2] + b"\x10\0" + field[4:20]}
    front, directory = full.header() + text, full.listing(0)
    end = zip64_end(1, len(directory), len(front))
    half, word = 0xFFFF, 0xFFFFFFFF
    end += zip_of(disk=half, first=half, here=half, count=half, size=word, offset=word)
    data = front + directory + end
    assert contents(data) == contents(b"#!/bin/sh\n" + data) == {"a": text}


@pytest.mark.long
def test_as_many_entries_as_an_end_record_can_count_need_no_zip64() -> None:
    members = [Entry(b"%d" % number, b"") for number in range(0xFFFF)]
    assert sum(1 for _ in entries(MemoryRanges(zip_of(*members)))) == 0xFFFF
