"""What an in-memory jobs table knows by time."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

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
