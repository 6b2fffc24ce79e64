"""Recognises batches of CSV that PostgreSQL can read unchanged, by one regular expression over the whole batch.

Parsing, checking (`RowConverter`) and writing the text of COPY decide what is loaded. The validator only proves that,
for the bytes at hand, PostgreSQL's own CSV parser has the same result, at a third of the CPU (docs/adr/0017). So the
expression accepts only plain spellings, which PostgreSQL reads as `ColumnKind.value` does. It need not accept every
valid batch: a batch that it does not accept is parsed.

Each of these must hold, or there is no validator:
- rows are wanted as texts, and all go to one table;
- every field of the file belongs to exactly one column, and there are several: an empty line is then no row;
- delimiter and quote are among those that no number, date or word contains;
- columns have types that PostgreSQL reads as they come: no JSON, no formats or other rules of the route.

A quote stands only around a whole field, and no field holds a CR or a NUL. Null is the empty field.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from itertools import product

from penstock.model.column import Column, ColumnType, Storage
from penstock.model.record import CsvValidator, RawCsv
from penstock.model.table import Table
from penstock.tables.column_kinds import BooleanKind
from penstock.tables.database_texts import is_checked
from penstock.tables.header_fields import places_of
from penstock.tables.kind_choice import is_converted, is_spelled
from penstock.tables.spellings import ZONES

SEVERAL = 2
LONGEST_PAUSE = 15  # batches
# Alone on a line, it ended the data before PostgreSQL 18.
END_OF_DATA, BACKSLASH = b"\n\\.", b"\\"
_WHOLE_64 = 18  # digits that always fit 64 bits
DELIMITERS, QUOTES = ",;|\t", "\"'"

# Possessive repeats (``++``) are used only after single characters: around groups, Python before 3.11.5
# lets them match what they should not.
_UNSIGNED = r"[0-9]{1,100}+(?:\.[0-9]{1,100}+)?"
_DATE = (
    r"(?!0000)[0-9]{4}-(?:(?:0[1-9]|1[0-2])-(?:0[1-9]|1[0-9]|2[0-8])"
    r"|(?:0[13-9]|1[0-2])-(?:29|30)|(?:0[13578]|1[02])-31)"
    r"|(?:[0-9]{2}(?:0[48]|[2468][048]|[13579][26])|(?:0[48]|[2468][048]|[13579][26])00)-02-29"
)
_MINUTES = r"(?:[01][0-9]|2[0-3]):[0-5][0-9]"
_FRACTION = r"(?:\.[0-9]{1,6}+)?"
_TIME = f"{_MINUTES}(?::[0-5][0-9]{_FRACTION})?"
_OFFSET = r"Z|[+-](?:0[0-9]|1[0-5])(?::?[0-5][0-9])?"
SPELLINGS: Mapping[ColumnType, str] = {
    ColumnType.INTEGER: r"-?[0-9]{1,18}+",
    ColumnType.NUMERIC: f"-?{_UNSIGNED}",
    ColumnType.FLOAT: f"-?{_UNSIGNED}(?:[eE][+-]?[0-9]{{1,2}})?",
    ColumnType.BOOLEAN: "|".join(sorted(BooleanKind.truths, key=len, reverse=True)),
    ColumnType.DATE: _DATE,
    ColumnType.TIMESTAMP: f"(?:{_DATE})(?:[T ]{_TIME}(?:{_OFFSET})?)?",
}

# For inferred columns: as `spellings`, where PostgreSQL reads them alike.
_CLOCKS = {"hh:mm": _MINUTES, "hh:mm:ss": f"{_MINUTES}:[0-5][0-9]{_FRACTION}"}
_INFERRED: Mapping[str, str] = {
    "integer": r"-?[1-9][0-9]{0,17}+|0",
    "numeric": r"-?(?:0|[1-9][0-9]{0,99}+)(?:\.[0-9]{1,100}+)?(?:[eE][+-]?[0-9]{1,2}+)?",
    "true": "true|false",
    "True": "True|False",
    "TRUE": "TRUE|FALSE",
    "YYYY-MM-DD": _DATE,
    **{
        f"YYYY-MM-DD{between}{clock}{zone}": f"(?:{_DATE}){between}{time}{f'(?:{_OFFSET})' if zone else ''}"
        for between, (clock, time), zone in product("T ", _CLOCKS.items(), ZONES)
    },
}


def csv_validator(table: Table, names: Sequence[str], delimiter: str, quote: str) -> CsvValidator | None:
    """Recognises rows of ``table`` under the header ``names``; None where the conditions above do not hold."""
    columns = columns_in_order(table, names)
    signs = len(delimiter) == len(quote) == 1 and delimiter in DELIMITERS and quote in QUOTES
    if not signs or len(columns) < SEVERAL or any(_is_converted(column) for column in columns):
        return None
    cells = [_cell(column, delimiter, quote, required=column.name in table.key) for column in columns]
    row = re.compile(f"^{re.escape(delimiter).join(cells)}\n".encode(), re.MULTILINE)
    return Cautious(_Recognised(row, tuple(column.name for column in columns), delimiter, quote))


class Cautious:
    """A `CsvValidator` that is tried less often where it refuses. Errors are seldom alone: each refused batch in a row
    doubles the number of batches that are then skipped unchecked. Such a file costs hardly more than without it."""

    def __init__(self, validator: CsvValidator) -> None:
        self._validator = validator
        self._unseen = self._pause = 0

    def __call__(self, text: bytes) -> RawCsv | None:
        if self._unseen:
            self._unseen -= 1
            return None
        rows = self._validator(text)
        self._pause = 0 if rows else min(2 * self._pause + 1, LONGEST_PAUSE)
        self._unseen = self._pause
        return rows


class _Recognised:
    """A `CsvValidator` by one expression for a row."""

    def __init__(self, row: re.Pattern[bytes], names: tuple[str, ...], delimiter: str, quote: str) -> None:
        self._row = row
        self._form = (names, delimiter, quote)

    def __call__(self, text: bytes) -> RawCsv | None:
        with_cr = b"\r" in text
        if with_cr:
            text = text.replace(b"\r\n", b"\n")
        if not text.endswith(b"\n"):
            text += b"\n"
        if BACKSLASH in text and END_OF_DATA in text:  # a search for one byte is fifteen times as fast
            return None
        rest, count = self._row.subn(b"", text)
        # A line end inside quotes is part of a value, CR included.
        if rest or (with_cr and count < text.count(b"\n")):
            return None
        return RawCsv(text, count, *self._form)


def columns_in_order(table: Table, names: Sequence[str]) -> list[Column]:
    """The column of every field; empty if a field has no column, or a column no field."""
    columns = {tuple(places_of(column.source or column.name, names)): column for column in table.columns}
    if len(columns) < len(table.columns) or sorted(columns) != [(place,) for place in range(len(names))]:
        return []
    return [columns[place,] for place in range(len(names))]


def _is_converted(column: Column) -> bool:
    held = column.storage
    if column.type is ColumnType.JSON or is_converted(column) or column.metadata:
        return True
    return held is not None and is_checked(held) and (held.type is None or held.in_bytes)


def _spelling(column: Column) -> str:
    """The expression that matches a value of the column."""
    if is_spelled(column):
        return "|".join(f"(?:{_INFERRED[name]})" for name in column.spellings)
    held = column.storage
    if column.digits:
        return _digits(column, held)
    if held and held.type is ColumnType.NUMERIC and held.places is not None:
        places = rf"(?:\.[0-9]{{1,{held.places}}}+)?" if held.places > 0 else ""
        return f"-?[0-9]{{1,100}}+{places}" if held.places >= 0 else "0"
    if held and held.type is ColumnType.TIMESTAMP:
        fraction = "" if held.places is not None else _FRACTION
        offset = _OFFSET if held.zoned else "Z"
        return f"(?:{_DATE})(?:[T ]{_MINUTES}(?::[0-5][0-9]{fraction})?(?:{offset})?)?"
    return SPELLINGS[column.type]


def _digits(column: Column, held: Storage | None) -> str:
    """Numbers of so many digits, and no more places than the table keeps."""
    whole = column.digits - column.places
    places = min(column.places, held.places if held and held.places is not None else column.places)
    if places < 0:
        return "0"
    if column.type is ColumnType.INTEGER:  # in the table
        whole, places = min(whole, _WHOLE_64), 0
    fraction = rf"(?:\.[0-9]{{1,{places}}}+)?" if places else ""
    return f"-?{f'[0-9]{{1,{whole}}}+' if whole else '0'}{fraction}"


def _cell(column: Column, delimiter: str, quote: str, *, required: bool) -> str:
    """One field with or without quotes. None of the column's null tokens but the empty one, and that only if it may
    be null: the parser handles the others."""
    optional = "" in column.nulls and column.nullable and not required
    tokens = [token for token in column.nulls if token]
    bare = _unless(tokens, f"[{delimiter}\n]")
    doubled = [token.replace(quote, quote * 2) for token in tokens]
    quoted = quote + _unless(doubled if optional else [*doubled, ""], f"{quote}(?!{quote})")
    if column.type is ColumnType.TEXT:
        bare += rf"[^{delimiter}{quote}\r\n\0]{_times(column, 1)}+"
        quoted += f"{_quoted_text(column, quote)}{quote}"
    else:
        spelling = f"(?:{_spelling(column)})"
        bare += spelling
        quoted += f"{spelling}{'?' if optional else ''}{quote}"
    return f"(?:{bare}|{quoted}{'|' if optional else ''})"


def _quoted_text(column: Column, quote: str) -> str:
    if column.storage and column.storage.length is not None:
        return rf"(?:[^{quote}\r\0]|{quote * 2}){_times(column, 0)}"
    inside = rf"[^{quote}\r\0]*+"
    return f"{inside}(?:{quote * 2}{inside})*"


def _times(column: Column, least: int) -> str:
    """How many bytes a text has at least and at most: no more than it may have characters."""
    length = column.storage.length if column.storage else None
    return f"{{{least},{'' if length is None else max(length, least)}}}"


def _unless(tokens: Sequence[str], end: str) -> str:
    return f"(?!(?:{'|'.join(map(re.escape, tokens))}){end})" if tokens else ""
