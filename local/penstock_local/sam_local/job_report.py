"""What stories are made of: the answers that were seen, and whether they are right."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeAlias

from penstock_local.sam_local.functions import Functions
from penstock_local.sam_local.site import Site


@dataclass(frozen=True, slots=True)
class Seen:
    """What came of an event, or stands in the account after it; ``problem`` is empty if it is right."""

    name: str
    found: object
    problem: str = ""


Story: TypeAlias = Callable[[Site, Functions], Iterator[Seen]]
"""Events in the order in which they come. It makes no sense to go on behind a problem."""


def seen(name: str, found: object, expected: object) -> Seen:
    """Right if what was found is what was expected; of a mapping, as far as something was."""
    if isinstance(found, dict) and isinstance(expected, dict):
        right = {**found, **expected} == found
    else:
        right = found == expected
    return Seen(name, found, "" if right else f"WRONG: expected {expected}")
