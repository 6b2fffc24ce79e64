"""Guess how the numbers of a column are written."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import NamedTuple

from penstock.model.column import ColumnType
from penstock.model.wording import counted

_INTEGER = re.compile(r"\s*[+-]?[0-9]+\s*", re.ASCII)
_NUMBER = re.compile(r"\s*[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?\s*", re.ASCII)
_SPECIAL = re.compile(r"\s*[+-]?(?:nan|inf(?:inity)?)\s*", re.IGNORECASE)
_PADDED = re.compile(r"\s*[+-]?0[0-9]++(?!\.[0-9])")
_BITS_64 = 2**63
# Digits that are grouped by ``{}``, and then a fraction after ``{}``.
_GROUPED = r"\s*[+-]?(?:[0-9]+|[0-9]{{1,3}}(?:{0}[0-9]{{3}})+)(?:{1}[0-9]+)?\s*"


class NumberGuess(NamedTuple):
    """``type`` is None if the texts are no numbers, or if it is undecided how they are written: ``note`` says why."""

    type: ColumnType | None
    note: str = ""
    decimal: str = "."
    thousands: str = ""


def guess_numbers(texts: Collection[str]) -> NumberGuess:
    """Guess by the distinct texts of a column."""
    if not all(any(map(str.isdigit, text)) or _SPECIAL.fullmatch(text) for text in texts):
        return NumberGuess(None)
    padded = [text for text in texts if _PADDED.match(text)]
    if padded and all(map(_NUMBER.fullmatch, texts)):
        return NumberGuess(None, f"digits, but {counted(len(padded), 'text')} such as {padded[0]!r} begin with 0: kept")
    if all(map(_INTEGER.fullmatch, texts)):
        fits = all(-_BITS_64 <= int(text) < _BITS_64 for text in texts)
        return NumberGuess(ColumnType.INTEGER) if fits else NumberGuess(ColumnType.NUMERIC, "integers beyond 64 bits")
    if all(map(_NUMBER.fullmatch, texts)):
        return NumberGuess(ColumnType.NUMERIC)
    special = [text for text in texts if _SPECIAL.fullmatch(text)]
    if special and len(special) < len(texts) and all(_NUMBER.fullmatch(one) for one in texts if one not in special):
        return NumberGuess(ColumnType.FLOAT, f"{special[0]!r} is a value of float")
    return _of_separators(texts)


def _of_separators(texts: Collection[str]) -> NumberGuess:
    """Guess which of comma, point and blank is the decimal point, and which one groups digits."""
    forms = [(",", "."), (".", ","), (",", " "), (",", "\xa0"), (".", " "), (".", "'")]
    fits = [(decimal, group) for decimal, group in forms if _fits(texts, decimal, group)]
    if not fits:
        return NumberGuess(None)
    clear = [fit for fit in fits if _decisive(texts, *fit)]
    rivals = {decimal for decimal, _ in fits}
    if not clear or (len(rivals) > 1 and len({decimal for decimal, _ in clear}) > 1):
        example = next(text for text in texts if "," in text or "." in text or not _INTEGER.fullmatch(text))
        return NumberGuess(None, f"undecided: {example!r} may have a decimal point or grouped digits")
    decimal, group = clear[0]
    evidence = [text for text in texts if _is_proof(text, decimal, group)]
    group = group if any(group in text.strip() for text in texts) else ""
    note = f"{counted(len(evidence), 'distinct text')} such as {evidence[0]!r} can only be read so"
    return NumberGuess(ColumnType.NUMERIC, note, decimal, group)


def _fits(texts: Collection[str], decimal: str, group: str) -> bool:
    form = re.compile(_GROUPED.format(re.escape(group), re.escape(decimal)), re.ASCII)
    return all(map(form.fullmatch, texts))


def _decisive(texts: Collection[str], decimal: str, group: str) -> bool:
    return any(_is_proof(text, decimal, group) for text in texts)


def _is_proof(text: str, decimal: str, group: str) -> bool:
    """Whether a text that fits cannot be read with the separators exchanged."""
    text = text.strip()
    whole, point, fraction = text.partition(decimal)
    if group in whole and (point or whole.count(group) > 1 or group not in ",."):
        return True
    return bool(point) and (len(fraction) != 3 or whole.lstrip("+-") == "0" or len(whole.lstrip("+-")) > 3)  # noqa: PLR2004
