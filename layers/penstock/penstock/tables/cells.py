"""Records to columns of texts. What a kind then reads does not depend on where a record came from."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal

from penstock.records import ColumnType
from penstock.tables.documents import write_document
from penstock.tables.kinds import shown

NUMBERS = ({int}, {Decimal}, {int, Decimal})
TEXTS = ({str}, {str, type(None)})


def getter(path: tuple[str, ...]) -> Callable[[Mapping[str, object]], object]:
    """What finds a field of a JSON record, None where it is missing. ``path``: keys, outermost first."""
    if len(path) == 1:
        name = path[0]
        return lambda record: record.get(name)

    def nested(record: Mapping[str, object]) -> object:
        found: object = record
        for name in path:
            if not isinstance(found, Mapping):
                return None
            found = found.get(name)
        return found

    return nested


def as_texts(values: Sequence[object], kind: ColumnType) -> tuple[Sequence[str | None], dict[int, str]]:
    """A column of JSON values as texts, and why some (by position) have none."""
    if kind is not ColumnType.JSON:
        kinds = set(map(type, values))
        if kinds in TEXTS:
            return values, {}  # type: ignore[return-value]  # just looked at each
        if kinds in NUMBERS:
            return list(map(str, values)), {}
    texts: list[str | None] = []
    faults: dict[int, str] = {}
    for position, value in enumerate(values):
        try:
            texts.append(_text(value, kind))
        except ValueError as error:
            texts.append(None)
            faults[position] = str(error)
    return texts, faults


def _text(value: object, kind: ColumnType) -> str | None:
    if value is None:
        return None
    if kind is ColumnType.JSON:
        return write_document(value)
    match value:
        case str():
            return value
        case bool():
            return "true" if value else "false"
        case int() | float() | Decimal():
            return str(value)
    what = "an object" if isinstance(value, Mapping) else "a list"
    raise ValueError(f"{shown(write_document(value))} is {what}, not {kind}")
