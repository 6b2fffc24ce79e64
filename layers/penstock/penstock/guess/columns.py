"""Guess the type of a column by its texts, with the evidence."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from penstock.guess.numbers import guess_numbers
from penstock.guess.times import guess_times, is_packed
from penstock.model.column import ColumnType
from penstock.model.wording import counted

# Texts that often mean null. They do so only in a column whose other texts have a type.
NULL_WORDS = frozenset(
    ["NA", "N/A", "n/a", "na", "N.A.", "NULL", "Null", "null", "None", "none", "-", "--", ".", "..", "?", "#N/A", "\\N"]
)
_BOOLEANS = tuple(
    {write(yes), write(no)}
    for yes, no in (("true", "false"), ("yes", "no"))
    for write in (str.lower, str.title, str.upper)
)
# Texts that some read as booleans.
_WORDS = ({"y", "n"}, {"t", "f"}, {"j", "n"}, {"oui", "non"}, {"ja", "nein"})
# What texts that have no type may be, for whoever knows them.
_SIGNS = r"[\s()+\-$€£¥%'\xa0\u202f]"
_ALIKE = {
    "may be numbers: declare decimal, thousands, currency, negative or percent": re.compile(
        rf"{_SIGNS}*(?:[A-Z]{{3}}\s)?[0-9][0-9.,'\s\xa0\u202f]*{_SIGNS}*(?:[A-Z]{{3}})?"
    ),
    "may be dates, but no format reads all of them": re.compile(r"[0-9]{1,4}([-/.])[0-9]{1,2}\1[0-9]{1,4}(?:[ T].*)?"),
}


@dataclass(frozen=True, slots=True)
class ColumnGuess:
    """A column of a route. ``notes`` are its evidence, and what is undecided."""

    name: str
    type: ColumnType = ColumnType.TEXT
    format: str = ""
    decimal: str = "."
    thousands: str = ""
    nulls: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    is_unique: bool = False

    def as_text(self, note: str) -> ColumnGuess:
        """Return a column of texts instead."""
        return ColumnGuess(self.name, notes=(note,), is_unique=self.is_unique)


def guess_column(name: str, texts: Sequence[str | None]) -> ColumnGuess:
    """Guess by the texts that were read. None and empty texts are nulls."""
    counts = Counter(text for text in texts if text)
    present = counts.total()
    unique = present == len(texts) == len(counts) and present > 1
    if not counts:
        return ColumnGuess(name, notes=("no value in what was read",))
    known = ColumnGuess(name, is_unique=unique)
    if found := _typed(known, counts):
        return found
    words = {word: count for word, count in counts.items() if word in NULL_WORDS or not word.strip()}
    rest = Counter({text: count for text, count in counts.items() if text not in words})
    if words and rest and (found := _typed(known, rest)) and found.type is not ColumnType.TEXT:
        told = ", ".join(f"{word!r} {count:,} times" for word, count in words.items())
        note = f"null: {told}; all other {rest.total():,} are {found.type}"
        return replace(found, nulls=tuple(words), notes=(note, *found.notes))
    return _text(known, rest or counts, words)


def _typed(known: ColumnGuess, counts: Mapping[str, int]) -> ColumnGuess | None:
    """Return the column with its type; None if it is text without anything to say."""
    texts = counts.keys()
    if any(texts <= words for words in _BOOLEANS):
        return replace(known, type=ColumnType.BOOLEAN)
    numbers = guess_numbers(texts)
    if numbers.type:
        packed = 'may be dates: type = "date", format = "%Y%m%d"' if is_packed(texts) else ""
        notes = tuple(filter(None, (numbers.note, packed)))
        return replace(known, type=numbers.type, decimal=numbers.decimal, thousands=numbers.thousands, notes=notes)
    times = guess_times(texts)
    if times.type:
        return replace(known, type=times.type, format=times.format, notes=(times.note,) if times.note else ())
    note = numbers.note or times.note
    return replace(known, notes=(note,)) if note else None


def _text(known: ColumnGuess, counts: Mapping[str, int], words: Mapping[str, int]) -> ColumnGuess:
    """Return a column of texts; say what most of them look like."""
    notes = []
    if any({text.lower() for text in counts} <= pair for pair in _WORDS):
        notes.append(f"undecided: {' and '.join(map(repr, sorted(counts)))} may be booleans")
    notes += [note for note, pattern in _ALIKE.items() if all(map(pattern.fullmatch, counts))]
    numbers = [text for text in counts if guess_numbers([text]).type]
    others = [text for text in counts if text not in set(numbers)]
    if numbers and len(numbers) > len(others):
        few = ", ".join(map(repr, others[:3]))
        notes.append(f"{counted(len(numbers), 'distinct text')} are numbers, but not {few}")
    if words:
        notes.append(f"kept as texts: {', '.join(map(repr, words))}")
    return replace(known, notes=tuple(notes))
