"""tar archives that GNU tar and bsdtar wrote: fixtures/archives/make_tars.sh says how."""

from __future__ import annotations

import pytest

from fixtures.encoded import chop
from fixtures.tars import WRITTEN, Ranges, entered, summary, walked
from penstock.codecs import Trace, choose, strip_suffix
from penstock.limits import KIB
from penstock.model.member import Member

LONG = "long-" * 30
CONTENTS = {
    "data/a.csv": b"id,name\n1,reservoir\n",
    "data/empty.csv": b"",
    "data/two-blocks.txt": b"x" * 600,
    f"data/{LONG}/{LONG}.csv": b"long\n",
    "data/ü.csv": b"umlaut\n",
    "data/sparse.bin": bytes(1 << 20) + b"tail",
}
LINK = "data/hard.csv: it is a hard link to 'data/a.csv'"
SOFT = f"data/soft.csv: it is a symbolic link to '{LONG}/{LONG}.csv'"
SKIPPED = [
    f"data/{LONG}/: it is a directory",
    LINK,
    SOFT,
    "data/pipe: it is a FIFO",
    "data/sparse.bin: it is a sparse file",
]


def archive(name: str) -> bytes:
    encoded = (WRITTEN / name).read_bytes()
    assert strip_suffix(name).endswith(".tar")
    codec = choose(encoded[:64], name)
    return b"".join(codec.decode(chop(encoded, 100), Trace(), 64 * KIB))


def read(name: str) -> tuple[list[tuple[Member, bytes]], list[str]]:
    data = archive(name)
    members, skipped = walked(data, 1000)
    found, also_skipped = entered(Ranges(data))
    assert summary(found) == summary(members)
    assert also_skipped == skipped
    return members, [str(each) for each in skipped]


@pytest.mark.parametrize("name", ["gnu.tar.gz", "gnu-pax.tar.gz", "bsdtar-pax.tar.gz"])
def test_all_that_an_archive_may_hold(name: str) -> None:
    members, skipped = read(name)
    assert dict(summary(members)) == {name: CONTENTS[name] for name in CONTENTS if name != "data/sparse.bin"}
    assert skipped == SKIPPED
    assert {(member.modified, member.mode) for member, _ in members} == {("2026-01-02T03:04:05Z", 0o644)}


def test_bsdtar_writes_sparse_files_whole_in_the_format_of_gnu_tar() -> None:
    members, skipped = read("bsdtar-gnutar.tar.gz")
    assert dict(summary(members)) == CONTENTS
    assert skipped == SKIPPED[:-1]


@pytest.mark.parametrize("name", ["gnu-ustar.tar.gz", "bsdtar-ustar.tar.gz"])
def test_ustar(name: str) -> None:
    members, skipped = read(name)
    expected = {name: content for name, content in CONTENTS.items() if LONG not in name}
    if name.startswith("gnu"):
        del expected["data/sparse.bin"]
    assert dict(summary(members)) == expected
    assert skipped == [LINK, "data/pipe: it is a FIFO"]


def test_version_7() -> None:
    members, skipped = read("gnu-v7.tar.gz")
    assert [member.name for member, _ in members] == [
        "data/a.csv",
        "data/empty.csv",
        "data/two-blocks.txt",
        "data/ü.csv",
    ]
    assert "data/: it is a directory" in skipped


def test_a_global_header_holds_for_all_members() -> None:
    members, skipped = read("gnu-pax-global.tar.gz")
    assert not skipped
    assert [member.modified for member, _ in members] == ["2025-01-01T00:00:00Z"] * 2


@pytest.mark.parametrize("suffix", ["tgz", "tar.bz2", "tar.xz", "tar.zst"])
def test_under_every_codec(suffix: str) -> None:
    members, skipped = read(f"plain.{suffix}")
    assert summary(members) == [(name, CONTENTS[name]) for name in ("data/a.csv", "data/two-blocks.txt")]
    assert not skipped
