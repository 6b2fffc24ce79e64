"""The jobs of a period, by the index of the jobs table: its cost does not grow with the jobs outside of the period."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from itertools import islice

from penstock.model.job_status import JobState, JobStatus
from penstock.operations.ports import JobRecords, JobTimes

# Records that are read at once, and held in memory.
PAGE = 100


@dataclass(frozen=True, slots=True)
class Period:
    """From ``since`` to ``until``, which is not part of it; both in Unix seconds."""

    since: float
    until: float

    def __contains__(self, at: float) -> bool:
        return self.since <= at < self.until


@dataclass(frozen=True, slots=True)
class JobHistory:
    """Reads the jobs of a period. Without ``states`` or ``routes``, those of all."""

    times: JobTimes
    records: JobRecords

    def __call__(
        self, period: Period, *, states: Collection[JobState] = (), routes: Collection[str] = ()
    ) -> Iterator[JobStatus]:
        """Yield the unfinished jobs that began in the period, then those that ended in it, the last first.

        Memory: the ids of all unfinished jobs, and a page of records.
        """
        for status in self._all(period, states):
            if (not states or status.state in states) and (not routes or status.route in routes):
                yield status

    def _all(self, period: Period, states: Collection[JobState]) -> Iterator[JobStatus]:
        wants_open = not states or any(not state.final for state in states)
        if wants_open:
            found = (status for status in self._read(iter(self.times.unfinished())) if status.started_at in period)
            # The index lags behind the table: a job may have ended since, and then comes below.
            still = [status for status in found if not status.state.final]
            yield from sorted(still, key=lambda status: (-status.started_at, status.job_id))
        if not states or any(state.final for state in states):
            ended = self._read(self.times.ended_between(period.since, period.until))
            yield from (status for status in ended if status.state.final and status.finished_at in period)

    def _read(self, ids: Iterator[str]) -> Iterator[JobStatus]:
        while page := list(islice(ids, PAGE)):
            yield from self.records.read(page)
