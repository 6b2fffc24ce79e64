"""Find arrays that PostgreSQL would refuse."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from penstock.model.column import Column, ColumnType, Storage
from penstock.model.table_limits import ColumnLimits
from penstock.tables.array_texts import read_array
from penstock.tables.column_kinds import FloatKind, IntegerKind, NumericKind, shown
from penstock.tables.database_texts import text_kind
from penstock.tables.documents import JsonKind
from penstock.tables.literals import NotWellFormedError
from penstock.tables.times import TimestampKind

_INTEGER = re.compile(r"\s*[+-]?[0-9]+\s*", re.ASCII)
_BOOLEAN = re.compile(r"\s*(?:t(?:r(?:ue?)?)?|f(?:a(?:l(?:se?)?)?)?|y(?:es?)?|no?|on|off?|[01])\s*", re.IGNORECASE)
# Times that PostgreSQL reads, but `TimestampKind` does not.
_OTHER_TIMES = re.compile(r"[ap]m\b|infinity|[ T]24:", re.IGNORECASE)


class ArrayCheck:
    """Finds out why the arrays of one column are refused. ``limits`` are those of its elements.

    Only the database knows what it takes as an element of another type, such as `uuid`.
    """

    def __init__(self, column: Column, limits: ColumnLimits | None) -> None:
        held = column.storage
        self._element = held.parts[0] if held and held.parts else Storage(column.elements)
        self._kind = text_kind(self._element)
        self._read = _READERS.get(self._element.type) if self._element.type else None
        self._limits = limits

    def refusal(self, value: object) -> str:
        """Return why the column refuses a value; empty if it takes it."""
        if not isinstance(value, str):
            return ""
        try:
            return next(filter(None, (self._of_element(text) for text in read_array(value) if text is not None)), "")
        except NotWellFormedError:
            return f"{shown(value)} is not written as PostgreSQL writes an array"
        except ValueError as error:
            return str(error)

    def _of_element(self, text: str) -> str:
        self._kind.value(text)
        value = self._read(text) if self._read else text
        return self._limits.refusal(value) if self._limits else ""


def is_array(column: Column) -> bool:
    """Whether a column takes arrays, in the table if there is one."""
    return column.storage.array if column.storage else column.elements is not None


def _integer(text: str) -> object:
    if not _INTEGER.fullmatch(text):
        raise ValueError(f"{shown(text)} is not an integer")
    return IntegerKind().value(text)


def _numeric(text: str) -> object:
    return text if FloatKind.special.fullmatch(text) else NumericKind().value(text)


def _boolean(text: str) -> object:
    if not _BOOLEAN.fullmatch(text):
        raise ValueError(f"{shown(text)} is not a boolean")
    return text


def _time(text: str) -> object:
    return text if _OTHER_TIMES.search(text) else TimestampKind().value(text)


_READERS: Mapping[ColumnType, Callable[[str], object]] = {
    ColumnType.INTEGER: _integer,
    ColumnType.NUMERIC: _numeric,
    ColumnType.FLOAT: FloatKind().value,
    ColumnType.BOOLEAN: _boolean,
    ColumnType.TIMESTAMP: _time,
    ColumnType.JSON: JsonKind().value,
}
