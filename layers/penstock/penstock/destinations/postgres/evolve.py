"""Add columns to a table, and widen the types of columns, while other loads write to it.

Each change is a transaction of its own, which begins while the load holds no row locks. It waits two seconds for the
lock of the table, gives the waiting writers way, and tries again: so two spans that both change the table never wait
for each other. A column that another load has added meanwhile is taken as it is. The changes of a job are in the
ledger: they commit with the columns, so a retry finds both.
https://www.postgresql.org/docs/current/sql-altertable.html
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import psycopg
from psycopg import sql

from penstock.aws.backoff import Backoff
from penstock.aws.retry import retrying
from penstock.destinations.postgres.catalog import (
    Relation,
    find,
    find_table,
    lock_job,
    schema_of,
    split_name,
    type_of,
)
from penstock.destinations.postgres.column_rules import is_wider, refused_columns
from penstock.destinations.postgres.connect import Connection
from penstock.destinations.postgres.errors import message_of
from penstock.destinations.postgres.ledger import Ledger
from penstock.destinations.postgres.plan_tables import checked_tables
from penstock.destinations.postgres.replace import ReplaceStaging
from penstock.destinations.postgres.rights import is_owned, owner_statement, role_of
from penstock.destinations.postgres.shared_staging import SharedStaging
from penstock.destinations.postgres.staging import staging_of
from penstock.destinations.postgres.types import mark, remark, storages
from penstock.errors import AccessDeniedError, InvalidTableError
from penstock.limits import MIB
from penstock.model.column import Column
from penstock.model.column_change import ColumnChange
from penstock.model.table import Table, TablePlan

T = TypeVar("T")

# Bytes of a table, with its indexes, up to which a type is widened that PostgreSQL rewrites the table for. Nobody reads
# the table meanwhile: 60 to 120 MB a second (3,000,000 rows, 283 MB: 2.2 s to numeric, 2.9 s to text). A new column,
# and text instead of varchar(n) or numeric instead of numeric(p, s), take a millisecond for any size.
MOST_REWRITTEN = 256 * MIB

# Writers wait behind a change that waits for the lock.
LOCK_TIMEOUT = "2s"
LOCK_POLICY = Backoff(attempts=12, base=0.5, cap=8.0)

ADDITION, ALTERATION = sql.SQL("ADD COLUMN {} {}"), sql.SQL("ALTER COLUMN {} TYPE {}")

# Of a table that is not partitioned, the tree is empty.
_SIZE = """
SELECT pg_total_relation_size(%(oid)s) + coalesce(sum(pg_total_relation_size(relid)), 0)::bigint
FROM pg_partition_tree(%(oid)s) WHERE relid <> %(oid)s
"""
_COMMENT = "SELECT coalesce(col_description(%s, attnum), '') FROM pg_attribute WHERE attrelid = %s AND attname = %s"

# Something depends on the column: a view, a default, a foreign key, the partitions.
_REFUSED = (
    psycopg.errors.FeatureNotSupported,
    psycopg.errors.DatatypeMismatch,
    psycopg.errors.DependentObjectsStillExist,
    psycopg.errors.InvalidTableDefinition,
    psycopg.errors.InvalidObjectDefinition,
    psycopg.errors.TooManyColumns,
)


def patiently(work: Callable[[], T], sleep: Callable[[float], None]) -> T:
    """Do ``work``, a transaction, again as long as it does not get the lock of a table."""
    return retrying(work, on=psycopg.errors.LockNotAvailable, backoff=LOCK_POLICY, sleep=sleep)


def schema_in(connection: Connection, plan: TablePlan) -> str:
    """Return the schema of the ledger of a plan: that of its first table, which may not exist yet."""
    name = split_name(checked_tables(plan)[0].name)
    found = find(connection, name)
    return found.schema if found else schema_of(connection, name)


def change_table(
    connection: Connection, ledger: Ledger, table: Table, columns: Sequence[Column], shared: SharedStaging | None
) -> Mapping[str, str]:
    """Add columns to a table, or widen their types, in the current transaction. Return why some cannot be columns.

    Raises InvalidTableError if a type cannot be widened, and AccessDeniedError.
    """
    connection.execute(sql.SQL("SET LOCAL lock_timeout = {}").format(sql.Literal(LOCK_TIMEOUT)))
    # The spans of a job count their columns together.
    lock_job(connection, ledger.job_id)
    relation = find_table(connection, table)
    if relation is None:
        return {}
    ledger.ensure()
    staging = staging_of(connection, relation, table, ledger.job_id, shared) if table.staged else None
    return _Evolution(connection, ledger, table, relation, staging).apply(columns)


def check_owner(connection: Connection, relation: Relation, new: Sequence[Column], wider: Sequence[Column]) -> None:
    """Raise AccessDeniedError unless the role may change the columns of a table. The hint changes them by hand."""
    if is_owned(connection, relation.oid):
        return
    role = role_of(connection)
    added = [_statement(connection, relation, column, ADDITION) for column in new]
    statements = " ".join([*added, *(_statement(connection, relation, column, ALTERATION) for column in wider)])
    owner = owner_statement(relation.schema, relation.name, role)
    raise AccessDeniedError(
        f"ownership of table {relation}",
        detail=f"role {role} lacks it; only the owner may change columns",
        hint=f"Let the owner or an administrator run: {owner} Or change the columns by hand: {statements}",
    )


@dataclass(slots=True)
class _Evolution:
    """Changes of one table in the current transaction, and of its staging table, if the load has one."""

    connection: Connection
    ledger: Ledger
    table: Table
    relation: Relation
    staging: ReplaceStaging | None

    def apply(self, columns: Sequence[Column]) -> Mapping[str, str]:
        """Add the columns that the table lacks, and widen the others to these types, where they are wider."""
        refused, new, wider = self._sorted(columns)
        if new or wider:
            check_owner(self.connection, self.relation, new, wider)
            # Another load may be doing the same.
            self._run("LOCK TABLE {} IN ACCESS EXCLUSIVE MODE", self.relation.identifier)
            self.relation = find_table(self.connection, self.table) or self.relation
            refused, new, wider = self._sorted(columns)
            self._check_size(wider)
            changes = [*self._add(new), *self._widen(wider)]
            if changes:
                self.ledger.record_changes(changes)
                self.relation = find_table(self.connection, self.table) or self.relation
        self._match_staging()
        return refused

    def _match_staging(self) -> None:
        """Give the staging table the columns and types that the table has, also those that other loads have changed."""
        staged = self._staged()
        if staged is None:
            return
        missing = [info for info in self.relation.columns.values() if info.name not in staged.columns]
        differing = [
            info
            for info in self.relation.columns.values()
            if info.name in staged.columns and staged.columns[info.name].type != info.type
        ]
        parts = [
            change.format(sql.Identifier(info.name), sql.SQL(info.type))
            for change, found in ((ADDITION, missing), (ALTERATION, differing))
            for info in found
            if not info.generated
        ]
        if parts:
            statement = sql.SQL("ALTER TABLE {} {}").format(staged.identifier, sql.SQL(", ").join(parts))
            self.connection.execute(statement)
        for info in (*missing, *differing) if parts else ():
            comment = sql.SQL("COMMENT ON COLUMN {} IS {}").format(
                sql.Identifier(staged.schema, staged.name, info.name), sql.Literal(self._comment(info.name) or None)
            )
            self.connection.execute(comment)

    @property
    def _name(self) -> tuple[str, str]:
        return self.relation.schema, self.relation.name

    def _staged(self) -> Relation | None:
        return find(self.connection, self.staging.name) if self.staging else None

    def _sorted(self, columns: Sequence[Column]) -> tuple[Mapping[str, str], list[Column], list[Column]]:
        """Return why some columns cannot be added, those to add, and those to widen."""
        held = storages(self.connection, self.relation.oid)
        added = sum(not change.was for change in self.ledger.changes())
        refused = refused_columns(self.connection, held, columns, added)
        new = [column for column in columns if column.name not in held and column.name not in refused]
        wider = [column for column in columns if column.name in held and is_wider(column.type, held[column.name])]
        return refused, new, wider

    def _check_size(self, wider: Sequence[Column]) -> None:
        held = storages(self.connection, self.relation.oid)
        rewriting = [column for column in wider if held[column.name].type is not column.type]
        if not rewriting:
            return
        staged = self._staged()
        size = self._size(self.relation) + (self._size(staged) if staged else 0)
        if size > MOST_REWRITTEN:
            column = rewriting[0]
            raise InvalidTableError(
                f"table {self.relation}: column {column.name!r} would have to become {column.type}. PostgreSQL would "
                f"rewrite the table, which has {size:,} bytes; a load does so up to {MOST_REWRITTEN:,} bytes",
                hint=f"Run this when nobody needs the table, and load the file again: "
                f"{_statement(self.connection, self.relation, column, ALTERATION)}",
            )

    def _size(self, relation: Relation) -> int:
        found = self.connection.execute(_SIZE, {"oid": relation.oid}).fetchone()
        return int(found[0]) if found else 0

    def _add(self, columns: Sequence[Column]) -> list[ColumnChange]:
        if not columns:
            return []
        additions = sql.SQL(", ").join(
            sql.SQL("ADD COLUMN IF NOT EXISTS {} {}").format(sql.Identifier(column.name), type_of(column))
            for column in columns
        )
        statement = sql.SQL("ALTER TABLE {} {}").format(self.relation.identifier, additions)
        self._alter(statement, columns[0], "be added")
        mark(self.connection, self._name, columns)
        return [ColumnChange(self.table.name, column.name, _sql_type(column)) for column in columns]

    def _widen(self, columns: Sequence[Column]) -> list[ColumnChange]:
        changes = []
        for column in columns:
            was = self.relation.columns[column.name].type
            comment = self._comment(column.name)
            change = sql.SQL("ALTER TABLE {} ALTER COLUMN {} TYPE {}").format(
                self.relation.identifier, sql.Identifier(column.name), type_of(column)
            )
            self._alter(change, column, f"become {column.type}")
            remark(self.connection, (*self._name, column.name), comment, column.type)
            changes.append(ColumnChange(self.table.name, column.name, _sql_type(column), was))
        return changes

    def _comment(self, column: str) -> str:
        oid = self.relation.oid
        found = self.connection.execute(_COMMENT, [oid, oid, column]).fetchone()
        return str(found[0]) if found else ""

    def _alter(self, statement: sql.Composed, column: Column, what: str) -> None:
        try:
            self.connection.execute(statement)
        except _REFUSED as error:
            raise InvalidTableError(
                f"table {self.relation}: column {column.name!r} cannot {what}: {message_of(error)}",
                hint=f"Change it by hand, and load the file again: {statement.as_string(self.connection)};",
            ) from error

    def _run(self, statement: str, name: sql.Identifier) -> None:
        self.connection.execute(sql.SQL(statement).format(name))


def _sql_type(column: Column) -> str:
    return type_of(column).as_string()


def _statement(connection: Connection, relation: Relation, column: Column, change: sql.SQL) -> str:
    parts = change.format(sql.Identifier(column.name), type_of(column))
    return (sql.SQL("ALTER TABLE {} ").format(relation.identifier) + parts).as_string(connection) + ";"
