"""Choose where the rows of each table are written first, and move them from there to the table."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from penstock.destinations.postgres.atomic_load import AtomicStaging, NumberedAppender, moving_seconds
from penstock.destinations.postgres.catalog import Relation, count_indexes
from penstock.destinations.postgres.connect import Connection
from penstock.destinations.postgres.errors import translating
from penstock.destinations.postgres.ledger import Ledger
from penstock.destinations.postgres.replace import ReplaceStaging
from penstock.destinations.postgres.rights import check_rights, needs_in, role_of
from penstock.destinations.postgres.rows import Appender, RolledBack, Upserter, Writer
from penstock.destinations.postgres.shared_staging import SharedStaging
from penstock.errors import InvalidTableError
from penstock.model.load import Loaded
from penstock.model.table import Mode, Table


def stagings_of(
    connection: Connection,
    relations: Mapping[Table, Relation],
    job_id: str,
    shared: SharedStaging | None = None,
) -> Sequence[ReplaceStaging]:
    """Return the staging tables of a plan."""
    by_oid = {relation.oid: relation for relation in relations.values()}
    return [
        staging_of(connection, by_oid[oid], table, job_id, shared)
        for oid, table in _by_relation(relations).items()
        if table.staged
    ]


def ensure_all(stagings: Sequence[ReplaceStaging], ledger: Ledger) -> None:
    """Create the staging tables of a job. Raises InvalidTableError if one is missing after the load has begun."""
    begun = ledger.is_begun()
    for staging in stagings:
        staging.ensure(begun=begun)


class Writers(dict[Table, Writer]):
    """The writers of the plan's tables. Those for rows with more columns than the plan's are created on first use."""

    def __init__(
        self,
        connection: Connection,
        relations: Mapping[Table, Relation],
        job_id: str,
        shared: SharedStaging | None = None,
    ) -> None:
        super().__init__()
        self._shared = shared
        self._connection = connection
        self._relations = {table.name: relation for table, relation in relations.items()}
        self._planned = _by_relation(relations)
        self._job_id = job_id
        self._created = 0
        for table in relations:
            self[table] = self._create(table)

    def refresh(self, relations: Mapping[Table, Relation]) -> None:
        """Write to tables whose columns have changed."""
        self._relations = {table.name: relation for table, relation in relations.items()}
        for table in list(self):
            self[table] = self._create(table)

    def __missing__(self, table: Table) -> Writer:
        relation = self._relations[table.name]
        with translating(f"INSERT on table {relation}", role_of(self._connection)):
            check_rights(self._connection, needs_in(self._connection, {table: relation}))
            self[table] = self._create(table)
        return self[table]

    def _create(self, table: Table) -> Writer:
        relation = self._relations[table.name]
        names = [column.name for column in table.columns]
        if not table.staged:
            if table.mode is Mode.UPSERT:
                self._created += 1
                return Upserter(self._connection, relation, table, self._created)
            return Appender(self._connection, relation.identifier, names)
        planned = self._planned[relation.oid]
        staging = staging_of(self._connection, relation, planned, self._job_id, self._shared)
        if isinstance(staging, AtomicStaging):
            return NumberedAppender(self._connection, staging.identifier, names, others=names != staging.names)
        if not staging.is_numbered:
            return Appender(self._connection, staging.identifier, names)
        base = self._shared.base() if self._shared else 0
        return NumberedAppender(self._connection, staging.identifier, names, base=base)


def publish_all(stagings: Sequence[ReplaceStaging], ledger: Ledger, max_rejects: float) -> Loaded:
    """Move staged rows to their tables in the current transaction; return how that changes the counts.

    Raises RolledBack if the tables refuse more rows than the limit of rejects allows, and InvalidTableError if staged
    rows are lost.
    """
    rows, rejected, dropped = ledger.totals()
    atomic = [staging for staging in stagings if isinstance(staging, AtomicStaging)]
    if atomic and sum(staging.count() for staging in atomic) != rows:
        raise InvalidTableError(
            "the staged rows are lost: the database server crashed after they were loaded",
            hint="Start the job again after it has failed: it then loads all rows again. None of its rows is visible.",
        )
    parts = [staging.publish() for staging in stagings]
    refused = tuple(reject for part in parts for reject in part.rejects)
    dropped_now = sum(part.dropped for part in parts)
    records = rows + rejected + dropped
    limit = max_rejects * records if 0 < max_rejects < 1 else max_rejects
    if refused and len(refused) + rejected > math.floor(limit):
        raise RolledBack(Loaded(0, refused, committed=False))
    changes = {
        staging.table.name: -len(part.rejects) - part.dropped for staging, part in zip(stagings, parts, strict=True)
    }
    moved = Loaded(-len(refused) - dropped_now, refused, dropped_now, tables=changes if len(changes) > 1 else {})
    if moved.rows:
        ledger.record_move(moved)
    return moved


def longest_move(connection: Connection, relations: Mapping[Table, Relation], size: int) -> float:
    """Estimate the seconds to move ``size`` decoded bytes, if all of them are for the slowest table."""
    indexes = {table: count_indexes(connection, relation) for table, relation in relations.items() if table.atomic}
    return max((moving_seconds(size, table, count) for table, count in indexes.items()), default=0.0)


def staging_of(
    connection: Connection, relation: Relation, table: Table, job_id: str, shared: SharedStaging | None
) -> ReplaceStaging:
    """Return the staging table of one table."""
    if table.atomic:
        return AtomicStaging(connection, relation, table, job_id)
    return ReplaceStaging(connection, relation, table, job_id, shared.replacement if shared else None)


def _by_relation(relations: Mapping[Table, Relation]) -> Mapping[int, Table]:
    """Return the plan's table for each oid; the last one if the plan has a table twice."""
    return {relation.oid: table for table, relation in relations.items()}
