"""Parquet files of pyarrow as records: every type, codec and page, and which bytes are read."""

from __future__ import annotations

import datetime as dt
from decimal import Context, Decimal
from itertools import pairwise
from typing import Any

import pyarrow as pa
import pytest

from lengths import long
from parquet_files import OPTIONS, CountedRanges, ReadLimits, batches_of, parquet, rejects_of, rows_of
from parser_checks import chunked
from penstock.errors import BadDocumentError, BadSourceError, BlockTooLargeError, CorruptSourceError
from penstock.formats import choose_format, find_places, ignored_options, parse
from penstock.limits import KIB, MIB
from penstock.model.column import ColumnType
from penstock.model.load import Resume
from penstock.model.parse_options import Format, ParseOptions
from penstock.model.span import Within

T = ColumnType


def values_of(array: Any, **options: Any) -> list[Any]:
    return [row["x"] for row in rows_of(parquet({"x": array}, **options))]


def test_the_suffix_chooses_the_format_and_options_of_texts_mean_nothing_to_it() -> None:
    assert choose_format("in/a.PARQUET", ParseOptions()) is Format.PARQUET
    assert choose_format("in/a.pq.gz", ParseOptions()) is Format.PARQUET
    options = ParseOptions(format=Format.PARQUET, delimiter=";", header=False, encoding="cp1252", footer="x")
    assert set(ignored_options(options)) == {"delimiter", "header", "encoding", "footer"}


@pytest.mark.parametrize(
    ("array", "kind", "expected"),
    [
        (pa.array([1, None, -(2**31)], pa.int32()), T.INTEGER, [1, None, -(2**31)]),
        (pa.array([2**63 - 1, -(2**63)], pa.int64()), T.INTEGER, [2**63 - 1, -(2**63)]),
        (pa.array([-128, 127], pa.int8()), T.INTEGER, [-128, 127]),
        (pa.array([255, 0], pa.uint8()), T.INTEGER, [255, 0]),
        (pa.array([2**32 - 1, 1], pa.uint32()), T.INTEGER, [2**32 - 1, 1]),
        (pa.array([2**64 - 1, 1], pa.uint64()), T.NUMERIC, [2**64 - 1, 1]),
        (pa.array([True, None, False]), T.BOOLEAN, [True, None, False]),
        (pa.array([0.1, -0.0, None, 1e300]), T.FLOAT, [0.1, -0.0, None, 1e300]),
        (pa.array([float("nan"), float("inf"), -float("inf")]), T.FLOAT, ["NaN", "Infinity", "-Infinity"]),
        (pa.array([0.5, float("nan")], pa.float32()), T.FLOAT, [0.5, "NaN"]),
        (pa.array([1.5, float("inf"), None], pa.float16()), T.FLOAT, [1.5, "Infinity", None]),
        (pa.array(["", "ä\0\U0001f600", None]), T.TEXT, ["", "ä\0\U0001f600", None]),
        (pa.array(["a", "b", "a"]).dictionary_encode(), T.TEXT, ["a", "b", "a"]),
        (pa.array([b"", b"\x00\xff", None]), T.TEXT, ["\\x", "\\x00ff", None]),
        (pa.array([b"ab", None], pa.binary(2)), T.TEXT, ["\\x6162", None]),
        (pa.array([dt.date(2020, 2, 29), dt.date(1, 1, 1)]), T.DATE, ["2020-02-29", "0001-01-01"]),
        (pa.array([-800_000, 2932897], pa.int32()).cast(pa.date32()), T.DATE, ["-0221-09-04", "+10000-01-01"]),
        (pa.array([1, 0], pa.time32("ms")), T.TEXT, ["00:00:00.001", "00:00:00"]),
        (pa.array([dt.time(23, 59, 59, 999999)]), T.TEXT, ["23:59:59.999999"]),
        (pa.array([1001, 1000], pa.time64("ns")), T.TEXT, ["00:00:00.000001001", "00:00:00.000001"]),
        (pa.array([-1, None], pa.timestamp("ms", "UTC")), T.TIMESTAMP, ["1969-12-31T23:59:59.999Z", None]),
        (pa.array([1], pa.timestamp("us")), T.TIMESTAMP, ["1970-01-01T00:00:00.000001"]),
        (pa.array([1], pa.timestamp("ns", "UTC")), T.TIMESTAMP, ["1970-01-01T00:00:00.000000001Z"]),
        (pa.array([1000], pa.timestamp("ns", "UTC")), T.TIMESTAMP, ["1970-01-01T00:00:00.000001Z"]),
        (pa.array([None, None], pa.null()), T.TEXT, [None, None]),
    ],
    ids=lambda value: str(value.type) if isinstance(value, pa.Array) else "",
)
def test_values_arrive_as_written_and_the_schema_tells_their_type(
    array: Any, kind: ColumnType, expected: list[Any]
) -> None:
    (batch,) = batches_of(parquet({"x": array}))
    assert [column.type for column in batch.schema] == [kind]
    assert [repr(row) for row in batch.rows] == [repr({"x": value}) for value in expected]


