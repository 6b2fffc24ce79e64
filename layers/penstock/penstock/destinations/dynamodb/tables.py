"""Open DynamoDB as a destination."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from penstock.destinations.dynamodb.bookmark import DynamoBookmark
from penstock.destinations.dynamodb.sink import DynamoRecordSink
from penstock.destinations.environment import Environment
from penstock.destinations.ports import GroupSink, TableInspection, TableSwap
from penstock.errors import ConfigurationError
from penstock.model.load import Resume
from penstock.model.replacement import Replacement
from penstock.model.table import Table

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.client import DynamoDBClient


@dataclass(frozen=True, slots=True)
class DynamoTables:
    """Implements ``TableStore``. ``jobs`` stores the bookmarks; None if there is no jobs table."""

    client: DynamoDBClient
    environment: Environment
    jobs: DynamoDBClient | None

    def open_sink(self, load_id: str, span: int = 0) -> DynamoRecordSink:
        budget, table = self.environment.budget, self.environment.jobs_table
        days = self.environment.retention_days
        bookmark = DynamoBookmark(self.jobs, table, load_id, span, retention_days=days) if self.jobs else None
        return DynamoRecordSink(
            self.client, budget_bytes=budget.buffer_bytes, workers=budget.uploads, bookmark=bookmark
        )

    def open_swap(self, replacement: Replacement, tables: Sequence[Table]) -> TableSwap:  # noqa: ARG002
        raise ConfigurationError(f"{replacement.table}: DynamoDB replaces no tables")

    def open_inspection(self) -> TableInspection:
        raise ConfigurationError("a table of DynamoDB is checked when it is loaded")

    def open_group(self) -> GroupSink:
        raise ConfigurationError("DynamoDB has no transaction that several jobs could share")

    def earlier_loads(self, table: str, load_ids: Iterable[str]) -> tuple[bool, list[tuple[bool, Resume]]]:  # noqa: ARG002
        """Raises ConfigurationError: there is no ledger, because a load that runs again writes the same items."""
        raise ConfigurationError(f"{table}: DynamoDB keeps no ledger of loads")


def open_tables(environment: Environment) -> DynamoTables:
    """Open DynamoDB with one client for all sinks."""
    client = environment.item_client(environment.budget.uploads)
    jobs = environment.jobs_client() if environment.jobs_table and environment.jobs_client else None
    return DynamoTables(client, environment, jobs)
