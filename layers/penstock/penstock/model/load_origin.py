"""Where the rows of a load come from, for the report of loads that a destination may keep."""

from __future__ import annotations

from dataclasses import dataclass

from penstock.model.object import Source
from penstock.model.table import Mode


@dataclass(frozen=True, slots=True)
class LoadOrigin:
    """The source, the route, and the tables that a job loads, with their modes.

    ``attempt`` counts from 1, and again after each of ``redrives``; 0 if the report is to count the attempts.
    ``staged_with`` is the load id of the replacement whose other members are staged with it; empty if there is none.
    """

    source: Source
    route: str
    tables: tuple[tuple[str, Mode], ...]
    attempt: int = 1
    redrives: int = 0
    staged_with: str = ""