@pytest.mark.parametrize("as_integer", [True, False])
@pytest.mark.parametrize(("precision", "scale"), [(4, 2), (18, 9), (38, 10), (38, 0), (76, 30)])
def test_decimals_keep_every_digit(precision: int, scale: int, as_integer: bool) -> None:
    kind = pa.decimal256(precision, scale) if precision > 38 else pa.decimal128(precision, scale)
    largest = Decimal(10**precision - 1).scaleb(-scale, context=Context(prec=80))
    texts = [format(number, "f") for number in (largest, largest.copy_negate(), Decimal(0).scaleb(-scale))]
    array = pa.array([Decimal(text) for text in texts], kind)
    assert list(map(str, values_of(array, store_decimal_as_integer=as_integer))) == texts


def test_timestamps_of_96_bits_are_read_in_their_full_range() -> None:
    array = pa.array([-(2**62), 0, 1_600_000_000_123_456_789], pa.timestamp("ns"))
    assert values_of(array, use_deprecated_int96_timestamps=True) == [
        "1823-11-12T00:06:21.572612096",
        "1970-01-01T00:00:00",
        "2020-09-13T12:26:40.123456789",
    ]


NESTED = {
    "list": pa.array([[1, None], None, []], pa.list_(pa.int64())),
    "large": pa.array([["a"], None, []], pa.large_list(pa.string())),
    "fixed": pa.array([[1, 2], [3, None], None], pa.list_(pa.int32(), 2)),
    "deep": pa.array([[[1], []], None, [None, [2, 3]]], pa.list_(pa.list_(pa.int32()))),
    "struct": pa.array([{"a.b": 1, "c": {"d": "x"}}, None, {"a.b": None, "c": None}]),
    "structs": pa.array([[{"x": 1}, None], [], None], pa.list_(pa.struct([("x", pa.int32())]))),
}


@pytest.mark.parametrize("name", NESTED)
def test_groups_are_objects_and_repeated_fields_are_lists(name: str) -> None:
    assert values_of(NESTED[name]) == NESTED[name].to_pylist()
    assert values_of(NESTED[name], use_compliant_nested_type=False) == NESTED[name].to_pylist()


def test_maps_are_objects_by_their_keys() -> None:
    maps = pa.array([[("a", 1), ("b", None)], None, []], pa.map_(pa.string(), pa.int32()))
    assert values_of(maps) == [{"a": 1, "b": None}, None, {}]
    numbers = pa.array([[(1, dt.date(2020, 1, 2))]], pa.map_(pa.int32(), pa.date32()))
    assert values_of(numbers) == [{"1": "2020-01-02"}]


