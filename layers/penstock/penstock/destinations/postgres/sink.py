"""The table sink for PostgreSQL. Each chunk is one transaction, with its entry in the ledger."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from types import TracebackType
from typing import Self, TypeVar

import psycopg

from penstock.destinations.postgres.catalog import (
    Relation,
    check_all,
    find_or_create,
    find_table,
    lock_ddl,
    lock_job,
    split_name,
)
from penstock.destinations.postgres.chunk_loader import ChunkLoader
from penstock.destinations.postgres.connect import Connect, Connection
from penstock.destinations.postgres.created_tables import (
    drop_created_in,
    missing_tables,
    retryable_if_dropped,
    schemas_with_ledger,
)
from penstock.destinations.postgres.ended_loads import EndedLoad
from penstock.destinations.postgres.errors import translated
from penstock.destinations.postgres.evolve import change_table, patiently, schema_in
from penstock.destinations.postgres.ledger import Ledger
from penstock.destinations.postgres.load_counts import counts_of
from penstock.destinations.postgres.load_end import end_of
from penstock.destinations.postgres.load_report import RUNNING, SUCCEEDED, LoadReport, warn
from penstock.destinations.postgres.plan_tables import checked_tables, names_of
from penstock.destinations.postgres.replace import ReplaceStaging, drop_stagings
from penstock.destinations.postgres.rights import Right, role_of
from penstock.destinations.postgres.rows import RolledBack, Writer
from penstock.destinations.postgres.shared_staging import SharedStaging, StagedMember
from penstock.destinations.postgres.staging import (
    Writers,
    ensure_all,
    longest_move,
    publish_all,
    stagings_of,
)
from penstock.destinations.postgres.transactions import transact
from penstock.destinations.postgres.types import storages
from penstock.errors import LeaseLostError, PenstockError
from penstock.model.column import Column, Storage
from penstock.model.column_change import ColumnChange
from penstock.model.load import Chunk, Loaded, LoadEnd, Resume
from penstock.model.load_origin import LoadOrigin
from penstock.model.replacement import Replacement
from penstock.model.table import Table, TablePlan

T = TypeVar("T")

LEDGER = "penstock_ledger"

# Seconds for a single statement that makes a large ``replace`` visible: about the maximum duration of a function.
FINISH_TIMEOUT = 840.0


def call(work: Callable[[], T]) -> T:
    """Call ``work`` once."""
    return work()


class PostgresSink:
    """Loads one span of a job. ``ledger`` is the name of the ledger, by default in the schema of the first table.

    append    COPY into the table
    upsert    COPY into a temporary table, then one INSERT ... ON CONFLICT
    replace   COPY into a staging table, made visible by `finish` (see `replace`)
    atomic    COPY into a staging table, whose rows `finish` moves (see `atomic_load`)

    Opens one connection with ``connect`` for the duration of the context. Memory: about twice a chunk's text.
    """

    commits_chunks = True

    def __init__(
        self,
        connect: Connect,
        job_id: str,
        span: int = 0,
        *,
        ledger: str = LEDGER,
        finish_timeout: float = FINISH_TIMEOUT,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._connect = connect
        self._job_id = job_id
        self._span = span
        self._ledger_name = split_name(ledger)
        self._finish_timeout = finish_timeout
        self._sleep = sleep
        self._holder = ""
        self._origin: LoadOrigin | None = None
        self._at_once = False
        self._writers: Mapping[Table, Writer] = {}
        self._stagings: Sequence[ReplaceStaging] = ()
        self._joined: tuple[Replacement, tuple[int, ...]] | None = None
        self._relations: Mapping[Table, Relation] = {}
        self._max_rejects = 0.0
        self._moved: Loaded | None = None
        self._deferred = False
        self._flushed = True

    def __enter__(self) -> Self:
        self._entered = time.monotonic()
        self._connection: Connection = self._connect()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if not (error or self._flushed or self._connection.closed):
                self._flush()
        finally:
            self._connection.close()

    def storages(self, plan: TablePlan) -> Mapping[str, Mapping[str, Storage]]:
        """Return how the existing tables of the plan store their columns."""
        tables = checked_tables(plan)

        def look() -> Mapping[str, Mapping[str, Storage]]:
            found = {table.name: find_table(self._connection, table) for table in tables}
            return {name: storages(self._connection, relation.oid) for name, relation in found.items() if relation}

        return self._transact(look, f"reading the catalog for {names_of(tables)}")

    def begin(self, plan: TablePlan) -> Resume:
        """Check or create tables, staging and ledger; return where the load resumes.

        Raises DestinationMissingError, InvalidTableError and AccessDeniedError, each with the missing item.
        """
        tables = checked_tables(plan)
        self._max_rejects = plan.max_rejects

        def prepare() -> Resume:
            lock_job(self._connection, self._job_id)
            lock_ddl(self._connection)
            missing = missing_tables(self._connection, tables)
            relations = {table: find_or_create(self._connection, table) for table in tables}
            check_all(self._connection, relations)
            self._ledger = self._ledger_in(next(iter(relations.values())).schema)
            self._ledger.ensure(changes=bool(missing) or any(table.staged for table in tables))
            shared = self._shared()
            if missing and self._job_id:
                creator = shared.ledger() if shared else self._ledger
                creator.record_created([relations[table].oid for table in missing])
            self._stagings = stagings_of(self._connection, relations, self._job_id, shared)
            if self._stagings and not self._ledger.is_finished():
                if shared:
                    shared.ensure(self._stagings)
                else:
                    ensure_all(self._stagings, self._ledger)
            self._writers = Writers(self._connection, relations, self._job_id, shared)
            self._relations = relations
            self._deferred = any(relation.deferred for relation in relations.values())
            self._loader = ChunkLoader(
                self._connection,
                self._ledger,
                self._writers,
                self._span,
                deferred=self._deferred,
                may_drop=any(relation.may_drop for relation in relations.values()),
                transact=self._transact,
            )
            resume = self._ledger.resume()
            if self._at_once or resume.chunk:
                self._begin_report()
            return resume

        return self._transact(prepare, f"preparing {names_of(tables)}", creating=True)

    def evolve(self, plan: TablePlan, table: Table, columns: Sequence[Column]) -> Mapping[str, str]:
        """Add columns to a table, or widen their types, in a transaction of its own. See `evolve`."""

        def change() -> Mapping[str, str]:
            ledger = self._ledger_in(schema_in(self._connection, plan))
            return change_table(self._connection, ledger, table, columns, self._shared())

        def patient(transaction: Callable[[], Mapping[str, str]]) -> Mapping[str, str]:
            return patiently(transaction, self._sleep)

        refused = self._transact(change, f"ALTER TABLE {table.name}", creating=True, run=patient)
        if self._relations:
            self._transact(self._refresh, f"reading the catalog for {names_of(self._relations)}")
        return refused

    def _refresh(self) -> None:
        found = {table: find_table(self._connection, table) for table in self._relations}
        self._relations = {table: found[table] or relation for table, relation in self._relations.items()}
        if isinstance(self._writers, Writers):
            self._writers.refresh(self._relations)

    def changes(self) -> tuple[ColumnChange, ...]:
        """Return the columns that the job has added or widened so far, from the ledger."""

        def look() -> tuple[ColumnChange, ...]:
            return tuple(change for schema in self._schemas() for change in self._ledger_in(schema).changes())

        return self._transact(look, "looking for changed columns")

    def load(self, chunk: Chunk) -> Loaded:
        """Commit a chunk, unless it is already committed.

        Rows that only the database can refuse are returned as rejects. If there are more than ``chunk.spare``, nothing
        of the chunk is committed. Raises LeaseLostError if another attempt has loaded this span, or if the job has
        ended; ServiceUnavailableError if the connection is lost. Then the ledger shows whether the chunk is committed.
        """
        return self.submit(chunk)()

    def submit(self, chunk: Chunk) -> Callable[[], Loaded]:
        """Start to load a chunk. The returned callable waits for the result, which is that of `load`.

        Call it before anything else uses the sink. The database loads the chunk meanwhile.
        """
        if chunk.number == 1:
            # A load of one chunk is reported at its end only.
            self._transact(self._begin_report, "reporting the load", creating=True)
        # A chunk that fails at once may still be committed later, without its rejects.
        self._flushed = False
        return self._loader.submit(chunk)

    def complete(self) -> None:
        """Do nothing: every chunk commits with its ledger entry."""

    def finish(self, whole: Resume | None = None) -> None:  # noqa: ARG002  # the ledger has all spans
        """Make staged rows visible and record the job's end in the ledger. No chunk is loaded after that."""

        def publish() -> None:
            timeout = f"{self._finish_timeout * 1000:.0f}"
            self._connection.execute(
                "SELECT set_config('statement_timeout', %s, true), set_config('synchronous_commit', 'on', true)",
                [timeout],
            )
            lock_job(self._connection, self._job_id)
            if self._ledger.fence.is_passed():
                raise LeaseLostError(f"job {self._job_id} has ended: this attempt publishes no rows")
            if self._ledger.close():
                if shared := self._shared():
                    shared.enter(StagedMember(*self._ledger.totals(), self._max_rejects))
                else:
                    self._moved = publish_all(self._stagings, self._ledger, self._max_rejects)
                self._end_report(RUNNING if shared else SUCCEEDED)

        try:
            self._transact(publish, f"filling {names_of(self._writers)}")
        except RolledBack as rolled_back:
            self._moved = rolled_back.loaded
        self._flushed = True

    def ended(self) -> LoadEnd | None:
        """Return the result of the job, if its end is recorded in a ledger."""

        def look() -> LoadEnd | None:
            ends = (end_of(self._ledger_in(schema)) for schema in self._schemas())
            return next((end for end in ends if end), None)

        return self._transact(look, "looking for the end of the job")

    def moved(self) -> Loaded:
        """Return how `finish` changed the counts of a staged load, also if another sink called it; the result says
        whether it committed."""
        if self._moved is None:
            self._moved = self._transact(self._ledger.moved, "looking for the end of the job")
        return self._moved

    def moving_seconds(self, size: int) -> float:
        """Estimate the seconds that `finish` takes for ``size`` decoded bytes; 0 if it moves no rows."""
        return self._transact(lambda: longest_move(self._connection, self._relations, size), "counting indexes")

    def _flush(self) -> None:
        """Wait until all commits are on the server's disk."""

        def write() -> None:
            self._connection.execute("SET LOCAL synchronous_commit = on")
            # A commit waits for the disk only if it has written something. This needs no right on a table.
            # https://www.postgresql.org/docs/current/functions-admin.html#FUNCTIONS-REPLICATION
            self._connection.execute("SELECT pg_logical_emit_message(true, 'penstock', '')")

        self._transact(write, "committing to disk")

    def has_other_spans(self) -> bool:
        """Return whether the ledger has entries of other spans."""
        return self._transact(self._ledger.has_other_spans, "looking for other spans")

    def is_finished(self) -> bool:
        """Return whether the job's end is in the ledger."""
        return self._transact(self._ledger.is_finished, "looking for the end of the job")

    def reached(self) -> Mapping[int, Resume]:
        """Return where each span of the job resumes, from the ledger."""

        def look() -> Mapping[int, Resume]:
            found = [self._ledger_in(schema).reached() for schema in self._schemas()]
            return next(filter(None, found), {})

        return self._transact(look, "looking for committed chunks")

    def hold(self, holder: str, ended: Callable[[], bool] = lambda: False) -> None:  # noqa: ARG002  # the fence is used
        """Set the holder to commit for. Call it before `begin`."""
        self._holder = holder

    def join(self, replacement: Replacement, member: tuple[int, ...]) -> None:
        """Stage the rows with those of other members of an archive, for a `PostgresTableSwap`."""
        self._joined = replacement, member

    def describe(self, origin: LoadOrigin, *, at_once: bool = False) -> None:
        """Set what the report of loads says of this one: from its begin, or from its second chunk on."""
        self._origin = origin
        self._at_once = at_once

    def record_end(self, state: str, failure: str = "") -> None:
        """Report the end of the job, from its entries in the ledger."""
        ended = EndedLoad(self._connection, self._ledger_in, self._origin, state, failure, self._seconds)
        try:
            self._transact(ended.record, "reporting the load")
        except PenstockError as error:
            warn(f"the end of a load was not reported: {error}")

    def _ensure_report(self) -> None:
        """Look anew in each transaction: an earlier one may have been rolled back after it created the table."""
        self._report = LoadReport(self._connection, self._ledger.name[0])
        self._report.ensure()

    def _begin_report(self) -> None:
        if self._origin:
            self._ensure_report()
            self._report.begin(self._job_id, self._origin)

    def _end_report(self, status: str) -> None:
        if self._origin:
            self._ensure_report()
            counts = counts_of(self._ledger, by_table=len(self._origin.tables) > 1)
            self._report.end(self._job_id, self._origin, counts, status, seconds=self._seconds)

    @property
    def _seconds(self) -> float:
        return time.monotonic() - self._entered

    def _shared(self) -> SharedStaging | None:
        if self._joined is None:
            return None
        replacement, member = self._joined
        return SharedStaging(self._connection, replacement, self._ledger_name[-1], member)

    def fence(self) -> None:
        """Keep all sinks of the holder from committing anything more."""

        def enter() -> None:
            for schema in self._schemas():
                with suppress(psycopg.errors.UndefinedTable), self._connection.transaction():
                    self._ledger_in(schema).fence.enter()

        self._transact(enter, "ending the loads in progress")

    def abort(self) -> None:
        """Drop the staging tables of this job with their ledger entries, and the empty tables that it created. After a
        completed job, nothing is dropped."""

        def discard() -> None:
            lock_ddl(self._connection)
            for schema in drop_stagings(self._connection, self._job_id):
                self._ledger_in(schema).forget()
            drop_created_in(self._connection, map(self._ledger_in, self._schemas()))

        self._transact(discard, "dropping staging tables")

    def _schemas(self) -> Sequence[str]:
        return schemas_with_ledger(self._connection, self._ledger_name[-1])

    def _ledger_in(self, schema: str) -> Ledger:
        name = self._ledger_name if len(self._ledger_name) > 1 else (schema, *self._ledger_name)
        return Ledger(self._connection, name, self._job_id, self._span, holder=self._holder)

    def _transact(
        self,
        work: Callable[[], T],
        right: Right | str,
        *,
        creating: bool = False,
        run: Callable[[Callable[[], T]], T] = call,
    ) -> T:
        """Do ``work`` in a transaction, and retry it. Error messages start with ``right``. ``run`` calls the
        transaction, and may retry it for other reasons."""
        try:
            return run(lambda: transact(self._connection, work, self._sleep, creating=creating))
        except psycopg.Error as error:
            translated_error = translated(error, right, role_of(self._connection))
            raise retryable_if_dropped(translated_error, self._writers) from error
