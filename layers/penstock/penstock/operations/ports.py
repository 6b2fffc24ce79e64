"""The ports of operations, in addition to the jobs table."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Protocol

from penstock.model.record import Reject


class JobTimes(Protocol):
    """Jobs by time, without a scan. The index behind it lags slightly behind the jobs table."""

    def unfinished(self) -> Collection[str]:
        """Return the ids of all jobs that have not ended."""

    def ended_since(self, since: float) -> Mapping[str, float]:
        """Return the ids and ends (Unix seconds) of the jobs that ended since then. The cost grows with the days."""


class RejectReader(Protocol):
    """Reads the rejects that a `RejectLog` stored."""

    def read(self, job_id: str) -> Iterator[Reject]:
        """Yield rejects in the order of spans and chunks. Yields nothing if there are none, or if they have expired."""
