"""What the jobs table knows of sources that a listing has found, a hundred items in a request."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from penstock.aws.backoff import Backoff
from penstock.aws.jobs_table.attributes import plain
from penstock.aws.jobs_table.content_claims import OVER, content_key, is_unversioned
from penstock.aws.jobs_table.items import JobsTable, job_key, status_of
from penstock.aws.jobs_table.job_order import order_key
from penstock.aws.jobs_table.span_progress import batch_get
from penstock.model.job import Job
from penstock.model.job_status import JobStatus

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.client import DynamoDBClient


class ListedJobs:
    """Implements ``RecordFinder``. A read unit for each item of up to 4 KB: one item for an object with a version, two
    to four for another one. Needs dynamodb:BatchGetItem."""

    def __init__(
        self,
        client: DynamoDBClient,
        table: str,
        *,
        backoff: Backoff | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._table = JobsTable(client, table, retention_days=1)  # it writes nothing
        self._backoff = backoff or Backoff()
        self._sleep = sleep

    def find(self, jobs: Sequence[Job]) -> Sequence[JobStatus | None]:
        keys = [key for job in jobs for key in _keys(job)]
        items = self._read(keys)
        # The jobs of other origins of the same bytes: see `content_claims`.
        others = {str(item["job"]) for key, item in items.items() if not key.startswith(job_key("")) and "job" in item}
        items |= self._read(sorted({job_key(other) for other in others} - items.keys()))
        return [_status(job, items) for job in jobs]

    def _read(self, keys: Iterable[str]) -> dict[str, Mapping[str, Any]]:
        wanted = [{"pk": {"S": key}} for key in dict.fromkeys(keys)]
        return {item["pk"]["S"]: plain(item) for item in batch_get(self._table, wanted, self._backoff, self._sleep)}


def _keys(job: Job) -> list[str]:
    keys = [job_key(job.id)]
    if is_unversioned(job.source) and not job.source.again:
        keys.append(order_key(job))
        if job.route.adds_rows:
            keys.append(content_key(job))
    return keys


def _status(job: Job, items: Mapping[str, Mapping[str, Any]]) -> JobStatus | None:
    if own := items.get(job_key(job.id)):
        return status_of(job.id, own)
    if not is_unversioned(job.source) or job.source.again:
        return None
    newest = _other(items, order_key(job))
    if newest and newest.upload and not newest.upload.listed and newest.state not in OVER:
        same = replace(job, source=replace(job.source, sequencer=newest.upload.sequencer)).id
        if same == newest.job_id:
            return newest
    holder = _other(items, content_key(job))
    return holder if holder and holder.state not in OVER else None


def _other(items: Mapping[str, Mapping[str, Any]], key: str) -> JobStatus | None:
    other = str(items.get(key, {}).get("job", ""))
    item = items.get(job_key(other)) if other else None
    return status_of(other, item) if item else None
