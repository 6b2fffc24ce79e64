"""The actions after jobs in the jobs table: who acts, what was done, and what is still to be done."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from penstock.aws.errors import translating
from penstock.aws.jobs_table import time_index
from penstock.aws.jobs_table.after_items import after_key, located
from penstock.aws.jobs_table.attributes import plain, typed
from penstock.aws.jobs_table.items import JobsTable, Values, job_key, status_of
from penstock.errors import LeaseLostError
from penstock.model.after import AfterState
from penstock.model.job_status import JobStatus
from penstock.model.object import Location

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.client import DynamoDBClient

_OPEN = {":pending": str(AfterState.PENDING), ":acting": str(AfterState.ACTING)}


class DynamoAfterStore:
    """Implements ``AfterStore`` and ``DueActions``. ``clock`` returns Unix seconds."""

    def __init__(
        self,
        client: DynamoDBClient,
        table: str,
        *,
        retention_days: int,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._client = client
        self._table = JobsTable(client, table, retention_days=retention_days, clock=clock)
        self._clock = clock

    def get(self, job_id: str) -> JobStatus | None:
        item = self._table.item(job_key(job_id))
        return status_of(job_id, item) if item else None

    def take(self, status: JobStatus, holder: str, until: float) -> JobStatus | None:
        fields: Values = {"after_state": str(AfterState.ACTING), "after_holder": holder, "after_until": until}
        # A redrive compares the lease: it fails from now on.
        fields["lease_until"] = until
        taken = self._table.update(
            job_key(status.job_id),
            fields,
            add={"after_tries": 1},
            condition=f"{_held(status)} AND #state = :state AND "
            "(after_state = :pending OR (after_state = :acting AND after_until <= :now))",
            values=_OPEN | _holder(status) | {":state": str(status.state), ":now": self._clock()},
        )
        return status_of(status.job_id, taken) if taken else None

    def note_copy(self, status: JobStatus, copied: Location) -> None:
        self._write(status, {"after_copied": located(copied), "after_upload": ""})

    def note_upload(self, status: JobStatus, upload_id: str) -> None:
        self._write(status, {"after_upload": upload_id})

    def finish(self, status: JobStatus, state: AfterState, message: str, location: Location | None = None) -> None:
        now = self._clock()
        fields: Values = {"after_state": str(state), "after_message": message, "after_until": now, "lease_until": now}
        self._write(status, fields | ({"location": located(location)} if location else {}))
        self.forget(status.job_id)

    def release(self, status: JobStatus, message: str, due: float) -> None:
        now = self._clock()
        self._write(status, {"after_message": message, "after_until": now, "lease_until": now})
        self.postpone(status.job_id, due)

    def forget(self, job_id: str) -> None:
        # Items expire within days of ``expires_at``, at no cost. Without index attributes, nobody finds this one.
        expired = {"expires_at": int(self._clock())}
        self._table.update(
            after_key(job_id), expired, remove=("index_key", "index_time"), condition="attribute_exists(pk)"
        )

    def due(self, limit: int) -> Sequence[str]:
        now = self._clock()
        found = [entry for key in time_index.after_keys() for entry in self._entries(key, now, limit)]
        return [job_id for _, job_id in sorted(found)[:limit]]

    def postpone(self, job_id: str, at: float) -> None:
        self._table.update(after_key(job_id), time_index.after_until(job_id, at))

    def ask_again(self, status: JobStatus) -> bool:
        return self._change(status, {"after_state": str(AfterState.PENDING)}, add={"after_sends": 1})

    def give_up(self, status: JobStatus, message: str) -> bool:
        return self._change(status, {"after_state": str(AfterState.FAILED), "after_message": message})

    def _write(self, status: JobStatus, fields: Values) -> None:
        holder = status.after.holder if status.after else ""
        written = self._table.update(
            job_key(status.job_id),
            fields,
            condition="after_state = :acting AND after_holder = :holder",
            values={":acting": str(AfterState.ACTING), ":holder": holder},
        )
        if written is None:
            raise LeaseLostError(f"job {status.job_id}: another invocation acts on its object")

    def _change(self, status: JobStatus, fields: Values, *, add: Values | None = None) -> bool:
        """Write the item of a job whose action nobody does now."""
        written = self._table.update(
            job_key(status.job_id),
            fields,
            add=add,
            condition=f"{_held(status)} AND #state = :state AND after_until <= :now AND "
            "after_state IN (:pending, :acting)",
            values=_OPEN | _holder(status) | {":state": str(status.state), ":now": self._clock()},
        )
        return written is not None

    def _entries(self, key: str, now: float, limit: int) -> list[tuple[float, str]]:
        request: Any = {
            "TableName": self._table.name,
            "IndexName": time_index.NAME,
            "KeyConditionExpression": "index_key = :key AND index_time <= :now",
            "ExpressionAttributeValues": {":key": typed(key), ":now": typed(now)},
            "Limit": limit,
        }
        with translating(f"dynamodb:Query on index {time_index.NAME} of table {self._table.name}"):
            items = map(plain, self._client.query(**request)["Items"])
        return [(float(item["index_time"]), str(item["pk"]).removeprefix(after_key(""))) for item in items]


def _held(status: JobStatus) -> str:
    """Return the condition that the job was not taken since. Jobs that were recorded together had no attempt."""
    return "attempt = :attempt" if status.holder else "attribute_not_exists(attempt)"


def _holder(status: JobStatus) -> Values:
    return {":attempt": status.holder} if status.holder else {}
