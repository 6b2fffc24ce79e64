"""Read how PostgreSQL stores the columns of a table, and mark the columns that Penstock inferred.

The mark is the column's comment. It stays with the column through renames, dumps and swaps (CREATE TABLE ... LIKE),
every client shows it, and a user who wants other rules can remove it (docs/adr/0012).
https://www.postgresql.org/docs/current/datatype.html
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

from psycopg import sql

from penstock.destinations.postgres.connect import Connection
from penstock.model.column import Column, ColumnType, Storage
from penstock.model.inference_mark import MARK, MARKED, mark_of, marked_spellings

# Any text is a value of these types, so they need no mark.
_UNMARKED = frozenset({ColumnType.TEXT, ColumnType.JSON})

_COLUMNS = """
SELECT attname, atttypid, atttypmod, coalesce(col_description(attrelid, attnum), ''),
       attgenerated <> '' OR attidentity <> ''
FROM pg_attribute WHERE attrelid = %s AND attnum > 0 AND NOT attisdropped ORDER BY attnum
"""

# The types of all columns, and their parts: the base type of a domain, the elements of a list, a range or a row.
_TYPES = """
WITH RECURSIVE types AS (
  SELECT t.*, (SELECT rngsubtype FROM pg_range r
               WHERE t.oid IN (rngtypid, (to_jsonb(r) ->> 'rngmultitypid')::oid)) AS subtype
  FROM pg_type t
), used AS (
  SELECT atttypid AS type FROM pg_attribute WHERE attrelid = %s AND attnum > 0 AND NOT attisdropped
  UNION
  SELECT inner_type FROM used JOIN types ON types.oid = used.type CROSS JOIN LATERAL (
    SELECT unnest(ARRAY[typbasetype, typelem, subtype])
    UNION ALL SELECT atttypid FROM pg_attribute WHERE typtype = 'c' AND attrelid = typrelid AND attnum > 0
  ) AS parts (inner_type)
)
SELECT types.oid, CASE WHEN typnamespace = 'pg_catalog'::regnamespace THEN typname ELSE '' END, typcategory, typtype,
       typbasetype, typtypmod, typelem, subtype, typrelid
FROM used JOIN types ON types.oid = used.type
"""

_PLAIN: Mapping[str, ColumnType] = {
    "int2": ColumnType.INTEGER,
    "int4": ColumnType.INTEGER,
    "int8": ColumnType.INTEGER,
    "float4": ColumnType.FLOAT,
    "float8": ColumnType.FLOAT,
    "bool": ColumnType.BOOLEAN,
    "date": ColumnType.DATE,
    "json": ColumnType.JSON,
    "jsonb": ColumnType.JSON,
}
_TEXTS, _ARRAYS = "S", "A"
# Numbers from 0, which PostgreSQL parses like C; the last type is a list of them.
_UNSIGNED = frozenset({"oid", "xid", "cid", "xid8", "oidvector"})
# Values of pg_type.typtype.
_DOMAIN, _ROW, _RANGE, _MULTIRANGE = "d", "c", "r", "m"
# Bits of an interval's modifier, from the smallest field.
_INTERVAL_FIELDS = (("second", 12), ("minute", 11), ("hour", 10), ("day", 3), ("month", 1), ("year", 2))
_DIGITS_OF_SECONDS = 6
# The maximum bytes of types that truncate longer values.
_IN_BYTES: Mapping[str, int] = {"name": 63, "char": 1}
# Types in the category of arrays, but with another syntax.
_VECTORS = frozenset({"int2vector", "oidvector"})
# The fraction digits of most currencies. If the currency of lc_monetary has none, PostgreSQL rounds fractions.
_CENTS = 2
# A modifier includes four bytes of a header that no longer exists.
_HEADER = 4


def storages(connection: Connection, oid: int) -> Mapping[str, Storage]:
    """Return how a table stores its columns."""
    types = _Types(connection, oid)
    return {
        name: replace(types.storage(kind, modifier, marked_spellings(comment)), filled=filled)
        for name, kind, modifier, comment, filled in connection.execute(_COLUMNS, [oid]).fetchall()
    }


class _Type(NamedTuple):
    """A row of pg_type. ``name`` is empty for types that are not built in."""

    name: str
    category: str
    kind: str
    base: int
    modifier: int
    element: int
    subtype: int | None
    relation: int


class _Types:
    """The types of a table's columns, and the types of their parts."""

    def __init__(self, connection: Connection, table: int) -> None:
        self._connection = connection
        found = connection.execute(_TYPES, [table]).fetchall()
        self._types = {oid: _Type(*row) for oid, *row in found}

    def storage(self, oid: int, modifier: int, mark: tuple[str, ...] = ()) -> Storage:
        """Return how a column of a type stores its values. A domain is stored as its base type."""
        found = self._types[oid]
        if found.kind == _DOMAIN:
            return self.storage(found.base, found.modifier, mark)
        if found.kind == _ROW:
            fields = self._connection.execute(_COLUMNS, [found.relation]).fetchall()
            return _of_parts("row", [self.storage(kind, limit) for _, kind, limit, *_ in fields])
        if found.kind in (_RANGE, _MULTIRANGE) and found.subtype:
            form = "range" if found.kind == _RANGE else "multirange"
            return _of_parts(form, [self.storage(found.subtype, -1)])
        if found.category == _ARRAYS and found.name not in _VECTORS:
            return replace(_of_parts("list", [self.storage(found.element, modifier)]), array=True)
        return _storage(found.name, found.category, modifier, mark)


