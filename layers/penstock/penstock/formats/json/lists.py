"""Records that are lists of values, with the names in a list of their own."""

from __future__ import annotations

from collections.abc import Sequence

from penstock.errors import HeaderRowError
from penstock.formats.batching import Piece
from penstock.formats.header import column_names
from penstock.model.wording import counted

_HINT = "If the first list holds values, set parse.header = false and name them in parse.columns."


def names_in(piece: Piece | None, columns: tuple[str, ...], offset: int) -> tuple[str, ...]:
    """Return the names in the first list, or ``columns`` if the route names them. Raises HeaderRowError."""
    rows = piece.rows if piece else ()
    if not rows or not isinstance(rows[0], list):
        raise HeaderRowError("the first list, which names the values, cannot be read", offset=offset, hint=_HINT)
    names = rows[0]
    if not columns and not all(isinstance(name, str) for name in names):
        raise HeaderRowError("the first list has other values than names", offset=offset, hint=_HINT)
    return column_names([str(name) for name in names], columns, offset=offset)


def named(value: object, names: Sequence[str]) -> tuple[object, str]:
    """Return the record of a list of values, or why it is none."""
    if not isinstance(value, list):
        return None, "is not a list, as the first record is"
    if len(value) != len(names):
        return None, f"expected {counted(len(names), 'value')}, found {len(value)}"
    return dict(zip(names, value, strict=True)), ""
