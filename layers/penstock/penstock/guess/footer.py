"""Guess the footer of a table: lines at the end that are no records, such as totals."""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from dataclasses import dataclass

from penstock.guess.columns import guess_column
from penstock.guess.dialect import Record
from penstock.guess.route_text import Option
from penstock.model.column import ColumnType
from penstock.model.wording import counted

# Records whose first field is looked at, and the records that a footer has at most.
_LOOKED_AT, _MOST = 500, 20
_WORD = re.compile(
    r"(?:grand ?total|total|sum|summe|gesamt|somme|suma|count|rows|records|end|eof|trailer|source|note|quelle)s?\b",
    re.IGNORECASE,
)
# The beginning of a line that does not change from file to file.
_FIXED = re.compile(r"[^\d\s,;|]{2,40}")
_SPECIAL = re.compile(r"[\\.^$*+?{}\[\]|()]")


@dataclass(frozen=True, slots=True)
class FooterGuess:
    """``records`` at the end are not guessed by. ``option``: how a route leaves them out, if they clearly are no
    records; else ``note`` says that they may be none."""

    records: int = 0
    option: Option | None = None
    note: str = ""


def guess_footer(table: Sequence[Record], width: int, text: str) -> FooterGuess:
    """Guess by the records of a text, from the header on."""
    ragged = _ragged(table, width)
    rest = table[len(table) - ragged :] if ragged else table[-1:]
    body = table[: len(table) - len(rest)]
    word = _WORD.match(rest[0].fields[0]) if rest else None
    is_other = _is_other([one.fields[0] for one in body[1:]], [one.fields[0] for one in rest])
    if not ragged and not (word and len(body) > 1):
        return FooterGuess()
    lines = list(io.StringIO(text, newline=""))
    begin = rest[0].line
    expression = _expression(lines[body[0].line : begin], lines[begin])
    if not ragged and not is_other:
        return FooterGuess(note=f"undecided: the last record may be a footer: {_told(expression)}, if so")
    if expression and (word or (is_other and max(len(one.fields) for one in rest) < width)):
        why = "the last lines have other fields" if ragged else "the first field of the last record is of another kind"
        return FooterGuess(len(rest), Option("footer", expression, why))
    return FooterGuess(
        len(rest),
        note=f"{counted(ragged, 'record')} at the end may be a footer: set skip_footer = {ragged}, if so",
    )


def word_of_footer(firsts: Sequence[str]) -> str:
    """Return the word with which the last of these first cells says that its row is a footer; empty if it does not."""
    word = _WORD.match(firsts[-1]) if len(firsts) > 1 else None
    return word[0] if word and _is_other(firsts[:-1], firsts[-1:]) else ""


def _ragged(table: Sequence[Record], width: int) -> int:
    """Return the number of records at the end that are not as wide as the table."""
    count = 0
    while count < min(len(table) - 2, _MOST) and len(table[-1 - count].fields) != width:
        count += 1
    return count


def _is_other(firsts: Sequence[str], last: Sequence[str]) -> bool:
    """Whether the first fields of all records have a type, and none of those at the end has one."""
    kind = guess_column("", firsts[:_LOOKED_AT]).type
    return kind is not ColumnType.TEXT and all(
        cell.strip() and guess_column("", [cell]).type is ColumnType.TEXT for cell in last
    )


def _expression(records: Sequence[str], line: str) -> str:
    """Return an expression for the beginning of a line that no line of the records has; empty if there is none."""
    quote = '"' if line.startswith('"') else ""
    begin = _WORD.match(line, len(quote)) or _FIXED.match(line, len(quote))
    if not begin:
        return ""
    start = quote + begin[0]
    if any(one.startswith(start) for one in records):
        return ""
    return "^" + _SPECIAL.sub(r"\\\g<0>", start)


def _told(expression: str) -> str:
    return f"set footer = {expression!r}" if expression else "set skip_footer = 1"
