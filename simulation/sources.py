"""Contents of sources, and what becomes of them. Each is made once."""

from __future__ import annotations

import gzip
import io
import random
import tarfile
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache

# Larger than what a function takes by itself: see `functions.Configuration`.
LARGE, SMALL = 14_000, 1_500
# Columns are inferred from the first bytes of a source. In a function, they are more.
SAMPLE = 2_000


@dataclass(frozen=True, slots=True)
class Content:
    """Bytes that are uploaded, and what they are decoded; ``decoded`` is None if they are damaged.

    ``rows`` are the records that a table takes, by their id, ``rejects`` how many it must not take as they are.
    ``members`` are what becomes of the members of an archive, by the ends of their keys.
    """

    data: bytes
    decoded: bytes | None
    rows: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    rejects: int = 0
    members: Mapping[str, bytes] = field(default_factory=dict)


@cache
def text(size: int, number: int) -> bytes:
    """Return lines of CSV; another ``number`` gives other lines."""
    draw = random.Random(f"{size} {number}")
    lines = bytearray()
    while len(lines) < size:
        lines += b"%d,%x,v%d\n" % (len(lines), draw.getrandbits(80), number)
    return bytes(lines)


@cache
def archive(form: str, size: int, number: int) -> Content:
    """Return a zip or a tar of some members: small ones, an encoded one and, in a large archive, a large one."""
    sizes = {"a.csv": 300, "b.csv.gz": 700, "more/c.csv": size // 2, "d.csv": 100}
    decoded = {name: text(most, number) for name, most in sizes.items()}
    data = {name: _in_blocks(one) if name.endswith(".gz") else one for name, one in decoded.items()}
    file = io.BytesIO()
    if form == "zip":
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as zipped:
            for name, one in data.items():
                zipped.writestr(zipfile.ZipInfo(name), one, zipfile.ZIP_STORED if name == "a.csv" else None)
    else:
        with tarfile.open(fileobj=file, mode="w") as tar:
            for name, one in data.items():
                entry = tarfile.TarInfo(name)
                entry.size = len(one)
                tar.addfile(entry, io.BytesIO(one))
    members = {name.removesuffix(".gz"): one for name, one in decoded.items()}
    return Content(file.getvalue(), file.getvalue(), members=members)


@cache
def records(form: str, size: int, number: int) -> Content:
    """Return CSV with a header, plain or as gzip. The ids of each ``number`` are its own.

    No type is declared. The values of ``n`` are numbers; but some of them behind the sample are codes, such as
    ``0042``, which a column that was inferred as numbers must not take.
    """
    draw = random.Random(f"records {size} {number}")
    rows: dict[str, tuple[str, str]] = {}
    text, rejects, at = bytearray(b"id,name,n\n"), 0, 0
    while len(text) < size:
        at += 1
        is_code = len(text) > 2 * SAMPLE and draw.random() < 0.05
        id_, name, n = f"r{number}-{at}", f"{draw.getrandbits(64):x}z", f"00{at}" if is_code else f"{at}"
        text += f"{id_},{name},{n}\n".encode()
        if is_code:
            rejects += 1
        else:
            rows[id_] = name, n
    return Content(_in_blocks(bytes(text)) if form == "gzip" else bytes(text), bytes(text), rows, rejects)


@cache
def content(form: str, size: int, number: int) -> Content:
    """Return a content of a form: plain, gzip, blocks, members, damaged."""
    decoded = text(size, number)
    match form:
        case "plain":
            return Content(decoded, decoded)
        case "gzip":
            return Content(_in_blocks(decoded), decoded)
        case "members":
            pieces = [decoded[at : at + 3_000] for at in range(0, size, 3_000)]
            return Content(b"".join(map(_in_blocks, pieces)), b"".join(pieces))
        case "damaged":
            data = gzip.compress(decoded, mtime=0)
            return Content(data[:-8] + bytes(4) + data[-4:], None)
    raise ValueError(form)


def _in_blocks(data: bytes, block: int = 1_000) -> bytes:
    """A gzip member with a place to enter it every ``block`` bytes of content."""
    deflater = zlib.compressobj(6, zlib.DEFLATED, 31)
    starts = range(0, len(data), block)
    blocks = (deflater.compress(data[at : at + block]) + deflater.flush(zlib.Z_SYNC_FLUSH) for at in starts)
    return b"".join(blocks) + deflater.flush()
