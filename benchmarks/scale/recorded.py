"""What `python -m benchmarks.scale --plan` has measured, as it is on record."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

RESULT = Path(__file__).parents[1] / "results/scale.md"


@dataclass(frozen=True, slots=True)
class Recorded:
    """A plan: the memory that it added to the process, in MiB, and its seconds of CPU."""

    memory: int
    seconds: float


def recorded(name: str) -> Recorded:
    """Return the figures of a plan. Raises ValueError if there is none."""
    found = re.search(
        rf"^\| {re.escape(name)} \|.* ([\d,]+) \((\d+)\) \| ([\d.]+) \|$", RESULT.read_text(), re.MULTILINE
    )
    if found is None:
        raise ValueError(f"{RESULT.name} does not have: {name}")
    peak, before, seconds = found.groups()
    return Recorded(int(peak.replace(",", "")) - int(before), float(seconds))
