"""Chooses the kind that reads a column, by its type, rules, spellings, and its type in an existing table."""

from __future__ import annotations

from collections.abc import Mapping

from penstock.model.column import NUMBERS, TIMES, Column, ColumnType, Storage
from penstock.model.value_rules import USUAL
from penstock.tables.column_kinds import BooleanKind, ColumnKind, FloatKind, IntegerKind, NumericKind, TextKind
from penstock.tables.conversions import CaseConversion, Conversion, ConvertedKind, WordsConversion
from penstock.tables.documents import JsonKind
from penstock.tables.numerals import NumberConversion
from penstock.tables.parsed_kinds import DigitsKind, ListKind, UuidKind
from penstock.tables.protection import ProtectConversion
from penstock.tables.spellings import ANY_SPELLING, SpelledKind
from penstock.tables.stored_kinds import RoundingKind, stored_kind
from penstock.tables.time_formats import TimeConversion
from penstock.tables.times import DateKind, TimestampKind

PLAIN: Mapping[ColumnType, ColumnKind] = {
    ColumnType.TEXT: TextKind(),
    ColumnType.INTEGER: IntegerKind(),
    ColumnType.NUMERIC: NumericKind(),
    ColumnType.FLOAT: FloatKind(),
    ColumnType.BOOLEAN: BooleanKind(),
    ColumnType.DATE: DateKind(),
    ColumnType.TIMESTAMP: TimestampKind(),
    ColumnType.JSON: JsonKind(),
}


def conversion_of(column: Column) -> Conversion | None:
    """How the texts of a column differ from the usual form; None if they do not."""
    rules = column.rules
    if column.is_protected:
        return ProtectConversion(column, CaseConversion(rules.case) if rules.case else None)
    if column.type in TIMES and (column.formats or rules.are_of_times):
        return TimeConversion(column.type, column.formats, rules)
    if column.type in NUMBERS and rules.are_of_numbers:
        return NumberConversion(rules, floating=column.type is ColumnType.FLOAT)
    if column.type is ColumnType.BOOLEAN and (rules.true or rules.false):
        return WordsConversion(rules.true, rules.false)
    return CaseConversion(rules.case) if rules.case else None


def is_converted(column: Column) -> bool:
    """Whether the texts of a column are not loaded as they are."""
    return bool(column.formats and column.type in TIMES) or column.rules != USUAL or column.is_protected


def is_spelled(column: Column) -> bool:
    """Whether the column was inferred, and accepts only the spellings of the sample."""
    return bool(column.spellings) and column.type not in ANY_SPELLING


def stays_raw(column: Column) -> bool:
    """Whether a valid text is stored as it is: the table holds the column as text, whatever the route declares."""
    held = column.storage
    return held is not None and held.type is ColumnType.TEXT and not conversion_of(column)


def holds_texts(column: Column) -> bool:
    """Whether a column holds texts, JSON among them, as the table stores it."""
    kind = column.storage.type if column.storage else column.type
    return kind in (ColumnType.TEXT, ColumnType.JSON)


def kind_of(column: Column) -> ColumnKind:
    """The kind that reads the texts of a column."""
    kind = PLAIN[column.type]
    if is_spelled(column):
        kind = SpelledKind(kind, column.spellings)
    if column.digits:
        kind = DigitsKind(RoundingKind(kind, column.places), column.digits, column.places)
    held = column.storage
    if held:
        kind = _parsed_kind(held) if held.parsed and held.type is None else stored_kind(kind, held)
    conversion = conversion_of(column)
    if not conversion:
        return kind
    keeps_text = held is not None and held.type in (ColumnType.TEXT, None)
    return ConvertedKind(kind, conversion, at_once=column.type is ColumnType.TEXT or not keeps_text)


def _parsed_kind(held: Storage) -> ColumnKind:
    """The kind of a list or a UUID."""
    if held.form == "uuid":
        return UuidKind()
    element = held.parts[0]
    kind = stored_kind(PLAIN[element.type], element) if element.type else _parsed_kind(element)
    return ListKind(kind, required=element.required)