def test_a_map_that_has_a_key_twice_is_a_reject_with_its_record_as_json() -> None:
    maps = pa.array([[("a", 1)], [("b", 1), ("b", 2)]], pa.map_(pa.string(), pa.int32()))
    (reject,) = rejects_of(parquet({"id": [1, 2], "m": maps}))
    assert (reject.position.row, reject.column, reject.reason) == (2, "m", "its map has the key 'b' twice")
    assert reject.position.raw.startswith('{"id": 2, "m": ')


def test_a_text_that_is_not_utf_8_is_a_reject_and_its_neighbours_are_not() -> None:
    binary = pa.array([b"a", b"\xff!", None, b"b"])
    texts = pa.Array.from_buffers(pa.string(), 4, binary.buffers())
    (batch,) = batches_of(parquet({"id": [1, 2, 3, 4], "s": texts}))
    assert list(batch.rows) == [{"id": 1, "s": "a"}, {"id": 3, "s": None}, {"id": 4, "s": "b"}]
    assert [batch.position(n).row for n in range(3)] == [1, 3, 4]
    (reject,) = batch.rejects
    assert (reject.position.row, reject.column, reject.position.raw) == (2, "s", '{"id": 2, "s": "\\\\xff!"}')


PLAIN = pa.table(
    {
        "i": pa.array([n if n % 3 else None for n in range(3000)], pa.int32()),
        "l": pa.array([n * 10**12 for n in range(3000)], pa.int64()),
        "s": pa.array([f"name {n % 50}" if n % 7 else None for n in range(3000)]),
        "d": pa.array([n / 8 for n in range(3000)]),
        "b": pa.array([n % 2 == 0 for n in range(3000)]),
        "f": pa.array([[n, None] if n % 5 else [] for n in range(3000)], pa.list_(pa.int32())),
    }
)


@pytest.mark.parametrize("codec", ["none", "snappy", "gzip", "brotli", "lz4", "zstd"])
@pytest.mark.parametrize("version", [long("1.0"), "2.0"])
def test_every_codec_and_version_of_pages_is_read(codec: str, version: str) -> None:
    data = parquet(PLAIN, compression=codec, data_page_version=version, data_page_size=4 * KIB, row_group_size=1300)
    assert rows_of(data) == PLAIN.to_pylist()


@pytest.mark.parametrize(
    "encodings",
    [
        {"i": "DELTA_BINARY_PACKED", "l": "DELTA_BINARY_PACKED", "s": "DELTA_BYTE_ARRAY", "d": "BYTE_STREAM_SPLIT"},
        {"i": "PLAIN", "l": "BYTE_STREAM_SPLIT", "s": "DELTA_LENGTH_BYTE_ARRAY", "b": "RLE"},
    ],
)
def test_every_encoding_is_read(encodings: dict[str, str]) -> None:
    data = parquet(PLAIN, use_dictionary=False, column_encoding=encodings, write_page_checksum=True)
    assert rows_of(data) == PLAIN.to_pylist()


def test_batches_follow_each_other_and_parsing_resumes_behind_each() -> None:
    data = parquet(PLAIN, row_group_size=1300)
    batches = batches_of(data, batch_bytes=8000)
    assert len(batches) > 5
    assert (batches[0].first_row, batches[0].offset) == (1, 0)
    for one, other in pairwise(batches):
        assert (other.first_row, other.offset) == (one.first_row + one.count, one.end)
        assert other.end > other.offset
    at = batches[3]
    resume = Resume(chunk=4, offset=at.end, row=at.first_row + at.count)
    rest = rows_of(data, batch_bytes=8000, resume=resume)
    assert rest == PLAIN.to_pylist()[resume.row - 1 :]


