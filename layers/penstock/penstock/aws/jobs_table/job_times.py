"""Unfinished jobs, and jobs that ended after a given time, by the index ``by_time`` of the jobs table."""

from __future__ import annotations

import heapq
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import TYPE_CHECKING

from penstock.aws.errors import translating
from penstock.aws.jobs_table import time_index as job_index
from penstock.aws.jobs_table.attributes import plain, typed
from penstock.aws.jobs_table.items import job_key

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.client import DynamoDBClient


# The last second of the year 9999.
FOREVER = 253_402_300_799.0


class DynamoJobTimes:
    """Implements ``JobTimes`` with one query for each shard. An empty shard costs half a read unit.

    ``clock`` returns Unix seconds.
    """

    def __init__(self, client: DynamoDBClient, table: str, *, clock: Callable[[], float] = time.time) -> None:
        self._client = client
        self._table = table
        self._clock = clock

    def unfinished(self) -> Collection[str]:
        return [job_id for key in job_index.open_keys() for job_id, _ in self._entries(key, 0.0)]

    def ended_since(self, since: float) -> Mapping[str, float]:
        keys = job_index.ended_keys(since, max(since, self._clock()))
        return {job_id: at for key in keys for job_id, at in self._entries(key, since)}

    def ended_between(self, since: float, until: float) -> Iterator[str]:
        for day in reversed(job_index.days_of(since, until)):
            shards = [self._entries(key, since, until, newest_first=True) for key in job_index.ended_keys_of(day)]
            for job_id, _ in heapq.merge(*shards, key=lambda entry: entry[1], reverse=True):
                yield job_id

    def _entries(
        self, key: str, since: float, until: float = FOREVER, *, newest_first: bool = False
    ) -> Iterator[tuple[str, float]]:
        with translating(f"dynamodb:Query on index {job_index.NAME} of table {self._table}"):
            pages = self._client.get_paginator("query").paginate(
                TableName=self._table,
                IndexName=job_index.NAME,
                KeyConditionExpression="index_key = :key AND index_time BETWEEN :since AND :until",
                ExpressionAttributeValues={":key": typed(key), ":since": typed(since), ":until": typed(until)},
                ScanIndexForward=not newest_first,
            )
            for page in pages:
                for item in map(plain, page["Items"]):
                    if (at := float(item["index_time"])) < until:
                        yield item["pk"].removeprefix(job_key("")), at
