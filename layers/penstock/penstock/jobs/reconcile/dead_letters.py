"""Reads the dead-letter queue, so that the jobs of its messages get a final record.

A message becomes a dead letter after five failed deliveries. In most cases its job has a record, and is handled like
any other job. A job that no attempt claimed has no record: the function was killed each time in a batch of small files,
or the routes could not be read. Such a job is recorded as failed, so that it can be redriven. The message, and with it
the alarm, stays until all its jobs have succeeded, were superseded or were skipped. Then it is deleted.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from penstock.errors import AttemptsExhaustedError
from penstock.jobs.events import DeadLetter, read_dead_letter
from penstock.jobs.ports import DeadLetterQueue, OpenJobs
from penstock.model.job import Failure, Job
from penstock.model.job_status import JobState
from penstock.model.object import Source
from penstock.model.source import Deadline
from penstock.routes import Routes, destination_of

# Not every minute: reading hides messages for seconds, and the alarm must not miss them each time.
EVERY_SECONDS = 7 * 60.0
# One run reads at most this many batches of ten.
BATCHES = 20

_GOOD = (JobState.SUCCEEDED, JobState.SUPERSEDED, JobState.SKIPPED)


@dataclass(frozen=True, slots=True)
class DeadLetters:
    """The dead-letter queue of a stack."""

    open_jobs: OpenJobs
    queue: DeadLetterQueue
    routes: Callable[[], Routes]
    margin: float = 10.0

    def __call__(self, deadline: Deadline) -> tuple[int, int]:
        """Return how many jobs were recorded as failed, and how many messages were deleted."""
        failed = deleted = 0
        for _ in range(BATCHES):
            if deadline.remaining() < self.margin or not (letters := self.queue.receive()):
                break
            for body, receipt in letters:
                letter = read_dead_letter(body)
                recorded, good = self._settle(letter)
                failed += recorded
                if good:
                    self.queue.delete(receipt)
                    deleted += 1
        return failed, deleted

    def _settle(self, letter: DeadLetter) -> tuple[int, bool]:
        """Return how many jobs of a message had no record, and whether the message can be deleted."""
        named = self.open_jobs.get(letter.job_id) if letter.job_id else None
        if letter.job_id and not letter.sources:
            return 0, named is None or named.state.final
        if named:
            # With the current routes, the source may belong to another job, which was never started.
            return 0, named.state in _GOOD
        recorded, good = 0, bool(letter.sources)
        for source in letter.sources:
            job = self._job_of(source)
            status = self.open_jobs.get(job.id) if job else None
            if job and status is None:
                recorded += self.open_jobs.fail_unrecorded(job, _failure(source))
            good &= job is None or (status is not None and status.state in _GOOD)
        return recorded, good

    def _job_of(self, source: Source) -> Job | None:
        route = self.routes().route_of(source)
        return Job(source, route, destination_of(route, source)) if route else None


def _failure(source: Source) -> Failure:
    return Failure.of(
        AttemptsExhaustedError(
            f"{source.uri}: its message was delivered five times, and each time the function was killed or failed "
            "before it started the job: see the log of the function"
        )
    )
