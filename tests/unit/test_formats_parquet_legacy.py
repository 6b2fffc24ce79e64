"""Lists and maps as writers of all ages have annotated them: files of pyarrow with another schema over the same levels.

https://github.com/apache/parquet-format/blob/master/LogicalTypes.md#lists
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pytest

from parquet_files import parquet, rows_of
from penstock.errors import BadSourceError, BlockTooLargeError
from penstock.formats.parquet.footer import framed
from penstock.formats.parquet.schema import CONVERTED, PHYSICAL, REPETITIONS, LogicalType, SchemaNode
from penstock.formats.parquet.thrift import BINARY, I32, I64, LIST, STRUCT, Elements, Struct
from penstock.formats.parquet.thrift_reader import Reader
from penstock.formats.parquet.thrift_writer import encode
from penstock.formats.parquet.values import meaning_of

Node = tuple[Any, ...]
"""Repetition, name, physical type or children, and a converted type if there is one."""


def elements(nodes: list[Node]) -> list[Struct]:
    found = []
    for repetition, name, held, *converted in nodes:
        element = Struct(fields={3: (I32, REPETITIONS.index(repetition)), 4: (BINARY, name.encode())})
        if isinstance(held, str):
            element.set(1, I32, PHYSICAL.index(held))
        else:
            element.set(5, I32, len(held))
        if converted:
            element.set(6, I32, CONVERTED.index(converted[0]))
        found += [element, *(elements(held) if not isinstance(held, str) else [])]
    return found


def with_schema(data: bytes, nodes: list[Node]) -> bytes:
    start = len(data) - 8 - int.from_bytes(data[-8:-4], "little")
    footer = Reader(data[start:-8]).read_struct()
    root = Struct(fields={4: (BINARY, b"root"), 5: (I32, len(nodes))})
    footer.set(2, LIST, Elements(STRUCT, [root, *elements(nodes)]))
    footer.remove(5, 7)
    return data[:start] + framed(encode(footer))


REQUIRED = pa.list_(pa.field("element", pa.int32(), nullable=False))
NUMBERS = pa.table([[[1, 2], [], [3]]], pa.schema([pa.field("x", REQUIRED, nullable=False)]))
OPTIONAL = pa.table([[[1, 2], None, []]], pa.schema([pa.field("x", REQUIRED)]))
ITEM = pa.struct([pa.field("a", pa.int32(), nullable=False)])
ITEMS = pa.table(
    [[[{"a": 1}, {"a": 2}], [], [{"a": 3}]]],
    pa.schema([pa.field("x", pa.list_(pa.field("element", ITEM, nullable=False)), nullable=False)]),
)
WRAPPED = [[{"a": 1}, {"a": 2}], [], [{"a": 3}]]
PLAIN = [[1, 2], [], [3]]


@pytest.mark.parametrize(
    ("table", "node", "expected"),
    [
        # no annotation: a repeated field is a list
        (NUMBERS, ("REPEATED", "x", "INT32"), PLAIN),
        (ITEMS, ("REPEATED", "x", [("REQUIRED", "a", "INT32")]), WRAPPED),
        # two levels: the repeated field is the element
        (NUMBERS, ("REQUIRED", "x", [("REPEATED", "array", "INT32")], "LIST"), PLAIN),
        (OPTIONAL, ("OPTIONAL", "x", [("REPEATED", "element", "INT32")], "LIST"), [[1, 2], None, []]),
        # a group of one field is the element by its name only
        (ITEMS, ("REQUIRED", "x", [("REPEATED", "array", [("REQUIRED", "a", "INT32")])], "LIST"), WRAPPED),
        (ITEMS, ("REQUIRED", "x", [("REPEATED", "x_tuple", [("REQUIRED", "a", "INT32")])], "LIST"), WRAPPED),
        (ITEMS, ("REQUIRED", "x", [("REPEATED", "bag", [("REQUIRED", "a", "INT32")])], "LIST"), PLAIN),
        # an annotation on a group that is none is a group
        (NUMBERS, ("REPEATED", "x", [("REQUIRED", "a", "INT32")], "LIST"), WRAPPED),
        (ITEMS, ("REQUIRED", "x", [("REPEATED", "y", [("REQUIRED", "a", "INT32")])]), [{"y": one} for one in WRAPPED]),
    ],
)
def test_lists_of_all_ages_are_lists(table: pa.Table, node: Node, expected: list[Any]) -> None:
    assert [row["x"] for row in rows_of(with_schema(parquet(table), [node]))] == expected


def test_a_map_by_its_old_annotation_is_an_object() -> None:
    maps = pa.array([[("a", 1), ("b", None)], None], pa.map_(pa.string(), pa.int32()))
    pair = [("REQUIRED", "key", "BYTE_ARRAY", "UTF8"), ("OPTIONAL", "value", "INT32")]
    node = ("OPTIONAL", "x", [("REPEATED", "map", pair, "MAP_KEY_VALUE")], "MAP_KEY_VALUE")
    rows = rows_of(with_schema(parquet({"x": maps}), [node]))
    assert [row["x"] for row in rows] == [{"a": 1, "b": None}, None]


def with_chunk(change: Callable[[Struct, Struct], object]) -> bytes:
    """A file whose first column chunk is described otherwise: the chunk, and its metadata."""
    data = parquet({"x": [1, 2, 3], "y": [1, 2, 3]})
    start = len(data) - 8 - int.from_bytes(data[-8:-4], "little")
    footer = Reader(data[start:-8]).read_struct()
    (group,) = footer.structs(4)
    chunk = group.structs(1)[0]
    meta = chunk.struct(3)
    assert meta
    change(chunk, meta)
    return data[:start] + framed(encode(footer))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda _, meta: meta.set(4, I32, 3), "column 'x' is compressed with LZO, which is not read"),
        (lambda _, meta: meta.set(4, I32, 99), "column 'x' is compressed with 99, which is not read"),
        (lambda _, meta: meta.set(2, LIST, Elements(I32, [42])), "column 'x' has the encoding 42, which is not known"),
        (lambda chunk, _: chunk.set(1, BINARY, b"b.parquet"), "column 'x' is in another file, 'b.parquet'"),
        (lambda chunk, _: chunk.set(8, STRUCT, Struct()), "column 'x' is encrypted, which is not read"),
        (
            lambda _, meta: [meta.remove(11), meta.set(9, I64, 1 << 40)],
            "column 'x' is damaged: its chunk is not within the file",
        ),
        (lambda _, meta: meta.set(7, I64, 1 << 40), "column 'x' is damaged: its chunk is not within the file"),
        (lambda _, meta: meta.set(5, I64, 1 << 40), "column 'x' is damaged: its chunk holds 1,099,511,627,776 values"),
        (lambda _, meta: meta.set(1, I32, 1), "column 'x' is damaged: its chunk holds 3 values of type INT32"),
    ],
)
def test_a_column_that_cannot_be_read_is_refused_by_name_where_it_is_needed(
    change: Callable[[Struct, Struct], object], message: str
) -> None:
    data = with_chunk(change)
    with pytest.raises(BadSourceError, match=re.escape(message)):
        rows_of(data)
    assert rows_of(data, columns=frozenset({"y"})) == [{"y": 1}, {"y": 2}, {"y": 3}]


def test_sizes_that_no_file_has_are_refused_without_being_believed() -> None:
    data = parquet({"x": ["a" * 1000] * 3}, compression="none", use_dictionary=False)
    header = Reader(data[4:]).read_struct()
    before = len(encode(header))
    for size in (-1, 1 << 30, (1 << 31) - 1):
        header.set(2, I32, size)
        made = encode(header)
        damaged = data[:4] + made + data[4 + before :]
        shifted = len(made) - before
        start = len(data) - 8 - int.from_bytes(data[-8:-4], "little")
        footer = Reader(data[start:-8]).read_struct()
        meta = footer.structs(4)[0].structs(1)[0].struct(3)
        assert meta
        meta.set(7, I64, (meta.integer(7) or 0) + shifted)
        with pytest.raises((BadSourceError, BlockTooLargeError)):
            rows_of(damaged[: start + shifted] + framed(encode(footer)))


def test_decimals_with_more_places_than_digits_are_damage() -> None:
    leaf = SchemaNode("x", ("x",), "INT32", logical=LogicalType("DECIMAL", scale=3, precision=2), leaf=0)
    with pytest.raises(BadSourceError, match="'x' is damaged: its decimals have 3 places, but 2 digits"):
        meaning_of(leaf)
