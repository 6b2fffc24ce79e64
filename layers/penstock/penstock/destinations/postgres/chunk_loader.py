"""Load chunks. Each is one transaction, with its entry in the ledger."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Protocol

import psycopg

from penstock.destinations.postgres.connect import Connection
from penstock.destinations.postgres.errors import translated
from penstock.destinations.postgres.ledger import Ledger
from penstock.destinations.postgres.pipelined_transaction import PipelinedTransaction
from penstock.destinations.postgres.plan_tables import names_of
from penstock.destinations.postgres.rows import RolledBack, Writer, put
from penstock.errors import LeaseLostError
from penstock.model.load import Chunk, Loaded
from penstock.model.table import Table

BEGIN, COMMIT = b"BEGIN ISOLATION LEVEL READ COMMITTED", b"COMMIT"


class Transact(Protocol):
    """Does work in a transaction, and retries it. Error messages start with ``right``."""

    def __call__(self, work: Callable[[], Loaded], right: str, /) -> Loaded: ...


@dataclass(frozen=True, slots=True)
class ChunkLoader:
    """Loads the chunks of one span.

    ``deferred``: a table has constraints that are checked at the commit.
    ``may_drop``: a trigger or a rule may drop rows.
    """

    connection: Connection
    ledger: Ledger
    writers: Mapping[Table, Writer]
    span: int
    deferred: bool
    may_drop: bool
    transact: Transact

    def submit(self, chunk: Chunk) -> Callable[[], Loaded]:
        """Send a chunk in one message. The returned callable waits for the result."""
        count = sum(rows.count for rows in chunk.rows)
        scripts = [self.writers[rows.table].script(rows) for rows in chunk.rows]
        copies = [statement for statements, _ in scripts for statement in statements]
        before = [BEGIN, *self.ledger.fence.statements]
        # If a trigger may drop rows, the counts of the entry are known after COPY only.
        if not self.may_drop:
            before.append(self.ledger.entry(chunk, Loaded(count, tables=self._by_table(chunk))))
        script = PipelinedTransaction(self.connection, [*before, *copies, *([] if self.may_drop else [COMMIT])])
        try:
            script.start([text for _, text in scripts])
        except psycopg.Error as error:
            self._recover(error)
            return lambda: self._load_finding_rejects(chunk)

        def settle() -> Loaded:
            try:
                answers = script.finish()
                return self._commit(chunk, answers[len(before) :]) if self.may_drop else Loaded(count)
            except psycopg.Error as error:
                self._recover(error)
                return self._load_finding_rejects(chunk)

        return settle

    def _commit(self, chunk: Chunk, answers: Sequence[int]) -> Loaded:
        """Compute the dropped rows from the results of the statements, enter the chunk, and commit."""
        stored = []
        for part in chunk.rows:
            writer = self.writers[part.table]
            of_part, answers = answers[: writer.answers], answers[writer.answers :]
            stored.append(part.count - writer.dropped(part.count, of_part))
        rows = sum(stored)
        dropped = sum(part.count for part in chunk.rows) - rows
        loaded = Loaded(rows, dropped=dropped, tables=self._by_table(chunk, stored))
        self.connection.execute(self.ledger.entry(chunk, loaded))
        self.connection.execute(COMMIT)
        return loaded

    def _recover(self, error: psycopg.Error) -> None:
        """Make the connection usable after a failed script. Raises ServiceUnavailableError if it is lost."""
        try:
            self.connection.rollback()
        except psycopg.Error:
            raise translated(error, self._right) from error

    def _load_finding_rejects(self, chunk: Chunk) -> Loaded:
        """Load a chunk again after its transaction failed, and find the rows that the database refuses."""

        def commit() -> Loaded:
            self.ledger.fence.share()
            if known := self.ledger.entered(chunk):
                return known
            if self.deferred:
                self.connection.execute("SET CONSTRAINTS ALL IMMEDIATE")
            loaded = self._put(chunk)
            # The entry comes last, because its counts are final: no right to change it is needed.
            if not self.ledger.enter(chunk, loaded):
                raise RolledBack(loaded)
            if chunk.spare is not None and len(loaded.rejects) > chunk.spare:
                raise RolledBack(replace(loaded, rows=0, dropped=0, committed=False))
            return loaded

        try:
            return self.transact(commit, self._right)
        except RolledBack as rolled_back:
            if not rolled_back.loaded.committed:
                return rolled_back.loaded
        return self.transact(partial(self._known, chunk), self._right)

    def _known(self, chunk: Chunk) -> Loaded:
        """Return the result of a chunk that another attempt has just committed."""
        if known := self.ledger.entered(chunk):
            return known
        raise LeaseLostError(f"chunk {chunk.number} of span {self.span}: the rows of its job were dropped")

    def _put(self, chunk: Chunk) -> Loaded:
        parts = [put(self.connection, self.writers[rows.table], rows, self.span) for rows in chunk.rows]
        rejects = tuple(reject for part in parts for reject in part.rejects)
        stored = [part.rows for part in parts]
        dropped = sum(part.dropped for part in parts)
        return Loaded(sum(stored), rejects, dropped, tables=self._by_table(chunk, stored))

    def _by_table(self, chunk: Chunk, stored: Sequence[int] | None = None) -> Mapping[str, int]:
        """Return the stored rows of a chunk by table, if the plan has several: without ``stored``, all of them."""
        counts = Counter[str]()
        if len({table.name for table in self.writers}) > 1:
            for rows, count in zip(chunk.rows, stored or [rows.count for rows in chunk.rows], strict=True):
                counts[rows.table.name] += count
        return counts

    @property
    def _right(self) -> str:
        return f"INSERT on table {names_of(self.writers)}"
