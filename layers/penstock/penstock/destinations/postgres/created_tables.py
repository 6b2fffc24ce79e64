"""Tables that a job created itself. A job that fails before it commits a row leaves none."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import psycopg
from psycopg import sql

from penstock.destinations.postgres.catalog import find_table
from penstock.destinations.postgres.connect import Connection
from penstock.destinations.postgres.ledger import Ledger
from penstock.errors import DestinationMissingError, PenstockError, ServiceUnavailableError
from penstock.model.table import Table

_LEDGERS = """
SELECT n.nspname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relname = %s AND c.relkind IN ('r', 'p') AND has_schema_privilege(n.oid, 'USAGE')
  AND has_table_privilege(c.oid, 'SELECT') AND has_table_privilege(c.oid, 'INSERT')
"""
_NAME = """
SELECT n.nspname, c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = %s
"""

# The table stays if it is in use, if something depends on it, or if it has another owner now.
_KEPT = (
    psycopg.errors.LockNotAvailable,
    psycopg.errors.DependentObjectsStillExist,
    psycopg.errors.InsufficientPrivilege,
    psycopg.errors.UndefinedTable,
)


def missing_tables(connection: Connection, tables: Iterable[Table]) -> Sequence[Table]:
    """Return the missing tables that the route lets a job create."""
    return [table for table in tables if table.create and find_table(connection, table) is None]


def schemas_with_ledger(connection: Connection, name: str) -> Sequence[str]:
    """Return the schemas that have a ledger of this name that the role may use."""
    return [schema for (schema,) in connection.execute(_LEDGERS, [name]).fetchall()]


def drop_created(connection: Connection, ledger: Ledger) -> None:
    """Drop the empty tables that a job has created, if it has neither ended nor committed rows."""
    created = ledger.created()
    if not created or ledger.is_finished() or ledger.totals()[0]:
        return
    for oid in created:
        name = connection.execute(_NAME, [oid]).fetchone()
        if name:
            _drop_empty(connection, sql.Identifier(*name))
    ledger.forget_created()


def drop_created_in(connection: Connection, ledgers: Iterable[Ledger]) -> None:
    """Do the same for each of these ledgers that is still there: somebody may drop a schema that holds another one."""
    for ledger in ledgers:
        try:
            with connection.transaction():
                drop_created(connection, ledger)
        except DestinationMissingError:
            pass


def _drop_empty(connection: Connection, table: sql.Identifier) -> None:
    try:
        with connection.transaction():
            connection.execute(sql.SQL("LOCK TABLE {} IN ACCESS EXCLUSIVE MODE NOWAIT").format(table))
            if not connection.execute(sql.SQL("SELECT FROM {} LIMIT 1").format(table)).fetchall():
                connection.execute(sql.SQL("DROP TABLE {}").format(table))
    except _KEPT:
        pass


def retryable_if_dropped(error: PenstockError, tables: Iterable[Table]) -> PenstockError:
    """Return the error to raise. If a table disappears during a load, another job had created it and has failed. If
    the route may create it, the next attempt does."""
    if isinstance(error, DestinationMissingError) and any(table.create for table in tables):
        return ServiceUnavailableError(error.message, hint="The table was dropped; the next attempt creates it again.")
    return error
