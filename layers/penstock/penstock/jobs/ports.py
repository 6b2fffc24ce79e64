"""The ports of jobs: the jobs table, queues and text files."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import Protocol

from penstock.errors import YieldedError
from penstock.model.commit import CommitNote
from penstock.model.job import Claim, Failure, Job, Progress, Receipt
from penstock.model.job_status import JobState, JobStatus
from penstock.model.object import Source
from penstock.model.upload import Unfinished


class JobStore(Protocol):
    """The jobs table. A write with a claim raises LeaseLostError if the claim is no longer held."""

    def claim(
        self, job: Job, *, lease: float, seconds: float = 0.0, memory: int = 0, archive_job: str = ""
    ) -> Claim | JobStatus:
        """Claim a job for ``lease`` seconds. ``seconds`` is the time left in the invocation, ``memory`` its bytes.

        ``archive_job``: the job of the archive of a large member.

        For a job that has ended, returns its status. Raises JobInProgressError while another attempt holds the job.
        Raises what ``check_order`` raises, and records it. For tables, raises SupersededError once a newer version was
        claimed through the same route. If an earlier attempt may have finished the job, this error is not raised, but
        is the claim's ``refusal``.

        For a source of an unversioned bucket whose bytes are those of another job, returns the status of that job, if
        one of both was found by a listing (docs/adr/0024).
        """

    def known_order(self, job: Job) -> str:
        """Return the highest order that was claimed of a source through its route; empty if there is none."""

    def unclaimed(self, jobs: Sequence[Job]) -> Collection[str]:
        """Return the ids of the jobs that may be delivered without a claim.

        A listed source may be delivered already. The bytes of an unversioned source are claimed here, for routes that
        would add them twice.
        """

    def claim_once(self, job: Job, what: str, *, at_once: bool = False) -> JobStatus | None:
        """Claim the objects that ``what`` is a digest of. Returns another job that has them, and has ended.

        A job that has failed before it delivered anything loses its claim. ``at_once``: so does every failed job,
        because one commit delivers all rows. Raises JobInProgressError while another job is at work.
        """

    def check_order(self, job: Job) -> None:
        """Raises YieldedError while the job of a newer version is unfinished, unless another job waits for this one.

        Raises SupersededError once the newer job has succeeded.
        """

    def yield_to(self, claim: Claim, error: YieldedError) -> None:
        """Let the job wait until the newer job has ended. If that fails, the reconciler retries this one.

        It uses up no attempt.
        """

    def heartbeat(self, claim: Claim, progress: Progress, *, lease: float, memory: int = 0) -> None:
        """Record progress and peak memory in bytes, and renew the lease."""

    def record_upload(self, claim: Claim, upload_id: str) -> None:
        """Record a multipart upload of the job, so that the upload can be ended by its id when the job ends."""

    def release(self, claim: Claim, failure: Failure) -> None:
        """Release the lease for another attempt. The job waits."""

    def close(
        self,
        claim: Claim,
        state: JobState,
        *,
        receipt: Receipt | None = None,
        failure: Failure | None = None,
    ) -> None:
        """End the job in a final state."""

    def hold(self, claim: Claim, receipt: Receipt, note: CommitNote) -> None:
        """Let the job wait for the commit of its complete files. It is COMMITTING, and nobody has a lease.

        The id of the commit that took it in an earlier run stays on its record.
        """

    def note_unused(self, job_id: str) -> None:
        """Note that a job fails whose files no commit may have: they are deleted later (`jobs.reconcile.unused`)."""

    def skip(self, source: Source) -> None:
        """Record a source that matches no route."""

    def record_many(self, done: Sequence[tuple[Job, Receipt]], *, seconds: float) -> None:
        """Record jobs that succeeded without a claim in ``seconds``. Replaces existing records."""

    def get(self, job_id: str) -> JobStatus | None: ...

    def reopen(self, status: JobStatus) -> bool:
        """Let a job that has failed, or that no attempt works on, wait for another delivery of its event.

        Returns False if another attempt has the job, or if its record has changed since it was read. The caller must
        check that its execution has ended. Progress and times are reset, the number of attempts is allowed once more,
        and `Claim.redrives` is increased by one.
        """

    def supersede(self, job_id: str, by: str) -> bool:
        """End a waiting job whose event now belongs to the job ``by``. Returns False if the job does not wait."""

    def search(self, *, prefix: str = "", source: str = "", states: Collection[JobState] = ()) -> Iterator[JobStatus]:
        """Yield jobs, unordered: by the prefix of their id, the URI of their source and their state.

        Scans the whole table, page by page, however few jobs match.
        """


class OpenJobs(Protocol):
    """The unfinished jobs, by the time when the reconciler must check them.

    A write returns False if the job was taken, renewed or ended since its status was read.
    """

    def due(self, limit: int) -> Sequence[JobStatus]:
        """Return at most ``limit`` jobs that must be checked now, the longest overdue first. Never scans."""

    def get(self, job_id: str) -> JobStatus | None:
        """Return the record of a job, ended or not, without the progress of the spans of its execution."""

    def look_again(self, status: JobStatus, at: float) -> bool:
        """Postpone the next check to ``at``."""

    def restart(self, status: JobStatus, at: float) -> bool:
        """Revoke a job: it waits for another delivery of its event, until ``at``.

        Increases ``sends``, which a claim resets to 0.
        """

    def begin_abort(self, status: JobStatus, at: float, failure: Failure) -> bool:
        """Block claims of the job until ``at``, when it is checked again, and record its failure.

        Increases ``aborts``.
        """

    def end(self, status: JobStatus, state: JobState, failure: Failure) -> bool:
        """End a job in a final state."""

    def send_again(self, status: JobStatus, at: float) -> bool:
        """Note that a COMMITTING job is announced to its table once more, and looked at ``at``. Increases ``sends``."""

    def unused(self, limit: int) -> Sequence[str]:
        """Return the ids of at most ``limit`` failed jobs whose files may be deleted now."""

    def delete_unused(self, status: JobStatus, until: float) -> bool:
        """Keep a failed job from being redriven while its files are deleted, ``until`` then at most."""

    def forget_unused(self, job_id: str) -> None:
        """Note that nothing is left to be deleted."""

    def fail_unrecorded(self, job: Job, failure: Failure) -> bool:
        """Record a job that failed before any attempt claimed it. Returns False if it has a record."""

    def owner(self, upload_id: str) -> JobStatus | None:
        """Return the job of an upload, or None if the upload was not recorded or the record of the job is gone."""

    def lock(self, task: str, seconds: float) -> float | None:
        """Take a task that is due every ``seconds``, for one function at a time. Returns None if it is not due.

        Else returns the time when the task was first taken.
        """


class OwnUploads(Protocol):
    """The multipart uploads in the destination bucket that functions of this stack created."""

    def older_than(self, seconds: float) -> Iterator[Unfinished]:
        """Yield the open uploads that are older than ``seconds``."""

    def end(self, upload: Unfinished) -> None:
        """Abort an upload. An upload that is gone is no error."""


class DeadLetterQueue(Protocol):
    """The queue of messages that failed in five deliveries."""

    def receive(self) -> Sequence[tuple[str, str]]:
        """Return at most ten bodies, each with its receipt handle. They are hidden for some seconds."""

    def delete(self, receipt_handle: str) -> None: ...


class MessageQueue(Protocol):
    """The queue that S3 notifies."""

    def postpone(self, queue_arn: str, receipt_handle: str, seconds: int) -> None:
        """Hide a message for ``seconds`` (0 to 43,200) before it is delivered again."""


class Texts(Protocol):
    """Small text files by URI: a path, ``file://`` or ``s3://``."""

    def read(self, uri: str) -> str:
        """Return the text, at most 1 MiB. Raises ConfigurationError with the URI if it cannot be read."""


class EventQueue(Protocol):
    """The queue that S3 notifies, for sending such notifications."""

    def send(self, event: str) -> None:
        """Send one notification, in the format of S3."""
