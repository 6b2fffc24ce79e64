"""Replace tables by what several members of an archive have staged, in one transaction.

The end of the replacement commits with its rows, so a second swap finds it. So does the version of the archive: an
older one finds that of a newer one, and replaces nothing.
"""

from __future__ import annotations

import math
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from types import TracebackType
from typing import Self, TypeVar

import psycopg
from psycopg import sql
from psycopg.types.json import Jsonb

from penstock.destinations.ports import Swapped
from penstock.destinations.postgres.catalog import find, find_table, lock_ddl, lock_job
from penstock.destinations.postgres.connect import Connect, Connection
from penstock.destinations.postgres.created_tables import drop_created
from penstock.destinations.postgres.errors import translated
from penstock.destinations.postgres.ledger import WHOLE_JOB
from penstock.destinations.postgres.load_counts import LoadCounts
from penstock.destinations.postgres.load_report import FAILED, SUCCEEDED, SUPERSEDED, LoadReport
from penstock.destinations.postgres.plan_tables import names_of
from penstock.destinations.postgres.refused_rows import read_dropped, read_refused, refused_value
from penstock.destinations.postgres.replace import ReplaceStaging
from penstock.destinations.postgres.shared_staging import ROW_BITS, SharedStaging
from penstock.destinations.postgres.transactions import transact
from penstock.errors import DestinationMissingError, IncompleteJobError, LeaseLostError, SupersededError
from penstock.model.load import Loaded
from penstock.model.record import Reject
from penstock.model.replacement import Replacement
from penstock.model.table import Table
from penstock.model.wording import counted

T = TypeVar("T")

_AGAIN = "another attempt at the archive stages the member again"
_UNSWAPPED = "the tables were not replaced: see the job of the archive"

# The span of the entry with the version of the archive that last replaced the tables.
ORDER = -5


class _OverLimit(Exception):  # noqa: N818  # ends the transaction; never leaves this module
    def __init__(self, swapped: Swapped) -> None:
        super().__init__()
        self.swapped = swapped


