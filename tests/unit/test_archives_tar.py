"""tar archives: whatever tarfile writes is read back, by walking and by ranges."""

from __future__ import annotations

import io
import tarfile
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, reject
from hypothesis import strategies as st

from fixtures.tars import Ranges, entered, summary, tar_of, walked, with_sum
from penstock.archives import ARCHIVES, recognise
from penstock.archives.archive import Skipped
from penstock.archives.tar import TAR
from penstock.archives.tar.entries import METADATA
from penstock.errors import BadHeaderError, TruncatedSourceError
from penstock.model.member import Member

FORMATS = {"ustar": tarfile.USTAR_FORMAT, "gnu": tarfile.GNU_FORMAT, "pax": tarfile.PAX_FORMAT}
formats = pytest.mark.parametrize("form", FORMATS.values(), ids=list(FORMATS))

_segments = st.text("abü€ .-", min_size=1, max_size=60).filter(lambda text: text.strip("."))
names = st.lists(_segments, min_size=1, max_size=6).map("/".join)
files = st.dictionaries(names, st.binary(max_size=1500), max_size=6)


@formats
@given(files=files, chunk=st.sampled_from([0, 1, 500, 512, 513, 10_000]))
def test_what_tarfile_writes_is_read_back(form: int, files: dict[str, bytes], chunk: int) -> None:
    try:
        data = tar_of(files, form)
    except ValueError:  # ustar has no room for every name
        reject()
    members, skipped = walked(data, chunk)
    assert not skipped
    assert summary(members) == list(files.items())
    assert [member.number for member, _ in members] == [*range(1, len(files) + 1)]
    assert all(member.modified == "2023-11-14T22:13:20Z" and member.mode == 0o644 for member, _ in members)
    found, skipped = entered(Ranges(data))
    assert summary(found) == list(files.items())
    assert not skipped


@formats
@given(
    kind=st.sampled_from(
        [tarfile.LNKTYPE, tarfile.SYMTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.DIRTYPE, tarfile.FIFOTYPE]
    ),
    mtime=st.integers(0, 2**33 - 1),
    mode=st.integers(0, 0o7777),
)
def test_entries_without_content_are_skipped_with_a_reason(form: int, kind: bytes, mtime: int, mode: int) -> None:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=form) as archive:
        info = tarfile.TarInfo("odd")
        info.type, info.linkname, info.mtime, info.mode = kind, "target", mtime, mode
        archive.addfile(info)
        info = tarfile.TarInfo("file")
        info.size, info.mtime, info.mode = 3, mtime, mode
        archive.addfile(info, io.BytesIO(b"abc"))
    for members, skipped in (walked(stream.getvalue()), entered(Ranges(stream.getvalue()))):
        assert summary(members) == [("file", b"abc")]
        assert datetime.fromisoformat(members[0][0].modified) == datetime.fromtimestamp(mtime, UTC)
        assert (members[0][0].number, members[0][0].mode) == (2, mode)
        assert [entry.number for entry in skipped] == [1]
        assert skipped[0].name.rstrip("/") == "odd"
        assert "link to 'target'" in skipped[0].reason or kind not in (tarfile.LNKTYPE, tarfile.SYMTYPE)


def test_what_is_left_of_a_member_is_skipped() -> None:
    assert TAR.walk
    data = tar_of({"a": b"a" * 5000, "b": b"b" * 5000, "c": b"c"})
    seen = []
    for entry, pieces in TAR.walk(iter([data[at : at + 600] for at in range(0, len(data), 600)])):
        seen.append((entry.name, next(pieces)[:1]))
    assert seen == [("a", b"a"), ("b", b"b"), ("c", b"c")]


def test_a_content_that_is_read_too_late_is_empty() -> None:
    assert TAR.walk
    data = tar_of({"a": b"a" * 5000, "b": b"b" * 5000})
    late = list(TAR.walk(iter([data])))
    assert [b"".join(pieces) for _, pieces in late] == [b"", b""]


@pytest.mark.parametrize("name", ["/etc/passwd", "../up", "a/../../up", "a\\b", "C:a", "line\nbreak"])
def test_names_that_lead_elsewhere_are_skipped(name: str) -> None:
    members, skipped = walked(tar_of({name: b"1234", "good": b"5"}))
    assert summary(members) == [("good", b"5")]
    assert [(entry.name, entry.number) for entry in skipped] == [(name, 1)]
    assert skipped[0].reason


