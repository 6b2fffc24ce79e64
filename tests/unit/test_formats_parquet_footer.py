"""Parquet's footer: what a writer has written is read, cut down to a part of the file, and written again whole."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lengths import examples
from penstock.errors import BadSourceError, CorruptSourceError, TruncatedSourceError
from penstock.formats.parquet import thrift
from penstock.formats.parquet.footer import TAIL, Footer, footer_range, framed, read_footer
from penstock.formats.parquet.schema import LogicalType
from penstock.formats.parquet.thrift import Elements, Pairs, Struct
from penstock.formats.parquet.thrift_reader import DEPTH, Reader
from penstock.formats.parquet.thrift_writer import encode

TABLE = pa.table(
    {
        "id": pa.array(range(10), pa.int64()),
        "name": pa.array([None, *"abcdefghi"]),
        "price": pa.array([Decimal(n).scaleb(-2) for n in range(10)], pa.decimal128(12, 2)),
        "day": pa.array([date(2024, 1, 1)] * 10),
        "at": pa.array(range(10), pa.timestamp("us", tz="UTC")),
        "small": pa.array(range(10), pa.uint8()),
        "tags": pa.array([["x", "y"]] * 10, pa.list_(pa.string())),
        "place": pa.array([{"lat": 1.5, "lon": 2.5}] * 10),
    }
)


def file_of(table: pa.Table = TABLE, **options: object) -> bytes:
    out = io.BytesIO()
    pq.write_table(table, out, **{"row_group_size": 4, "compression": "zstd", **options})
    return out.getvalue()


def footer_of(file: bytes) -> Footer:
    start, length = footer_range(file[-TAIL:], len(file))
    return read_footer(file[start : start + length], start)


def part_of(file: bytes, row_groups: Sequence[int] | None, leaves: Sequence[int] | None) -> pa.Table:
    """What a reader finds in the file with the footer cut down."""
    footer = footer_of(file)
    return pq.read_table(io.BytesIO(file[: footer.offset] + footer.select(row_groups, leaves)))


def test_a_footer_tells_the_schema() -> None:
    footer = footer_of(file_of())

    leaves = {".".join(leaf.path): leaf for leaf in footer.leaves}
    assert [child.name for child in footer.schema.children] == TABLE.column_names
    assert list(leaves) == [*TABLE.column_names[:6], "tags.list.element", "place.lat", "place.lon"]
    assert (leaves["id"].physical, leaves["id"].repetition, leaves["id"].converted) == ("INT64", "OPTIONAL", "")
    assert leaves["name"].logical == LogicalType("STRING")
    assert (leaves["name"].physical, leaves["name"].converted) == ("BYTE_ARRAY", "UTF8")
    assert leaves["price"].logical == LogicalType("DECIMAL", scale=2, precision=12)
    assert (leaves["price"].scale, leaves["price"].precision, leaves["price"].length) == (2, 12, 6)
    assert leaves["day"].logical == LogicalType("DATE")
    assert leaves["at"].logical == LogicalType("TIMESTAMP", unit="MICROS", is_utc=True)
    assert leaves["small"].logical == LogicalType("INTEGER", bits=8, is_signed=False)
    assert (leaves["tags.list.element"].definition, leaves["tags.list.element"].repeated) == (3, 1)
    assert [leaf.leaf for leaf in footer.leaves] == list(range(9))


def test_a_footer_tells_the_row_groups_and_their_column_chunks() -> None:
    file = file_of()
    expected = pq.ParquetFile(io.BytesIO(file)).metadata

    footer = footer_of(file)

    assert (footer.rows, len(footer.row_groups), footer.created_by) == (10, 3, expected.created_by)
    for number, group in enumerate(footer.row_groups):
        theirs = expected.row_group(number)
        assert (group.rows, group.size) == (theirs.num_rows, theirs.total_byte_size)
        for place, column in enumerate(group.columns):
            their = theirs.column(place)
            assert ".".join(column.path) == their.path_in_schema
            assert (column.codec, column.physical) == (their.compression, their.physical_type)
            assert set(column.encodings) == set(their.encodings)
            assert (column.values, column.compressed) == (their.num_values, their.total_compressed_size)
            assert column.uncompressed == their.total_uncompressed_size
            assert column.data_page == their.data_page_offset
            assert column.dictionary_page == their.dictionary_page_offset
            assert column.start == min(column.data_page, column.dictionary_page or column.data_page)
            assert column.statistics is not None
            assert column.statistics.nulls == their.statistics.null_count
    names = footer.row_groups[0].columns[1].statistics
    assert names is not None
    assert (names.minimum, names.maximum) == (b"a", b"c")


def test_field_ids_are_read() -> None:
    schema = pa.schema([pa.field("x", pa.int32(), metadata={"PARQUET:field_id": "7"})])
    file = file_of(pa.table({"x": pa.array([1], pa.int32())}, schema=schema))
    assert [leaf.field_id for leaf in footer_of(file).leaves] == [7]


@pytest.mark.parametrize("row_groups", [None, [0], [2], [0, 2], [2, 0], []])
@pytest.mark.parametrize("names", [None, ["id"], ["name", "at"], ["tags"], ["place", "day"]])
def test_a_reader_finds_the_chosen_row_groups_and_columns(
    row_groups: list[int] | None, names: list[str] | None
) -> None:
    file = file_of()
    leaves = None if names is None else [leaf.leaf for leaf in footer_of(file).leaves if leaf.path[0] in names]

    read = part_of(file, row_groups, leaves)

    wanted = [n for n in TABLE.column_names if names is None or n in names]
    parts = [TABLE.slice(4 * number, 4) for number in (range(3) if row_groups is None else row_groups)]
    expected = pa.concat_tables(parts) if parts else TABLE.slice(0, 0)
    assert read.column_names == wanted
    assert read.to_pylist() == expected.select(wanted).to_pylist()


def test_one_field_of_a_group_is_a_column_too() -> None:
    file = file_of()
    read = part_of(file, [1], [8])
    assert read.to_pylist() == [{"place": {"lon": 2.5}}] * 4


def test_row_groups_of_several_files_become_those_of_one() -> None:
    files = [file_of(TABLE.slice(0, 6)), file_of(TABLE.slice(6))]
    body = bytearray(b"PAR1")
    groups: list[bytes] = []
    for file in files:
        footer = footer_of(file)
        shift = len(body) - 4
        groups += [
            group.encode(range(9), shift=shift, ordinal=len(groups) + number)
            for number, group in enumerate(footer.row_groups)
        ]
        body += file[4 : footer.offset]

    whole = bytes(body) + footer_of(files[0]).assemble(groups, 10)

    assert pq.read_table(io.BytesIO(whole)).equals(TABLE)


def test_what_is_not_known_is_kept() -> None:
    file = file_of()
    start, length = footer_range(file[-TAIL:], len(file))
    made = Reader(file[start : start + length]).read_struct()
    made.set(99, thrift.BINARY, b"of a later version")
    footer = read_footer(encode(made), start)

    again = Reader(footer.select()[:-TAIL]).read_struct()

    assert again.binary(99) == b"of a later version"
    assert again.integer(1) == made.integer(1)
    assert {key for key in made.fields if key not in again.fields} == set()


def test_a_file_without_rows_has_a_schema() -> None:
    footer = footer_of(file_of(TABLE.slice(0, 0)))
    assert footer.rows == 0
    assert len(footer.leaves) == 9


@pytest.mark.parametrize("number", [-1, 3, 2**31])
def test_a_repetition_that_is_not_known_is_damage(number: int) -> None:
    file = file_of()
    start, length = footer_range(file[-TAIL:], len(file))
    footer = Reader(file[start : start + length]).read_struct()
    footer.structs(2)[1].set(3, thrift.I32, number)
    with pytest.raises(CorruptSourceError, match=f"column 'id' has the repetition {number}"):
        read_footer(encode(footer), start)


def test_a_row_group_without_columns_is_none_of_a_damaged_file() -> None:
    (group,) = footer_of(file_of(TABLE.select([]).slice(0, 0))).row_groups
    assert (group.rows, group.columns) == (0, ())


def test_an_encrypted_footer_is_refused_by_name() -> None:
    with pytest.raises(BadSourceError, match="encrypted") as caught:
        footer_range(b"\x10\0\0\0PARE", 1000)
    assert caught.value.offset == 996


def test_a_file_that_ends_otherwise_is_refused() -> None:
    with pytest.raises(TruncatedSourceError, match="ends with b'abcd'") as caught:
        footer_range(b"\x10\0\0\0abcd", 1000)
    assert caught.value.offset == 996
    with pytest.raises(TruncatedSourceError, match="too few"):
        footer_range(b"PAR1PAR1", 8)


def test_a_footer_larger_than_its_file_is_damage() -> None:
    with pytest.raises(CorruptSourceError, match="more than the file holds") as caught:
        footer_range(b"\xff\xff\0\0PAR1", 1000)
    assert caught.value.offset == 992


def test_a_footer_beyond_the_limit_is_refused_with_its_size() -> None:
    with pytest.raises(BadSourceError, match="2,000 bytes; at most 1,000"):
        footer_range((2000).to_bytes(4, "little") + b"PAR1", 10_000, most=1000)


def test_lists_that_cannot_be_there_are_damage_at_their_offset() -> None:
    endless = bytes([0x19, 0xFC, 0xFF, 0xFF, 0x7F])  # field 1: a list of 2,097,151 structs
    with pytest.raises(CorruptSourceError, match="2,097,151 elements has 0 bytes") as caught:
        Reader(endless, origin=500).read_struct()
    assert caught.value.offset == 505


@pytest.mark.parametrize("call", ["read", "skip"])
def test_values_nested_too_deep_are_damage(call: str) -> None:
    nested = bytes([0x1C]) * (DEPTH + 1) + bytes(DEPTH + 2)
    with pytest.raises(CorruptSourceError, match=f"nested more than {DEPTH} deep"):
        getattr(Reader(nested), call)(thrift.STRUCT)


def test_more_values_than_the_limit_are_damage_when_read_and_nothing_when_skipped() -> None:
    many = encode(Struct(fields={1: (thrift.LIST, Elements(thrift.I32, [0] * 1000))}))
    with pytest.raises(CorruptSourceError, match="more than 100"):
        Reader(many, most_values=100).read_struct()
    reader = Reader(many, most_values=100)
    reader.skip(thrift.STRUCT)
    assert reader.at == len(many)


SCALARS: Mapping[int, st.SearchStrategy[Any]] = {
    thrift.TRUE: st.booleans(),
    thrift.I8: st.integers(-128, 127),
    thrift.I16: st.integers(-(2**15), 2**15 - 1),
    thrift.I32: st.integers(-(2**31), 2**31 - 1),
    thrift.I64: st.integers(-(2**63), 2**63 - 1),
    thrift.DOUBLE: st.floats(allow_nan=False),
    thrift.BINARY: st.binary(max_size=200),
    thrift.UUID: st.binary(min_size=16, max_size=16),
}
KINDS = st.sampled_from(sorted(SCALARS))
VALUES = KINDS.flatmap(lambda kind: st.tuples(st.just(kind), SCALARS[kind]))
LISTS = st.tuples(st.sampled_from([thrift.LIST, thrift.SET]), KINDS).flatmap(
    lambda kinds: st.tuples(
        st.just(kinds[0]), st.lists(SCALARS[kinds[1]], max_size=20).map(lambda values: Elements(kinds[1], values))
    )
)
MAPS = st.tuples(KINDS, KINDS).flatmap(
    lambda kinds: st.lists(st.tuples(SCALARS[kinds[0]], SCALARS[kinds[1]]), min_size=1, max_size=3).map(
        lambda pairs: (thrift.MAP, Pairs(*kinds, pairs))
    )
)
STRUCTS = st.recursive(
    st.dictionaries(st.integers(1, 2**15 - 1), VALUES | LISTS | MAPS, max_size=5),
    lambda inner: st.dictionaries(
        st.integers(1, 40), VALUES | inner.map(lambda fields: (thrift.STRUCT, Struct(fields=fields))), max_size=5
    ),
    max_leaves=5,
)


@settings(max_examples=examples(200), deadline=None)
@given(STRUCTS)
def test_what_is_written_is_read_back(fields: dict[int, tuple[int, thrift.Value]]) -> None:
    written = encode(Struct(fields=fields))
    reader = Reader(written)
    assert encode(reader.read_struct()) == written
    assert reader.at == len(written)
    skipped = Reader(written)
    skipped.skip(thrift.STRUCT)
    assert skipped.at == len(written)


@settings(max_examples=examples(400), deadline=None)
@given(st.data())
def test_damage_anywhere_is_refused_or_read_and_nothing_else(data: st.DataObject) -> None:
    file = DAMAGED
    start, length = footer_range(file[-TAIL:], len(file))
    footer = bytearray(file[start : start + length])
    for _ in range(data.draw(st.integers(1, 4))):
        footer[data.draw(st.integers(0, length - 1))] = data.draw(st.integers(0, 255))
    del footer[data.draw(st.integers(0, length)) :]
    at = start
    try:
        read = read_footer(bytes(footer), start)
        read.select(leaves=range(len(read.leaves)))
    except BadSourceError as error:
        at = error.offset
    assert start <= at <= start + length


DAMAGED = file_of()


def test_the_end_of_a_file_is_footer_length_and_magic() -> None:
    assert framed(b"abc") == b"abc\x03\0\0\0PAR1"
