"""The records of many jobs of the jobs table, a hundred in a request."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from penstock.aws.backoff import Backoff
from penstock.aws.errors import translating
from penstock.aws.jobs_table.attributes import plain
from penstock.aws.jobs_table.items import job_key, status_of
from penstock.aws.retry import attempts
from penstock.errors import ServiceUnavailableError
from penstock.model.job_status import JobStatus

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.client import DynamoDBClient

# https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_BatchGetItem.html
BATCH = 100


class DynamoJobRecords:
    """Implements ``JobRecords``. A record of up to 4 KB costs half a read unit."""

    def __init__(
        self,
        client: DynamoDBClient,
        table: str,
        *,
        backoff: Backoff | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._client = client
        self._table = table
        self._backoff = backoff or Backoff()
        self._sleep = sleep

    def read(self, ids: Sequence[str]) -> Sequence[JobStatus]:
        found: dict[str, JobStatus] = {}
        for first in range(0, len(ids), BATCH):
            self._read(ids[first : first + BATCH], found)
        return [found[job_id] for job_id in ids if job_id in found]

    def _read(self, ids: Sequence[str], found: dict[str, JobStatus]) -> None:
        """Send one request, and send it again for the keys that were not processed."""
        right = f"dynamodb:BatchGetItem on table {self._table}"
        wanted: Any = {self._table: {"Keys": [{"pk": {"S": job_key(job_id)}} for job_id in dict.fromkeys(ids)]}}
        for _ in attempts(self._backoff, self._sleep):
            with translating(right):
                answer = self._client.batch_get_item(RequestItems=wanted)
            for item in map(plain, answer["Responses"].get(self._table, ())):
                job_id = item["pk"].removeprefix(job_key(""))
                found[job_id] = status_of(job_id, item)
            wanted = answer.get("UnprocessedKeys")
            if not wanted:
                return
        raise ServiceUnavailableError(f"{right}: keys are unprocessed after {self._backoff.attempts} requests")
