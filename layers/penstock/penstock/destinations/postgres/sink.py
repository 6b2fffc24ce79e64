"""The table sink for PostgreSQL: each chunk is one transaction, with its entry in the ledger."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import Self, TypeVar

import psycopg

from penstock.destinations.postgres.catalog import (
    Relation,
    check,
    find_or_create,
    find_table,
    lock_ddl,
    lock_job,
    split_name,
)
from penstock.destinations.postgres.chunk_loader import ChunkLoader
from penstock.destinations.postgres.connect import Connect, Connection
from penstock.destinations.postgres.created_tables import drop_made, made_anew, schemas_with_ledger, to_be_made
from penstock.destinations.postgres.errors import translated
from penstock.destinations.postgres.ledger import Ledger
from penstock.destinations.postgres.load_end import end_of
from penstock.destinations.postgres.plan_tables import checked_tables, names_of
from penstock.destinations.postgres.replace import ReplaceStaging, drop_stagings
from penstock.destinations.postgres.rows import TakenBack, Writer
from penstock.destinations.postgres.staging import Writers, longest_move, publish_all, stagings_of
from penstock.destinations.postgres.transactions import transact
from penstock.destinations.postgres.types import storages
from penstock.errors import LeaseLostError
from penstock.model.column import Storage
from penstock.model.load import Chunk, Loaded, LoadEnd, Resume
from penstock.model.table import Table, TablePlan

T = TypeVar("T")

LEDGER = "penstock_ledger"

# Seconds for the one statement that makes a large ``replace`` visible: as long as a function may run.
FINISHING = 840.0


class PostgresSink:
    """Loads one span of a job. ``ledger`` names its table, by default in the schema of the first table.

    append    COPY into the table
    upsert    COPY into a temporary table, then one INSERT ... ON CONFLICT
    replace   COPY into a staging table, made visible by `finish` (see `replace`)
    atomic    the same, moved row by row (see `atomic_load`)

    One connection, from ``connect``, for as long as the context is entered. Memory: about twice a chunk's text.
    """

    def __init__(
        self,
        connect: Connect,
        job_id: str,
        span: int = 0,
        *,
        ledger: str = LEDGER,
        finish_timeout: float = FINISHING,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._connect = connect
        self._job_id = job_id
        self._span = span
        self._ledger_name = split_name(ledger)
        self._finish_timeout = finish_timeout
        self._sleep = sleep
        self._holder = ""
        self._writers: Mapping[Table, Writer] = {}
        self._stagings: Sequence[ReplaceStaging] = ()
        self._relations: Mapping[Table, Relation] = {}
        self._max_rejects = 0.0
        self._moved: Loaded | None = None
        self._deferred = False
        self._flushed = True

    def __enter__(self) -> Self:
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
        """How tables of the plan that exist hold their columns."""
        tables = checked_tables(plan)

        def look() -> Mapping[str, Mapping[str, Storage]]:
            found = {table.name: find_table(self._connection, table) for table in tables}
            return {name: storages(self._connection, there.oid) for name, there in found.items() if there}

        return self._transact(look, f"reading the catalog for {names_of(tables)}")

    def begin(self, plan: TablePlan) -> Resume:
        """Check or create tables, staging and ledger; answers where to go on.

        Raises DestinationMissingError, InvalidTableError and AccessDeniedError, each naming what is missing.
        """
        tables = checked_tables(plan)
        self._max_rejects = plan.max_rejects

        def prepare() -> Resume:
            lock_job(self._connection, self._job_id)
            lock_ddl(self._connection)
            missing = to_be_made(self._connection, tables)
            relations = {table: find_or_create(self._connection, table) for table in tables}
            for table, relation in relations.items():
                check(self._connection, table, relation)
            self._ledger = self._ledger_in(next(iter(relations.values())).schema)
            self._ledger.ensure()
            if missing and self._job_id:
                self._ledger.note_made([relations[table].oid for table in missing])
            self._stagings = stagings_of(self._connection, relations, self._job_id)
            if self._stagings and not self._ledger.is_finished():
                begun = self._ledger.is_begun()
                for staging in self._stagings:
                    staging.ensure(begun=begun)
            self._writers = Writers(self._connection, relations, self._job_id)
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
            return self._ledger.resume()

        return self._transact(prepare, f"preparing {names_of(tables)}", creating=True)

    def load(self, chunk: Chunk) -> Loaded:
        """Commit a chunk, or find that it is in already.

        Rows that only the database can refuse come back as rejects; more than ``chunk.spare``, and nothing of it is
        committed. Raises LeaseLostError when another attempt has loaded this span, or the job has ended;
        ServiceUnavailableError when the connection is lost: the chunk may then be in or not, and the ledger knows.
        """
        return self.submit(chunk)()

    def submit(self, chunk: Chunk) -> Callable[[], Loaded]:
        """Start to load a chunk. The callable that it returns waits for the end, as `load` does.

        Call it before anything else uses the sink. The database works meanwhile.
        """
        # Also a chunk that fails at once may be committed by what follows.
        self._flushed = False
        return self._loader.submit(chunk)

    def finish(self, whole: Resume | None = None) -> None:  # noqa: ARG002  # the ledger has all spans
        """Make a ``replace`` visible and enter the job's end in the ledger: no chunk is loaded after it."""

        def publish() -> None:
            timeout = f"{self._finish_timeout * 1000:.0f}"
            self._connection.execute(
                "SELECT set_config('statement_timeout', %s, true), set_config('synchronous_commit', 'on', true)",
                [timeout],
            )
            lock_job(self._connection, self._job_id)
            if self._ledger.fence.is_passed():
                raise LeaseLostError(f"job {self._job_id} has ended: nothing more is made visible")
            if self._ledger.close():
                self._moved = publish_all(self._stagings, self._ledger, self._max_rejects)

        try:
            self._transact(publish, f"filling {names_of(self._writers)}")
        except TakenBack as back:
            self._moved = back.loaded
        self._flushed = True

    def ended(self) -> LoadEnd | None:
        """What all of the job has loaded, if its end is in a ledger."""

        def look() -> LoadEnd | None:
            ends = (end_of(self._ledger_in(schema)) for schema in self._schemas())
            return next((end for end in ends if end), None)

        return self._transact(look, "looking for the end of the job")

    def moved(self) -> Loaded:
        """What `finish` has changed of the counts of an atomic load, whoever called it; it may not have committed."""
        if self._moved is None:
            self._moved = self._transact(self._ledger.moved, "looking for the end of the job")
        return self._moved

    def moving_seconds(self, size: int) -> float:
        """About how long `finish` takes for so many decoded bytes; 0 where it moves none."""

        return self._transact(lambda: longest_move(self._connection, self._relations, size), "counting indexes")

    def _flush(self) -> None:
        """Wait until all that was committed is on the server's disk."""

        def touch() -> None:
            self._connection.execute("SET LOCAL synchronous_commit = on")
            self._ledger.touch()

        self._transact(touch, "committing to disk")

    def has_other_spans(self) -> bool:
        """Whether the ledger has entries of other spans."""
        return self._transact(self._ledger.has_other_spans, "looking for other spans")

    def is_finished(self) -> bool:
        """Whether the job's end is in the ledger."""
        return self._transact(self._ledger.is_finished, "looking for the end of the job")

    def reached(self) -> Mapping[int, Resume]:
        """Where each span of the job goes on, as the ledger has it."""
        return self._transact(self._ledger.reached, "looking for what is in")

    def hold(self, holder: str, ended: Callable[[], bool] = lambda: False) -> None:  # noqa: ARG002  # the fence tells
        """Commit for this holder, before `begin`."""
        self._holder = holder

    def fence(self) -> None:
        """Commit nothing more for the holder, whoever works for it."""

        def enter() -> None:
            for schema in self._schemas():
                self._ledger_in(schema).fence.enter()

        self._transact(enter, "ending what is under way")

    def abort(self) -> None:
        """Drop the staging tables of this job, unless it has ended, and forget what was loaded into them; and the
        tables that it made, if nothing is in them."""

        def discard() -> None:
            lock_ddl(self._connection)
            for schema in drop_stagings(self._connection, self._job_id):
                self._ledger_in(schema).forget()
            for schema in self._schemas():
                drop_made(self._connection, self._ledger_in(schema))

        self._transact(discard, "dropping staging tables")

    def _schemas(self) -> Sequence[str]:
        return schemas_with_ledger(self._connection, self._ledger_name[-1])

    def _ledger_in(self, schema: str) -> Ledger:
        name = self._ledger_name if len(self._ledger_name) > 1 else (schema, *self._ledger_name)
        return Ledger(self._connection, name, self._job_id, self._span, holder=self._holder)

    def _transact(self, work: Callable[[], T], right: str, *, creating: bool = False) -> T:
        """Do ``work`` in a transaction, and retry it. ``right`` begins an error's message."""
        try:
            return transact(self._connection, work, self._sleep, creating=creating)
        except psycopg.Error as error:
            raise made_anew(translated(error, right), self._writers) from error
