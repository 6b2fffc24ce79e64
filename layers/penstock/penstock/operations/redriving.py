"""A failed job, once more: its item waits again, and the event of its upload is sent again, as S3 sent it.

It is the same job: same id, same order among the versions of its source, same ledger. What the ledger knows is not
loaded again.
"""

from __future__ import annotations

from dataclasses import dataclass

from penstock.errors import JobStandsError
from penstock.events import notification
from penstock.model import JobState, JobStatus, Source
from penstock.ports import EventQueue, JobStore

_WHY_NOT = {
    JobState.RUNNING: "is at work",
    JobState.EXECUTING: "is at work",
    JobState.SUCCEEDED: "has succeeded",
    JobState.SUPERSEDED: "was superseded: a newer version of its source stands",
    JobState.SKIPPED: "was skipped: no route takes its source",
}


@dataclass(frozen=True, slots=True)
class Redriver:
    """Begins failed jobs again."""

    jobs: JobStore
    queue: EventQueue

    def __call__(self, status: JobStatus) -> Source:
        """Begin a job again; answers the source whose event was sent.

        One that waits is sent the event once more: the one that it waits for may be lost, and a copy does no harm.
        Raises JobStandsError where `upload_of` does, and where somebody else was quicker.
        """
        upload = upload_of(status)
        if status.state is JobState.FAILED and not self.jobs.begin_again(status):
            raise JobStandsError(f"job {status.job_id} was begun again by somebody else", hint="`penstock watch` it.")
        # A crash before this leaves a job that waits: redriven again, its event is sent.
        self.queue.send(notification(upload, job_id=status.job_id))
        return upload


def upload_of(status: JobStatus) -> Source:
    """The source of a job that can be begun again.

    Raises JobStandsError unless it has failed or waits, or where its item does not hold all that its event said.
    """
    if status.state not in (JobState.FAILED, JobState.WAITING):
        raise JobStandsError(f"job {status.job_id} {_WHY_NOT[status.state]}")
    if status.upload is None:
        raise JobStandsError(
            f"job {status.job_id} is on record without its event: an earlier Penstock wrote it",
            hint="Upload the source again.",
        )
    return status.upload