def test_row_groups_are_places_to_split_a_file_and_each_span_has_its_records() -> None:
    ranges = CountedRanges(parquet(PLAIN, row_group_size=1300))
    places = find_places(ranges, OPTIONS)
    assert places
    assert [entry.row for entry in places.entries] == [1, 1301, 2601]
    assert ranges.bytes_read < 70_000
    ends = [entry.decoded for entry in places.entries[1:]] + [places.total]
    assert all(before < after for before, after in pairwise([0, *ends]))
    found = []
    for entry, end in zip(places.entries, ends, strict=True):
        within = Within(entry.decoded, entry.row, "", end=end)
        part = batches_of(ranges.data, within=within, batch_bytes=8000)
        assert (part[0].first_row, part[-1].end) == (entry.row, end)
        found += [row for batch in part for row in batch.rows]
    assert found == PLAIN.to_pylist()


def test_only_the_bytes_of_the_needed_columns_are_read() -> None:
    wide = pa.table({f"c{n}": [f"{n} {row} " * 200 for row in range(1000)] for n in range(12)} | {"id": range(1000)})
    ranges = CountedRanges(parquet(wide, compression="none", use_dictionary=False))
    notes: list[str] = []
    rows = rows_of(ranges, columns=frozenset({"id", "c7", "none"}), tell=notes.append)
    assert rows == [{"c7": f"7 {row} " * 200, "id": row} for row in range(1000)]
    assert ranges.bytes_read < ranges.size / 8
    assert notes == [
        "columns of the file that no column of the table takes are not read: "
        + ", ".join(repr(f"c{n}") for n in range(12) if n != 7)
    ]


def test_a_file_of_which_no_column_is_needed_has_its_records() -> None:
    assert rows_of(parquet({"a": [1, 2, 3]}), columns=frozenset({"b"})) == [{}, {}, {}]


def test_a_file_that_comes_as_a_stream_is_read_from_the_disk() -> None:
    data = parquet(PLAIN, row_group_size=1300)
    batches = list(parse(chunked(data, 10_000), OPTIONS, batch_bytes=10**6))
    assert [row for batch in batches for row in batch.rows] == PLAIN.to_pylist()


def test_a_file_without_records_has_the_columns_of_its_schema() -> None:
    (batch,) = batches_of(parquet(PLAIN.slice(0, 0)))
    assert (batch.count, [column.name for column in batch.schema]) == (0, ["i", "l", "s", "d", "b", "f"])


def test_a_record_over_the_limit_is_a_reject() -> None:
    options = ParseOptions(format=Format.PARQUET, max_record=5000)
    data = parquet({"s": ["a", "b" * 6000, "c"]})
    (batch,) = parse([], options, batch_bytes=10**6, ranges=CountedRanges(data))
    assert [reject.reason for reject in batch.rejects] == ["longer than 5,000 bytes"]
    assert list(batch.rows) == [{"s": "a"}, {"s": "c"}]


def test_a_row_group_is_refused_by_the_disk_that_it_needs_before_it_is_read() -> None:
    texts = [str(n) * 100 for n in range(5000)]
    ranges = CountedRanges(parquet({"s": texts}, compression="none", use_dictionary=False))
    with pytest.raises(BlockTooLargeError, match=r"row group 1 of 1 needs \d+ MiB of /tmp"):
        batches_of(ranges, limits=ReadLimits(file_bytes=1 * MIB))
    assert ranges.bytes_read < 70_000


def test_a_page_is_refused_by_the_memory_that_it_needs() -> None:
    data = parquet({"s": ["x" * 4 * MIB]}, use_dictionary=False)
    with pytest.raises(BlockTooLargeError, match=r"column 's': a page of .* needs 5 MiB of memory"):
        batches_of(data, limits=ReadLimits(block_bytes=2 * MIB))


def test_many_columns_are_refused_by_the_memory_of_their_decompressors() -> None:
    columns = {f"c{n}": [n, n] for n in range(400)}
    limits = ReadLimits(block_bytes=60 * MIB)
    with pytest.raises(
        BlockTooLargeError, match=r"the pages of 400 columns need 46 MiB .* 30 MiB are there"
    ) as refused:
        batches_of(parquet(columns, compression="zstd"), limits=limits)
    assert "MemorySize to 224 or more" in refused.value.hint
    assert rows_of(parquet(columns, compression="snappy"), limits=limits)[1]["c399"] == 399


