"""One attempt to deliver a source."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from penstock.destinations.ports import ignore_upload
from penstock.errors import LeaseLostError
from penstock.model.job import Job, Progress, Receipt
from penstock.model.object import ObjectHead
from penstock.model.source import Deadline
from penstock.routes import Routes


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt at a job: the source pinned to ``head``, and the attempt's limits.

    ``number`` counts attempts from 1. ``heartbeat`` is called with the progress. ``margin`` is the number of seconds to
    keep in reserve. ``ended`` returns whether the job has ended without this attempt; then the attempt leaves nothing.
    ``check_order`` raises YieldedError or SupersededError if the job of a newer version comes first. ``check_start``
    raises an error if no further member of an archive is to be begun. ``rereadable``:
    the source can be read more than once. ``holder`` is the attempt of the claim, or the execution. ``record_upload``
    is called with the id of each multipart upload. ``is_new``: most likely there is no object at the
    destination. ``redrives`` counts the restarts of the job by a user. ``attempts`` are those on the record of the job,
    if they are not the ``number``.
    """

    job: Job
    head: ObjectHead
    number: int
    routes: Routes
    heartbeat: Callable[[Progress], None]
    deadline: Deadline
    margin: float
    ended: Callable[[], bool] = lambda: False
    rereadable: bool = True
    check_order: Callable[[], None] = lambda: None
    check_start: Callable[[], None] = lambda: None
    holder: str = ""
    record_upload: Callable[[str], None] = ignore_upload
    is_new: bool = False
    redrives: int = 0
    attempts: int = 0

    def check_publishing(self) -> None:
        """Raises an error if the attempt must not publish."""
        self.check_end()
        self.check_order()

    def check_end(self) -> None:
        """Raises LeaseLostError if the job has ended."""
        if self.ended():
            raise LeaseLostError(f"{self.job.source.uri}: the job ended before this attempt")


Delivery = Callable[[Attempt], Receipt]
"""Delivers one source, completely or not at all; raises PenstockError."""
