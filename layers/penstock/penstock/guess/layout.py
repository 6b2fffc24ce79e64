"""Guess where the table of a CSV begins and ends, and whether it has a header."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from penstock.guess.columns import NULL_WORDS
from penstock.guess.dialect import DialectGuess, Record
from penstock.guess.footer import FooterGuess, guess_footer
from penstock.guess.numbers import guess_numbers
from penstock.guess.times import guess_times

# Records of a column that are looked at.
LOOKED_AT = 500
# From this share of typed cells on, a column is typed.
TYPED = 0.9
# The longest name of a column.
LONGEST = 80
_YEARS = range(1800, 2200)
_TEXTUAL = re.compile(r"[^\W\d]")


@dataclass(frozen=True, slots=True)
class LayoutGuess:
    """``skip_lines`` stand before the header or the first record. ``comment``: the sign with which lines begin that are
    no records. ``header``: whether the first record names the columns; with ``short_header`` all but the first one.
    ``body`` are the records before the ``footer``."""

    skip_lines: int
    comment: str
    header: bool
    short_header: bool
    names: tuple[str, ...]
    body: list[Record]
    footer: FooterGuess
    notes: tuple[str, ...]


def guess_layout(dialect: DialectGuess, text: str, *, whole: bool) -> LayoutGuess:
    """Guess by the records that were read from a text."""
    records = list(dialect.records)
    comment = _comment(records, dialect.width)
    if comment:
        records = [one for one in records if not one.fields[0].startswith(comment)]
    first = _first(records, dialect.width)
    skip = records[first].line if first < len(records) and first else 0
    notes = []
    table = records[first:]
    footer = guess_footer(table, dialect.width, text) if whole else FooterGuess()
    if footer.note:
        notes.append(footer.note)
    table = table[: len(table) - footer.records]
    if not table:
        return LayoutGuess(skip, comment, header=True, short_header=False, names=(), body=[], footer=footer, notes=())
    width = dialect.width
    short = _names_rows(table[0], table[1:], width)
    body = [one for one in table[1:] if len(one.fields) == width]
    is_header, doubt = (True, "") if short else _is_header(table[0].fields, [one.fields for one in body])
    if doubt:
        notes.append(doubt)
    if short:
        notes.append("the header names all columns but the first, as R writes row names")
    names = (["row_name"] if short else []) + table[0].fields if is_header else []
    if not is_header:
        body = [one for one in table if len(one.fields) == width]
    return LayoutGuess(skip, comment, is_header, short, tuple(names), body, footer, tuple(notes))


def with_width_of_header(dialect: DialectGuess) -> DialectGuess:
    """Return the dialect with the width of the first record if that is wider than most: it is no title, which would be
    skipped, but a header of records that lack fields."""
    first = next((one for one in dialect.records if not one.fields[0].startswith("#")), None)
    if first is None or len(first.fields) <= dialect.width or _filled(first) < len(first.fields) or dialect.width == 1:
        return dialect
    return replace(dialect, width=len(first.fields))


def _comment(records: Sequence[Record], width: int) -> str:
    """Return the sign of comments: lines that begin with it, and that are not as wide as the others."""
    for sign in ("#", "%"):
        marked = [one for one in records if one.fields[0].startswith(sign)]
        if marked and len(marked) < len(records) and all(len(one.fields) != width for one in marked):
            return sign
    return ""


def _first(records: Sequence[Record], width: int) -> int:
    """Return the position of the header, or of the first record without one: titles before it are narrower."""
    for at, one in enumerate(records):
        after = records[at + 1 : at + 4]
        is_wide = any(len(other.fields) == width for other in after) or not after
        fullest = max((_filled(other) for other in after), default=0)
        if len(one.fields) == width and is_wide and (2 * _filled(one) >= width or fullest <= _filled(one)):
            return at
        if at == 0 and _names_rows(one, records[1:], width):
            return at
    return next((at for at, one in enumerate(records) if len(one.fields) == width), 0)


def _filled(record: Record) -> int:
    return sum(1 for cell in record.fields if cell.strip())


def _names_rows(first: Record, rest: Sequence[Record], width: int) -> bool:
    """Whether a header names all columns but the first, in which each record has a name of its own."""
    names = [one.fields[0] for one in rest[:LOOKED_AT]]
    return (
        len(first.fields) == width - 1 == _filled(first)
        and len(names) > 1
        and len(set(names)) == len(names)
        and all(name.strip() for name in names)
        and all(len(one.fields) == width for one in rest[:LOOKED_AT])
    )


def _is_typed(text: str) -> bool:
    return bool(guess_numbers([text]).type or guess_numbers([text]).note or guess_times([text]).type)


def _is_header(first: Sequence[str], body: Sequence[Sequence[str]]) -> tuple[bool, str]:
    """Return whether the first record is a header, and what is doubtful about it."""
    if not body:
        return not any(map(_is_typed, first)), ""
    if sum(1 for cell in first if not cell.strip()) > max(1, len(first) // 2):
        return False, ""
    votes = Counter[bool]()
    for at, cell in enumerate(first):
        texts = [row[at] for row in body[:LOOKED_AT] if row[at].strip() and row[at] not in NULL_WORDS]
        if not texts or not cell.strip():
            continue
        typed = sum(1 for text in set(texts) if _is_typed(text)) / len(set(texts))
        if typed >= TYPED:
            votes[not _is_typed(cell) and cell not in NULL_WORDS] += 1
    if votes[True] and not votes[False]:
        return True, ""
    if votes[False]:
        if _is_sequence([cell for cell in first if cell.strip()]):
            return True, "the header holds consecutive numbers"
        return votes[True] >= votes[False], ""
    return _is_header_of_texts(first, body)


def _is_sequence(cells: Sequence[str]) -> bool:
    """Whether the numbers among the cells are consecutive: years, or from 0 on."""
    numbers = [int(cell) for cell in cells if cell.strip().isdecimal()]
    starts = len(numbers) > 1 and (numbers[0] == 0 or numbers[0] in _YEARS)
    return starts and all(after == before + 1 for before, after in pairwise(numbers))


def _is_header_of_texts(first: Sequence[str], body: Sequence[Sequence[str]]) -> tuple[bool, str]:
    looks = [row for row in body[:LOOKED_AT] if len(row) == len(first)]
    names = [cell for cell in first if cell.strip()]
    recurring = sum(1 for at, cell in enumerate(first) if cell.strip() and cell in {row[at] for row in looks})
    if 2 * recurring > len(names) or len(set(names)) < len(names) or any(len(name) > LONGEST for name in names):
        return False, "undecided: all columns are texts; the first record is taken for a record"
    if not all(map(_TEXTUAL.search, names)):
        return False, "undecided: all columns are texts; the first record is taken for a record"
    return True, "undecided: all columns are texts; the first record is taken for the header"
