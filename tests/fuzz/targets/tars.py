"""Damaged tar archives, walked and entered, beside tarfile."""

from __future__ import annotations

import io
import tarfile
from random import Random

from fixtures.tars import WRITTEN, Ranges, entered, tar_of, walked
from fuzz.harness import Target
from fuzz.mutation import damaged
from fuzz.targets.sources import content
from penstock.archives.tar import TAR
from penstock.codecs import Trace, choose
from penstock.errors import PenstockError
from penstock.limits import KIB, MIB

TOKENS = (
    *(bytes(512), bytes(1024), b"ustar\0" + b"00", b"ustar  \0", b"\x80" + bytes(11), b"\xff" * 12, b"77777777777\0"),
    *(b"20 path=../../../a\n", b"12 size=999\n", b"10 mtime=\n", b"22 GNU.sparse.major=1\n", b"0 a=\n", b"\xfc"),
    *(b"../", b"/", b"\\", b"C:", b"\0"),
)
FORMATS = (tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT)


def source(rng: Random) -> bytes:
    if rng.random() < 0.3:
        path = rng.choice(sorted(WRITTEN.glob("gnu*.tar.gz")))
        encoded = path.read_bytes()
        return b"".join(choose(encoded, path.name).decode([encoded], Trace(), MIB))
    names = (f"{'long-' * rng.choice((0, 1, 30))}{number}é.csv" for number in range(rng.randint(0, 5)))
    form = rng.choice(FORMATS[1:])
    return tar_of({name: content(rng)[: 5 * KIB] for name in names}, form)


def right_sums(rng: Random, data: bytes) -> bytes:
    """Repair the checksums of most damaged headers, so that the damage is looked at."""
    blocks = bytearray(data)
    for at in range(0, len(blocks) - 511, 512):
        if blocks[at + 257 : at + 262] == b"ustar" and rng.random() < 0.9:
            blocks[at + 148 : at + 156] = b" " * 8
            blocks[at + 148 : at + 156] = b"%06o\0 " % sum(blocks[at : at + 512])
    return bytes(blocks)


def make(rng: Random) -> bytes:
    return right_sums(rng, damaged(rng, source(rng), TOKENS))


def check(data: bytes, rng: Random) -> None:
    TAR.recognise(data[:512])
    chunk = rng.choice((0, 1, 511, 1000)) if len(data) < 4 * KIB else rng.choice((0, 777))
    try:
        members, skipped = walked(data, chunk)
    except PenstockError:
        _expect_refused(data)
        raise
    found, also_skipped = entered(Ranges(data))
    assert also_skipped == skipped
    assert [(member.name, member.size, text) for member, text in found] == [
        (member.name, member.size, text) for member, text in members
    ]
    if all(entry.name for entry in skipped):
        _compare(data, [member.content.start for member, _ in found if member.content and member.size])


def _expect_refused(data: bytes) -> None:
    try:
        entered(Ranges(data))
    except PenstockError:
        return
    raise AssertionError("entered, but not walked")


def _compare(data: bytes, starts: list[int]) -> None:
    """tarfile finds the same contents, as far as it reads: it stops without an error at what it cannot parse."""
    try:
        with tarfile.open(fileobj=io.BytesIO(data), mode="r:", errorlevel=2) as archive:
            entries = archive.getmembers()
    except (tarfile.TarError, ValueError, OverflowError, KeyError):
        return
    wanted = {each.offset_data for each in entries if each.isreg() and each.size}
    last = max((each.offset_data for each in entries), default=0)
    assert {start for start in starts if start <= last} <= wanted, "tarfile finds other contents"


TARGETS = (Target("tar", make, check),)
