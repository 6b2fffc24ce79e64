"""Avro: every type arrives as written, or its record is rejected; damage has a name and a place."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from datetime import date, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import fastavro
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from avro_files import COMPRESS, SYNC, avro_file, block, encoded, header, in_blocks, logical, long, record
from lengths import examples
from penstock.errors import BadDocumentError, BadHeaderError, BadSourceError, BlockTooLargeError, CorruptSourceError
from penstock.errors import TruncatedSourceError as Truncated
from penstock.formats import ReadLimits, parse
from penstock.formats.avro.schema import Node, read_schema
from penstock.formats.avro.shape import Shape
from penstock.model.column import ColumnType
from penstock.model.load import Resume
from penstock.model.parse_options import Format, ParseOptions
from penstock.model.record import Batch

AVRO = ParseOptions(format=Format.AVRO)
PERSON = record("Person", id="long", name="string")
PEOPLE = [{"id": number, "name": f"Person {number}"} for number in range(50)]


def parsed(data: bytes, *, chunk: int = 1000, batch_bytes: int = 10_000, **more: Any) -> list[Batch]:
    chunks = (data[at : at + chunk] for at in range(0, len(data), chunk))
    return list(parse(chunks, more.pop("options", AVRO), batch_bytes=batch_bytes, **more))


def rows(data: bytes, **more: Any) -> list[Any]:
    return [row for batch in parsed(data, **more) for row in batch.rows]


def only_value(kind: object, value: object) -> object:
    """A value of a record with this one field, as it is parsed."""
    ((row,),) = [batch.rows for batch in parsed(avro_file(record("r", value=kind), [{"value": value}]))]
    return row["value"]  # type: ignore[index]


def rejected(data: bytes) -> list[tuple[int, str, str]]:
    return [(reject.position.row, reject.column, reject.reason) for batch in parsed(data) for reject in batch.rejects]


FIXED = {"type": "fixed", "name": "f", "size": 3}
ENUM = {"type": "enum", "name": "e", "symbols": ["RED", "GREEN"]}
INNER = record("inner", at=logical("int", "date"), amount=logical("bytes", "decimal", precision=9, scale=2))


@pytest.mark.parametrize(
    ("kind", "value", "expected"),
    [
        ("null", None, None),
        ("boolean", True, True),
        ("int", -(2**31), -(2**31)),
        ("long", 2**63 - 1, 2**63 - 1),
        ("float", 0.5, 0.5),
        ("double", 0.1, 0.1),
        ("bytes", b"\0\xff", "\\x00ff"),
        ("string", "Grüße 😀", "Grüße 😀"),
        (FIXED, b"abc", "\\x616263"),
        (ENUM, "GREEN", "GREEN"),
        ({"type": "array", "items": "int"}, [1, 2], [1, 2]),
        ({"type": "map", "values": "long"}, {"a": 1}, {"a": 1}),
        (["null", "string"], None, None),
        (["null", "string"], "x", "x"),
        (["int", "string", "boolean"], "x", "x"),
        (INNER, {"at": 0, "amount": b"\x01\x00"}, {"at": "1970-01-01", "amount": Decimal("2.56")}),
        (
            {"type": "array", "items": INNER},
            [{"at": -1, "amount": b"\xff"}],
            [{"at": "1969-12-31", "amount": Decimal("-0.01")}],
        ),
        (
            {"type": "map", "values": ["null", logical("int", "date")]},
            {"a": 1, "b": None},
            {"a": "1970-01-02", "b": None},
        ),
        (logical("string", "uuid"), "x", "x"),
        ({**FIXED, "size": 16, "logicalType": "uuid"}, UUID(int=7).bytes, str(UUID(int=7))),
        (logical("int", "time-millis"), 3_600_001, "01:00:00.001000"),
        (logical("long", "time-micros"), 0, "00:00:00"),
        (logical("long", "timestamp-millis"), 1, "1970-01-01T00:00:00.001000Z"),
        (logical("long", "timestamp-micros"), -1, "1969-12-31T23:59:59.999999Z"),
        (logical("long", "timestamp-nanos"), 1_000_000_000, "1970-01-01T00:00:01Z"),
        (logical("long", "timestamp-nanos"), 1, "1970-01-01T00:00:00.000000001Z"),
        (logical("long", "timestamp-nanos"), -1, "1969-12-31T23:59:59.999999999Z"),
        (logical("long", "local-timestamp-millis"), 0, "1970-01-01T00:00:00"),
        (logical("long", "local-timestamp-micros"), 5, "1970-01-01T00:00:00.000005"),
        (logical("long", "local-timestamp-nanos"), 5000, "1970-01-01T00:00:00.000005"),
        ({**FIXED, "size": 12, "logicalType": "duration"}, b"\1\0\0\0\2\0\0\0\xbc\x0b\0\0", "P1M2DT3.004S"),
        ({**FIXED, "logicalType": "decimal", "precision": 5, "scale": 1}, b"\xff\xff\xf6", Decimal("-1.0")),
        (logical("bytes", "decimal", precision=40, scale=40), b"\x01", Decimal("1e-40")),
        (logical("bytes", "decimal", precision=4, scale=9), b"\x01", "\\x01"),
        (logical("string", "no such type"), "x", "x"),
        (logical("string", "date"), "x", "x"),
        ({"type": {"type": "string"}}, "x", "x"),
    ],
)
def test_each_type_has_its_form(kind: object, value: object, expected: object) -> None:
    plain = json.loads(
        json.dumps(kind).replace("logicalType", "unknown").replace('{"type": {"type": "string"}}', '"string"')
    )
    data = header(record("r", value=kind)) + block(1, encoded(record("r", value=plain), [{"value": value}]))
    ((row,),) = [batch.rows for batch in parsed(data)]
    assert row == {"value": expected}
    assert type(row["value"]) is type(expected) or isinstance(expected, Decimal)


@pytest.mark.parametrize(("precision", "digits"), [(38, (38, 2)), (39, (0, 0))])
def test_the_column_of_a_decimal_has_its_digits_if_tables_have_so_many(precision: int, digits: tuple[int, int]) -> None:
    schema = record("r", d=logical("bytes", "decimal", precision=precision, scale=2))
    ((column,),) = [batch.schema for batch in parsed(avro_file(schema))]
    assert (column.type, (column.digits, column.places)) == (ColumnType.NUMERIC, digits)


def test_a_very_small_decimal_has_no_exponent_in_its_text() -> None:
    value = only_value(logical("bytes", "decimal", precision=20, scale=9), Decimal("0.000000001"))
    assert str(value) == "0.000000001"


@given(st.integers(-(10**60), 10**60), st.integers(0, 60))
@settings(max_examples=examples(100))
def test_decimals_are_exact(unscaled: int, scale: int) -> None:
    raw = unscaled.to_bytes(26, "big", signed=True)
    schema = record("r", d=logical("bytes", "decimal", precision=61, scale=scale))
    data = header(schema) + block(1, long(len(raw)) + raw)
    assert rows(data)[0]["d"].as_tuple() == Decimal(unscaled).as_tuple()._replace(exponent=-scale)


@pytest.mark.parametrize("codec", COMPRESS)
def test_each_codec_is_read(codec: str) -> None:
    data = avro_file(PERSON, *in_blocks(PEOPLE, 7), codec=codec)
    assert rows(data) == PEOPLE


@pytest.mark.parametrize("codec", ["null", "deflate", "bzip2", "xz"])
def test_files_of_another_writer_are_read(codec: str) -> None:
    stream = io.BytesIO()
    fastavro.writer(stream, PERSON, PEOPLE, codec=codec, sync_interval=200)
    assert rows(stream.getvalue()) == PEOPLE


NODE = {
    "type": "record",
    "name": "Node",
    "namespace": "org.example",
    "aliases": ["Old"],
    "fields": [
        {"name": "value", "type": "int", "default": 0, "doc": "a number"},
        {"name": "next", "type": ["null", "Node"]},
        {"name": "others", "type": {"type": "array", "items": "org.example.Node"}},
    ],
}


def test_types_may_contain_themselves() -> None:
    value = {
        "value": 1,
        "next": {"value": 2, "next": None, "others": []},
        "others": [{"value": 3, "next": None, "others": []}],
    }
    assert rows(avro_file(NODE, [value])) == [value]


def test_a_union_tells_branches_apart_that_python_does_not() -> None:
    schema = record("r", when=["long", logical("int", "date")])
    data = header(schema) + block(2, b"\x00\x02" + b"\x02\x02")
    assert rows(data) == [{"when": 1}, {"when": "1970-01-02"}]


def test_records_of_several_types_are_objects_as_they_are() -> None:
    schema = record("r", it=[record("cat", lives="int"), record("dog", name="string")])
    assert rows(avro_file(schema, [{"it": {"lives": 9}}, {"it": {"name": "Rex"}}])) == [
        {"it": {"lives": 9}},
        {"it": {"name": "Rex"}},
    ]
    top: list[object] = [record("cat", lives="int"), record("dog", name="string")]
    assert rows(avro_file(top, [{"lives": 9}, {"name": "Rex"}])) == [{"lives": 9}, {"name": "Rex"}]


def test_a_name_counts_in_the_namespace_around_it() -> None:
    inner = {"type": "record", "name": "b.Inner", "fields": [{"name": "v", "type": "int"}]}
    outer = {
        "type": "record",
        "name": "Outer",
        "namespace": "a",
        "fields": [{"name": "x", "type": inner}, {"name": "y", "type": "b.Inner"}],
    }
    assert rows(avro_file(outer, [{"x": {"v": 1}, "y": {"v": 2}}])) == [{"x": {"v": 1}, "y": {"v": 2}}]


@pytest.mark.parametrize(
    ("kind", "raw", "reason"),
    [
        (logical("int", "date"), long(10_000_000), "date 10000000 is not within the years 1 to 9999"),
        (
            logical("long", "timestamp-micros"),
            long(2**62),
            f"timestamp-micros {2**62} is not within the years 1 to 9999",
        ),
        (logical("int", "time-millis"), long(-1), "time -1 is not within a day"),
        (logical("bytes", "decimal", precision=3), long(0), "a decimal without bytes"),
        (ENUM, long(2), "symbol 2 of an enum that has 2"),
        (ENUM, long(-1), "symbol -1 of an enum that has 2"),
        (
            {"type": "map", "values": "long"},
            long(2) + b"\x02a" + long(1) + b"\x02a" + long(2) + long(0),
            "its map has the key 'a' twice",
        ),
    ],
)
def test_what_cannot_be_represented_is_a_reject(kind: object, raw: bytes, reason: str) -> None:
    schema = record("r", id="int", value=kind)
    data = header(schema) + block(3, long(1) + raw[:0] + _good(kind) + long(2) + raw + long(3) + _good(kind))
    assert rejected(data) == [(2, "value", reason)]
    assert [row["id"] for row in rows(data)] == [1, 3]
    (batch,) = parsed(data)
    assert batch.rejects[0].position.offset == len(header(schema))
    assert [batch.position(index).row for index in range(2)] == [1, 3]
    ambiguous = record("r", id="int", value=kind, other=["null", "long", logical("int", "date")])
    slow = header(ambiguous) + block(1, long(1) + raw + long(0))
    assert rejected(slow) == [(1, "value", reason)]


def _good(kind: Any) -> bytes:
    return long(1) + b"\0" if kind["type"] == "bytes" else long(0)


def test_a_record_over_the_limit_is_a_reject() -> None:
    options = ParseOptions(format=Format.AVRO, max_record=20)
    data = avro_file(PERSON, [{"id": 1, "name": "Ann"}, {"id": 2, "name": "x" * 100}, {"id": 3, "name": "Bo"}])
    (batch,) = parsed(data, options=options)
    assert [reject.reason for reject in batch.rejects] == ["longer than 20 bytes"]
    assert [row["id"] for row in batch.rows] == [1, 3]  # type: ignore[index]


def test_text_that_is_no_utf_8_is_kept_for_the_columns_to_reject() -> None:
    data = header(record("r", t="string")) + block(1, long(2) + b"\xff\xfe")
    (batch,) = parsed(data)
    assert batch.rows[0] == {"t": "\udcff\udcfe"}
    assert batch.position(0).raw == '{"t": "\\udcff\\udcfe"}'


@pytest.mark.parametrize("blocks", [[], [[]], [[], []]])
def test_a_file_without_records_still_has_columns(blocks: list[list[object]]) -> None:
    (batch,) = parsed(avro_file(PERSON, *blocks))
    assert (batch.count, [column.name for column in batch.schema]) == (0, ["id", "name"])


def test_blocks_without_records_are_passed() -> None:
    assert rows(avro_file(PERSON, [], PEOPLE[:3], [], PEOPLE[3:], [])) == PEOPLE


def test_metadata_of_the_writer_means_nothing() -> None:
    data = header(PERSON, None, more={"writer.model.name": b"\xff", "avro.writer": b"x"})
    assert rows(data + block(1, encoded(PERSON, PEOPLE[:1]))) == PEOPLE[:1]


# Batches


def comparable(batches: Sequence[Batch]) -> list[tuple[object, ...]]:
    return [
        (b.first_row, b.offset, b.end, b.count, list(b.rows), b.rejects, [b.position(n) for n in range(len(b.rows))])
        for b in batches
    ]


FILES = st.tuples(st.sampled_from(sorted(COMPRESS)), st.integers(1, 60), st.integers(0, 50)).map(
    lambda given: avro_file(PERSON, *in_blocks(PEOPLE[: given[2]], given[1]), codec=given[0])
)


@given(FILES, st.sampled_from([1, 100, 300, 100_000]))
@settings(max_examples=examples(80), deadline=None)
def test_batches_do_not_depend_on_chunks_and_each_can_be_resumed(data: bytes, batch_bytes: int) -> None:
    batches = parsed(data, chunk=len(data), batch_bytes=batch_bytes)
    for chunk in (1, 7, 100):
        assert comparable(parsed(data, chunk=chunk, batch_bytes=batch_bytes)) == comparable(batches)
    end = 0
    for number, batch in enumerate(batches, 1):
        assert batch.offset <= batch.end <= len(data)
        assert batch.end > end or not batch.count
        end = batch.end
        resume = Resume(chunk=number, offset=batch.end, row=batch.first_row + batch.count)
        assert comparable(parsed(data, batch_bytes=batch_bytes, resume=resume)) == comparable(batches[number:])


def test_a_batch_of_very_small_records_holds_no_more_than_rows_of_text_would() -> None:
    schema = record("r", a="boolean")
    data = header(schema) + block(10_000, b"\1" * 10_000)
    batches = parsed(data, batch_bytes=2_400)
    assert {batch.count for batch in batches} == {100}


# What is wrong


def error_of(data: bytes, **more: Any) -> BadSourceError:
    with pytest.raises(BadSourceError) as caught:
        parsed(data, **more)
    return caught.value


GOOD = avro_file(PERSON, PEOPLE[:10], PEOPLE[10:20])
START = len(header(PERSON))


@pytest.mark.parametrize("codec", COMPRESS)
def test_a_file_that_is_cut_off_anywhere_is_truncated(codec: str) -> None:
    data = avro_file(PERSON, PEOPLE[:10], PEOPLE[10:13], codec=codec)
    first = len(avro_file(PERSON, PEOPLE[:10], codec=codec))
    for size in range(len(data)):
        if size in (START + len(codec) - 4, first):
            continue  # between blocks: nothing tells that more should follow
        assert isinstance(error_of(data[:size]), Truncated), size


@pytest.mark.parametrize(
    ("data", "kind", "message", "offset"),
    [
        (b"id,name\n1,Ann\n", BadHeaderError, "this is not an Avro file: it starts with 69 64 2c 6e", 0),
        (b"", Truncated, "the file is empty: an Avro file has a header at least", 0),
        (
            header(PERSON, "lz4"),
            BadHeaderError,
            "the blocks of the Avro file are compressed by 'lz4', which is not read",
            0,
        ),
        (b"Obj\x01\x00" + SYNC, BadHeaderError, "the header of the Avro file has no schema", 0),
        (
            GOOD[:-1] + b"x",
            CorruptSourceError,
            f"the block at byte {len(avro_file(PERSON, PEOPLE[:10]))} is not followed by the file's sync marker",
            len(GOOD) - 16,
        ),
        (header(PERSON) + long(-1), Truncated, "the source ends inside the header of a block", START),
        (header(PERSON) + block(-1, b""), CorruptSourceError, "a block declares -1 records and 0 bytes", START),
        (header(PERSON) + b"\xff" * 40, CorruptSourceError, "the header of a block is no pair of integers", START),
        (header(PERSON) + block(1, b"", size=-5), CorruptSourceError, "a block declares 1 records and -5 bytes", START),
        (
            header(PERSON) + block(2, encoded(PERSON, PEOPLE[:1])),
            BadDocumentError,
            (
                "record 2 does not decode by the schema of the file: a value goes on "
                "beyond its end, or is of no branch of its union"
            ),
            START,
        ),
        (
            header(PERSON) + block(1, encoded(PERSON, PEOPLE[:2])),
            BadDocumentError,
            (
                "the block of the records 1 to 1 does not decode by the schema of the "
                "file: its 20 bytes are more than 1 records"
            ),
            START,
        ),
        (
            header(PERSON) + block(0, encoded(PERSON, PEOPLE[:2])),
            BadDocumentError,
            "a block before record 1 does not decode by the schema of the file: its 20 bytes are more than 0 records",
            START,
        ),
        (
            header(PERSON) + block(1, encoded(PERSON, PEOPLE[:1]))[: -len(SYNC)],
            Truncated,
            "the source ends before the marker of a block",
            START + 12,
        ),
        (
            header(PERSON, "deflate") + block(1, b"\xff"),
            CorruptSourceError,
            (
                f"the block at byte {START + 3} cannot be decompressed: Error -3 "
                f"while decompressing data: invalid block type"
            ),
            START + 5,
        ),
        (
            header(PERSON, "snappy") + block(1, COMPRESS["snappy"](b"x")[:-1] + b"x"),
            CorruptSourceError,
            f"the block at byte {START + 2} cannot be decompressed: its CRC32 is not that of its bytes",
            START + 4,
        ),
        *(
            (
                header(PERSON) + block(2, encoded(PERSON, PEOPLE[:1]) + number + long(0)),
                BadDocumentError,
                "record 2 does not decode by the schema of the file: an integer of more than 64 bits",
                START,
            )
            for number in (b"\x80" * 10 + b"\x00", b"\xff" * 9 + b"\x02")
        ),
        (header("string"), BadDocumentError, "the Avro file holds values of the type string, and no records", 18),
    ],
)
def test_damage_has_a_name_and_a_place(data: bytes, kind: type[Exception], message: str, offset: int) -> None:
    error = error_of(data)
    assert (type(error), error.message, error.offset) == (kind, message, offset)
    assert error.hint


@pytest.mark.parametrize(
    ("schema", "reason"),
    [
        (b"{", "is not valid: Expecting property name"),
        (b"[" * 100_000, "is nested too deeply"),
        (b'{"type": "record", "name": "r"}', "has no list of fields"),
        (b'"nothing"', "there is no type 'nothing'"),
        (b"[]", "a union without branches"),
        (b'[["null"]]', "a union directly within a union"),
        (b'{"type": "fixed", "name": "f"}', "'f' has no size"),
        (b'{"type": "fixed", "name": "f", "size": -1}', "'f' has no size"),
        (b'{"type": "enum", "name": "e"}', "enum 'e' has no list of symbols"),
        (b'{"type": "array"}', "is not valid: a type lacks 'items'"),
        (b'{"type": "record", "fields": []}', "a record without a name"),
        (b"5", "5 is no type"),
        (json.dumps(record("r", a="r")).encode(), "contains itself in each of its values"),
        (
            json.dumps(record("r", **{f"f{n}": "null" for n in range(1001)})).encode(),
            "more than 1,000 values that take no byte",
        ),
    ],
)
def test_a_schema_that_is_none_is_an_error(schema: bytes, reason: str) -> None:
    error = error_of(header(schema) + block(0, b""))
    assert isinstance(error, BadDocumentError)
    assert reason in error.message
    assert error.offset == header(schema).find(schema)
    assert error.hint


def test_two_fields_of_one_name_are_an_error() -> None:
    schema = {"type": "record", "name": "r", "fields": [{"name": "a", "type": "int"}] * 2}
    assert "has two fields 'a'" in error_of(header(schema)).message


def test_data_that_is_nested_without_end_is_an_error_and_no_crash() -> None:
    schema = record("n", next=["null", "n"])
    data = header(schema) + block(1, b"\x02" * 1_000_000 + b"\x00")
    assert "nested more than 100 levels deep" in error_of(data, batch_bytes=10**7).message


def test_types_that_hold_others_twice_do_not_take_for_ever() -> None:
    kind: object = "null"
    for level in range(60):
        kind = (
            [record(f"r{level}", a=kind, b=kind if level == 0 else f"r{level - 1}")]
            if level == 0
            else record(f"r{level}", a=kind, b=f"r{level - 1}")
        )
    assert isinstance(error_of(header(kind)), BadDocumentError)


def test_items_without_bytes_are_limited() -> None:
    schema = record("r", a={"type": "array", "items": "null"})
    data = header(schema) + block(1, long(2**60) + long(0))
    assert "more than 1,000,000 items that take no byte" in error_of(data).message
    good = header(schema) + block(1, long(3) + long(0))
    assert rows(good) == [{"a": [None, None, None]}]


def test_records_without_bytes_are_limited() -> None:
    schema = record("r", a="null")
    assert "records that may take no byte" in error_of(header(schema) + block(2**30, b"")).message
    assert len(rows(header(schema) + block(1000, b""))) == 1000


def test_a_block_that_does_not_fit_names_the_memory_that_it_needs() -> None:
    limits = ReadLimits(block_bytes=1000)
    data = header(PERSON) + block(1, b"x", size=200 * 1024 * 1024)
    with pytest.raises(BlockTooLargeError, match="has 209,715,200 bytes: it needs a function of 472 MB"):
        parsed(data, limits=limits)
    for codec in ("deflate", "bzip2", "xz", "zstandard", "snappy"):
        bomb = header(PERSON, codec) + block(1, COMPRESS[codec](bytes(100_000)))
        with pytest.raises(BlockTooLargeError, match="has 100,000 bytes: it needs a function of 73 MB"):
            parsed(bomb, limits=ReadLimits(block_bytes=50_000))


def test_a_header_may_not_be_endless() -> None:
    for data in (b"Obj\x01" + long(2**40), b"Obj\x01" + long(1) + long(2**40), b"Obj\x01" + long(1) + long(-5)):
        assert isinstance(error_of(data), CorruptSourceError)


def test_what_a_schema_allows_is_known() -> None:
    def shape(schema: object) -> tuple[Node, Shape]:
        node = read_schema(json.dumps(schema).encode(), offset=0)
        return node, Shape(node, offset=0)

    node, of_node = shape(NODE)
    assert (of_node.is_recursive, of_node.least(node)) == (True, 3)
    node, of_person = shape(PERSON)
    assert (of_person.is_recursive, of_person.least(node)) == (False, 2)


@given(st.data())
@settings(max_examples=examples(60), deadline=None)
def test_both_decoders_read_the_same(data: st.DataObject) -> None:
    fields = {
        "a": (["null", "long"], st.none() | st.integers(-(2**63), 2**63 - 1)),
        "b": ("string", st.text(max_size=5)),
        "c": ({"type": "array", "items": "double"}, st.lists(st.floats(allow_nan=False), max_size=3)),
        "d": ({"type": "map", "values": "boolean"}, st.dictionaries(st.text(max_size=3), st.booleans(), max_size=3)),
        "e": (logical("int", "date"), st.dates().map(lambda day: (day - date(1970, 1, 1)) // timedelta(days=1))),
        "f": ("float", st.floats(width=32, allow_nan=False)),
        "g": (ENUM, st.sampled_from(["RED", "GREEN"])),
        "h": (FIXED, st.binary(min_size=3, max_size=3)),
    }
    values = data.draw(
        st.lists(st.fixed_dictionaries({name: values for name, (_, values) in fields.items()}), max_size=5)
    )
    schema = record("r", **{name: kind for name, (kind, _) in fields.items()})
    # A type that contains itself is decoded in Python.
    slow = record("r", **{name: kind for name, (kind, _) in fields.items()}, z=["null", "r"])
    fast_rows = rows(avro_file(schema, values))
    slow_rows = rows(avro_file(slow, [{**value, "z": None} for value in values]))
    assert [{**row, "z": None} for row in fast_rows] == slow_rows


def test_a_schema_of_many_types_that_depend_on_each_other_is_read_in_seconds() -> None:
    count = 5_000
    last = {"type": "record", "name": f"r{count}", "fields": [{"name": "a", "type": "int"}]}
    fields: list[object] = [{"name": f"f{count}", "type": last}]
    for number in reversed(range(count)):
        kind = {"type": "record", "name": f"r{number}", "fields": [{"name": "a", "type": ["null", f"r{number + 1}"]}]}
        fields.append({"name": f"f{number}", "type": kind})
    node = read_schema(json.dumps({"type": "record", "name": "top", "fields": fields}).encode(), offset=0)
    with pytest.raises(BadDocumentError, match="nested more than 64 levels"):
        Shape(node, offset=0)
