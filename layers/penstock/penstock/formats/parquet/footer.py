"""The footer of a Parquet file: what it holds, read, cut down to some row groups and columns, and written again.

A file ends with the footer, its length in 4 bytes, and ``PAR1``; or ``PARE`` if the footer is encrypted:
https://github.com/apache/parquet-format#file-format

Who reads a part of a file gives its reader a file with the same pages and another footer: bytes below `Footer.offset`
are those of the source, and from there on those of `Footer.select`. Memory: the footer, and one row group's
description.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from penstock.errors import BadSourceError, CorruptSourceError, TruncatedSourceError
from penstock.formats.parquet.row_groups import RowGroup, read_row_group
from penstock.formats.parquet.schema import SchemaNode, encode_schema, read_schema
from penstock.formats.parquet.thrift import I64, LIST, STRUCT, Elements, Encoded, Struct
from penstock.formats.parquet.thrift_reader import Reader, decoded
from penstock.formats.parquet.thrift_writer import encode, encode_list
from penstock.limits import MIB

MAGIC: Final = b"PAR1"
ENCRYPTED: Final = b"PARE"
# Length and magic at the end.
TAIL: Final = 8
FOOTER_BYTES: Final = 64 * MIB
MOST_ROW_GROUPS: Final = 100_000

_VERSION, _SCHEMA, _ROWS, _ROW_GROUPS, _KEY_VALUES, _CREATED_BY, _ORDERS, _ENCRYPTION, _SIGNING = range(1, 10)
# Arrow's own schema of all columns, which would contradict that of some.
_ARROW_SCHEMA: Final = b"ARROW:schema"
_LARGE = "Write smaller files, or fewer and larger row groups."


@dataclass(frozen=True, slots=True)
class Footer:
    """The footer of a file. ``offset`` is where it begins. ``row_groups`` reads each when it is asked for."""

    offset: int
    schema: SchemaNode
    rows: int
    row_groups: RowGroups
    created_by: str = ""
    is_signed: bool = False
    leaves: tuple[SchemaNode, ...] = field(default=(), repr=False)
    rest: Struct = field(default_factory=Struct, repr=False)

    def select(self, row_groups: Sequence[int] | None = None, leaves: Sequence[int] | None = None) -> bytes:
        """The end of a file that has only these row groups and leaves, by number: footer, length and magic.

        All by default. Pages stay where they are; the bytes belong at ``offset``.
        """
        groups = range(len(self.row_groups)) if row_groups is None else row_groups
        chosen = range(len(self.leaves)) if leaves is None else sorted(leaves)
        encoded: list[bytes] = []
        rows = 0
        for ordinal, number in enumerate(groups):
            group = self.row_groups[number]
            encoded.append(group.encode(chosen, ordinal=ordinal))
            rows += group.rows
        return self.assemble(encoded, rows, chosen)

    def assemble(self, row_groups: Sequence[bytes], rows: int, leaves: Sequence[int] | None = None) -> bytes:
        """The end of a file with these row groups, as `RowGroup.encode` makes them, and the other fields of this."""
        chosen = range(len(self.leaves)) if leaves is None else leaves
        made = Struct(fields=dict(self.rest.fields))
        made.set(_SCHEMA, LIST, encode_schema(self.schema, chosen))
        made.set(_ROWS, I64, rows)
        made.set(_ROW_GROUPS, LIST, encode_list(STRUCT, row_groups))
        if len(chosen) < len(self.leaves):
            _restrict(made, chosen)
        return framed(encode(made))


def framed(footer: bytes) -> bytes:
    """The end of a file with this footer."""
    return footer + len(footer).to_bytes(4, "little") + MAGIC


def footer_range(tail: bytes, size: int, *, most: int = FOOTER_BYTES) -> tuple[int, int]:
    """Where the footer of a file of ``size`` bytes begins, and its length without length and magic. ``tail`` are the
    last bytes of the file, at least `TAIL` of them.

    Raises BadSourceError if this is no Parquet file, or one whose footer cannot be read, and TruncatedSourceError.
    """
    if size < len(MAGIC) + TAIL:
        raise TruncatedSourceError(f"the file has {size:,} bytes, too few for a Parquet file", offset=size)
    magic = tail[-4:]
    if magic == ENCRYPTED:
        raise BadSourceError(
            "the Parquet file is encrypted, which is not supported",
            offset=size - 4,
            hint="Write the file without Parquet's encryption; S3 can encrypt it.",
        )
    if magic != MAGIC:
        raise TruncatedSourceError(f"the Parquet file ends with {magic!r}, not {MAGIC!r}", offset=size - 4)
    length = int.from_bytes(tail[-TAIL:-4], "little")
    start = size - TAIL - length
    if start < len(MAGIC):
        raise CorruptSourceError(
            f"the Parquet footer has {length:,} bytes, more than the file holds", offset=size - TAIL
        )
    if length > most:
        raise BadSourceError(
            f"the Parquet footer has {length:,} bytes; at most {most:,} are read", offset=start, hint=_LARGE
        )
    return start, length


def read_footer(data: bytes, offset: int) -> Footer:
    """Read a footer, without length and magic, which begins at byte ``offset`` of its file.

    Raises CorruptSourceError for damage, and BadSourceError for a footer beyond the limits.
    """
    reader = Reader(data, origin=offset)
    rest = Struct(offset)
    schema: SchemaNode | None = None
    starts: Sequence[int] = ()
    for id_, kind in reader.fields():
        if id_ == _SCHEMA and kind == LIST:
            schema = read_schema(reader)
        elif id_ == _ROW_GROUPS and kind == LIST:
            starts = _row_group_starts(reader)
        else:
            reader.keep(rest, id_, kind)
    rows = rest.integer(_ROWS)
    if schema is None or rows is None or rows < 0:
        raise CorruptSourceError(
            "the Parquet metadata is damaged: it lacks the schema or the number of rows", offset=offset
        )
    leaves = tuple(schema.leaves())
    return Footer(
        offset=offset,
        schema=schema,
        rows=rows,
        row_groups=RowGroups(data, offset, starts, len(leaves)),
        created_by=rest.text(_CREATED_BY) or "",
        is_signed=_ENCRYPTION in rest.fields,
        leaves=leaves,
        rest=rest,
    )


class RowGroups:
    """The row groups of a file. The description of each is read when it is asked for."""

    def __init__(self, data: bytes, offset: int, starts: Sequence[int], leaves: int) -> None:
        self._data = data
        self._offset = offset
        self._starts = starts
        self._leaves = leaves

    def __len__(self) -> int:
        return len(self._starts)

    def __getitem__(self, number: int) -> RowGroup:
        return read_row_group(Reader(self._data, origin=self._offset, at=self._starts[number]), self._leaves)

    def __iter__(self) -> Iterator[RowGroup]:
        return (self[number] for number in range(len(self)))


def _row_group_starts(reader: Reader) -> Sequence[int]:
    """Skip a list of row groups, and return where each begins."""
    kind, count = reader.list_header()
    if count and kind != STRUCT:
        raise reader.damage("row groups are no structs")
    if count > MOST_ROW_GROUPS:
        raise BadSourceError(
            f"the file has {count:,} row groups; at most {MOST_ROW_GROUPS:,} are read",
            offset=reader.offset,
            hint=_LARGE,
        )
    starts = array("Q")
    for _ in range(count):
        starts.append(reader.at)
        reader.skip(STRUCT)
    return starts


def _restrict(footer: Struct, leaves: Sequence[int]) -> None:
    """Leave out what belongs to other leaves than these: their orders, and Arrow's schema."""
    orders = _elements(footer, _ORDERS)
    footer.remove(_ORDERS)
    if len(orders) > max(leaves, default=0):
        footer.set(_ORDERS, LIST, Elements(STRUCT, [orders[leaf] for leaf in leaves]))
    pairs = [pair for pair in _elements(footer, _KEY_VALUES) if pair.binary(1) != _ARROW_SCHEMA]
    footer.remove(_KEY_VALUES)
    if pairs:
        footer.set(_KEY_VALUES, LIST, Elements(STRUCT, pairs))


def _elements(footer: Struct, id_: int) -> list[Struct]:
    kind, value = footer.fields.get(id_, (LIST, None))
    return Struct(footer.offset, {id_: (kind, decoded(kind, value))}).structs(id_) if isinstance(value, Encoded) else []
