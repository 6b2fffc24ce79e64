"""Loading records into DynamoDB tables, each record an item under its own key."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from operator import attrgetter
from types import TracebackType
from typing import TYPE_CHECKING, Self

from penstock.adapters.aws_errors import translating
from penstock.adapters.dynamodb_batches import BatchWriter
from penstock.adapters.dynamodb_items import LastWins, Put
from penstock.adapters.dynamodb_table import KeySchema, missing_table
from penstock.adapters.s3_source import Backoff
from penstock.errors import ServiceUnavailableError
from penstock.records import Chunk, Loaded, Reject, Resume, Rows, Table, TablePlan

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.client import DynamoDBClient

# Without any progress, 9 s of waiting on average; then the message returns to the queue.
PATIENCE = Backoff(attempts=10, base=0.05, cap=5.0)


class DynamoRecordSink:
    """Implements ``TableSink``; for one calling thread.

    There is no ledger: keys come from the records, so a chunk that is loaded again writes the same items
    (docs/adr/0007). A span therefore always begins anew, and its counts with it.

    A column that is None is an attribute that the item does not have. The last row of a key wins.

    Memory: requests of together at most ``budget_bytes`` (see BatchWriter), and the keys of one chunk.
    Needs dynamodb:DescribeTable and dynamodb:BatchWriteItem on the tables.
    """

    def __init__(
        self,
        client: DynamoDBClient,
        *,
        budget_bytes: int,
        workers: int,
        backoff: Backoff = PATIENCE,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._client = client
        self._backoff = backoff
        self._sleep = sleep
        self._writer = BatchWriter(client, budget_bytes=budget_bytes, workers=workers, backoff=backoff, sleep=sleep)
        self._schemas: dict[str, KeySchema] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None:
        self._writer.close()

    def begin(self, plan: TablePlan) -> Resume:
        """Look at every table's key. Raises DestinationMissingError, InvalidTableError, AccessDeniedError."""
        for table in _tables_of(plan):
            if table.name not in self._schemas:
                self._schemas[table.name] = self._describe(table.name)
            self._schemas[table.name].check(table)
        return Resume()

    def load(self, chunk: Chunk) -> Loaded:
        """Write one chunk. Rows that no item can hold, or that DynamoDB refuses, come back as rejects."""
        by_table: dict[str, list[Rows]] = {}
        for rows in chunk.rows:
            by_table.setdefault(rows.table.name, []).append(rows)
        rejects = [reject for name, parts in by_table.items() for reject in self._load(name, parts)]
        count = sum(rows.count for rows in chunk.rows)
        return Loaded(count - len(rejects), tuple(sorted(rejects, key=attrgetter("place.row"))))

    def finish(self) -> None:
        """Nothing to do: items are visible as they are written."""

    def abort(self) -> None:
        """Nothing to do: what is written stays."""

    def _load(self, name: str, parts: list[Rows]) -> list[Reject]:
        items = LastWins(self._schemas[name], parts)
        puts: Iterable[Put] = items.puts()
        while refused := self._writer.write(name, self._schemas[name], puts):
            puts = items.instead_of(refused)
        return items.rejects

    def _describe(self, name: str) -> KeySchema:
        failures = 0
        while True:
            try:
                return self._schema(name)
            except ServiceUnavailableError:
                failures += 1
                if failures == self._backoff.attempts:
                    raise
                self._sleep(self._backoff.delay(failures))

    def _schema(self, name: str) -> KeySchema:
        with translating(f"dynamodb:DescribeTable on table {name}", missing=missing_table):
            description = self._client.describe_table(TableName=name)["Table"]
        if description.get("TableStatus") == "CREATING":
            raise ServiceUnavailableError(f"table {name} is still being created")
        return KeySchema.of(description)


def _tables_of(plan: TablePlan) -> Iterable[Table]:
    if plan.table:
        return (plan.table,)
    return plan.choice.tables.values() if plan.choice else ()
