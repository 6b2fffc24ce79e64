"""The ports of a backfill."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from penstock.backfill.model import BackfillCounts, FoundObject, Missing
from penstock.model.job import Job
from penstock.model.job_status import JobStatus


class Origin(Protocol):
    """Where objects are found: a listing, an inventory or a file. In constant memory."""

    @property
    def requests(self) -> int:
        """The requests sent so far that are priced like a listing."""

    @property
    def reads(self) -> int:
        """The requests sent so far that are priced like a GET."""

    def objects(self, after: str = "") -> Iterator[FoundObject | Missing]:
        """Yield the current versions, from behind the position ``after``."""


class RecordFinder(Protocol):
    """The records of jobs."""

    def find(self, jobs: Sequence[Job]) -> Sequence[JobStatus | None]:
        """Return for each job of a listed source the record of it, or of the job that has delivered its bytes."""


class NotificationQueue(Protocol):
    """The queue that S3 notifies."""

    def send_all(self, bodies: Sequence[str]) -> None:
        """Send at most ten messages. Raises ServiceUnavailableError if one of them was not accepted."""

    def waiting(self) -> int:
        """Return about how many messages wait. The number lags behind by up to a minute."""


class Observer(Protocol):
    """Is told how far a backfill is."""

    def advance(self, counts: BackfillCounts) -> None: ...

    def pause(self, waiting: int) -> None:
        """The queue is deeper than allowed."""


@dataclass(frozen=True, slots=True)
class Estimated:
    """The expected job of an object: its time in seconds, whether the state machine runs it, and its price."""

    seconds: float
    is_large: bool
    dollars: float


class Estimator(Protocol):
    """Estimates a job from its source's name and size alone."""

    def __call__(self, job: Job, /) -> Estimated: ...
