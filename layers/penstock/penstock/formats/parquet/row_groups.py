"""The row groups of a Parquet file, and the column chunks of each, as the footer describes them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from penstock.errors import CorruptSourceError
from penstock.formats.parquet.schema import PHYSICAL, name_of
from penstock.formats.parquet.thrift import I16, I64, LIST, STRUCT, Struct
from penstock.formats.parquet.thrift_reader import Reader
from penstock.formats.parquet.thrift_writer import encode, encode_list

CODECS: Final = ("UNCOMPRESSED", "SNAPPY", "GZIP", "LZO", "BROTLI", "LZ4", "ZSTD", "LZ4_RAW")
ENCODINGS: Final = (
    "PLAIN", "GROUP_VAR_INT", "PLAIN_DICTIONARY", "RLE", "BIT_PACKED", "DELTA_BINARY_PACKED",
    "DELTA_LENGTH_BYTE_ARRAY", "DELTA_BYTE_ARRAY", "RLE_DICTIONARY", "BYTE_STREAM_SPLIT",
)  # fmt: skip

# Fields of RowGroup.
_COLUMNS, _BYTES, _ROWS, _SORTING, _OFFSET, _COMPRESSED, _ORDINAL = range(1, 8)
# Fields of ColumnChunk.
_FILE_PATH, _CHUNK_OFFSET, _META = 1, 2, 3
_INDEXES: Final = (4, 5, 6, 7)
_CRYPTO, _ENCRYPTED_META = 8, 9
# Fields of ColumnMetaData.
(
    _PHYSICAL,
    _ENCODINGS,
    _PATH,
    _CODEC,
    _VALUES,
    _UNCOMPRESSED,
    _CHUNK_COMPRESSED,
    _KEY_VALUES,
    _DATA_PAGE,
    _INDEX_PAGE,
    _DICTIONARY,
    _STATISTICS,
) = range(1, 13)
_BLOOM: Final = (14, 15)
# Fields of Statistics. The first two compare bytes as signed, and are deprecated.
_OLD_MAX, _OLD_MIN, _NULLS, _DISTINCT, _MAX, _MIN, _MAX_EXACT, _MIN_EXACT = range(1, 9)


@dataclass(frozen=True, slots=True)
class Statistics:
    """What the footer says of the values of a column chunk, plain encoded. None: not known."""

    nulls: int | None = None
    distinct: int | None = None
    minimum: bytes | None = None
    maximum: bytes | None = None


@dataclass(frozen=True, slots=True)
class ColumnChunk:
    """The values of one column in one row group. ``codec``, ``encodings`` and ``physical`` are names as in the format's
    documents. ``start`` is the offset of its first page, and ``compressed`` the bytes of all its pages. ``file`` is the
    file that holds it, if that is another one. ``encoded`` are the bytes of its description."""

    path: tuple[str, ...]
    physical: str
    codec: str
    encodings: tuple[str, ...]
    values: int
    compressed: int
    uncompressed: int
    start: int
    data_page: int
    dictionary_page: int | None = None
    statistics: Statistics | None = None
    file: str = ""
    is_encrypted: bool = False
    encoded: bytes = field(default=b"", repr=False)

    @property
    def end(self) -> int:
        """The offset after its last page."""
        return self.start + self.compressed


@dataclass(frozen=True, slots=True)
class RowGroup:
    """Rows that are stored together. ``size`` counts the bytes of their pages before compression. ``rest`` are the
    other fields of its description."""

    rows: int
    size: int
    columns: tuple[ColumnChunk, ...]
    rest: Struct = field(repr=False)

    @property
    def start(self) -> int:
        """The offset of the first page."""
        return min((column.start for column in self.columns), default=0)

    @property
    def compressed(self) -> int:
        """The bytes of all pages."""
        return sum(column.compressed for column in self.columns)

    def encode(self, leaves: Sequence[int], *, shift: int = 0, ordinal: int | None = None) -> bytes:
        """Its description with these columns only, all offsets shifted. Page indexes and Bloom filters are left out,
        and what names columns by number."""
        columns = [self.columns[leaf] for leaf in leaves]
        group = Struct(fields=dict(self.rest.fields))
        group.remove(_SORTING, _ORDINAL)
        group.set(_COLUMNS, LIST, encode_list(STRUCT, [_moved(column, shift) for column in columns]))
        group.set(_BYTES, I64, sum(column.uncompressed for column in columns))
        group.set(_COMPRESSED, I64, sum(column.compressed for column in columns))
        group.set(_OFFSET, I64, min((column.start for column in columns), default=0) + shift)
        if ordinal is not None and ordinal < 1 << 15:
            group.set(_ORDINAL, I16, ordinal)
        return encode(group)


def read_row_group(reader: Reader, leaves: int) -> RowGroup:
    """Read a row group of a file with so many leaves. Raises CorruptSourceError."""
    rest = Struct(reader.offset)
    columns: tuple[ColumnChunk, ...] | None = None
    for id_, kind in reader.fields():
        if id_ == _COLUMNS and kind == LIST:
            element, count = reader.list_header()
            if count != leaves or (count and element != STRUCT):
                raise reader.damage(f"a row group has {count:,} column chunks, for {leaves:,} columns")
            columns = tuple(_read_chunk(reader) for _ in range(count))
        else:
            reader.keep(rest, id_, kind)
    rows = rest.integer(_ROWS)
    if columns is None or rows is None or rows < 0:
        raise CorruptSourceError(
            "the Parquet metadata is damaged: a row group lacks its columns or its number of rows", offset=rest.offset
        )
    return RowGroup(rows, max(rest.integer(_BYTES) or 0, 0), columns, rest)


def _read_chunk(reader: Reader) -> ColumnChunk:
    start = reader.at
    chunk = reader.read_struct()
    encoded = reader.since(start)
    meta = chunk.struct(_META)
    is_encrypted = _CRYPTO in chunk.fields or _ENCRYPTED_META in chunk.fields
    if meta is None:
        if is_encrypted:
            return ColumnChunk((), "", "", (), 0, 0, 0, 0, 0, is_encrypted=True, encoded=encoded)
        raise reader.damage("a column chunk has no metadata")
    data_page = _counted(reader, meta, _DATA_PAGE, "page offset")
    dictionary = meta.integer(_DICTIONARY)
    # Old writers set the offset of a dictionary page that is not there to 0.
    first = min(data_page, dictionary) if dictionary is not None and dictionary > 0 else data_page
    return ColumnChunk(
        path=tuple(meta.texts(_PATH)),
        physical=name_of(PHYSICAL, meta.integer(_PHYSICAL)),
        codec=name_of(CODECS, meta.integer(_CODEC)),
        encodings=tuple(name_of(ENCODINGS, number) for number in meta.integers(_ENCODINGS)),
        values=_counted(reader, meta, _VALUES, "number of values"),
        compressed=_counted(reader, meta, _CHUNK_COMPRESSED, "size"),
        uncompressed=_counted(reader, meta, _UNCOMPRESSED, "size"),
        start=first,
        data_page=data_page,
        dictionary_page=dictionary if first != data_page else None,
        statistics=_statistics(meta.struct(_STATISTICS)),
        file=chunk.text(_FILE_PATH) or "",
        is_encrypted=is_encrypted,
        encoded=encoded,
    )


def _counted(reader: Reader, meta: Struct, id_: int, what: str) -> int:
    value = meta.integer(id_)
    if value is None or value < 0:
        raise reader.damage(f"a column chunk has no {what}")
    return value


def _statistics(held: Struct | None) -> Statistics | None:
    if held is None:
        return None
    return Statistics(held.integer(_NULLS), held.integer(_DISTINCT), held.binary(_MIN), held.binary(_MAX))


def _moved(column: ColumnChunk, shift: int) -> bytes:
    chunk = Reader(column.encoded).read_struct()
    chunk.remove(*_INDEXES)
    meta = chunk.struct(_META)
    if meta is not None:
        meta.remove(*_BLOOM)
        for id_ in (_DATA_PAGE, _INDEX_PAGE, _DICTIONARY):
            offset = meta.integer(id_)
            if offset:
                meta.set(id_, I64, offset + shift)
    if shift:
        # Deprecated: writers set it to 0, or to the first page.
        chunk.set(_CHUNK_OFFSET, I64, 0)
    return encode(chunk)