def test_names_are_plain() -> None:
    members, _ = walked(tar_of({"./a//b.csv": b"1"}))
    assert summary(members) == [("a/b.csv", b"1")]


def test_a_name_that_is_not_utf8_is_latin1() -> None:
    block = bytearray(tar_of({"xyz": b"1"}, tarfile.USTAR_FORMAT))
    block[1] = 0xFC
    members, _ = walked(with_sum(bytes(block[:512])) + block[512:])
    assert summary(members) == [("xüz", b"1")]


def header(**changes: Any) -> bytes:
    info = tarfile.TarInfo("name")
    for name, value in changes.items():
        setattr(info, name, value)
    return info.tobuf(tarfile.GNU_FORMAT)


def padded(content: bytes) -> bytes:
    return content + bytes(-len(content) % 512)


def pax(*records: tuple[str, str], kind: bytes = b"x") -> bytes:
    content = b""
    for keyword, value in records:
        body = f" {keyword}={value}\n".encode()
        length = next(size for size in range(len(body), len(body) + 9) if size == len(body) + len(str(size)))
        content += str(length).encode() + body
    return header(type=kind, size=len(content)) + padded(content)


END = bytes(1024)


def test_a_size_may_be_binary() -> None:
    block = bytearray(header())
    block[124:136] = b"\x80" + (3).to_bytes(11, "big")
    members, _ = walked(with_sum(bytes(block)) + padded(b"abc") + END)
    assert summary(members) == [("name", b"abc")]


@pytest.mark.parametrize(
    "field", [b"\xff" * 12, b"7" * 5 + b"8" + b"7" * 6, b"12 34567 abc", b"-0000000001\0", b"\0" * 5 + b"000123\0"]
)
def test_a_size_that_is_no_size_is_refused(field: bytes) -> None:
    block = bytearray(header())
    block[124:136] = field
    with pytest.raises(BadHeaderError, match=r"no valid size .*at byte 0"):
        walked(with_sum(bytes(block)) + END)


def test_a_binary_size_beyond_the_archive_is_a_truncation() -> None:
    block = bytearray(header())
    block[124:136] = b"\x80" + b"\x7f" + b"\xff" * 10
    data = with_sum(bytes(block)) + END
    too_short = pytest.raises(TruncatedSourceError, match=r"ends inside .*'name'.*at byte 1,536")
    with too_short:
        walked(data)
    with too_short:
        entered(Ranges(data))


def test_times_outside_the_calendar_are_unknown() -> None:
    for changes in ({"mtime": 2**60}, {"mtime": -(2**60)}):
        members, _ = walked(header(**changes) + END)
        assert members[0][0].modified == ""
    assert walked(header(mtime=-1) + END)[0][0][0].modified == "1969-12-31T23:59:59Z"
    for value in ("nan", "inf", "x", "1e400"):
        assert walked(pax(("mtime", value)) + header() + END)[0][0][0].modified == ""


def test_pax_headers_hold_for_one_member_or_for_all() -> None:
    data = (
        pax(("mtime", "1.9"), ("path", "all"), kind=b"g")
        + pax(("path", "own"), ("size", "2"), ("mtime", "-0.5"))
        + header(size=0)
        + padded(b"ab")
        + header(size=1)
        + padded(b"c")
        + pax(("path", ""))
        + header()
        + END
    )
    members, skipped = walked(data)
    assert not skipped
    assert summary(members) == [("own", b"ab"), ("all", b"c"), ("name", b"")]
    assert [member.modified[-9:] for member, _ in members] == ["23:59:59Z", "00:00:01Z", "00:00:01Z"]


def test_a_size_of_pax_may_have_leading_zeros() -> None:
    members, _ = walked(pax(("size", "2".zfill(30))) + header(size=0) + padded(b"ab") + END)
    assert summary(members) == [("name", b"ab")]


