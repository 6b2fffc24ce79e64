"""Exact JSON values: numbers keep every digit, and values that jsonb cannot hold are refused."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal

from penstock.tables.column_kinds import Cells, ColumnKind, check_numeric, check_storable, shown, storable


def parse_document(text: str) -> object:
    """The value of a JSON text: dict, list, str, int, Decimal, bool or None. Raises ValueError."""
    return json.loads(text, parse_float=_number, parse_constant=_refuse)


def write_document(value: object) -> str:
    """The JSON text of what a JSON parser yields; numbers keep every digit, which `json.dumps` cannot do.

    Raises ValueError, with a reject's reason: writing may need more of the stack than reading did.
    """
    try:
        try:
            return json.dumps(value, ensure_ascii=False, allow_nan=False)
        except TypeError:  # a Decimal somewhere
            return _written(value)
    except RecursionError:
        raise ValueError("is nested too deeply") from None
    except ValueError:  # only sources with types of their own have such numbers
        raise ValueError("holds NaN or an infinity, which JSON does not know") from None


def write_array(values: Sequence[object]) -> str:
    """A list as PostgreSQL writes arrays. Raises ValueError as `write_document` does.

    https://www.postgresql.org/docs/current/arrays.html#ARRAYS-IO
    """
    try:
        return "{" + ",".join(map(_element, values)) + "}"
    except RecursionError:
        raise ValueError("is nested too deeply") from None


def _element(value: object) -> str:
    if value is None:
        return "NULL"
    if isinstance(value, list):
        return write_array(value)
    text = value if isinstance(value, str) else write_document(value)
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _written(value: object) -> str:
    match value:
        case Decimal():
            return str(value)
        case Mapping():
            return "{" + ", ".join(f"{json.dumps(name)}: {_written(inner)}" for name, inner in value.items()) + "}"
        case list():
            return "[" + ", ".join(map(_written, value)) + "]"
    return json.dumps(value, ensure_ascii=False, allow_nan=False)


def _number(text: str) -> Decimal:
    number = Decimal(text)
    check_numeric(number)
    return number


def _refuse(constant: str) -> object:
    raise ValueError(f"{constant} is no JSON value")


def _collect_strings(value: object, into: list[str]) -> None:
    """Append all names and strings of a value. A generator would cost its depth for each of them."""
    match value:
        case str():
            into.append(value)
        case dict():
            for name, inner in value.items():
                into.append(name)
                _collect_strings(inner, into)
        case list():
            for inner in value:
                _collect_strings(inner, into)


class JsonKind(ColumnKind):
    """A JSON text. ``null`` is SQL's NULL."""

    keeps_text = True

    def accepts(self, cells: Cells) -> bool:
        # An escape may encode a character that a text cannot hold.
        if "\\u" in cells.joined or not storable(cells.joined):
            return False
        try:
            return None not in list(map(parse_document, cells.texts))
        except (ValueError, RecursionError):
            return False

    def values(self, texts: Sequence[str]) -> Iterable[object]:
        return map(parse_document, texts)

    def value(self, text: str) -> object:
        strings: list[str] = []
        try:
            value = parse_document(text)
            _collect_strings(value, strings)
        except RecursionError:
            raise ValueError(f"{shown(text)} is nested too deeply") from None
        except ValueError as error:
            raise ValueError(f"{shown(text)} is not JSON: {error}") from None
        for string in strings:
            check_storable(string)
        return value

    def text(self, value: object) -> str:
        return write_document(value)

    def written(self, text: str, value: object) -> str:  # noqa: ARG002  # a column of type json keeps it as it is
        return text


class WrittenJsonKind(JsonKind):
    """JSON texts of `write_document`, which need not be parsed to be valid."""

    def accepts(self, cells: Cells) -> bool:
        return "\\u" not in cells.joined and storable(cells.joined)
