"""Parquet files of random schemas and values: what is read is what pyarrow reads."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from decimal import Decimal
from random import Random
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lengths import examples
from parquet_files import CountedRanges, batches_of, parquet

CODECS = ("none", "snappy", "zstd", "gzip", "lz4", "brotli")


def some_type(rng: Random, depth: int) -> Any:
    if depth and rng.random() < 0.5:
        match rng.randrange(3):
            case 0:
                inner = pa.field("element", some_type(rng, depth - 1), nullable=rng.random() < 0.7)
                return rng.choice((pa.list_, pa.large_list))(inner)
            case 1:
                fields = [
                    pa.field(f"f{n}", some_type(rng, depth - 1), nullable=rng.random() < 0.7)
                    for n in range(rng.randint(1, 3))
                ]
                return pa.struct(fields)
            case _:
                return pa.map_(rng.choice((pa.string(), pa.int32())), some_type(rng, depth - 1))
    return rng.choice(
        (
            *(pa.int8(), pa.int32(), pa.int64(), pa.uint32(), pa.uint64(), pa.float64(), pa.bool_(), pa.string()),
            *(pa.date32(), pa.timestamp("ms"), pa.timestamp("us", "UTC"), pa.time64("us")),
            *(pa.decimal128(9, 2), pa.decimal128(30, 12), pa.binary()),
        )
    )


def some_value(rng: Random, kind: Any, *, nullable: bool = True) -> Any:
    if nullable and rng.random() < 0.2:
        return None
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        held = kind.value_field
        return [some_value(rng, held.type, nullable=held.nullable) for _ in range(rng.choice((0, 1, 3)))]
    if pa.types.is_struct(kind):
        return {field.name: some_value(rng, field.type, nullable=field.nullable) for field in kind}
    if pa.types.is_map(kind):
        keys = rng.sample(range(100), rng.choice((0, 1, 3)))
        names = keys if pa.types.is_int32(kind.key_type) else list(map(str, keys))
        return [(name, some_value(rng, kind.item_type)) for name in names]
    if pa.types.is_integer(kind):
        bits = kind.bit_width - (not str(kind).startswith("u"))
        return rng.choice((0, 1, 2**bits - 1, rng.randrange(2**bits)))
    return some_scalar(rng, kind)


def some_moment(rng: Random, kind: Any) -> Any:
    moment = dt.datetime(1, 1, 1, tzinfo=dt.UTC if kind.tz else None) + dt.timedelta(seconds=rng.randrange(315 * 10**9))
    return moment.replace(microsecond=rng.choice((0, 1000)))


def some_decimal(rng: Random, kind: Any) -> Decimal:
    return Decimal(rng.randrange(-(10**9) + 1, 10**9)).scaleb(-kind.scale)


def some_scalar(rng: Random, kind: Any) -> Any:
    makers: list[tuple[Callable[[Any], bool], Callable[[], Any]]] = [
        (pa.types.is_floating, lambda: rng.choice((0.0, -0.5, 1e300, rng.random()))),
        (pa.types.is_boolean, lambda: rng.random() < 0.5),
        (pa.types.is_string, lambda: rng.choice(("", "ä", "text", "x" * rng.randrange(200)))),
        (pa.types.is_binary, lambda: rng.randbytes(rng.randrange(5))),
        (pa.types.is_decimal, lambda: some_decimal(rng, kind)),
        (pa.types.is_date, lambda: dt.date.fromordinal(rng.randint(1, dt.date.max.toordinal()))),
        (pa.types.is_time, lambda: dt.time(rng.randrange(24), rng.randrange(60), 1, rng.choice((0, 1, 999_999)))),
        (pa.types.is_timestamp, lambda: some_moment(rng, kind)),
    ]
    return next(make for fits, make in makers if fits(kind))()


def as_text(value: Any, kind: Any) -> str:
    text: str = value.isoformat().replace("+00:00", "Z")
    # Milliseconds have three digits in the file.
    return text.replace(".001000", ".001") if pa.types.is_timestamp(kind) and kind.unit == "ms" else text


def expected(value: Any, kind: Any) -> Any:
    """A value of pyarrow as the value of a record."""
    if value is None:
        return None
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        return [expected(one, kind.value_type) for one in value]
    if pa.types.is_struct(kind):
        return {field.name: expected(value[field.name], field.type) for field in kind}
    if pa.types.is_map(kind):
        return {str(key): expected(one, kind.item_type) for key, one in value}
    if pa.types.is_temporal(kind):
        return as_text(value, kind)
    return "\\x" + value.hex() if pa.types.is_binary(kind) else value


@pytest.mark.parametrize("seed", range(examples(80)))
def test_random_files_are_read_as_pyarrow_reads_them(seed: int) -> None:
    rng = Random(seed)
    fields = [pa.field(f"c{n}", some_type(rng, 3), nullable=rng.random() < 0.8) for n in range(rng.randint(1, 4))]
    count = rng.choice((1, 10, 300))
    values = {
        field.name: [some_value(rng, field.type, nullable=field.nullable) for _ in range(count)] for field in fields
    }
    data = parquet(
        pa.table(values, pa.schema(fields)),
        compression=rng.choice(CODECS),
        data_page_version=rng.choice(("1.0", "2.0")),
        data_page_size=rng.choice((100, 10_000)),
        row_group_size=rng.choice((7, 100, 1000)),
        use_dictionary=rng.random() < 0.5,
        write_page_checksum=rng.random() < 0.5,
        use_compliant_nested_type=rng.random() < 0.5,
        store_decimal_as_integer=rng.random() < 0.5,
    )
    ranges = CountedRanges(data)
    batches = batches_of(ranges, batch_bytes=rng.choice((1, 2000, 10**6)))
    read = pq.read_table(pa.BufferReader(data)).to_pylist()
    assert [reject for batch in batches for reject in batch.rejects] == []
    assert [row for batch in batches for row in batch.rows] == [
        {field.name: expected(row[field.name], field.type) for field in fields} for row in read
    ]
