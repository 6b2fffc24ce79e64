"""Write a guessed route as TOML, with its evidence as comments."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from penstock.guess.columns import ColumnGuess
from penstock.model.column import ColumnType

# Characters of a comment.
COMMENT = 160
Value = str | int | bool | tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Option:
    """A field of ``parse``, and why."""

    name: str
    value: Value
    why: str = ""


@dataclass(frozen=True, slots=True)
class RouteGuess:
    """A route for one source. ``notes`` stand above it. Without ``columns``, they are inferred by each load."""

    name: str
    match: str
    table: str
    parse: Sequence[Option]
    columns: Sequence[ColumnGuess] = ()
    notes: Sequence[str] = field(default_factory=tuple)

    @property
    def text(self) -> str:
        """The routes file."""
        return "\n".join(self._lines()) + "\n"

    def _lines(self) -> Iterator[str]:
        yield from (_comment(note) for note in self.notes)
        yield "[[route]]"
        yield f"name = {toml(self.name)}"
        yield f"match = {toml(self.match)}"
        yield f"destination = {toml(f'postgresql:{self.table}')}"
        yield ""
        yield "[route.parse]"
        for option in self.parse:
            why = f"  {_comment(option.why)}" if option.why else ""
            yield f"{option.name} = {toml(option.value)}{why}"
        yield ""
        yield "[route.table]"
        yield "create = true"
        if not self.columns:
            return
        yield "columns = ["
        for column in self.columns:
            why = f"  {_comment('; '.join(column.notes))}" if column.notes else ""
            yield f"  {_inline(_fields(column))},{why}"
        yield "]"


def _fields(column: ColumnGuess) -> Mapping[str, Value]:
    found: dict[str, Value] = {"name": column.name}
    if column.type is not ColumnType.TEXT:
        found["type"] = str(column.type)
    if column.format:
        found["format"] = column.format
    if column.decimal != ".":
        found["decimal"] = column.decimal
    if column.thousands:
        found["thousands"] = column.thousands
    if column.nulls:
        found["nulls"] = ("", *column.nulls)
    return found


def _inline(fields: Mapping[str, Value]) -> str:
    return "{ " + ", ".join(f"{name} = {toml(value)}" for name, value in fields.items()) + " }"


def toml(value: Value) -> str:
    """Return a value as TOML. JSON's strings are TOML's, except for DEL."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    return f"[{', '.join(map(toml, value))}]"


def _comment(text: str) -> str:
    shown = "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)
    return f"# {shown if len(shown) <= COMMENT else f'{shown[:COMMENT]}...'}"
