"""Guess how the dates and times of a column are written."""

from __future__ import annotations

import re
from collections.abc import Collection
from datetime import datetime
from typing import NamedTuple

from penstock.model.column import ColumnType
from penstock.model.wording import counted

_ISO_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_ISO_TIME = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]{1,6})?)?(Z|[+-][0-9]{2}(?::?[0-9]{2})?)?"
)
_PACKED = re.compile(r"(?:19|20)[0-9]{6}")
_CLOCKS = {"": "", " 00:00": " %H:%M", " 00:00:00": " %H:%M:%S"}
_DATES = ["%d{0}%m{0}%Y", "%m{0}%d{0}%Y", "%Y{0}%m{0}%d", "%d{0}%m{0}%y", "%m{0}%d{0}%y", "%y{0}%m{0}%d"]
_SEPARATORS = "/.-"
_NAMED = ["%d %b %Y", "%d-%b-%Y", "%b %d, %Y", "%b %d %Y", "%b-%d-%Y", "%d %B %Y", "%B %d, %Y", "%d-%B-%Y", "%B %d %Y"]
FORMATS = [
    date + clock
    for date in (*(form.format(between) for between in _SEPARATORS for form in _DATES), *_NAMED)
    for clock in _CLOCKS.values()
    if date != "%Y-%m-%d"
]


class TimeGuess(NamedTuple):
    """``type`` is None if the texts are no dates, or if it is undecided which: ``note`` says why."""

    type: ColumnType | None
    note: str = ""
    format: str = ""


def guess_times(texts: Collection[str]) -> TimeGuess:
    """Guess by the distinct texts of a column."""
    if all(_ISO_DATE.fullmatch(text) or _ISO_TIME.fullmatch(text) for text in texts):
        return _iso(texts)
    first = next(iter(texts))
    if not any(map(str.isdigit, first)):
        return TimeGuess(None)
    fits = [form for form in FORMATS if _matches(first, form)]
    fits = [form for form in fits if all(_matches(text, form) for text in texts)]
    if len(fits) > 1 and len({_plain(form) for form in fits}) == 1:
        fits = fits[:1]  # %b and %B: May
    if not fits:
        return TimeGuess(None)
    if len(fits) > 1:
        return TimeGuess(None, f"undecided: {' and '.join(fits)} read all of them, such as {first!r}")
    kind = ColumnType.TIMESTAMP if "%H" in fits[0] else ColumnType.DATE
    century = "years 69 to 99 are before 2000" if "%y" in fits[0] else ""
    return TimeGuess(kind, "; ".join(filter(None, (_evidence(texts, fits[0]), century))), fits[0])


def _iso(texts: Collection[str]) -> TimeGuess:
    try:
        for text in texts:
            datetime.fromisoformat(text[:10])
    except ValueError:
        return TimeGuess(None, f"looks like ISO 8601, but {text!r} is none")
    dates = [text for text in texts if _ISO_DATE.fullmatch(text)]
    if len(dates) == len(texts):
        return TimeGuess(ColumnType.DATE)
    note = "" if any(map(_zone, texts)) else "without a zone: read as UTC"
    note = f"{counted(len(dates), 'distinct text')} are dates: read as midnight, UTC" if dates else note
    return TimeGuess(ColumnType.TIMESTAMP, note)


def is_packed(texts: Collection[str]) -> bool:
    """Whether integers may be dates such as 20241231."""
    return all(_PACKED.fullmatch(text) and _matches(text, "%Y%m%d") for text in texts)


def _zone(text: str) -> str:
    found = _ISO_TIME.fullmatch(text)
    return (found[1] or "") if found else ""


def _plain(form: str) -> str:
    return form.replace("%B", "%b")


def _matches(text: str, form: str) -> bool:
    try:
        datetime.strptime(text, form)  # noqa: DTZ007  # only a check
    except ValueError:
        return False
    return True


def _evidence(texts: Collection[str], form: str) -> str:
    """Say how many texts only this order of day and month reads."""
    rival = _exchanged(form)
    if not rival:
        return ""
    proofs = [text for text in texts if not _matches(text, rival)]
    return f"{counted(len(proofs), 'distinct text')} of {len(texts):,} such as {proofs[0]!r}, never {rival}"


def _exchanged(form: str) -> str:
    if "%m" not in form or form.lower().startswith("%y"):
        return ""
    return form.replace("%d", "%_").replace("%m", "%d").replace("%_", "%m")
