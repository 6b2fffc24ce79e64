"""How PostgreSQL holds the columns of a table, and the mark of those that Penstock has inferred.

The mark is the column's comment: it goes with the column through renames, dumps and swaps (CREATE TABLE ... LIKE),
shows in every client, and whoever wants other rules takes it off (docs/adr/0012).
https://www.postgresql.org/docs/current/datatype.html
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from psycopg import sql

from penstock.adapters.postgres_connect import Connection
from penstock.records import Column, ColumnType, Storage

MARK = "inferred by penstock: "
BETWEEN = " | "
_MARKED = re.compile(re.escape(MARK) + r"([^;\n]*)")
# Of these, any text is a value: there is nothing to remember.
_UNMARKED = frozenset({ColumnType.TEXT, ColumnType.JSON})

# A domain is held as the type below it.
_TYPES = """
WITH RECURSIVE held AS (
  SELECT attnum, attname, atttypid AS type, atttypmod AS modifier, attgenerated <> '' OR attidentity <> '' AS filled
  FROM pg_attribute
  WHERE attrelid = %(oid)s AND attnum > 0 AND NOT attisdropped
  UNION ALL
  SELECT attnum, attname, typbasetype, typtypmod, filled FROM held JOIN pg_type ON oid = type WHERE typtype = 'd'
)
SELECT attname, CASE WHEN typnamespace = 'pg_catalog'::regnamespace THEN typname ELSE '' END, typcategory, modifier,
       col_description(%(oid)s, attnum), filled
FROM held JOIN pg_type ON oid = type WHERE typtype <> 'd'
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
# Types that contain dates or times, and arrays of them (whose names begin with a stroke); those that know of zones.
_TIMES = re.compile(r"_?(date|time|timetz|timestamp|timestamptz|(?:date|ts|tstz)(?:multi)?range)")
_ZONED = re.compile(r"_?(timetz|timestamptz|tstz(?:multi)?range)")
_CLOCKS = frozenset({"time", "timetz", "timestamp", "timestamptz"})
_DIGITS_OF_SECONDS = 6
_LONGEST_NAME = 63
# Of most currencies. Where lc_monetary names one without, what has a fraction is rounded.
_CENTS = 2
# A modifier counts four bytes of a header that no longer is.
_HEADER = 4


def storages(connection: Connection, oid: int) -> Mapping[str, Storage]:
    """How a table holds its columns."""
    rows = connection.execute(_TYPES, {"oid": oid}).fetchall()
    return {
        name: replace(_storage(kind, category, modifier, comment or ""), filled=filled)
        for name, kind, category, modifier, comment, filled in rows
    }


def _storage(kind: str, category: str, modifier: int, comment: str) -> Storage:
    limited = modifier >= 0
    mark = _spellings(comment)
    if kind in _PLAIN:
        return Storage(_PLAIN[kind], spellings=mark)
    if kind == "numeric":
        return Storage(ColumnType.NUMERIC, places=_scale(modifier) if limited else None, spellings=mark)
    if kind in {"timestamp", "timestamptz"}:
        places = modifier if limited else None
        return Storage(ColumnType.TIMESTAMP, places=places, zoned=kind == "timestamptz", spellings=mark)
    if category == _TEXTS:
        # What is too long for a name is cut; for a char(n) only blanks are, which mean nothing there.
        lengths = {"varchar": modifier - _HEADER if limited else None, "name": _LONGEST_NAME}
        return Storage(ColumnType.TEXT, length=lengths.get(kind))
    times = bool(_TIMES.fullmatch(kind))
    places = _places(kind.removeprefix("_"), modifier)
    return Storage(None, places, zoned=bool(_ZONED.fullmatch(kind)), times=times, array=category == _ARRAYS)


def _places(kind: str, modifier: int) -> int | None:
    """Digits behind the point that a type keeps which only the database reads, or a list of it; None: any."""
    limited = modifier >= 0
    if kind == "money":
        return _CENTS
    if kind == "interval":
        return min(modifier & 0xFFFF, _DIGITS_OF_SECONDS) if limited else _DIGITS_OF_SECONDS
    if kind == "numeric":
        return _scale(modifier) if limited else None
    return modifier if limited and kind in _CLOCKS else None


def _scale(modifier: int) -> int:
    """Digits behind the point of a numeric: 11 bits, with a sign."""
    return (((modifier - _HEADER) & 0x7FF) ^ 0x400) - 0x400


def _spellings(comment: str) -> tuple[str, ...]:
    found = _MARKED.search(comment)
    return tuple(name.strip() for name in found[1].split(BETWEEN.strip())) if found else ()


def mark(connection: Connection, name: Sequence[str], columns: Iterable[Column]) -> None:
    """Note how the columns of a table that is being made are spelled, if they were inferred."""
    comments = [
        sql.SQL("COMMENT ON COLUMN {} IS {}").format(
            sql.Identifier(*name, column.name), sql.Literal(MARK + BETWEEN.join(column.spellings))
        )
        for column in columns
        if column.spellings and column.type not in _UNMARKED
    ]
    if comments:
        connection.execute(sql.SQL("; ").join(comments))