class PostgresTableSwap:
    """Implements ``TableSwap``. ``tables`` are as the routes declare them. Memory: the refused rows."""

    def __init__(
        self,
        connect: Connect,
        replacement: Replacement,
        tables: Sequence[Table],
        *,
        ledger: str,
        timeout: float,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._connect = connect
        self._replacement = replacement
        self._tables = tables
        self._ledger_name = ledger
        self._timeout = timeout
        self._sleep = sleep

    def __enter__(self) -> Self:
        self._connection: Connection = self._connect()
        self._shared = SharedStaging(self._connection, self._replacement, self._ledger_name)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._connection.close()

    def begin(self, *, again: bool = False) -> str:
        def take_over() -> str:
            lock_job(self._connection, self._replacement.id)
            lock_ddl(self._connection)
            ledger = self._shared.whole_ledger()
            ledger.ensure(changes=True)
            if again:
                ledger.forget_end()
            elif ended := self._ended():
                return ended[0]
            if ledger.fence.is_passed():
                raise LeaseLostError(f"this attempt at job {self._replacement.job_id} has ended")
            held = self._shared.held(alone=True)
            if held and held[0] != self._replacement.attempt:
                self._discard(self._of(held[0]), held[1], SUPERSEDED, _AGAIN)
                held = None
            if held is None:
                self._shared.hold(())
            return ""

        return self._transact(take_over, f"preparing {names_of(self._tables)}", creating=True)

    def finish(self, members: int, check_order: Callable[[], None] = lambda: None) -> Swapped:
        def swap() -> Swapped:
            timeout = f"{self._timeout * 1000:.0f}"
            self._connection.execute(
                "SELECT set_config('statement_timeout', %s, true), set_config('synchronous_commit', 'on', true)",
                [timeout],
            )
            lock_job(self._connection, self._replacement.id)
            if ended := self._ended():
                return ended[1]
            check_order()
            self._shared.check(alone=True)
            if (staged := self._shared.count()) != members:
                count = f"{staged:,} {'is' if staged == 1 else 'are'}"
                raise IncompleteJobError(
                    f"{names_of(self._tables)}: {counted(members, 'member')} replace it, but {count} staged"
                )
            self._check_order()
            parts = [staging.publish() for staging in self._stagings()]
            refused = [self._of_member(reject) for part in parts for reject in part.rejects]
            swapped = Swapped(_grouped(refused), sum(part.dropped for part in parts))
            if over := tuple(self._over(swapped.refused)):
                raise _OverLimit(replace(swapped, over=over))
            self._record(swapped)
            self._report_end(swapped)
            return swapped

        try:
            return self._transact(swap, f"filling {names_of(self._tables)}")
        except _OverLimit as over:
            return over.swapped

    def abort(self, *, earlier: bool = False) -> None:
        def discard() -> None:
            lock_ddl(self._connection)
            if not find(self._connection, self._shared.whole_ledger().name):
                return
            held = self._shared.held(alone=True)
            if held and (earlier or held[0] == self._replacement.attempt):
                self._discard(self._of(held[0]), held[1], FAILED, _UNSWAPPED)
            if not self._ended() and not (held and held[0] == self._replacement.attempt):
                self._shared.whole_ledger().fence.enter()

        self._transact(discard, "dropping staging tables")

    def _of(self, attempt: str) -> SharedStaging:
        """Return what an attempt has staged."""
        return SharedStaging(self._connection, replace(self._replacement, attempt=attempt), self._ledger_name)

    def _discard(self, shared: SharedStaging, names: Iterable[tuple[str, str]], status: str, failure: str) -> None:
        """Drop the staging tables of an attempt, keep it from staging more, and report the end of its loads."""
        shared.whole_ledger().fence.enter()
        for name in names:
            self._connection.execute(sql.SQL("DROP TABLE IF EXISTS {}").format(sql.Identifier(*name)))
        shared.forget()
        drop_created(self._connection, shared.ledger())
        self._report.settle(shared.replacement.load_id, status, failure)

    def _stagings(self) -> Iterable[ReplaceStaging]:
        relations = {}
        for table in self._tables:
            relation = find_table(self._connection, table)
            if relation is None:
                raise DestinationMissingError(f"table {table.name} does not exist: it was dropped during the load")
            relations[relation.oid] = relation, table
        for relation, table in relations.values():
            yield ReplaceStaging(self._connection, relation, table, "", self._replacement)

    def _over(self, refused: Mapping[tuple[int, ...], Sequence[Reject]]) -> Iterable[tuple[int, ...]]:
        """Yield the members with more rejects than their routes allow."""
        for number, rejects in refused.items():
            staged = self._shared.staged(number)
            limit = staged.limit * staged.records if 0 < staged.limit < 1 else staged.limit
            if staged.rejects + len(rejects) > math.floor(limit):
                yield number

    def _check_order(self) -> None:
        """Record the version of the archive. Raises SupersededError if a newer one has replaced the tables."""
        series, order = self._replacement.series, self._replacement.order
        if not order:
            return
        ledger = self._shared.whole_ledger()
        insert = sql.SQL(
            "INSERT INTO {0} AS ledger (job, span, chunk, end_offset, next_row, rows, rejects, refused) "
            "VALUES (%s, %s, 0, 0, 0, 0, 0, %s) ON CONFLICT (job, span, chunk) "
            "DO UPDATE SET refused = EXCLUDED.refused, at = now() "
            "WHERE ledger.refused ->> 'order' COLLATE \"C\" <= EXCLUDED.refused ->> 'order'"
        ).format(ledger.table)
        with ledger.translating():
            if not self._connection.execute(insert, [series, ORDER, Jsonb({"order": order})]).rowcount:
                raise SupersededError(f"{names_of(self._tables)}: a newer version of the archive has replaced it")

    def _of_member(self, reject: Reject) -> tuple[tuple[int, ...], Reject]:
        """Return a reject with the number of its record, and the member that has it."""
        row = reject.position.row
        position = replace(reject.position, row=row & ((1 << ROW_BITS) - 1))
        return self._shared.member_of(row), replace(reject, position=position)

    def _record(self, swapped: Swapped) -> None:
        """Record the end of the replacement, and remove the entries of the attempt."""
        ledger = self._shared.whole_ledger()
        self._shared.ledger().forget_created()
        self._shared.forget()
        ledger.close()
        members = [list(member) for member, rejects in swapped.refused.items() for _ in rejects]
        rejects = tuple(reject for rejects in swapped.refused.values() for reject in rejects)
        more = {"attempt": self._replacement.attempt, "members": members}
        value = Jsonb(refused_value(Loaded(0, rejects, swapped.dropped)).obj | more)
        update = sql.SQL("UPDATE {} SET refused = %s WHERE job = %s AND span = %s").format(ledger.table)
        self._connection.execute(update, [value, self._replacement.id, WHOLE_JOB])

    @property
    def _report(self) -> LoadReport:
        return LoadReport(self._connection, self._shared.whole_ledger().name[0])

    def _report_end(self, swapped: Swapped) -> None:
        report, staged_with = self._report, self._replacement.load_id
        for member, rejects in swapped.refused.items():
            report.refuse(staged_with, member, LoadCounts(0, len(rejects), 0, rejects[0].flat))
        report.settle(staged_with, SUCCEEDED)

    def _ended(self) -> tuple[str, Swapped] | None:
        """Return the attempt that has swapped the tables, and the result; None if none has."""
        ledger = self._shared.whole_ledger()
        query = sql.SQL("SELECT refused FROM {} WHERE job = %s AND span = %s").format(ledger.table)
        with ledger.translating():
            found = self._connection.execute(query, [self._replacement.id, WHOLE_JOB]).fetchone()
        if not found:
            return None
        refused = found[0]
        rejects = zip(map(tuple, refused["members"]), read_refused(refused), strict=True)
        return str(refused["attempt"]), Swapped(_grouped(rejects), read_dropped(refused))

    def _transact(self, work: Callable[[], T], right: str, *, creating: bool = False) -> T:
        try:
            return transact(self._connection, work, self._sleep, creating=creating)
        except psycopg.Error as error:
            raise translated(error, right) from error


def _grouped(rejects: Iterable[tuple[tuple[int, ...], Reject]]) -> Mapping[tuple[int, ...], tuple[Reject, ...]]:
    grouped = defaultdict[tuple[int, ...], list[Reject]](list)
    for member, reject in rejects:
        grouped[member].append(reject)
    return {member: tuple(found) for member, found in grouped.items()}
