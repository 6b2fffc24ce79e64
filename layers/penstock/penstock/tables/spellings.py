"""The spellings of inferred columns: the forms of text in the sample, and no others.

A sample is a guess. What comes behind it must not change by the guess: ``02134`` is no integer, ``1`` no word for true
where the words are true and false. docs/types.md lists the names and what each takes; tests read that list.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import product
from typing import NamedTuple

from penstock.model.column import ColumnType
from penstock.tables.column_kinds import Cells, ColumnKind, shown


class Spelling(NamedTuple):
    """One form of text: a regular expression, and some texts for messages."""

    type: ColumnType
    pattern: str
    examples: str


# Possessive repeats (``++``) are used only after single characters: see `raw_csv`.
WHOLE = r"(?:0|[1-9][0-9]*+)"
DAY = r"[0-9]{4}-[0-9]{2}-[0-9]{2}"
CLOCKS = {"hh:mm": r"[0-9]{2}:[0-9]{2}", "hh:mm:ss": r"[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,6}+)?"}
ZONES = {"": "", "Z": r"(?:Z|[+-][0-9]{2}(?::?[0-9]{2})?)"}

_MOMENTS = {
    f"YYYY-MM-DD{between}{clock}{zone}": Spelling(
        ColumnType.TIMESTAMP,
        f"{DAY}{between}{CLOCKS[clock]}{ZONES[zone]}",
        f"2024-12-31{between}{clock.replace('hh:mm', '23:30').replace('ss', '05')}{zone}",
    )
    for between, clock, zone in product("T ", CLOCKS, ZONES)
}
SPELLINGS: Mapping[str, Spelling] = {
    "text": Spelling(ColumnType.TEXT, r"(?s:.*)", "anything"),
    "integer": Spelling(ColumnType.INTEGER, r"0|-?[1-9][0-9]*+", "0, 42, -7"),
    "numeric": Spelling(ColumnType.NUMERIC, rf"-?{WHOLE}(?:\.[0-9]++)?(?:[eE][+-]?[0-9]++)?", "42, -1.50, 2.5e-3"),
    "true": Spelling(ColumnType.BOOLEAN, "true|false", "true, false"),
    "True": Spelling(ColumnType.BOOLEAN, "True|False", "True, False"),
    "TRUE": Spelling(ColumnType.BOOLEAN, "TRUE|FALSE", "TRUE, FALSE"),
    "YYYY-MM-DD": Spelling(ColumnType.DATE, DAY, "2024-12-31"),
    **_MOMENTS,
    "json": Spelling(ColumnType.JSON, r"(?s:.*)", "any JSON value"),
}
# Types whose values do not depend on the spelling: it need not be kept.
ANY_SPELLING = frozenset({ColumnType.TEXT, ColumnType.JSON})

# Behind a line end, which is quickly found.
_LEADING_ZERO = re.compile(r"\n(?:-?0[0-9]|-0(?![0-9]))")
_LEADING_ZERO_OF_NUMBER = re.compile(r"\n-?0[0-9]")


def pattern_of(spellings: Iterable[str]) -> str:
    """An expression that matches any of the spellings."""
    return "|".join(f"(?:{SPELLINGS[name].pattern})" for name in spellings)


def spellings_of(kind: ColumnType, texts: Sequence[str]) -> tuple[str, ...]:
    """The fewest spellings of one type that match all texts; empty if a text matches none."""
    found = []
    left = texts
    for name, spelling in SPELLINGS.items():
        if spelling.type is kind and left:
            pattern = re.compile(spelling.pattern)
            rest = [text for text in left if not pattern.fullmatch(text)]
            if len(rest) < len(left):
                found.append(name)
            left = rest
    return () if left else tuple(found)


class SpelledKind(ColumnKind):
    """Another kind, restricted to these spellings. The text itself is stored."""

    def __init__(self, kind: ColumnKind, spellings: tuple[str, ...]) -> None:
        self.kind = kind
        self.pattern = re.compile(pattern_of(spellings))
        self.type = SPELLINGS[spellings[0]].type
        self.examples = ", ".join(SPELLINGS[name].examples for name in spellings)
        self.plain = _PLAIN.get(self.type)

    def accepts(self, cells: Cells) -> bool:
        return self.kind.accepts(cells) and (self.plain(cells) if self.plain else self._has_shapes(cells))

    def values(self, texts: Sequence[str]) -> Iterable[object]:
        return self.kind.values(texts)

    def value(self, text: str) -> object:
        if not self.pattern.fullmatch(text):
            raise ValueError(
                f"{shown(text)} is not in the form of an inferred {self.type} ({self.examples}): "
                "declare the column's type"
            )
        return self.kind.value(text)

    def written(self, text: str, value: object) -> str:  # noqa: ARG002  # it converts back to itself
        return text

    def _has_shapes(self, cells: Cells) -> bool:
        """Whether all have the form; for spellings that do not tell one digit from another."""
        return all(self.pattern.fullmatch(shape.decode("utf-8", "surrogatepass")) for shape in cells.shapes())


def _is_plain_integer(cells: Cells) -> bool:
    """No leading zeros, where all are digits with or without a minus."""
    lines = "\n" + cells.joined
    # Nothing finds a text as fast; most columns hold no zero in front.
    return ("\n0" not in lines and "-0" not in lines) or not _LEADING_ZERO.search(lines)


def _is_plain_number(cells: Cells) -> bool:
    """Digits on both sides of a point, a plus only in exponents, no leading zeros; where all are numbers."""
    shapes = b"\n" + cells.shape + b"\n"
    return (
        shapes.count(b".") == shapes.count(b"0.0")
        and shapes.count(b"+") == shapes.count(b"e+") + shapes.count(b"E+")
        and not _LEADING_ZERO_OF_NUMBER.search("\n" + cells.joined)
    )


_PLAIN: Mapping[ColumnType, Callable[[Cells], bool]] = {
    ColumnType.INTEGER: _is_plain_integer,
    ColumnType.NUMERIC: _is_plain_number,
}
