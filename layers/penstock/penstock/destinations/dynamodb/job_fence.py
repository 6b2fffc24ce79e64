"""Writes no items for a job that has ended. BatchWriteItem has no condition that could check this (ADR 15).

A writer sends a request only within `LOOK_SECONDS` after it has checked that the job has not ended, and a request takes
at most `REQUEST_SECONDS`. To end a job, a process first takes the job from its writers, then waits for
`SETTLED_SECONDS`, and then records the end.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from threading import Lock

from penstock.errors import LeaseLostError
from penstock.limits import LOOK_SECONDS


class JobFence:
    """For all threads that write items of one job. ``ended`` returns whether the job has ended without its writer."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.ended: Callable[[], bool] = lambda: False
        self._clock = clock
        self._until = float("-inf")
        self._lock = Lock()

    def check(self) -> None:
        """Call this right before a request is sent. Raises LeaseLostError if the job has ended."""
        with self._lock:
            # If the check took too long, it does not count.
            while (now := self._clock()) >= self._until:
                if self.ended():
                    raise LeaseLostError("the job has ended, or another process has it: no more items are written")
                self._until = now + LOOK_SECONDS
