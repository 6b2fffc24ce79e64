"""Reports the progress of a unit of an execution while it runs: a span, a piece of a survey, an index pass."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

from penstock.errors import ServiceUnavailableError
from penstock.large_jobs.ports import ExecutionStore
from penstock.model.job import NO_PROGRESS, Progress
from penstock.model.job_status import Stage

# Frequent enough to watch. 10,000 workers then make 2,000 writes a second; 32 workers share an item.
HEARTBEAT_SECONDS = 5.0
# The first progress appears soon after the start.
FIRST_SECONDS = 1.0


@dataclass(slots=True)
class UnitHeartbeat:
    """Records the progress that it is called with: after ``first`` seconds, then every ``every`` seconds."""

    executions: ExecutionStore
    execution: str
    stage: Stage
    unit: int
    every: float = HEARTBEAT_SECONDS
    clock: Callable[[], float] = time.monotonic
    first: float = FIRST_SECONDS
    progress: Progress = NO_PROGRESS
    _last: float = field(init=False)

    def __post_init__(self) -> None:
        # A unit that is done earlier only writes its receipt.
        self._last = self.clock() - self.every + self.first

    def __call__(self, progress: Progress) -> None:
        self.progress = progress
        if self.clock() - self._last < self.every:
            return
        self._last = self.clock()
        # A failed heartbeat must not stop the work. The next heartbeat records the progress.
        with suppress(ServiceUnavailableError):
            self.write()

    def write(self) -> None:
        """Record the last progress."""
        self.executions.record_progress(self.execution, self.stage, self.unit, self.progress)
