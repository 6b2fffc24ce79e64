"""The unfinished jobs of the jobs table, by its index ``by_time``."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

from penstock.aws.errors import translating
from penstock.aws.jobs_table import time_index as job_index
from penstock.aws.jobs_table.after_items import FIRST_CHECK_SECONDS, after_key, plan_of, planned
from penstock.aws.jobs_table.attributes import plain, typed
from penstock.aws.jobs_table.commit_items import state_fields
from penstock.aws.jobs_table.items import JobsTable, Values, described, job_key, status_of
from penstock.aws.jobs_table.time_index import after_until, ended_at, open_until
from penstock.aws.jobs_table.unused_items import note_unused, unused_key
from penstock.aws.jobs_table.upload_owners import owner_of
from penstock.model.job import Failure, Job
from penstock.model.job_status import JobState, JobStatus

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.client import DynamoDBClient


def task_key(task: str) -> str:
    """Return the key of the item that says when a task of the reconciler is due again."""
    return f"task#{task}"


class DynamoOpenJobs:
    """Implements ``OpenJobs``. ``due`` queries each shard, and reads the record of each job found.

    ``on_end`` is called with each job that this store has ended.
    """

    def __init__(
        self,
        client: DynamoDBClient,
        table: str,
        *,
        retention_days: int,
        clock: Callable[[], float] = time.time,
        new_attempt: Callable[[], str] = lambda: uuid.uuid4().hex,
        on_end: Callable[[JobStatus], None] = lambda _: None,
    ) -> None:
        self._client = client
        self._table = JobsTable(client, table, retention_days=retention_days, clock=clock)
        self._clock = clock
        self._new_attempt = new_attempt
        self._on_end = on_end

    def due(self, limit: int) -> Sequence[JobStatus]:
        now = self._clock()
        entries = [entry for key in job_index.open_keys() for entry in self._entries(key, now, limit)]
        # The index lags behind the table: only the record shows whether the job is still open.
        read = (self._read(pk) for _, pk in sorted(entries)[:limit])
        return [status for status in read if status and not status.state.final]

    def get(self, job_id: str) -> JobStatus | None:
        return self._read(job_key(job_id))

    def look_again(self, status: JobStatus, at: float) -> bool:
        return self._table.update_unchanged(status, open_until(status.job_id, at))

    def restart(self, status: JobStatus, at: float) -> bool:
        now = self._clock()
        fields = {
            "state": str(JobState.WAITING),
            # Later writes of the revoked attempt are refused.
            "attempt": self._new_attempt(),
            "lease_until": now,
            "updated_at": now,
            "yields_to": "",
            **open_until(status.job_id, at),
        }
        return self._table.update_unchanged(status, fields, add={"sends": 1})

    def begin_abort(self, status: JobStatus, at: float, failure: Failure) -> bool:
        fields = {"lease_until": at, "failure": asdict(failure), **open_until(status.job_id, at)}
        return self._table.update_unchanged(status, fields, add={"aborts": 1})

    def send_again(self, status: JobStatus, at: float) -> bool:
        return self._table.update_unchanged(status, open_until(status.job_id, at), add={"sends": 1})

    def end(self, status: JobStatus, state: JobState, failure: Failure) -> bool:
        now = self._clock()
        fields: Values = {"state": str(state), "updated_at": now, "finished_at": now, "lease_until": now}
        fields |= {"failure": asdict(failure), **ended_at(status.job_id, now)}
        if JobState.IN_DOUBT in (state, status.state) or status.state is JobState.COMMITTING:
            fields |= state_fields(state)
        if status.state is JobState.COMMITTING and state is JobState.FAILED:
            note_unused(self._table, status.job_id, now)
        if status.after:
            # The claim wrote this item, unless it died right then.
            self._table.update(after_key(status.job_id), after_until(status.job_id, now + FIRST_CHECK_SECONDS))
        ended = self._table.update_unchanged(status, fields)
        if ended:
            self._on_end(
                replace(status, state=state, failure=failure, updated_at=now, finished_at=now, lease_until=now)
            )
        return ended

    def unused(self, limit: int) -> Sequence[str]:
        found = self._entries(job_index.UNUSED, self._clock(), limit)
        return [pk.removeprefix(unused_key("")) for _, pk in found]

    def delete_unused(self, status: JobStatus, until: float) -> bool:
        return self._table.update_unchanged(status, {"lease_until": until})

    def forget_unused(self, job_id: str) -> None:
        self._table.update(unused_key(job_id), {}, remove=("index_key", "index_time"))

    def fail_unrecorded(self, job: Job, failure: Failure) -> bool:
        now = self._clock()
        fields = described(job.source) | {
            "route": job.route.name,
            "target": job.target.uri,
            "state": str(JobState.FAILED),
            "attempt": self._new_attempt(),
            "failure": asdict(failure),
            **dict.fromkeys(("started_at", "updated_at", "finished_at", "lease_until"), now),
            **ended_at(job.id, now),
        }
        if plan := plan_of(job):
            fields |= planned(plan)
            self._table.update(after_key(job.id), after_until(job.id, now + FIRST_CHECK_SECONDS))
        item = self._table.update(job_key(job.id), fields, condition="attribute_not_exists(pk)")
        if item:
            self._on_end(status_of(job.id, item))
        return item is not None

    def owner(self, upload_id: str) -> JobStatus | None:
        job_id = owner_of(self._table, upload_id)
        return self.get(job_id) if job_id else None

    def lock(self, task: str, seconds: float) -> float | None:
        now = self._clock()
        key = task_key(task)
        # A write whose condition does not hold costs as much as five reads, and most runs come too early.
        if float(self._table.item(key).get("due_at", 0)) > now:
            return None
        taken = self._table.update(
            key,
            {"due_at": now + seconds},
            once={"since": now},
            condition="attribute_not_exists(pk) OR due_at <= :now",
            values={":now": now},
        )
        return float(taken["since"]) if taken else None

    def _read(self, pk: str) -> JobStatus | None:
        item = self._table.item(pk)
        return status_of(pk.removeprefix(job_key("")), item) if item else None

    def _entries(self, key: str, now: float, limit: int) -> Iterator[tuple[float, str]]:
        """Yield at most ``limit`` keys of a shard that are due, in order of time."""
        request: Any = {
            "TableName": self._table.name,
            "IndexName": job_index.NAME,
            "KeyConditionExpression": "index_key = :key AND index_time <= :now",
            "ExpressionAttributeValues": {":key": typed(key), ":now": typed(now)},
            "Limit": limit,
        }
        left = limit
        while left > 0:
            with translating(f"dynamodb:Query on index {job_index.NAME} of table {self._table.name}"):
                answer = self._client.query(**request)
            for item in map(plain, answer["Items"][:left]):
                yield float(item["index_time"]), item["pk"]
            left -= len(answer["Items"])
            if "LastEvaluatedKey" not in answer:
                return
            request["ExclusiveStartKey"] = answer["LastEvaluatedKey"]
