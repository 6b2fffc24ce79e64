"""One attempt to deliver a source."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from penstock.destinations.ports import unnoted
from penstock.errors import LeaseLostError
from penstock.model.job import Job, Progress, Receipt
from penstock.model.object import ObjectHead
from penstock.model.source import Deadline
from penstock.routes import Routes


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt at a job: the source pinned to ``head``, and what it must keep to.

    ``number`` counts attempts from 1, ``beat`` hears of progress, ``margin`` is the seconds to keep in hand. ``ended``
    tells whether the job has ended without this attempt, which then must leave nothing. ``check_order`` raises
    YieldedError or SupersededError where the job of a newer version comes first. ``rereadable``: the source can
    be read more than once. ``holder`` is the claim's attempt, or the execution, that has the job. ``note_upload`` hears
    of multipart uploads that are opened for it.
    """

    job: Job
    head: ObjectHead
    number: int
    routes: Routes
    beat: Callable[[Progress], None]
    deadline: Deadline
    margin: float
    ended: Callable[[], bool] = lambda: False
    rereadable: bool = True
    check_order: Callable[[], None] = lambda: None
    holder: str = ""
    note_upload: Callable[[str], None] = unnoted

    def check_publishing(self) -> None:
        """Raises what keeps an attempt from publishing."""
        self.check_end()
        self.check_order()

    def check_end(self) -> None:
        """Raises LeaseLostError when the job has ended."""
        if self.ended():
            raise LeaseLostError(f"{self.job.source.uri}: this attempt comes after the end of its job")


Carrier = Callable[[Attempt], Receipt]


"""Carries one source to its destination, whole or not at all; raises PenstockError."""
