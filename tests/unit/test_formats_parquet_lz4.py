"""The deprecated codec LZ4: pages of one or several blocks in Hadoop's framing, in LZ4's own frame, and without any.

https://github.com/apache/parquet-format/blob/master/Compression.md#lz4
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable
from itertools import accumulate, pairwise
from typing import Any

import pyarrow as pa
import pytest

from lengths import long
from parquet_files import parquet, rows_of
from penstock.formats.parquet.footer import framed
from penstock.formats.parquet.row_groups import CODECS
from penstock.formats.parquet.thrift import I32, I64
from penstock.formats.parquet.thrift_reader import Reader
from penstock.formats.parquet.thrift_writer import encode

ROWS = [{"text": f"row {number % 700}", "number": number or None, "list": [number]} for number in range(3000)]
Frame = Callable[[bytes], bytes]


def block(data: bytes) -> bytes:
    packed: bytes = pa.compress(data, codec="lz4_raw", asbytes=True)
    return struct.pack(">I", len(packed)) + packed


def groups(*shares: Iterable[int]) -> Frame:
    """Hadoop's framing: groups of blocks, each a share of the page."""

    def frame(page: bytes) -> bytes:
        every = [share for group in shares for share in group]
        ends = [0, *(len(page) * end // sum(every) for end in accumulate(every))]
        pieces = iter([page[start:end] for start, end in pairwise(ends)])
        made = [[next(pieces) for _ in group] for group in shares]
        return b"".join(struct.pack(">I", len(b"".join(group))) + b"".join(map(block, group)) for group in made)

    return frame


def lz4_file(frame: Frame, version: str) -> bytes:
    """A file of pyarrow, whose pages are compressed and framed afterwards."""
    data = parquet(pa.Table.from_pylist(ROWS), compression="none", data_page_version=version)
    start = len(data) - 8 - int.from_bytes(data[-8:-4], "little")
    footer = Reader(data[start:-8]).read_struct()
    out = bytearray(b"PAR1")
    for chunk in (chunk for group in footer.structs(4) for chunk in group.structs(1)):
        meta: Any = chunk.struct(3)
        at = min(place for place in (meta.integer(9), meta.integer(11)) if place)
        end = at + meta.integer(7)
        begin = len(out)
        places: dict[int, int] = {}
        while at < end:
            reader = Reader(data[at:end])
            header = reader.read_struct()
            page = data[at + reader.at :][: header.integer(3)]
            at += reader.at + len(page)
            places.setdefault(11 if header.integer(1) == 2 else 9, len(out))
            second = header.struct(8)
            plain = sum(second.integer(id_) or 0 for id_ in (5, 6)) if second else 0
            if second and header.fields:
                second.remove(7)
            page = page[:plain] + frame(page[plain:])
            header.set(3, I32, len(page))
            out += encode(header) + page
        meta.set(4, I32, CODECS.index("LZ4"))
        meta.set(7, I64, len(out) - begin)
        for id_, place in places.items():
            meta.set(id_, I64, place)
        chunk.remove(4, 5, 6, 7)
    return bytes(out) + framed(encode(footer))


@pytest.mark.parametrize(
    ("frame", "version"),
    [
        (groups([1]), "1.0"),
        long(groups([1], [1], [1]), "1.0"),
        long(groups([1, 1, 1]), "1.0"),
        (groups([1], [3, 3, 1], [2]), "1.0"),
        (groups([1], [3, 3, 1], [2]), "2.0"),
        long(lambda page: block(page)[4:], "1.0"),
        (lambda page: pa.compress(page, codec="lz4", asbytes=True), "1.0"),
    ],
)
def test_every_framing_of_lz4_is_read(frame: Frame, version: str) -> None:
    assert rows_of(lz4_file(frame, version), batch_bytes=1_000_000) == ROWS
