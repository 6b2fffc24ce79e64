"""The ports of large jobs: work files, the state machine, its executions and an event bus."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from penstock.errors import YieldedError
from penstock.model.commit import CommitNote
from penstock.model.job import Claim, Failure, Job, Progress, Receipt
from penstock.model.job_status import Execution, JobState, JobStatus, Phase, Stage
from penstock.model.span import SpanReceipt, Stored


class WorkFiles(Protocol):
    """The files in the work bucket that the steps of a job exchange. Each is written completely or not at all."""

    @property
    def bucket(self) -> str: ...

    def read(self, key: str) -> bytes | None:
        """Read a file; None if it does not exist."""

    def read_part(self, stored: Stored) -> bytes:
        """Read some bytes of a file, fewer if it ends before. Raises SourceGoneError if it does not exist."""

    def write(self, key: str, data: bytes) -> None: ...

    def write_once(self, key: str, data: bytes) -> bytes:
        """Write a file unless it exists, and return the stored content."""


class StateMachine(Protocol):
    """The state machine."""

    def describe(self, execution: str) -> Execution | None:
        """Return an execution; None if none has this name."""

    def start(self, execution: str, payload: str) -> bool:
        """Start an execution, unless it runs already. Returns False if one of this name has ended."""


class ExecutionStore(Protocol):
    """The jobs in the jobs table that executions of the state machine process.

    Each write is conditional on the name of the execution, and raises LeaseLostError if another holder has the job.
    """

    def get(self, job_id: str) -> JobStatus | None:
        """Return the record of a job, regardless of its holder."""

    def hand_over(self, claim: Claim, execution: str, *, lease: float) -> None:
        """Hand a claimed job to an execution, which must confirm it within ``lease`` seconds."""

    def hand_back(self, claim: Claim, execution: str, *, lease: float) -> None:
        """Return a job to its claim, if the execution will never start."""

    def confirm(self, job_id: str, execution: str, *, lease: float) -> int:
        """Record that the execution has started, with ``lease`` seconds for its work, and return its round.

        Raises LeaseLostError also if the job has ended.
        """

    def start_round(self, job_id: str, execution: str, round_: int) -> None:
        """Start round ``round_``, in which all spans are resent, and reset progress. A repeated call does nothing."""

    def job_state(self, job_id: str, execution: str) -> JobState:
        """Return the state of the job for the steps of this execution; FAILED once the job is revoked.

        Raises LeaseLostError if another holder has the job.
        """

    def revoke(self, job_id: str, execution: str) -> JobState:
        """Revoke the job from running steps, so that only its end can be written, and return its state before.

        Raises LeaseLostError if another holder has the job.
        """

    def record_upload(self, job_id: str, execution: str, upload_id: str) -> None:
        """Record a multipart upload of the job."""

    def check_order(self, job: Job) -> None:
        """Check the order, as a `JobStore` does."""

    def yield_to(self, job_id: str, execution: str, error: YieldedError) -> None:
        """Yield, as in a `JobStore`. For the steps of the execution, the job is then WAITING."""

    def forget_upload(self, job_id: str, upload_id: str) -> None:
        """Remove an ended upload from the record of its job. A job without a record is no error."""

    def record_totals(self, job_id: str, execution: str, *, spans: int, size: int, members: int = 0) -> None:
        """Record the number of spans, the bytes of the source, and the members to deliver of an archive."""

    def start_phase(self, job_id: str, execution: str, phase: Phase, *, units: int = 0) -> None:
        """Record the first start of a phase and, for an index or a survey, the number of pieces it reads.

        Does nothing for an execution that does not hold the job.
        """

    def record_progress(self, execution: str, stage: Stage, unit: int, progress: Progress) -> None:
        """Record the progress of a unit: a span, a piece, or an index pass. It replaces the previous progress.

        A unit that is done does not change.
        """

    def record_receipt(self, job_id: str, execution: str, receipt: SpanReceipt, *, round_: int = 0) -> bool:
        """Store the receipt of a span, and record that the span is done. Returns False if a receipt exists.

        The holder of the job is not checked: receipts of an execution that has lost the job are never read.
        """

    def receipts(
        self, job_id: str, execution: str, spans: Sequence[int], *, round_: int = 0
    ) -> Mapping[int, SpanReceipt]:
        """Return the existing receipts of these spans in a round."""

    def record_commit(self, job_id: str, execution: str, note: CommitNote) -> None:
        """Record the commit of the job's files."""

    def note_unused(self, job_id: str) -> None:
        """Note unused files, as a `JobStore` does."""

    def record_failure(self, job_id: str, execution: str, failure: Failure) -> None:
        """Record the error of a step."""

    def recorded_failure(self, job_id: str, execution: str) -> Failure | None:
        """Return the last recorded error."""

    def end(
        self,
        job_id: str,
        execution: str,
        state: JobState,
        *,
        receipt: Receipt | None = None,
        failure: Failure | None = None,
        commit: CommitNote | None = None,
    ) -> bool:
        """End the job in a final state, with its ``commit``. Returns False if this execution has already ended it."""
