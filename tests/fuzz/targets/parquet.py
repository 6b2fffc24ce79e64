"""Damaged Parquet files: footers, page headers and pages of every codec."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from functools import lru_cache
from random import Random
from typing import Any

import pyarrow as pa

from fuzz.harness import Target
from fuzz.mutation import damaged
from parquet_files import OPTIONS, CountedRanges, parquet
from penstock.formats import find_places, parse
from penstock.model.span import Within

CODECS = ("none", "snappy", "zstd", "gzip", "lz4", "brotli")
ENCODINGS = (
    {"i": "DELTA_BINARY_PACKED", "s": "DELTA_BYTE_ARRAY", "f": "BYTE_STREAM_SPLIT"},
    {"i": "PLAIN", "s": "DELTA_LENGTH_BYTE_ARRAY", "o": "RLE"},
)
# Numbers of Thrift: zigzag varints, at which sizes and counts go wrong.
TOKENS = (
    *(b"\xff" * count for count in (1, 5, 10, 12)),
    *(b"\xfe\xff\xff\xff\x0f", b"\xfe" + b"\xff" * 8 + b"\x01", b"\x00", b"\x01", b"\x15\x06", b"\x19\xfc", b"PAR1"),
)
MOST_RECORDS = 100_000


def table(count: int) -> pa.Table:
    def repeated(values: list[Any]) -> list[Any]:
        return (values * count)[:count]

    return pa.table(
        {
            "i": pa.array(repeated([1, None, 3, 2**31 - 1]), pa.int32()),
            "s": pa.array(repeated(["a", "bcd", None, "e" * 9])),
            "d": pa.array(repeated([Decimal("0.00"), Decimal("-1.23"), None]), pa.decimal128(10, 2)),
            "l": pa.array(repeated([[1, 2], None, [], [5]]), pa.list_(pa.int64())),
            "m": pa.array(repeated([[("a", 1)], None, []]), pa.map_(pa.string(), pa.int32())),
            "r": pa.array(repeated([{"x": 1, "y": None}, None, {"x": None, "y": "q"}])),
            "f": pa.array(repeated([1.5, float("nan"), None])),
            "o": pa.array(repeated([True, False, None])),
            "t": pa.array(repeated([1, None, 10**18]), pa.timestamp("ns")),
            "b": pa.array(repeated([dt.date(2020, 1, 2), None])),
        }
    )


@lru_cache
def written(number: int) -> bytes:
    rng = Random(number)
    options: dict[str, Any] = {
        "compression": rng.choice(CODECS),
        "data_page_version": rng.choice(("1.0", "2.0")),
        "data_page_size": rng.choice((500, 100_000)),
        "row_group_size": rng.choice((40, 1000)),
        "write_page_checksum": rng.random() < 0.2,
        "use_deprecated_int96_timestamps": rng.random() < 0.3,
        "use_dictionary": rng.random() < 0.5,
    }
    if not options["use_dictionary"]:
        options["column_encoding"] = rng.choice((None, *ENCODINGS))
    return parquet(table(100), **options)


def make(rng: Random) -> bytes:
    data = written(rng.randrange(40))
    footer = len(data) - 8 - int.from_bytes(data[-8:-4], "little")
    match rng.randrange(3):
        case 0:
            return (
                data[:4] + damaged(rng, data[4:footer], TOKENS)[: footer - 4].ljust(footer - 4, b"\0") + data[footer:]
            )
        case 1:
            end = damaged(rng, data[footer:-8], TOKENS)
            return data[:footer] + end + len(end).to_bytes(4, "little") + b"PAR1"
    return damaged(rng, data, TOKENS)


def check(data: bytes, rng: Random) -> None:
    """All of its records, and those of a span, follow each other."""
    ranges = CountedRanges(data)
    within = None
    if rng.random() < 0.3 and (places := find_places(ranges, OPTIONS)) and places.entries:
        entry = rng.choice(places.entries)
        within = Within(entry.record, entry.row, "", end=places.total)
    row = within.row if within else 1
    columns = frozenset(rng.sample("isdlmrfotb", 3)) if rng.random() < 0.3 else None
    for batch in parse(
        [], OPTIONS, batch_bytes=rng.choice((1000, 10**6)), ranges=ranges, within=within, columns=columns
    ):
        assert batch.first_row == row
        assert batch.count == len(batch.rows) + len(batch.rejects)
        row += batch.count
        if batch.rows:
            batch.position(len(batch.rows) - 1)
        if row > MOST_RECORDS:
            break


TARGETS = [Target("parquet", make, check, cost=10)]
