"""A scenario yields checks: each has an answer or a state, and whether it is as expected."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeAlias

from penstock_local.sam_local.functions import Functions
from penstock_local.sam_local.resources import Resources


@dataclass(frozen=True, slots=True)
class Check:
    """The answer to an event, or the state of the account after it; ``problem`` is empty if it is right."""

    name: str
    found: object
    problem: str = ""


Scenario: TypeAlias = Callable[[Resources, Functions], Iterator[Check]]
"""Sends events in order. The caller stops at the first problem, because later events depend on earlier ones."""


def check(name: str, found: object, expected: object) -> Check:
    """Compare. A mapping is right if it contains the expected entries; it may contain more."""
    if isinstance(found, dict) and isinstance(expected, dict):
        right = {**found, **expected} == found
    else:
        right = found == expected
    return Check(name, found, "" if right else f"WRONG: expected {expected}")
