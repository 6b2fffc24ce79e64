"""The fields of a line by their positions, as a route writes them.

id 1-10      characters 1 to 10 of the line
flag 11      character 11
name +30     the next 30 characters
rest 42-     everything from character 42 on
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from penstock.errors import InvalidRouteError

# A limit on positions: no record is longer than a GiB.
_DIGITS = r"[0-9]{1,10}"
_FIELD = re.compile(rf"(?P<name>\S(?:.*\S)?)\s+(?:\+(?P<width>{_DIGITS})|(?P<first>{_DIGITS})(?P<last>-{_DIGITS}|-|))")
_EXAMPLE = '"id 1-10", or "id +10" for the next 10'


@dataclass(frozen=True, slots=True)
class Layout:
    """The names of the fields, and where each begins and ends. ``width`` is where the last one ends; -1: at the line's
    end. A field without an end has the end None."""

    names: tuple[str, ...]
    places: tuple[slice, ...]
    width: int


def read_layout(fields: Sequence[str]) -> Layout:
    """Read the fields of a route. Fields may overlap, and leave gaps. Raises InvalidRouteError, without the option."""
    names: list[str] = []
    places: list[slice] = []
    end: int | None = 0
    for text in fields:
        found = _FIELD.fullmatch(text.strip())
        if not found:
            raise InvalidRouteError(f"{text!r} is not a name and a position, such as {_EXAMPLE}")
        start, end = _place(found, text, end)
        names.append(found["name"])
        places.append(slice(start, end))
    if not names:
        raise InvalidRouteError(f"are required: names and positions, such as {_EXAMPLE}")
    if doubled := [name for name, times in Counter(names).items() if times > 1]:
        raise InvalidRouteError(f"contain {doubled[0]!r} twice")
    ends = [place.stop for place in places]
    return Layout(tuple(names), tuple(places), -1 if None in ends else max(ends))


def _place(found: re.Match[str], text: str, before: int | None) -> tuple[int, int | None]:
    """Return where a field begins and ends, counted from 0. ``before``: the end of the field before it."""
    end: int | None
    if found["width"]:
        if before is None:
            raise InvalidRouteError(f"{text!r} follows a field that has no end")
        start, end = before, before + int(found["width"])
    else:
        start, last = int(found["first"]) - 1, found["last"]
        end = None if last == "-" else int(last[1:] or start + 1)
    if start < 0 or (end is not None and end <= start):
        raise InvalidRouteError(f"{text!r} holds no position: they count from 1, and the first is not after the last")
    return start, end
