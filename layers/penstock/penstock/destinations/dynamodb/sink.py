"""Loading records into DynamoDB tables, each record an item under its own key."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from operator import attrgetter
from types import TracebackType
from typing import TYPE_CHECKING, Self

from penstock.aws.backoff import Backoff
from penstock.aws.errors import translating
from penstock.aws.retry import retrying
from penstock.destinations.dynamodb.batches import BatchWriter
from penstock.destinations.dynamodb.bookmark import DynamoBookmark
from penstock.destinations.dynamodb.items import LastWins, Put
from penstock.destinations.dynamodb.permit import JobFence
from penstock.destinations.dynamodb.table import KeySchema, missing_table
from penstock.errors import ServiceUnavailableError
from penstock.limits import SETTLED_SECONDS
from penstock.model.column import Storage
from penstock.model.load import Chunk, Loaded, LoadEnd, Resume, Rows
from penstock.model.record import Reject
from penstock.model.table import Table, TablePlan

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.client import DynamoDBClient

# Without any progress, 9 s of waiting on average; then the message returns to the queue.
RETRY_POLICY = Backoff(attempts=10, base=0.05, cap=5.0)


class DynamoRecordSink:
    """Implements ``TableSink``; for one calling thread.

    There is no ledger: keys come from the records, so a chunk that is loaded again writes the same items
    (docs/adr/0007). With a ``bookmark`` a retry goes on near where the last attempt ended; without one it begins anew.

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
        bookmark: DynamoBookmark | None = None,
        backoff: Backoff = RETRY_POLICY,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._client = client
        self._permit = JobFence(clock)
        self._bookmark = bookmark
        self._backoff = backoff
        self._sleep = sleep
        self._writer = BatchWriter(
            client,
            budget_bytes=budget_bytes,
            workers=workers,
            backoff=backoff,
            sleep=sleep,
            check=self._permit.check,
        )
        self._schemas: dict[str, KeySchema] = {}
        self._noted = self._reached = Resume()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None:
        self._writer.close()

    def storages(self, plan: TablePlan) -> Mapping[str, Mapping[str, Storage]]:
        """The types of keys are the tables'; other attributes have any."""
        return {table.name: self._schema_of(table).storages(table) for table in _tables_of(plan)}

    def begin(self, plan: TablePlan) -> Resume:
        """Look at every table's key. Raises DestinationMissingError, InvalidTableError, AccessDeniedError."""
        for table in _tables_of(plan):
            self._schema_of(table).check(table)
        if self._bookmark:
            self._noted = self._reached = self._bookmark.read()
        return self._noted

    def load(self, chunk: Chunk) -> Loaded:
        """Write one chunk. Rows that no item can hold, or that DynamoDB refuses, come back as rejects."""
        # Only now: whoever loads the next chunk has kept the rejects of the one before.
        self._note()
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
            # It has no rejects to be kept, and whoever loads it wants it to be known.
            self._note()
        return loaded

    def submit(self, chunk: Chunk) -> Callable[[], Loaded]:
        """As `load`, at once: the requests of a chunk are parallel already."""
        loaded = self.load(chunk)
        return lambda: loaded

    def finish(self, whole: Resume | None = None) -> None:
        """Note the end; items are visible as they are written."""
        self._note()
        if self._bookmark:
            self._bookmark.note_end(whole or self._reached)

    def ended(self) -> LoadEnd | None:
        """What `finish` has noted."""
        end = self._bookmark.end() if self._bookmark else None
        return LoadEnd(end, self.moved()) if end else None

    def moved(self) -> Loaded:
        """Items are where they belong as they are written."""
        return Loaded(0)

    def moving_seconds(self, size: int) -> float:  # noqa: ARG002  # none is moved
        return 0.0

    def has_other_spans(self) -> bool:
        """A second load writes the same items."""
        return False

    def is_finished(self) -> bool:
        """Items are there as they are written: a load that has ended may be done again."""
        return False

    def reached(self) -> None:
        """Each span has a bookmark of its own, which may be behind what is in."""

    def hold(self, holder: str, ended: Callable[[], bool] = lambda: False) -> None:  # noqa: ARG002  # it is asked
        """Write while the holder has the job."""
        self._permit.ended = ended

    def fence(self) -> None:
        """Wait until nothing can be under way any more for whoever has lost the job."""
        self._sleep(SETTLED_SECONDS)

    def abort(self) -> None:
        """Nothing to do: what is written stays."""

    def _note(self) -> None:
        if self._bookmark and self._noted != self._reached:
            self._bookmark.note(self._reached)
            self._noted = self._reached

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
    """The place behind a chunk, and what is in up to there."""
    return Resume(
        chunk.number + 1,
        chunk.end,
        chunk.next_row,
        before.rows + loaded.rows,
        before.rejects + chunk.rejects + len(loaded.rejects),
        fields=chunk.fields,
    )
