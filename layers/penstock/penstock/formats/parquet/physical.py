"""Files of one row group with physical types only, for a decoder.

What a value means is decided here, and not by the decoder's library: it would truncate some values, wrap others, and
fail where one text of many is not UTF-8. INT96 becomes bytes, and every name its number among its siblings.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from penstock.formats.parquet.footer import framed
from penstock.formats.parquet.row_groups import CODECS, ENCODINGS, ColumnChunk
from penstock.formats.parquet.schema import PHYSICAL, REPETITIONS, SchemaNode
from penstock.formats.parquet.thrift import BINARY, I32, I64, LIST, STRUCT, Elements, Struct, Value
from penstock.formats.parquet.thrift_writer import encode

INT96, INT96_BYTES = "INT96", 12
_BYTES = "FIXED_LEN_BYTE_ARRAY"


def file_end(columns: Sequence[SchemaNode], chunks: Sequence[tuple[ColumnChunk, int]], rows: int) -> bytes:
    """The end of a file whose columns are these: footer, length and magic.

    ``chunks`` are those of all leaves, in order, each with its place in the file.
    """
    leaves = [leaf for column in columns for leaf in column.leaves()]
    schema = [_struct({4: (BINARY, b"schema"), 5: (I32, len(columns))}), *_elements(columns)]
    held = [_chunk(leaf, chunk, start) for leaf, (chunk, start) in zip(leaves, chunks, strict=True)]
    size = sum(chunk.uncompressed for chunk, _ in chunks)
    group = _struct({1: (LIST, Elements(STRUCT, held)), 2: (I64, size), 3: (I64, rows)})
    footer: dict[int, tuple[int, Value]] = {
        1: (I32, 1),
        2: (LIST, Elements(STRUCT, schema)),
        3: (I64, rows),
        4: (LIST, Elements(STRUCT, [group])),
    }
    return framed(encode(_struct(footer)))


def _elements(nodes: Sequence[SchemaNode]) -> Iterator[Struct]:
    for number, node in enumerate(nodes):
        element = _struct({3: (I32, REPETITIONS.index(node.repetition)), 4: (BINARY, str(number).encode())})
        if node.leaf < 0:
            element.set(5, I32, len(node.children))
        else:
            element.set(1, I32, PHYSICAL.index(_physical(node)))
            if _physical(node) == _BYTES:
                element.set(2, I32, INT96_BYTES if node.physical == INT96 else node.length)
        yield element
        yield from _elements(node.children)


def _chunk(leaf: SchemaNode, chunk: ColumnChunk, start: int) -> Struct:
    encodings: list[Value] = [ENCODINGS.index(name) for name in chunk.encodings]
    meta: dict[int, tuple[int, Value]] = {
        1: (I32, PHYSICAL.index(_physical(leaf))),
        2: (LIST, Elements(I32, encodings)),
        3: (LIST, Elements(BINARY, [name.encode() for name in leaf.path])),
        4: (I32, CODECS.index(chunk.codec)),
        5: (I64, chunk.values),
        6: (I64, chunk.uncompressed),
        7: (I64, chunk.compressed),
        9: (I64, start),
    }
    return _struct({2: (I64, 0), 3: (STRUCT, _struct(meta))})


def _physical(node: SchemaNode) -> str:
    return _BYTES if node.physical == INT96 else node.physical


def _struct(fields: dict[int, tuple[int, Value]]) -> Struct:
    return Struct(fields=fields)
