"""Read how the texts of a column are written: the options of one column that are not its name, type and formats."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Mapping
from dataclasses import replace
from difflib import get_close_matches

from penstock.model.column import NUMBERS, TIMES, Column, ColumnType
from penstock.model.typed_text import Typed
from penstock.model.value_rules import Case, Epoch, Fold, Negative, Percent, Trim, ValueRules
from penstock.routes.fields import Fields

_T = ColumnType
# The types for which an option means anything; those that are not listed: all.
_TYPES: Mapping[str, frozenset[ColumnType]] = {
    **dict.fromkeys(("decimal", "thousands", "grouping", "negative", "currency"), NUMBERS),
    "percent": NUMBERS - {_T.INTEGER},
    **dict.fromkeys(("true", "false"), frozenset({_T.BOOLEAN})),
    **dict.fromkeys(("timezone", "fold", "end_of_day"), frozenset({_T.TIMESTAMP})),
    "pivot": TIMES,
    **dict.fromkeys(("upper", "lower"), frozenset({_T.TEXT})),
    "trim": frozenset(_T) - {_T.JSON},
}
THOUSANDS = (".", ",", "'", "\u2019", "_", " ", "\u00a0", "\u202f")
# What a number has for itself.
_OF_NUMBERS = re.compile(r"[0-9\s+\-()%]|^[eE]$")
_CENTURY = 100


def read_rules(fields: Fields, column: Column) -> Column:
    """The column with its rules. Raises InvalidRouteError, which names the field."""
    if column.elements and (given := [option for option in (*_TYPES, "hash", "mask") if fields.has(option)]):
        raise fields.complain(given[0], f"is not for columns of type {column.elements}[]")
    for option, types in _TYPES.items():
        if fields.has(option) and column.type not in types:
            known = ", ".join(each for each in ColumnType if each in types)
            raise fields.complain(option, f"is for columns of type {known}, not for {column.type}: declare the type")
    rules = ValueRules(
        decimal=fields.choice("decimal", (".", ","), "."),
        thousands=fields.texts("thousands", ()),
        indian=fields.choice("grouping", ("western", "indian"), "western") == "indian",
        negative=tuple(Negative(each) for each in _each_of(fields, "negative", list(Negative))),
        percent=Percent(fields.choice("percent", list(Percent), "")) if fields.has("percent") else None,
        currency=fields.texts("currency", ()),
        true=fields.texts("true", (), empty=True),
        false=fields.texts("false", (), empty=True),
        timezone=fields.text("timezone", ""),
        fold=Fold(fields.choice("fold", list(Fold), Fold.REJECT)),
        end_of_day=fields.flag("end_of_day", False),  # noqa: FBT003  (the default)
        pivot=fields.count("pivot", _CENTURY) if fields.has("pivot") else None,
        default=fields.scalar("default") if fields.has("default") else None,
        absent_is_unset=fields.choice("absent", ("null", "unset"), "null") == "unset",
        trim=_trim(fields),
        case=_case(fields),
    )
    column = replace(column, rules=rules)
    _check_numbers(fields, rules)
    _check_words(fields, column)
    _check_times(fields, column)
    _check_default(fields, column)
    return column


def _each_of(fields: Fields, field: str, allowed: list[Negative]) -> tuple[str, ...]:
    values = fields.texts(field, ())
    if wrong := [value for value in values if value not in allowed]:
        raise fields.complain(field, f"must be of {', '.join(allowed)}, not {wrong[0]!r}")
    return tuple(dict.fromkeys(values))


def _trim(fields: Fields) -> Trim:
    if fields.is_flag("trim"):
        return Trim.BOTH if fields.flag("trim", False) else Trim.NONE  # noqa: FBT003  (the default)
    return Trim(fields.choice("trim", ("left", "right", "both"), "")) if fields.has("trim") else Trim.NONE


def _case(fields: Fields) -> Case:
    upper, lower = fields.flag("upper", False), fields.flag("lower", False)  # noqa: FBT003  (the default)
    if upper and lower:
        raise fields.complain("lower", "contradicts upper: set one of them")
    return Case.UPPER if upper else Case.LOWER if lower else Case.ANY


def _check_numbers(fields: Fields, rules: ValueRules) -> None:
    for sign in rules.thousands:
        if sign not in THOUSANDS:
            raise fields.complain("thousands", f"must be of {', '.join(map(repr, THOUSANDS))}, not {sign!r}")
        if sign == rules.decimal:
            other = "," if sign == "." else "."
            raise fields.complain("thousands", f"is also the decimal sign {sign!r}: set decimal = {other!r}")
    if rules.indian and not rules.thousands:
        raise fields.complain("grouping", "needs thousands, the sign between groups")
    for sign in rules.currency:
        if _OF_NUMBERS.search(sign) or sign in (rules.decimal, *rules.thousands):
            raise fields.complain("currency", f"{sign!r} is a part of numbers, and no currency sign")


def _check_words(fields: Fields, column: Column) -> None:
    rules = column.rules
    if bool(rules.true) != bool(rules.false):
        missing, given = ("false", "true") if rules.true else ("true", "false")
        raise fields.complain(missing, f"is missing: with {given}, the column takes no other words than those listed")
    if both := set(rules.true) & set(rules.false):
        raise fields.complain("false", f"{min(both)!r} is also a word for true")
    for field, words in (("true", rules.true), ("false", rules.false)):
        if null := set(words) & set(column.nulls):
            raise fields.complain(field, f"{min(null)!r} is also a text for NULL: set the column's nulls")


def _check_times(fields: Fields, column: Column) -> None:
    rules = column.rules
    if rules.timezone:
        _check_zone(fields, rules.timezone)
        if any("%Z" in pattern.replace("%%", "") for pattern in column.formats):
            raise fields.complain("format", "%Z contradicts timezone: its names of zones are ambiguous")
    elif fields.has("fold"):
        raise fields.complain("fold", "needs timezone: the clock of UTC is never set back")
    patterns = [pattern for pattern in column.formats if pattern not in list(Epoch)]
    if rules.pivot is not None and not any("%y" in pattern.replace("%%", "") for pattern in patterns):
        raise fields.complain("pivot", "is for two-digit years: a format needs %y")
    if rules.pivot is not None and any(week in each.replace("%%", "") for each in patterns for week in ("%U", "%W")):
        raise fields.complain(
            "pivot", "cannot tell the year of a week (%U, %W): its days differ from century to century"
        )
    clocks = ("%H:%M", "%R", "%T")
    if rules.end_of_day and column.formats and not any(clock in each for each in patterns for clock in clocks):
        raise fields.complain("end_of_day", "is for formats with %H:%M")


def _check_zone(fields: Fields, name: str) -> None:
    from penstock.tables.local_times import zone_names, zone_of  # noqa: PLC0415  # only where a route needs it

    try:
        zone_of(name)
    except (KeyError, ValueError, OSError):
        meant = get_close_matches(name, zone_names(), 1)
        guess = f"; did you mean {meant[0]!r}?" if meant else "; use a name such as Europe/Berlin"
        raise fields.complain("timezone", f"{name!r} is not a time zone{guess}") from None


def _check_default(fields: Fields, column: Column) -> None:
    default = column.rules.default
    if default is not None and column.rules.absent_is_unset:
        raise fields.complain("absent", "contradicts default, which is loaded where a key is absent")
    if default is None:
        return
    from penstock.tables.kind_choice import kind_of  # noqa: PLC0415  # only where a route needs it
    from penstock.tables.literals import NotWellFormedError, elements  # noqa: PLC0415  # only where a route needs it

    if default in column.nulls and column.type is not ColumnType.TEXT:
        raise fields.complain("default", f"{default!r} is also a text for NULL")
    try:
        if column.elements:
            deque(elements(default), maxlen=0)
        value = kind_of(column).value(Typed(default))
    except NotWellFormedError:
        raise fields.complain("default", f"{default!r} is not an array of PostgreSQL, such as {{1,2}}") from None
    except ValueError as error:
        raise fields.complain("default", f"is not a value of the column: {error}") from error
    if value is None:
        raise fields.complain("default", "is null")
