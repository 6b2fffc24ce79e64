"""Keeps the lease of one attempt, and records its progress."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from penstock.jobs.peak_memory import peak_memory
from penstock.jobs.ports import JobStore
from penstock.limits import SETTLED_SECONDS
from penstock.model.job import Claim, Progress


@dataclass(slots=True)
class Heartbeat:
    """Writes progress to the jobs table and renews the lease, every ``every`` seconds.

    ``last`` is the time of the last request for the lease.
    """

    jobs: JobStore
    claim: Claim
    lease: float
    every: float
    clock: Callable[[], float]
    last: float
    progress: Progress = field(default_factory=Progress)

    def heartbeat(self, progress: Progress) -> None:
        """Keep the progress, and write it if ``every`` seconds have passed."""
        self.progress = progress
        if self.clock() - self.last >= self.every:
            self.write()

    def has_ended(self) -> bool:
        """Renew the lease if it expires soon. While the lease is valid, no other attempt can take or end the job.

        So a request that starts now and ends within `SETTLED_SECONDS` ends before the job does. Raises LeaseLostError
        if another attempt has the job.
        """
        if self.clock() - self.last >= self.lease - SETTLED_SECONDS:
            self.write()
        return False

    def write(self) -> None:
        """Write the last progress and renew the lease. A failed write does not renew it."""
        asked = self.clock()
        self.jobs.heartbeat(self.claim, self.progress, lease=self.lease, memory=peak_memory())
        self.last = asked
