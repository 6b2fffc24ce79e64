"""What operations need beside the jobs table."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Protocol

from penstock.model.record import Reject


class JobTimes(Protocol):
    """Which jobs there are at a time, without a scan. Both lag behind the jobs table by a moment."""

    def unfinished(self) -> Collection[str]:
        """The ids of all jobs that have not ended."""

    def ended_since(self, since: float) -> Mapping[str, float]:
        """The ids of the jobs that have ended since then, and when, in Unix seconds. Costs by the day."""


class RejectReader(Protocol):
    """What a `RejectLog` has kept."""

    def read(self, job_id: str) -> Iterator[Reject]:
        """In the order of spans and chunks; nothing where nothing was rejected, or it has expired."""