def test_a_dictionary_whose_values_are_long_is_decoded_in_smaller_batches() -> None:
    long_texts = [str(n) * 100_000 for n in range(3)]
    texts = long_texts + ["short"] * 10_000 + long_texts * 40
    assert [row["s"] for row in rows_of(parquet({"s": texts}), batch_bytes=1 * MIB)] == texts


def test_a_record_that_does_not_fit_memory_is_refused_by_what_it_needs() -> None:
    data = parquet({"l": [[1] * 3_000_000, [2]]})
    with pytest.raises(BlockTooLargeError, match=r"row group 1 of 1: record 1 of it needs \d\d MiB of memory"):
        batches_of(data)


@pytest.mark.parametrize(
    ("names", "message"),
    [(["a", "a"], "the Parquet file has the column 'a' twice"), (["a", "s"], "column 's' has the column 'x' twice")],
)
def test_names_that_an_object_cannot_have_twice_are_refused(names: list[str], message: str) -> None:
    struct = pa.StructArray.from_arrays([pa.array([1]), pa.array([2])], names=["x", "x"])
    table = pa.Table.from_arrays([pa.array([1]), struct], names=names)
    with pytest.raises(BadDocumentError, match=message):
        batches_of(parquet(table))
    if names[0] != names[1]:
        assert rows_of(parquet(table), columns=frozenset({"a"})) == [{"a": 1}]


def test_strange_names_are_names() -> None:
    table = pa.table({"a.b": [1], "": [2], "nul\0": [3], "ä" * 300: [4]})
    assert rows_of(parquet(table)) == [{"a.b": 1, "": 2, "nul\0": 3, "ä" * 300: 4}]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"PAR1", "too few for a Parquet file"),
        (b"PAR1\x15" + bytes(100), "ends with"),
        (b"PAR1\x15" + bytes(100) + b"\xff\xff\xff\x7fPAR1", "more than the file holds"),
        (b"PARE" + bytes(100) + b"PARE", "encrypted"),
        (b"a,b\n1,2\n" * 20, "ends with"),
    ],
)
def test_what_is_no_parquet_file_is_refused(data: bytes, message: str) -> None:
    with pytest.raises(BadSourceError, match=message):
        batches_of(data)


def test_another_format_is_named() -> None:
    with pytest.raises(BadDocumentError, match="this is an Avro file, not parquet"):
        batches_of(b"Obj\x01" + bytes(1000))
    with pytest.raises(BadDocumentError, match="this is a Parquet file, not csv") as caught:
        list(parse([parquet({"a": [1]})], ParseOptions(format=Format.CSV), batch_bytes=100))
    assert caught.value.hint == 'Set parse.format = "parquet".'


def test_a_file_that_is_cut_off_is_refused() -> None:
    data = parquet(PLAIN)
    with pytest.raises(BadSourceError):
        batches_of(data[: len(data) // 2])


def test_a_page_with_another_checksum_is_refused() -> None:
    data = bytearray(parquet({"i": range(100)}, compression="none", use_dictionary=False, write_page_checksum=True))
    data[200] ^= 1
    with pytest.raises(BadSourceError, match="column 'i': the CRC32 of a page is"):
        batches_of(bytes(data))


def test_damage_that_ends_the_process_of_the_decoder_is_an_error_of_the_source() -> None:
    packed = parquet(
        {"i": range(5000)}, use_dictionary=False, column_encoding="DELTA_BINARY_PACKED", compression="none"
    )
    at = packed.index(b"\x80\x02\x04")  # blocks of 256 values, in 4 parts
    with pytest.raises(CorruptSourceError, match="cannot be decoded at its record 1: Num of bytes exceed"):
        rows_of(packed[:at] + b"\xff" * 12 + packed[at + 12 :])
