"""That a job has not ended, while its items are written: DynamoDB's batches know no condition that could say so.

A request may be sent only within `LOOK_SECONDS` after its writer has looked whether the job still goes on, and takes at
most `REQUEST_SECONDS`. Whoever ends a job takes it from its writers first, waits for `SETTLED_SECONDS`, and only then
records the end.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from threading import Lock

from penstock.errors import LeaseLostError
from penstock.limits import LOOK_SECONDS


class JobFence:
    """For all threads that write items of one job. ``ended`` looks whether the job has ended without its writer."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.ended: Callable[[], bool] = lambda: False
        self._clock = clock
        self._until = float("-inf")
        self._lock = Lock()

    def check(self) -> None:
        """To be called right before a request is sent. Raises LeaseLostError when the job has ended."""
        with self._lock:
            # A look that took too long counts for nothing.
            while (now := self._clock()) >= self._until:
                if self.ended():
                    raise LeaseLostError("the job has ended, or is another's: no more of its items are written")
                self._until = now + LOOK_SECONDS
