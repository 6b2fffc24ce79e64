"""Loading records into DynamoDB tables, each record an item under its own key."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from operator import attrgetter
from types import TracebackType
from typing import TYPE_CHECKING

from penstock.aws.backoff import Backoff
from penstock.aws.errors import translating
from penstock.aws.retry import retrying
from penstock.destinations.dynamodb.batches import BatchWriter
from penstock.destinations.dynamodb.bookmark import DynamoBookmark
from penstock.destinations.dynamodb.items import LastWins, Put
from penstock.destinations.dynamodb.job_fence import JobFence
from penstock.destinations.dynamodb.table import KeySchema, missing_table
from penstock.destinations.plain_sink import PlainSink
from penstock.errors import ServiceUnavailableError
from penstock.limits import SETTLED_SECONDS
from penstock.model.column import Storage
from penstock.model.load import Chunk, Loaded, LoadEnd, Resume, Rows
from penstock.model.record import Reject
from penstock.model.table import Table, TablePlan

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.client import DynamoDBClient

# Without any progress, the waits are 9 s on average; then the message returns to the queue.
RETRY_POLICY = Backoff(attempts=10, base=0.05, cap=5.0)


class DynamoRecordSink(PlainSink):
    """Implements ``TableSink`` for one calling thread.

    There is no ledger: keys come from the records, so a chunk that is loaded again writes the same items
    (docs/adr/0007). With a ``bookmark``, a retry resumes near the end of the last attempt; without one, it starts from
    the beginning.

    For a column that is None, the item has no attribute. The last row of a key wins. `submit` loads at once: the
    requests of a chunk are parallel already.

    Memory: requests of at most ``budget_bytes`` in all (see BatchWriter), and the keys of one chunk.
    Needs dynamodb:DescribeTable and dynamodb:BatchWriteItem on the tables.
    """

    def __init__(
        self,
        client: DynamoDBClient,
        *,
        budget_bytes: int,
        workers: int,
        bookmark: DynamoBookmark | None = None,
        backoff: Backoff = RETRY_POLICY,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._client = client
        self._fence = JobFence(clock)
        self._bookmark = bookmark
        self._backoff = backoff
        self._sleep = sleep
        self._writer = BatchWriter(
            client,
            budget_bytes=budget_bytes,
            workers=workers,
            backoff=backoff,
            sleep=sleep,
            check=self._fence.check,
        )
        self._schemas: dict[str, KeySchema] = {}
        self._recorded = self._reached = Resume()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None:
        self._writer.close()

    def storages(self, plan: TablePlan) -> Mapping[str, Mapping[str, Storage]]:
        """The types of key attributes are those of the tables. Other attributes have any type."""
        return {table.name: self._schema_of(table).storages(table) for table in _tables_of(plan)}

    def begin(self, plan: TablePlan) -> Resume:
        """Check the key of every table. Raises DestinationMissingError, InvalidTableError, AccessDeniedError."""
        for table in _tables_of(plan):
            self._schema_of(table).check(table)
        if self._bookmark:
            self._recorded = self._reached = self._bookmark.read()
        return self._recorded

    def load(self, chunk: Chunk) -> Loaded:
        """Write one chunk. Rows that no item can hold, or that DynamoDB refuses, are returned as rejects."""
        # Not earlier: the caller writes the rejects of a chunk before it loads the next one.
        self._record()
        by_table: dict[str, list[Rows]] = {}
        for rows in chunk.rows:
            by_table.setdefault(rows.table.name, []).append(rows)
        rejects = [reject for name, parts in by_table.items() for reject in self._load(name, parts)]
        loaded = Loaded(
            sum(rows.count for rows in chunk.rows) - len(rejects),
            tuple(sorted(rejects, key=attrgetter("position.row"))),
        )
        if chunk.number == self._reached.chunk:
            self._reached = _behind(chunk, loaded, self._reached)
        if not chunk.records:
            # This chunk has no rejects to wait for.
            self._record()
        return loaded

    def finish(self, whole: Resume | None = None) -> None:
        """Record the end. Items are visible as soon as they are written."""
        self._record()
        if self._bookmark:
            self._bookmark.record_end(whole or self._reached)

    def ended(self) -> LoadEnd | None:
        """What `finish` has recorded."""
        end = self._bookmark.end() if self._bookmark else None
        return LoadEnd(end, self.moved()) if end else None

    def hold(self, holder: str, ended: Callable[[], bool] = lambda: False) -> None:  # noqa: ARG002  # JobFence calls ``ended``
        """Write items only while the holder has the job."""
        self._fence.ended = ended

    def fence(self) -> None:
        """Wait until no request of a writer that has lost the job can be under way."""
        self._sleep(SETTLED_SECONDS)

    def _record(self) -> None:
        if self._bookmark and self._recorded != self._reached:
            self._bookmark.record(self._reached)
            self._recorded = self._reached

    def _load(self, name: str, parts: list[Rows]) -> list[Reject]:
        items = LastWins(self._schemas[name], parts)
        puts: Iterable[Put] = items.puts()
        while refused := self._writer.write(name, self._schemas[name], puts):
            puts = items.instead_of(refused)
        return items.rejects

    def _schema_of(self, table: Table) -> KeySchema:
        if table.name not in self._schemas:
            self._schemas[table.name] = self._describe(table.name)
        return self._schemas[table.name]

    def _describe(self, name: str) -> KeySchema:
        return retrying(
            lambda: self._schema(name), on=ServiceUnavailableError, backoff=self._backoff, sleep=self._sleep
        )

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


def _behind(chunk: Chunk, loaded: Loaded, before: Resume) -> Resume:
    """The position after a chunk, with the counts up to there."""
    return Resume(
        chunk.number + 1,
        chunk.end,
        chunk.next_row,
        before.rows + loaded.rows,
        before.rejects + chunk.rejects + len(loaded.rejects),
        fields=chunk.fields,
    )
