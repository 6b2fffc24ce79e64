"""How long to wait before trying again."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Backoff:
    """Full jitter: a random delay up to ``base`` seconds, doubled with every failure in a row, at most ``cap``.

    ``attempts`` failures in a row are the end.
    """

    attempts: int = 5
    base: float = 0.1
    cap: float = 5.0
    draw: Callable[[], float] = random.random

    def delay(self, failures: int) -> float:
        """Seconds to wait after so many failures in a row."""
        return self.draw() * min(self.cap, self.base * 2.0 ** (failures - 1))
