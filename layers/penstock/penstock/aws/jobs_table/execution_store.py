"""The jobs in the jobs table that executions of the state machine process."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from typing import TYPE_CHECKING

from penstock.aws.backoff import Backoff
from penstock.aws.jobs_table.attributes import plain
from penstock.aws.jobs_table.commit_items import commit_fields, commit_of, state_fields, state_of
from penstock.aws.jobs_table.items import (
    COUNTERS,
    MEMBERS,
    PROGRESS,
    JobsTable,
    Values,
    delivered,
    job_key,
    phase_attribute,
    status_of,
)
from penstock.aws.jobs_table.job_order import JobOrder
from penstock.aws.jobs_table.span_progress import SpanProgress, batch_get
from penstock.aws.jobs_table.time_index import ended_at, open_until
from penstock.aws.jobs_table.unused_items import note_unused
from penstock.aws.jobs_table.upload_owners import forget_upload, record_owner
from penstock.aws.retry import retrying
from penstock.errors import LeaseLostError, ServiceUnavailableError, YieldedError
from penstock.limits import EXECUTING_SECONDS
from penstock.model.commit import CommitNote
from penstock.model.job import Claim, Failure, Job, Progress, Receipt
from penstock.model.job_status import JobState, JobStatus, Phase, Stage
from penstock.model.serialization import from_json, to_json
from penstock.model.span import SpanReceipt, delivery_of

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.client import DynamoDBClient

# Writes of a receipt, each with botocore's own retries: about 30 s, in which DynamoDB splits a throttled partition.
COUNT_ATTEMPTS = 12

_OURS = "attempt = :execution AND #state IN (:running, :executing)"
_OURS_OR_REVOKED = "attempt IN (:execution, :revoked) AND #state IN (:running, :executing, :waiting)"


class DynamoExecutionStore:
    """Implements ``ExecutionStore``. The receipt of a span is a separate item, ``span#<execution>#<span>``.

    ``on_end`` is called with each job that this store has ended, once.
    """

    def __init__(
        self,
        client: DynamoDBClient,
        table: str,
        *,
        retention_days: int,
        clock: Callable[[], float] = time.time,
        backoff: Backoff | None = None,
        sleep: Callable[[float], None] = time.sleep,
        on_end: Callable[[JobStatus], None] = lambda _: None,
    ) -> None:
        self._client = client
        self._table = JobsTable(client, table, retention_days=retention_days, clock=clock)
        self._order = JobOrder(self._table, clock)
        self._clock = clock
        self._backoff = backoff or Backoff()
        self._sleep = sleep
        self._on_end = on_end
        self._progress = SpanProgress(self._table, self._backoff, sleep)

    def get(self, job_id: str) -> JobStatus | None:
        item = self._table.item(job_key(job_id))
        return status_of(job_id, item) if item else None

    def hand_over(self, claim: Claim, execution: str, *, lease: float) -> None:
        now = self._clock()
        fields: Values = {"attempt": execution, "execution": execution, "lease_until": now + lease, "updated_at": now}
        fields |= {"aborts": 0, **open_until(claim.job_id, now + lease)}
        if self._table.item(job_key(claim.job_id)).get("execution") != execution:
            fields |= dict.fromkeys((*COUNTERS, "round", "read_units", *map(phase_attribute, Phase)), 0) | {MEMBERS: {}}
        written = self._table.update(
            job_key(claim.job_id),
            fields,
            condition="attempt = :attempt AND #state = :running",
            values={":attempt": claim.attempt, ":running": str(JobState.RUNNING)},
        )
        if written is None:
            raise LeaseLostError(f"job {claim.job_id}: another attempt took over from attempt {claim.number}")

    def hand_back(self, claim: Claim, execution: str, *, lease: float) -> None:
        until = self._clock() + lease
        fields = {"attempt": claim.attempt, "lease_until": until, **open_until(claim.job_id, until)}
        self._write(claim.job_id, execution, fields)

    def confirm(self, job_id: str, execution: str, *, lease: float) -> int:
        now = self._clock()
        fields = {"state": str(JobState.EXECUTING), "lease_until": now + lease}
        return int(self._write(job_id, execution, fields | open_until(job_id, now + EXECUTING_SECONDS)).get("round", 0))

    def start_round(self, job_id: str, execution: str, round_: int) -> None:
        # All workers find out at once that the upload has ended. A partition takes three times as many reads as writes.
        item = self._table.item(job_key(job_id))
        if item.get("attempt") == execution and item.get("round", 0) >= round_:
            return
        numbers = (*PROGRESS, "spans_done", *map(phase_attribute, (Phase.SPANS, Phase.FINISH)))
        started = self._table.update(
            job_key(job_id),
            {"updated_at": self._clock(), "round": round_, **dict.fromkeys(numbers, 0)},
            condition=f"{_OURS} AND (attribute_not_exists(#round) OR #round < :round)",
            values=_fence(execution) | {":round": round_},
        )
        if started is None and self._table.item(job_key(job_id)).get("attempt") != execution:
            raise self._lost(job_id, execution)

    def record_upload(self, job_id: str, execution: str, upload_id: str) -> None:
        record_owner(self._table, upload_id, job_id)
        self._write(job_id, execution, {}, add={"uploads": frozenset([upload_id])})

    def job_state(self, job_id: str, execution: str) -> JobState:
        state, revoked = self._state(job_id, execution)
        return JobState.FAILED if revoked and not state.final else state

    def revoke(self, job_id: str, execution: str) -> JobState:
        state, _ = self._state(job_id, execution)
        if not state.final:
            self._write(job_id, execution, {"attempt": _revoked(execution)}, condition=_OURS_OR_REVOKED)
        return state

    def check_order(self, job: Job) -> None:
        self._order.check(job)

    def yield_to(self, job_id: str, execution: str, error: YieldedError) -> None:
        self._write(job_id, execution, self._order.yielded(job_id, error) | {"attempt": _yielded(execution)})

    def forget_upload(self, job_id: str, upload_id: str) -> None:
        forget_upload(self._table, job_id, upload_id)

    def record_totals(self, job_id: str, execution: str, *, spans: int, size: int, members: int = 0) -> None:
        counts = {MEMBERS: {"total": members}} if members else {}
        self._write(job_id, execution, {"spans": spans, "size": size} | counts)

    def start_phase(self, job_id: str, execution: str, phase: Phase, *, units: int = 0) -> None:
        name = phase_attribute(phase)
        self._table.update(
            job_key(job_id),
            {name: self._clock()} | ({"read_units": units} if units else {}),
            condition=f"{_OURS} AND (attribute_not_exists(#{name}) OR #{name} = :never)",
            values=_fence(execution) | {":never": 0},
        )

    def record_progress(self, execution: str, stage: Stage, unit: int, progress: Progress) -> None:
        self._progress.record(execution, stage, unit, progress, done=False)

    def record_receipt(self, job_id: str, execution: str, receipt: SpanReceipt, *, round_: int = 0) -> bool:  # noqa: ARG002  # as below
        delivery = delivery_of(execution, round_)
        # Waiting is cheaper than delivering the span again.
        return retrying(
            lambda: self._count(delivery, receipt),
            on=ServiceUnavailableError,
            backoff=replace(self._backoff, attempts=COUNT_ATTEMPTS),
            sleep=self._sleep,
        )

    def receipts(
        self,
        job_id: str,  # noqa: ARG002  # the execution identifies the job
        execution: str,
        spans: Sequence[int],
        *,
        round_: int = 0,
    ) -> Mapping[int, SpanReceipt]:
        delivery = delivery_of(execution, round_)
        keys = [{"pk": {"S": _span_key(delivery, span)}} for span in spans]
        found = (
            from_json(SpanReceipt, plain(item)["receipt"])
            for item in batch_get(self._table, keys, self._backoff, self._sleep)
        )
        return {receipt.span: receipt for receipt in found}

    def record_commit(self, job_id: str, execution: str, note: CommitNote) -> None:
        self._write(job_id, execution, commit_fields(note))

    def note_unused(self, job_id: str) -> None:
        note_unused(self._table, job_id, self._clock())

    def record_failure(self, job_id: str, execution: str, failure: Failure) -> None:
        self._table.update(
            job_key(job_id),
            {"updated_at": self._clock(), "blame": asdict(failure) | {"execution": execution}},
            condition=_OURS,
            values=_fence(execution),
        )

    def recorded_failure(self, job_id: str, execution: str) -> Failure | None:
        noted = dict(self._table.item(job_key(job_id)).get("blame", {}))
        return Failure(**noted) if noted.pop("execution", None) == execution else None

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
        now = self._clock()
        item = self._table.item(job_key(job_id))
        if item.get("execution") == execution and JobState(item["state"]).final:
            return False
        fields: Values = {"state": str(state), "updated_at": now, "finished_at": now, "lease_until": now}
        fields |= state_fields(state) if state is JobState.IN_DOUBT else {}
        fields |= ended_at(job_id, now)
        if receipt:
            # The totals of all spans, so that readers need not add up the items.
            fields |= delivered(receipt) | {"spans_done": int(item.get("spans", 0))}
        if failure:
            fields["failure"] = asdict(failure)
        if commit and commit != commit_of(item):
            fields |= commit_fields(commit)
        # A job that has succeeded does not keep the failure of an earlier execution.
        cured = ("failure",) if state is JobState.SUCCEEDED and failure is None else ()
        written = self._write(job_id, execution, fields, condition=_OURS_OR_REVOKED, remove=cured)
        self._on_end(status_of(job_id, written))
        return True

    def _count(self, execution: str, receipt: SpanReceipt) -> bool:
        key, item = _span_key(execution, receipt.span), {"receipt": to_json(receipt)}
        first = self._table.update(key, item, condition="attribute_not_exists(pk)") is not None
        # Also for an existing receipt: its writer may have died before it recorded the progress.
        self._progress.record(execution, Stage.DELIVER, receipt.span, receipt.progress, done=True)
        return first

    def _state(self, job_id: str, execution: str) -> tuple[JobState, bool]:
        """Return the state of the job of this execution, and whether the job was revoked."""
        item = self._table.item(job_key(job_id))
        if item.get("attempt") not in {execution, _revoked(execution), _yielded(execution)}:
            raise self._lost(job_id, execution)
        return state_of(item), item["attempt"] == _revoked(execution)

    def _write(
        self,
        job_id: str,
        execution: str,
        fields: Values,
        *,
        condition: str = _OURS,
        add: Values | None = None,
        remove: Sequence[str] = (),
    ) -> Values:
        """Write the item, and return it."""
        fields = {"updated_at": self._clock()} | fields
        values = _fence(execution)
        if condition == _OURS_OR_REVOKED:
            values |= {":revoked": _revoked(execution), ":waiting": str(JobState.WAITING)}
        written = self._table.update(
            job_key(job_id), fields, add=add, remove=remove, condition=condition, values=values
        )
        if written is None:
            raise self._lost(job_id, execution)
        return written

    def _lost(self, job_id: str, execution: str) -> LeaseLostError:
        return LeaseLostError(f"job {job_id} has ended, or execution {execution} does not hold it")


def _fence(execution: str) -> Values:
    return {":execution": execution, ":running": str(JobState.RUNNING), ":executing": str(JobState.EXECUTING)}


def _revoked(execution: str) -> str:
    """Return the holder of a job whose execution must fail: only `abort`."""
    return f"{execution}/abort"


def _yielded(execution: str) -> str:
    """Return the holder of a job whose execution has yielded: the next attempt may claim it."""
    return f"{execution}/yielded"


def _span_key(delivery: str, span: int) -> str:
    return f"span#{delivery}#{span}"
