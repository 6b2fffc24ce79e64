"""CSV files for the validator: mostly valid, with every kind of invalid field."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from functools import cache

from hypothesis import strategies as st

from penstock.model.column import Column, ColumnType, Storage
from penstock.model.table import Table
from penstock.tables.spellings import SPELLINGS

T = ColumnType
TYPES = [T.TEXT, T.INTEGER, T.NUMERIC, T.FLOAT, T.BOOLEAN, T.DATE, T.TIMESTAMP]

MOMENTS = st.datetimes(timezones=st.none() | st.just(UTC) | st.timezones())
SIGNS = ("\\.", "\\N", "NULL", "é", 'a"b', "a,b", "''", " ", "\u2028", "\ufeff", "\x1a", "\x0b", "-")
LINES = ("\n", "a\nb,c\n", "\n\n1", "\n\\.")
PLAIN = {
    T.TEXT: st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=6)
    | st.sampled_from(SIGNS)
    | st.sampled_from(LINES),
    T.INTEGER: st.integers(-(10**18) + 1, 10**18 - 1).map(str) | st.sampled_from(["-0", "007", "-1"]),
    T.NUMERIC: st.decimals(allow_nan=False, allow_infinity=False).map(lambda number: f"{number:f}"),
    T.FLOAT: st.floats(allow_nan=False, allow_infinity=False).map(repr) | st.sampled_from(["0e5", "-0E-9", "1.5e99"]),
    T.BOOLEAN: st.sampled_from(["true", "f", "Yes", "OFF", "1", "0"]),
    T.DATE: st.dates().map(str),
    T.TIMESTAMP: MOMENTS.map(str) | MOMENTS.map(datetime.isoformat) | st.dates().map(str),
}
ODD = st.sampled_from(
    ("\0", " 1", "+1", "1.", ".5", "9" * 19, "1e400", "nan", "12:00", "tRUE", "2023-02-29", "0000-01-01", "20240101")
) | st.sampled_from(
    ("2024-01-01T24:00", "2024-01-01 10:00+16:00", "2024-01-01T10:00:00.1234567Z", "2024-01-01 10:00 UTC", "\u0661")
)
# Raw texts of a field in the file.
RAW = st.sampled_from(
    ('"', '""', '"a"b', 'a"b', ' "a"', '"a" ', '"a\n\\.\nb"', '"a\rb"', "\r", '"a', "a,b", '"""', "\\", "a\tb")
)
NULLS = st.sampled_from([("",), ("", "NULL"), ("NULL",), (), ("-1", "", "a,b"), ("é", 'a"b')])
LINE_ENDS = st.sampled_from(["\n", "\r\n"])


# How an existing table may store a column.
STORED = {
    T.TEXT: [Storage(), Storage(length=2), Storage(None)],
    T.NUMERIC: [Storage(T.NUMERIC), Storage(T.NUMERIC, places=2), Storage(T.NUMERIC, places=0), Storage(T.TEXT)],
    T.TIMESTAMP: [Storage(T.TIMESTAMP, zoned=False), Storage(T.TIMESTAMP, places=0), Storage(T.TEXT)],
}


@cache
def columns(kind: ColumnType, number: int) -> st.SearchStrategy[Column]:
    column = st.builds(Column, st.just(f"c{number}"), st.just(kind), nullable=st.booleans(), nulls=NULLS)
    spelled = [(name,) for name, spelling in SPELLINGS.items() if spelling.type is kind]
    return st.one_of(
        column,
        st.builds(replace, column, storage=st.sampled_from([None, *STORED.get(kind, [])])),
        st.builds(replace, column, spellings=st.sampled_from([(), *spelled])),
    )


@st.composite
def tables(draw: st.DrawFn) -> Table:
    """Columns of several types; sometimes the first is the key."""
    types = draw(st.lists(st.sampled_from(TYPES), min_size=2, max_size=4))
    drawn = tuple(draw(columns(type_, number)) for number, type_ in enumerate(types))
    return Table("t", drawn, key=draw(st.sampled_from([(), ("c0",)])))


@st.composite
def sources(draw: st.DrawFn, table: Table, delimiter: str = ",", quote: str = '"') -> bytes:
    """Lines of a CSV without a header. Some contain only valid fields."""
    odd = draw(st.sampled_from([0, 0, 1]))
    end = draw(LINE_ENDS)

    def field(column: Column) -> str:
        oddity = draw(st.integers(0, 19)) if odd else 19
        if oddity == 0:
            return draw(RAW)
        if oddity == 1:
            return ""
        text = draw(ODD if oddity == 2 else PLAIN[column.type])  # 2 of 0 to 19
        may_be_empty = "" in column.nulls and column.nullable and column.name not in table.key
        if may_be_empty and draw(st.integers(0, 5)) == 0:
            text = ""
        if draw(st.booleans()) or set(text) & {delimiter, quote, "\r", "\n"}:
            return quote + text.replace(quote, quote * 2) + quote
        return text

    lines = [delimiter.join(map(field, table.columns)) for _ in range(draw(st.integers(1, 4)))]
    if odd:
        lines.insert(draw(st.integers(0, len(lines))), draw(st.sampled_from(["", "a", "1,2,3,4,5", "\\."])))
    text = end.join(lines) + draw(st.sampled_from([end, ""]))
    return text.lstrip("\ufeff").encode()  # at the start it is a byte order mark
