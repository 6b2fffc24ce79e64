"""What large jobs need: work files, the state machine, its executions and an event bus."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from penstock.errors import YieldedError
from penstock.model.job import Claim, Failure, Job, Progress, Receipt
from penstock.model.job_status import Execution, JobState, JobStatus, Phase, Stage
from penstock.model.span import SpanReceipt, Stored


class WorkFiles(Protocol):
    """The files that the steps of a job leave for each other in the work bucket, each whole or not there."""

    @property
    def bucket(self) -> str: ...

    def read(self, key: str) -> bytes | None:
        """A whole file; None where there is none."""

    def read_part(self, stored: Stored) -> bytes:
        """Some bytes of a file, fewer where it ends before. Raises SourceGoneError where there is none."""

    def write(self, key: str, data: bytes) -> None: ...

    def write_once(self, key: str, data: bytes) -> bytes:
        """Write a file unless it is there; answers what then stands there."""


class StateMachine(Protocol):
    """The state machine."""

    def describe(self, execution: str) -> Execution | None:
        """How an execution stands; None where there is none of this name."""

    def start(self, execution: str, payload: str) -> bool:
        """Start an execution, or find that it was started; False where one of this name has ended."""


class EventBus(Protocol):
    """Where those who wait for a job hear of its end."""

    def put(self, kind: str, detail: Mapping[str, object]) -> None:
        """Publish one event of at most 256 KiB."""


class ExecutionStore(Protocol):
    """The jobs of the jobs table that executions of the state machine carry.

    An execution's name fences out every other: each write is conditional on it and raises LeaseLostError.
    """

    def get(self, job_id: str) -> JobStatus | None:
        """The record of a job, whoever has it."""

    def hand_over(self, claim: Claim, execution: str, *, lease: float) -> None:
        """From a claim to an execution, which must confirm it within ``lease`` seconds."""

    def hand_back(self, claim: Claim, execution: str, *, lease: float) -> None:
        """Give a claim back that was handed over to an execution which will never begin."""

    def confirm(self, job_id: str, execution: str, *, lease: float) -> int:
        """The execution has begun; it may take ``lease`` seconds. Answers its round. Raises LeaseLostError also when
        the job has ended."""

    def start_round(self, job_id: str, execution: str, round_: int) -> None:
        """All spans are sent again, in round ``round_``, and progress begins anew; does nothing where it has begun."""

    def job_state(self, job_id: str, execution: str) -> JobState:
        """How the job stands for the steps of this execution: in their hands, or ended; FAILED once it is revoked.

        Raises LeaseLostError where another has it.
        """

    def revoke(self, job_id: str, execution: str) -> JobState:
        """Take the job from the steps that are under way, so that only its end can be written; answers how it stands.

        Raises LeaseLostError where another has it.
        """

    def record_upload(self, job_id: str, execution: str, upload_id: str) -> None:
        """Note a multipart upload that was opened for the job."""

    def check_order(self, job: Job) -> None:
        """As a `JobStore`."""

    def yield_to(self, job_id: str, execution: str, error: YieldedError) -> None:
        """As a `JobStore`. For the steps of the execution the job then is WAITING."""

    def forget_upload(self, job_id: str, upload_id: str) -> None:
        """An upload has ended, whoever had opened it; also for a job that is not on record any more."""

    def record_totals(self, job_id: str, execution: str, *, spans: int, size: int) -> None:
        """Note how many spans there are, of together ``size`` bytes of the source."""

    def start_phase(self, job_id: str, execution: str, phase: Phase, *, units: int = 0) -> None:
        """Note when a phase began, the first time; of an index or a survey, also how many pieces it reads. Does nothing
        for an execution that does not hold the job."""

    def record_progress(self, execution: str, stage: Stage, unit: int, progress: Progress) -> None:
        """Note how far a unit is: a span, a piece, or an index pass. It replaces what was noted before; a unit that is
        done stays."""

    def record_receipt(self, job_id: str, execution: str, receipt: SpanReceipt, *, round_: int = 0) -> bool:
        """Keep a span's receipt, and note that the span is done; False if there was a receipt.

        Nothing is asked of the job: what an execution leaves that has lost it is read by nobody.
        """

    def receipts(
        self, job_id: str, execution: str, spans: Sequence[int], *, round_: int = 0
    ) -> Mapping[int, SpanReceipt]:
        """The receipts that there are, of these spans in a round."""

    def record_failure(self, job_id: str, execution: str, failure: Failure) -> None:
        """Note what went wrong in a step."""

    def recorded_failure(self, job_id: str, execution: str) -> Failure | None:
        """What was noted last."""

    def end(
        self,
        job_id: str,
        execution: str,
        state: JobState,
        *,
        receipt: Receipt | None = None,
        failure: Failure | None = None,
    ) -> bool:
        """End the job in a final state; False if this execution has ended it before."""
