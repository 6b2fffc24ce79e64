"""The ports of operations, in addition to the jobs table."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Protocol

from penstock.model.job_status import JobStatus
from penstock.model.record import Reject


class JobTimes(Protocol):
    """Jobs by time, without a scan. The index behind it lags slightly behind the jobs table."""

    def unfinished(self) -> Collection[str]:
        """Return the ids of all jobs that have not ended."""

    def ended_since(self, since: float) -> Mapping[str, float]:
        """Return the ids and ends (Unix seconds) of the jobs that ended since then. The cost grows with the days."""

    def ended_between(self, since: float, until: float) -> Iterator[str]:
        """Yield the ids of the jobs that ended at ``since`` or later and before ``until``, the last first.

        Memory: one page of each shard of a day.
        """


class JobRecords(Protocol):
    """Reads the records of many jobs."""

    def read(self, ids: Sequence[str]) -> Sequence[JobStatus]:
        """Return the records that exist, in the order of ``ids``. The progress of running executions is left out."""


class RejectReader(Protocol):
    """Reads the rejects that a `RejectLog` stored."""

    def read(self, job_id: str) -> Iterator[Reject]:
        """Yield rejects in the order of spans and chunks. Yields nothing if there are none, or if they have expired."""
