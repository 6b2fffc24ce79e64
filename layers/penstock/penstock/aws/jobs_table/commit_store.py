"""The jobs that wait for the commit of their table, and the batches that commit them.

commit#<id>       the jobs of one commit, and the snapshot of the table before it: see `CommitBatch`
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

from penstock.aws.backoff import Backoff
from penstock.aws.jobs_table.after_items import FIRST_CHECK_SECONDS, after_key
from penstock.aws.jobs_table.attributes import plain
from penstock.aws.jobs_table.commit_items import state_fields
from penstock.aws.jobs_table.items import JobsTable, Values, job_key, status_of
from penstock.aws.jobs_table.span_progress import batch_get
from penstock.aws.jobs_table.time_index import after_until, ended_at
from penstock.aws.jobs_table.unused_items import note_unused
from penstock.model.commit import CommitBatch
from penstock.model.job import Failure
from penstock.model.job_status import JobState, JobStatus

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.client import DynamoDBClient

_WAITS = "#state = :executing AND committing = :yes"


class DynamoCommitStore:
    """Implements ``CommitStore``. ``on_end`` is called with each job that this store has ended, once."""

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
        self._table = JobsTable(client, table, retention_days=retention_days, clock=clock)
        self._clock = clock
        self._backoff = backoff or Backoff()
        self._sleep = sleep
        self._on_end = on_end

    def jobs(self, ids: Sequence[str]) -> Sequence[JobStatus]:
        keys = [{"pk": {"S": job_key(job_id)}} for job_id in dict.fromkeys(ids)]
        items = map(plain, batch_get(self._table, keys, self._backoff, self._sleep))
        return [status_of(item["pk"].removeprefix(job_key("")), item) for item in items]

    def take(self, job_id: str, commit_id: str, *, instead_of: str = "") -> bool:
        condition = f"{_WAITS} AND " + (
            "commit_id = :before" if instead_of else "(attribute_not_exists(commit_id) OR commit_id = :before)"
        )
        fields = {"commit_id": commit_id, "commit_base": None, "commit_requested": 0, "commit_snapshot": None}
        values = _waiting() | {":before": instead_of}
        return self._table.update(job_key(job_id), fields, condition=condition, values=values) is not None

    def batch(self, commit_id: str) -> CommitBatch | None:
        item = self._table.item(_key(commit_id))
        return _batch_of(commit_id, item) if item else None

    def begin(self, batch: CommitBatch) -> CommitBatch:
        fields: Values = {"table": batch.table, "jobs": list(batch.jobs), "until": batch.until}
        written = self._table.update(_key(batch.id), fields, condition="attribute_not_exists(pk)")
        return _batch_of(batch.id, written or self._table.item(_key(batch.id)))

    def lease(self, commit_id: str, until: float) -> bool:
        values = {":now": self._clock()}
        return self._update(commit_id, {"until": until}, condition="#until <= :now", values=values) is not None

    def release(self, commit_id: str, *, doubt: bool = False) -> None:
        self._update(commit_id, {"until": 0}, add={"doubts": 1} if doubt else None)

    def record_base(self, commit_id: str, base: int | None) -> None:
        self._update(commit_id, {}, once={"base": base, "requested": self._clock()})

    def record_snapshot(self, commit_id: str, snapshot: int | None) -> None:
        self._update(commit_id, {"snapshot": snapshot, "is_done": True})

    def close(self, job: JobStatus, batch: CommitBatch, state: JobState, failure: Failure | None = None) -> bool:
        now = self._clock()
        fields: Values = {"updated_at": now, "finished_at": now, "lease_until": now}
        fields |= state_fields(state) | ended_at(job.job_id, now)
        fields |= {"commit_base": batch.base, "commit_requested": batch.requested, "commit_snapshot": batch.snapshot}
        fields |= {"failure": asdict(failure)} if failure else {}
        if job.after:
            # First what is to be done, then that it can be, as for a claim.
            self._table.update(after_key(job.job_id), after_until(job.job_id, now + FIRST_CHECK_SECONDS))
        if state in (JobState.FAILED, JobState.SUPERSEDED):
            note_unused(self._table, job.job_id, now)
        values = _waiting() | {":commit": batch.id}
        written = self._table.update(
            job_key(job.job_id), fields, condition=f"{_WAITS} AND commit_id = :commit", values=values
        )
        if written is None:
            return False
        self._on_end(status_of(job.job_id, written))
        return True

    def is_overtaken(self, job: JobStatus) -> bool:
        noted = self._table.item(f"order#{job.commit.series}") if job.commit.series else {}
        return noted.get("job", job.job_id) != job.job_id and str(noted["order"]) > job.commit.order

    def _update(self, commit_id: str, fields: Values, **more: Any) -> Values | None:
        return self._table.update(_key(commit_id), fields, **more)


def _waiting() -> Values:
    return {":executing": str(JobState.COMMITTING.stored), ":yes": True}


def _batch_of(commit_id: str, item: Values) -> CommitBatch:
    base, snapshot = (item.get(name) for name in ("base", "snapshot"))
    batch = CommitBatch(commit_id, item.get("table", ""), tuple(item.get("jobs", ())))
    return replace(
        batch,
        until=float(item.get("until", 0)),
        base=None if base is None else int(base),
        requested=float(item.get("requested", 0)),
        snapshot=None if snapshot is None else int(snapshot),
        doubts=int(item.get("doubts", 0)),
        is_done=bool(item.get("is_done", False)),
    )


def _key(commit_id: str) -> str:
    return f"commit#{commit_id}"
