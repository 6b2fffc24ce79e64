"""Reads how a DynamoDB table is set, and when the reconciler ran."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Any

from penstock.aws.errors import translating
from penstock.aws.inspection.values import TableState
from penstock.aws.jobs_table.items import JobsTable
from penstock.aws.jobs_table.open_jobs import task_key
from penstock.errors import DestinationMissingError


class TableReader:
    """Implements ``Tables``."""

    def __init__(self, client: Callable[[], Any]) -> None:
        self._connect = client

    @cached_property
    def _client(self) -> Any:
        return self._connect()

    def state(self, name: str) -> TableState:
        with translating(f"dynamodb:DescribeTable on {name}", missing=DestinationMissingError):
            found = self._client.describe_table(TableName=name)["Table"]
        indexes = found.get("GlobalSecondaryIndexes", ())
        return TableState(
            name,
            found["TableStatus"],
            {one["IndexName"]: one.get("IndexStatus", "ACTIVE") for one in indexes},
            found.get("LatestStreamArn", ""),
        )

    def ttl(self, name: str) -> str:
        with translating(f"dynamodb:DescribeTimeToLive on {name}", missing=DestinationMissingError):
            found = self._client.describe_time_to_live(TableName=name)["TimeToLiveDescription"]
        on = found.get("TimeToLiveStatus") in ("ENABLED", "ENABLING")
        return str(found.get("AttributeName", "")) if on else ""

    def writes(self) -> int:
        """https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_DescribeLimits.html"""
        with translating("dynamodb:DescribeLimits"):
            return int(self._client.describe_limits()["TableMaxWriteCapacityUnits"])

    def due(self, name: str, task: str) -> float | None:
        item = JobsTable(self._client, name, retention_days=1).item(task_key(task))
        return float(item["due_at"]) if "due_at" in item else None