def test_pax_names_win_over_gnu_names() -> None:
    long = header(name="././@LongLink", type=b"L", size=4) + padded(b"gnu\0")
    for before in (long + pax(("path", "pax")), pax(("path", "pax")) + long):
        assert summary(walked(before + header() + END)[0]) == [("pax", b"")]
    assert summary(walked(long + header() + END)[0]) == [("gnu", b"")]


def pax_of(content: bytes) -> bytes:
    return header(type=b"x", size=len(content)) + padded(content) + header() + END


def test_pax_records_may_be_padded_with_zeros() -> None:
    assert summary(walked(pax_of(b"10 path=b\n" + bytes(90)))[0]) == [("b", b"")]


@pytest.mark.parametrize(
    "content", [b"x", b"5 a=", b"7 a=1\n", b"5 a=1\n", b"99 a=1\n", b"4 a\n", b"4 =\n", b" 6 a=1\n", b"0 a=1\n"]
)
def test_damaged_pax_records_are_refused(content: bytes) -> None:
    with pytest.raises(BadHeaderError, match=r"damaged pax header \(at byte 522\)"):
        walked(pax_of(b"10 path=b\n" + content))


@pytest.mark.parametrize("kind", [b"x", b"g", b"L", b"K"])
def test_metadata_is_bounded(kind: bytes) -> None:
    walked(header(type=kind, size=METADATA) + bytes(METADATA) + header() + END)
    with pytest.raises(BadHeaderError, match=r"1,048,577 bytes exceeds the limit of 1,048,576 .*at byte 512"):
        walked(header() + header(type=kind, size=METADATA + 1) + bytes(METADATA + 512) + header() + END)


@pytest.mark.parametrize("extensions", [0, 1, 3])
def test_a_sparse_file_of_old_gnu_tar_is_skipped_whole(extensions: int) -> None:
    block = bytearray(header(type=b"S", size=700))
    block[482] = extensions > 0
    more = b"".join(bytes(504) + bytes([number + 1 < extensions]) + bytes(7) for number in range(extensions))
    data = with_sum(bytes(block)) + more + padded(b"s" * 700) + header(name="after", size=1) + padded(b"1") + END
    for members, skipped in (walked(data), entered(Ranges(data))):
        assert summary(members) == [("after", b"1")]
        assert [str(entry) for entry in skipped] == ["name: it is a sparse file"]


@pytest.mark.parametrize("kind", [b"V", b"M", b"D", b"8"])
def test_entries_of_another_type_are_skipped_with_their_content(kind: bytes) -> None:
    data = header(type=kind, size=600) + padded(b"v" * 600) + header(name="after") + END
    members, skipped = walked(data)
    assert summary(members) == [("after", b"")]
    assert skipped[0].reason == f"it is an entry of type {kind.decode()!r}, which is not a file"


def test_a_directory_of_version_7_is_known_by_its_name() -> None:
    _, skipped = walked(header(name="folder/", type=b"\0") + END)
    assert [str(entry) for entry in skipped] == ["folder/: it is a directory"]


def test_a_sum_of_signed_bytes_is_accepted() -> None:
    block = bytearray(header(name="\xfc"))
    blank = block[:148] + b" " * 8 + block[156:]
    block[148:156] = b"%06o\0 " % (sum(memoryview(bytes(blank)).cast("b")))
    assert block[148:156] != with_sum(bytes(block))[148:156]
    members, _ = walked(bytes(block) + END)
    assert summary(members) == [("ü", b"")]


def test_an_archive_is_recognised_by_its_first_header() -> None:
    data = tar_of({"a": b"1"})
    assert recognise(data[:512]) is TAR
    assert TAR in ARCHIVES
    for other in (data[:511], b"", bytes(512), b"id,name\n" * 64, bytes([data[0] ^ 1]) + data[1:512]):
        assert recognise(other) is not TAR


def test_members_of_a_walk_cannot_be_entered() -> None:
    members, _ = walked(tar_of({"a": b"1"}))
    assert members[0][0] == Member("a", 1, 1, None, "2023-11-14T22:13:20Z", 0o644)


def test_a_warning_about_the_archive_has_no_name() -> None:
    assert str(Skipped("", 0, "it ends")) == "it ends"
    assert str(Skipped("a", 1, "it is a FIFO")) == "a: it is a FIFO"
