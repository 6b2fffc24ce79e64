"""The fields of rows that have a header: by name, or by position (``#3``) whatever the name.

A field without a name, or with the name of another one, is called by its position.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence

from penstock.model.column import POSITION


def places_of(source: str, names: Sequence[str]) -> list[int]:
    """Return where the fields of this name are; if there is none, where the field of this position is."""
    found = [place for place, name in enumerate(names) if name == source]
    position = None if found else POSITION.fullmatch(source)
    return [int(position[1]) - 1] if position and int(position[1]) <= len(names) else found


def fields_without(taken: Collection[str], names: Sequence[str]) -> list[tuple[str, int]]:
    """Return the fields that none of the sources in ``taken`` means: what each is called, and where it is."""
    others = [(name, place) for place, name in enumerate(names) if name not in taken]
    if not others:
        return []
    used = {place for source in taken if source.startswith("#") for place in places_of(source, names)}
    times = Counter(names)
    return [
        (name if name.strip() and times[name] == 1 else f"#{place + 1}", place)
        for name, place in others
        if place not in used
    ]
