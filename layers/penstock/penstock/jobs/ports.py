"""What jobs need: the jobs table, queues and text files."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import Protocol

from penstock.errors import YieldedError
from penstock.model.job import Claim, Failure, Job, Progress, Receipt
from penstock.model.job_status import JobState, JobStatus
from penstock.model.object import Source
from penstock.model.upload import Unfinished


class JobStore(Protocol):
    """The jobs table. Each write but ``skip`` is conditional on holding the claim and raises LeaseLostError."""

    def claim(self, job: Job, *, lease: float, seconds: float = 0.0, memory: int = 0) -> Claim | JobStatus:
        """Take a job for ``lease`` seconds. The invocation has so many seconds left, and so many bytes of memory.

        A job that has ended is answered with its status instead. Raises JobInProgressError while another attempt
        holds it, and, on record, what ``check_order`` raises. For tables, SupersededError as soon as a newer version
        was claimed through the same route. Where an earlier attempt may have done the job, that error is the claim's
        ``refusal``.
        """

    def check_order(self, job: Job) -> None:
        """Raises YieldedError while the job of a newer version is unfinished, unless another job waits for this one,
        and SupersededError once it has succeeded."""

    def yield_to(self, claim: Claim, error: YieldedError) -> None:
        """Let the job wait until the newer one has ended: whoever looks after unfinished jobs begins it again should
        that fail. It uses up no attempt."""

    def heartbeat(self, claim: Claim, progress: Progress, *, lease: float, memory: int = 0) -> None:
        """Record progress and the most bytes of memory that were used, and renew the lease."""

    def note_upload(self, claim: Claim, upload_id: str) -> None:
        """Note a multipart upload that was opened for the job, so that whoever ends the job can end it by its id."""

    def release(self, claim: Claim, failure: Failure) -> None:
        """Give the lease up for another attempt: the job waits."""

    def close(
        self,
        claim: Claim,
        state: JobState,
        *,
        receipt: Receipt | None = None,
        failure: Failure | None = None,
    ) -> None:
        """End the job in a final state."""

    def skip(self, source: Source) -> None:
        """Record a source that no route takes."""

    def record_many(self, done: Sequence[tuple[Job, Receipt]], *, seconds: float) -> None:
        """Put jobs on record that succeeded without a claim, in so many seconds, whatever stands there."""

    def get(self, job_id: str) -> JobStatus | None: ...

    def reopen(self, status: JobStatus) -> bool:
        """Let a job that has failed, or that nobody works on, wait for another delivery of its event; False if it is
        another's, or has changed since it was read. Whether its execution has ended the caller must know.

        Its progress begins anew, its time too, its attempts are as many again, and `Claim.redrives` counts one more.
        """

    def supersede(self, job_id: str, by: str) -> bool:
        """End a job that waits, because its event now makes the job ``by``; False where it does not wait."""

    def search(self, *, prefix: str = "", source: str = "", states: Collection[JobState] = ()) -> Iterator[JobStatus]:
        """Every job, in no order: those whose id begins so, of that source's URI, in one of these states.

        Reads the whole table, page by page, however few it finds.
        """


class OpenJobs(Protocol):
    """The unfinished jobs, by when the reconciler must look at them. A write answers False where a job has been taken,
    renewed or ended since its status was read."""

    def due(self, limit: int) -> Sequence[JobStatus]:
        """At most so many jobs that must be looked at now, the longest overdue first. Never a scan."""

    def get(self, job_id: str) -> JobStatus | None:
        """The record of a job, ended or not, as it is: without what the spans of its execution have done so far."""

    def look_again(self, status: JobStatus, at: float) -> bool:
        """Not before ``at``."""

    def restart(self, status: JobStatus, at: float) -> bool:
        """Take a job from whoever has it: it waits for another delivery of its event, until ``at``. Counts in
        ``sends``, which a claim sets to 0."""

    def begin_abort(self, status: JobStatus, at: float, failure: Failure) -> bool:
        """Nobody may claim the job before ``at``, when it is looked at again; why it fails is on record. Counts in
        ``aborts``."""

    def end(self, status: JobStatus, state: JobState, failure: Failure) -> bool:
        """End a job in a final state."""

    def fail_unrecorded(self, job: Job, failure: Failure) -> bool:
        """Put a job on record that failed before anybody claimed it; False where it has a record."""

    def owner(self, upload_id: str) -> JobStatus | None:
        """The job that has opened an upload; None where nobody noted it, or its record is gone."""

    def lock(self, task: str, seconds: float) -> float | None:
        """Since when a task is done, if it is due: every so many seconds, by one function at a time; else None."""


class OwnUploads(Protocol):
    """The multipart uploads of the destination bucket that functions of this stack have begun."""

    def older_than(self, seconds: float) -> Iterator[Unfinished]:
        """Those that are still open, and were begun longer ago."""

    def end(self, upload: Unfinished) -> None:
        """Abort one, or find it gone."""


class DeadLetterQueue(Protocol):
    """Where messages go that were delivered five times in vain."""

    def receive(self) -> Sequence[tuple[str, str]]:
        """At most ten bodies, each with the handle to delete it by. They are hidden for some seconds."""

    def delete(self, receipt_handle: str) -> None: ...


class MessageQueue(Protocol):
    """The queue that S3 notifies."""

    def postpone(self, queue_arn: str, receipt_handle: str, seconds: int) -> None:
        """Hide a message for so long (0 to 43,200 seconds) before it is delivered again."""


class Texts(Protocol):
    """Small text files by URI: a path, ``file://`` or ``s3://``."""

    def read(self, uri: str) -> str:
        """The whole file, at most 1 MiB. Raises ConfigurationError with the URI when it cannot be read."""


class EventQueue(Protocol):
    """The queue that S3 notifies, for whoever does the same."""

    def send(self, event: str) -> None:
        """Put one notification, as S3 writes it, into the queue."""
