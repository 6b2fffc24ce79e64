"""How long to wait before a retry."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Backoff:
    """Full jitter: a random delay of up to ``base`` seconds, doubled with every failure in a row, at most ``cap``.

    There are no more retries after ``attempts`` failures in a row.
    """

    attempts: int = 5
    base: float = 0.1
    cap: float = 5.0
    draw: Callable[[], float] = random.random

    def delay(self, failures: int) -> float:
        """Return the seconds to wait after so many failures in a row."""
        return self.draw() * min(self.cap, self.base * 2.0 ** (failures - 1))