def _of_parts(form: str, parts: Sequence[Storage]) -> Storage:
    return Storage(None, form=form, parts=tuple(parts))


def _storage(kind: str, category: str, modifier: int, mark: tuple[str, ...]) -> Storage:
    limit = modifier if modifier >= 0 else None
    if kind in _PLAIN:
        return Storage(_PLAIN[kind], spellings=mark)
    if kind == "numeric":
        return Storage(ColumnType.NUMERIC, places=None if limit is None else _scale(limit), spellings=mark)
    if kind in {"timestamp", "timestamptz"}:
        return Storage(ColumnType.TIMESTAMP, places=limit, zoned=kind == "timestamptz", spellings=mark)
    if category == _TEXTS or kind in _IN_BYTES:
        # For char(n), PostgreSQL truncates only blanks, which are not significant.
        length = limit - _HEADER if limit is not None and kind == "varchar" else None
        return Storage(ColumnType.TEXT, length=_IN_BYTES.get(kind, length), in_bytes=kind in _IN_BYTES)
    return _other(kind, modifier, limit)


def _other(kind: str, modifier: int, limit: int | None) -> Storage:
    """Return the storage of a type that only the database parses."""
    if kind == "interval":
        return _interval(modifier)
    if kind in {"time", "timetz"}:
        return Storage(None, limit, zoned=kind == "timetz", times=True)
    return Storage(None, _CENTS if kind == "money" else None, unsigned=kind in _UNSIGNED)


def _interval(modifier: int) -> Storage:
    """Return the storage of an interval. The modifier has the fields, and in its low bits the digits of a second; all
    bits of either are set if there is no limit."""
    fields = modifier >> 16 if modifier >= 0 else -1
    smallest = next(name for name, bit in _INTERVAL_FIELDS if fields & 1 << bit)
    places = min(modifier & 0xFFFF, _DIGITS_OF_SECONDS)
    return Storage(None, places, smallest=smallest)


def _scale(modifier: int) -> int:
    """Return the digits after the decimal point of a numeric, from 11 bits with a sign."""
    return (((modifier - _HEADER) & 0x7FF) ^ 0x400) - 0x400


def mark(connection: Connection, name: Sequence[str], columns: Iterable[Column]) -> None:
    """Mark the inferred columns of a new table with their spellings."""
    comments = [
        sql.SQL("COMMENT ON COLUMN {} IS {}").format(
            sql.Identifier(*name, column.name), sql.Literal(mark_of(column.spellings))
        )
        for column in columns
        if column.spellings and column.type not in _UNMARKED
    ]
    if comments:
        connection.execute(sql.SQL("; ").join(comments))


def remark(connection: Connection, name: Sequence[str], comment: str, kind: ColumnType) -> None:
    """Mark an inferred column after its type was widened; ``comment`` is its present comment. Without a mark, the
    column stays without one."""
    if not MARKED.search(comment):
        return
    text = MARKED.sub("" if kind in _UNMARKED else f"{MARK}{kind}", comment).lstrip("; ")
    connection.execute(sql.SQL("COMMENT ON COLUMN {} IS {}").format(sql.Identifier(*name), sql.Literal(text or None)))
