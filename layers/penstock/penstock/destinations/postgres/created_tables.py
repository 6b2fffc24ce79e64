"""Tables that a job made itself: one that fails before a row is in leaves none."""

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
WHERE c.relname = %s AND c.relkind IN ('r', 'p') AND has_table_privilege(c.oid, 'SELECT, DELETE')
"""
_NAME = """
SELECT n.nspname, c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = %s
"""

# Somebody works with it, or something depends on it, or it is not ours any more: then it stays.
_KEPT = (
    psycopg.errors.LockNotAvailable,
    psycopg.errors.DependentObjectsStillExist,
    psycopg.errors.InsufficientPrivilege,
    psycopg.errors.UndefinedTable,
)


def to_be_made(connection: Connection, tables: Iterable[Table]) -> Sequence[Table]:
    """The tables that are missing, and that the route lets a job make."""
    return [table for table in tables if table.create and find_table(connection, table) is None]


def schemas_with_ledger(connection: Connection, name: str) -> Sequence[str]:
    """The schemas that have a ledger of this name."""
    return [schema for (schema,) in connection.execute(_LEDGERS, [name]).fetchall()]


def drop_made(connection: Connection, ledger: Ledger) -> None:
    """Drop what a job that has not ended has made, as long as nothing is in it."""
    made = ledger.made()
    if not made or ledger.is_finished() or ledger.totals()[0]:
        return
    for oid in made:
        name = connection.execute(_NAME, [oid]).fetchone()
        if name:
            _drop_empty(connection, sql.Identifier(*name))
    ledger.forget_made()


def _drop_empty(connection: Connection, table: sql.Identifier) -> None:
    try:
        with connection.transaction():
            connection.execute(sql.SQL("LOCK TABLE {} IN ACCESS EXCLUSIVE MODE NOWAIT").format(table))
            if not connection.execute(sql.SQL("SELECT FROM {} LIMIT 1").format(table)).fetchall():
                connection.execute(sql.SQL("DROP TABLE {}").format(table))
    except _KEPT:
        pass


def made_anew(error: PenstockError, tables: Iterable[Table]) -> PenstockError:
    """The error to raise. A table that has gone while it was loaded was another job's, which has failed: as long as
    routes may make it, the next attempt does."""
    if isinstance(error, DestinationMissingError) and any(table.create for table in tables):
        return ServiceUnavailableError(error.message, hint="The table has gone; the next attempt makes it again.")
    return error
