"""Damaged zip archives, beside zipfile."""

from __future__ import annotations

import io
import zipfile
import zlib
from lzma import LZMAError
from random import Random

from fixtures.tars import WRITTEN
from fixtures.zips import Entry, Unseekable, content_of, decoded, listed, zip_of
from fuzz.harness import Target
from fuzz.mutation import damaged
from fuzz.targets.sources import content
from penstock.archives.zip import ZIP, locate, method
from penstock.codecs import Trace
from penstock.codecs.checkpoint import Checkpoint
from penstock.errors import PenstockError
from penstock.limits import KIB, MIN_WINDOW
from penstock.model.member import Member
from penstock.testing import MemoryRanges

TOKENS = (
    *(
        b"PK\1\2",
        b"PK\3\4",
        b"PK\5\6",
        b"PK\6\6",
        b"PK\6\7",
        b"PK\7\x08",
        b"\xff" * 2,
        b"\xff" * 4,
        b"\xff" * 8,
        bytes(4),
    ),
    *(b"\1\0\x08\0" + bytes(8), b"\1\0\x10\0" + b"\xff" * 16, b"up", b"UT\5\0\1", b"\1\x99\7\0\2\0AE\3\x08\0"),
    *(b"../", b"/", b"\\", b"C:", b"\0", b"a.csv"),
)
METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)
# zipfile accepts any dictionary.
REFUSALS = (
    MemoryError,
    zipfile.BadZipFile,
    zlib.error,
    LZMAError,
    EOFError,
    OSError,
    ValueError,
    NotImplementedError,
    RuntimeError,
)


def source(rng: Random) -> bytes:
    match rng.randrange(4):
        case 0:
            return rng.choice(sorted(WRITTEN.glob("*.zip"))).read_bytes()
        case 1:
            texts = [content(rng)[: 2 * KIB] for _ in range(rng.randint(0, 4))]
            return zip_of(*(Entry(b"%d.csv" % at, text, host=rng.choice((0, 3))) for at, text in enumerate(texts)))
    plain, unseekable = io.BytesIO(), Unseekable()
    seekable = rng.random() < 0.5
    with zipfile.ZipFile(plain if seekable else unseekable, "w") as archive:
        for number in range(rng.randint(0, 4)):
            info = zipfile.ZipInfo(f"{number}é.csv")
            info.compress_type = rng.choice(METHODS)
            with archive.open(info, "w", force_zip64=rng.random() < 0.3) as file:
                file.write(content(rng)[: 5 * KIB])
    return plain.getvalue() if seekable else bytes(unseekable.written)


def make(rng: Random) -> bytes:
    return damaged(rng, source(rng), TOKENS, most=2)


def check(data: bytes, rng: Random) -> None:
    ZIP.recognise(data[:512])
    chunk = rng.choice((0, 1, 511)) if len(data) < 4 * KIB else 0
    step = rng.choice((1, 100, 65_536)) if len(data) < 4 * KIB else 65_536
    refusal: PenstockError | None = None
    found: dict[int, bytes] = {}
    entries = listed(data, chunk)
    if entries and not entries[-1].number:
        entries.pop()  # a warning about bytes behind the end
    assert [entry.number for entry in entries] == list(range(1, len(entries) + 1))
    for entry in entries:
        if isinstance(entry, Member):
            try:
                found[entry.number] = decoded(data, entry, chunk=chunk, step=step)
                _check_scan(data, entry, found[entry.number], rng)
            except PenstockError as error:
                refusal = error
    _compare(data, len(entries), found)
    if refusal:
        raise refusal


def _check_scan(data: bytes, member: Member, text: bytes, rng: Random) -> None:
    """What a scan of a member finds is what decoding finds, and its entries are where they say."""
    content = content_of(locate(MemoryRanges(data), member))
    load = method(content, MIN_WINDOW, b"").indexer
    if load is None or content.start == content.end:
        return
    encoded, way, noted = data[content.start : content.end], load(), list[Checkpoint]()
    pieces = way.scan([encoded], Trace(), 1000, spacing=rng.choice((1, 1000)), note=noted.append)
    assert b"".join(map(bytes, pieces)) == text, "scan and codec decode different things"
    for one in rng.sample(noted, min(3, len(noted))):
        entered = b"".join(way.enter([encoded[one.entry.encoded :]], one.entry, one.window, 1000))
        assert entered == text[one.entry.decoded :], f"entered at {one.entry}"


def _compare(data: bytes, entries: int, found: dict[int, bytes]) -> None:
    """What zipfile also takes has the same content. It judges entries alone, and knows fewer methods."""
    try:
        archive = zipfile.ZipFile(io.BytesIO(data))
    except REFUSALS:
        return
    with archive:
        infos = archive.infolist()
        assert len(infos) == entries, "zipfile finds other entries"
        for number, text in found.items():
            try:
                wanted = archive.read(infos[number - 1])
            except REFUSALS:
                continue
            assert text == wanted, "zipfile finds another content"


TARGETS = (Target("zip", make, check),)
