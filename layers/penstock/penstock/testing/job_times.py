"""What an in-memory jobs table knows by time."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from penstock.model.job_status import JobStatus
from penstock.testing.jobs import MemoryJobStore


@dataclass
class MemoryJobTimes:
    """Implements ``JobTimes`` on top of a `MemoryJobStore`, without a lag."""

    jobs: MemoryJobStore

    def unfinished(self) -> Collection[str]:
        return [job_id for job_id, status in self.jobs.jobs.items() if not status.state.final]

    def ended_since(self, since: float) -> Mapping[str, float]:
        ended = {job_id: status.finished_at for job_id, status in self.jobs.jobs.items() if status.state.final}
        return {job_id: at for job_id, at in ended.items() if at >= since}

    def ended_between(self, since: float, until: float) -> Iterator[str]:
        ends = self.ended_since(since)
        yield from sorted((job_id for job_id, at in ends.items() if at < until), key=lambda one: -ends[one])


@dataclass
class MemoryJobRecords:
    """Implements ``JobRecords`` on top of a `MemoryJobStore`."""

    jobs: MemoryJobStore

    def read(self, ids: Sequence[str]) -> Sequence[JobStatus]:
        return [self.jobs.jobs[job_id] for job_id in ids if job_id in self.jobs.jobs]
