"""Follows jobs while they run."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from penstock.errors import UnknownJobError
from penstock.jobs.ports import JobStore
from penstock.model.job_status import JobStatus
from penstock.operations.ports import JobTimes

# Seconds that the index may lag behind the jobs table, or this machine's clock may be ahead of AWS's.
LAG = 60.0
# Reads at once: each takes about 5 ms.
READS = 8


def follow(
    jobs: JobStore, job_id: str, *, interval: float, sleep: Callable[[float], None] = time.sleep
) -> Iterator[JobStatus]:
    """Yield the status of a job now, and every ``interval`` seconds until it ends. Each costs one small read."""
    while True:
        status = jobs.get(job_id)
        if status is None:
            raise UnknownJobError(f"the record of job {job_id} no longer exists")
        yield status
        if status.state.final:
            return
        sleep(interval)


def read_jobs(jobs: JobStore, ids: Collection[str]) -> list[JobStatus]:
    """Return the existing jobs of these ids, with several reads at once."""
    if not ids:
        return []
    with ThreadPoolExecutor(min(READS, len(ids)), thread_name_prefix="jobs-get") as threads:
        return [status for status in threads.map(jobs.get, ids) if status]


@dataclass
class JobWatcher:
    """Shows all jobs that have not ended, and jobs when they end.

    New jobs, however short, are searched for every ``rescan`` seconds. ``now`` returns Unix seconds.
    """

    jobs: JobStore
    times: JobTimes
    rescan: float
    clock: Callable[[], float] = time.monotonic
    now: Callable[[], float] = time.time
    _open: set[str] = field(default_factory=set)
    # The end of each job that was shown as ended, or ended before; and when this was noted, to drop it later.
    _ended: dict[str, tuple[float, float]] = field(default_factory=dict)
    _scanned: float | None = None

    def look(self) -> list[JobStatus]:
        """Return the open jobs and, once each, the jobs that ended since the last call, in the order of their start."""
        ids = set(self._open)
        if self._scanned is None or self.clock() - self._scanned >= self.rescan:
            ids |= self._scan()
        found = [status for status in read_jobs(self.jobs, ids) if not self._was_shown(status)]
        self._open = {status.job_id for status in found if not status.state.final}
        for status in found:
            if status.state.final:
                self._note(status.job_id, status.finished_at)
        return sorted(found, key=lambda status: (status.started_at, status.job_id))

    def _scan(self) -> set[str]:
        """Return the ids of jobs that are open, or ended since the last scan."""
        first, self._scanned = self._scanned is None, self.clock()
        # Read before the ended jobs: a job that ends in between is found among those.
        ids = set(self.times.unfinished())
        ended = self.times.ended_since(self.now() - LAG - self.rescan)
        self._forget()
        if first:
            for job_id, at in ended.items():
                self._note(job_id, at)
            return ids
        return ids | {job_id for job_id, at in ended.items() if self._shown_end(job_id) != at}

    def _was_shown(self, status: JobStatus) -> bool:
        """Whether this end of the job was shown. A job that is redriven ends again."""
        return status.state.final and self._shown_end(status.job_id) == status.finished_at

    def _shown_end(self, job_id: str) -> float | None:
        return self._ended[job_id][0] if job_id in self._ended else None

    def _note(self, job_id: str, finished_at: float) -> None:
        self._ended[job_id] = finished_at, self.clock()

    def _forget(self) -> None:
        """Drop ends that the index no longer returns."""
        until = self.clock() - 3 * (LAG + self.rescan)
        self._ended = {job_id: noted for job_id, noted in self._ended.items() if noted[1] >= until}
