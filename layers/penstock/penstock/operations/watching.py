"""Jobs as they go on."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from penstock.errors import UnknownJobError
from penstock.jobs.ports import JobStore
from penstock.model.job_status import JobStatus
from penstock.operations.ports import JobTimes

# Seconds that the index may lag behind the jobs table, or this machine's clock run ahead of AWS's.
LAG = 60.0
# Reads at once: each takes some 5 ms.
READS = 8


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


def read_jobs(jobs: JobStore, ids: Collection[str]) -> list[JobStatus]:
    """Those of the jobs that are on record, several reads at once."""
    if not ids:
        return []
    with ThreadPoolExecutor(min(READS, len(ids)), thread_name_prefix="jobs-get") as threads:
        return [status for status in threads.map(jobs.get, ids) if status]


@dataclass
class JobWatcher:
    """All jobs that have not ended, and those that end. New ones, however short, are looked for every ``rescan``
    seconds. ``now`` gives Unix seconds."""

    jobs: JobStore
    times: JobTimes
    rescan: float
    clock: Callable[[], float] = time.monotonic
    now: Callable[[], float] = time.time
    _open: set[str] = field(default_factory=set)
    # When each job ended that was shown so, or had ended before; and when that was noted, to forget it later.
    _ended: dict[str, tuple[float, float]] = field(default_factory=dict)
    _scanned: float | None = None

    def look(self) -> list[JobStatus]:
        """The jobs that are open now and, this once, those that have ended since; in the order of their beginning."""
        ids = set(self._open)
        if self._scanned is None or self.clock() - self._scanned >= self.rescan:
            ids |= self._scan()
        found = [status for status in read_jobs(self.jobs, ids) if not self._is_told(status)]
        self._open = {status.job_id for status in found if not status.state.final}
        for status in found:
            if status.state.final:
                self._note(status.job_id, status.finished_at)
        return sorted(found, key=lambda status: (status.started_at, status.job_id))

    def _scan(self) -> set[str]:
        """The ids of jobs that are open or have ended since the last scan."""
        first, self._scanned = self._scanned is None, self.clock()
        # Before those that have ended: a job that ends in between is among those.
        ids = set(self.times.unfinished())
        ended = self.times.ended_since(self.now() - LAG - self.rescan)
        self._forget()
        if first:
            for job_id, at in ended.items():
                self._note(job_id, at)
            return ids
        return ids | {job_id for job_id, at in ended.items() if self._told_at(job_id) != at}

    def _is_told(self, status: JobStatus) -> bool:
        """Whether this very end was shown: a job that began again ends again."""
        return status.state.final and self._told_at(status.job_id) == status.finished_at

    def _told_at(self, job_id: str) -> float | None:
        return self._ended[job_id][0] if job_id in self._ended else None

    def _note(self, job_id: str, finished_at: float) -> None:
        self._ended[job_id] = finished_at, self.clock()

    def _forget(self) -> None:
        """What no look at the index can find again."""
        until = self.clock() - 3 * (LAG + self.rescan)
        self._ended = {job_id: noted for job_id, noted in self._ended.items() if noted[1] >= until}
