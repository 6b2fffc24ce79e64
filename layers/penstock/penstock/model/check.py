"""The result of one check of a stack, a bucket or a database: what was found, and what to do about it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Check:
    """One line of `penstock doctor`.

    ``name`` says what was checked, ``found`` what is there. ``ok`` is None if the check could not be made, or if it
    only informs. ``remedy`` is what the user does; empty if nothing is to be done.
    """

    name: str
    ok: bool | None
    found: str
    remedy: str = ""


def failed(checks: Iterable[Check]) -> tuple[Check, ...]:
    """Return the checks that failed."""
    return tuple(check for check in checks if check.ok is False)
