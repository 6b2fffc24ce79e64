"""Jobs as they go on."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from penstock.errors import UnknownJobError
from penstock.model import JobState, JobStatus
from penstock.ports import JobStore

OPEN = (JobState.RUNNING, JobState.WAITING, JobState.EXECUTING)


def follow(
    jobs: JobStore, job_id: str, *, interval: float, sleep: Callable[[float], None] = time.sleep
) -> Iterator[JobStatus]:
    """The status of a job now, and every ``interval`` seconds until it has ended: one small read each."""
    while True:
        status = jobs.get(job_id)
        if status is None:
            raise UnknownJobError(f"job {job_id} is no longer on record")
        yield status
        if status.state.final:
            return
        sleep(interval)


@dataclass
class Watch:
    """All jobs that have not ended. What began meanwhile is looked for every ``rescan`` seconds: it costs a scan."""

    jobs: JobStore
    rescan: float
    clock: Callable[[], float] = time.monotonic
    _known: dict[str, JobStatus] = field(default_factory=dict)
    _scanned: float | None = None

    def look(self) -> list[JobStatus]:
        """The jobs that are open now and, this once, those that have ended since; in the order of their beginning."""
        now = self.clock()
        if self._scanned is None or now - self._scanned >= self.rescan:
            self._scanned = now
            found = {status.job_id: status for status in self.jobs.search(states=OPEN)}
        else:
            found = {}
        for job_id in self._known.keys() - found.keys():
            status = self.jobs.get(job_id)
            if status:
                found[job_id] = status
        self._known = {job_id: status for job_id, status in found.items() if not status.state.final}
        return sorted(found.values(), key=lambda status: (status.started_at, status.job_id))
