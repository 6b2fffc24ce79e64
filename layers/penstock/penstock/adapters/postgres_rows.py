"""Putting checked rows into a table, and finding the ones that only the database can refuse."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Protocol

import psycopg
from psycopg import sql

from penstock.adapters.postgres_catalog import Relation, identifiers
from penstock.adapters.postgres_connect import Connection
from penstock.adapters.postgres_copy import copy_text
from penstock.adapters.postgres_errors import is_rows_fault, message_of
from penstock.adapters.postgres_script import Script
from penstock.records import Reject, Rows, Table

ROW_NUMBER = "penstock_row"

COPY = sql.SQL("COPY {} ({}) FROM STDIN")
# Between the two stands the number of the first row that counts.
MERGE = sql.SQL("INSERT INTO {target} ({names}) SELECT DISTINCT ON ({key}) {names} FROM {rows} WHERE {order} >= ")
MERGE_END = sql.SQL(" ORDER BY {key}, {order} DESC {conflict}")

# Where PostgreSQL's context of an error names the column of a value that it could not read.
COLUMN_IN_CONTEXT = re.compile(r'column "?([^",:]+)"?')


class Writer(Protocol):
    """Puts rows into one table, all or none: by a COPY of their text, and what follows it."""

    def statements(self, first: int) -> Sequence[bytes]:
        """The COPY first. ``first`` numbers the first of the rows; it grows from call to call of a transaction."""

    def text(self, rows: Rows, first: int, end: int) -> bytes:
        """Some of the rows for the COPY."""


class Appender:
    """COPY straight into a table."""

    def __init__(self, connection: Connection, target: sql.Identifier, names: Sequence[str]) -> None:
        self.copy = COPY.format(target, identifiers(names)).as_bytes(connection)

    def statements(self, first: int) -> Sequence[bytes]:  # noqa: ARG002  # their order is that of the table
        return (self.copy,)

    def text(self, rows: Rows, first: int, end: int) -> bytes:
        return copy_text(_slice(rows, first, end), rows.full)


class Upserter:
    """COPY into a temporary table, which is made at once, then one INSERT ... ON CONFLICT.

    Of rows with the same key the last one wins. Rows are written in the order of the key: two loaders then lock
    the rows they share in the same order, and neither waits for the other forever.
    """

    def __init__(self, connection: Connection, target: Relation, table: Table, number: int) -> None:
        names = [column.name for column in table.columns]
        rows, order = sql.Identifier("pg_temp", f"penstock_rows_{number}"), sql.Identifier(ROW_NUMBER)
        types = sql.SQL(", ").join(
            sql.SQL("{} {}").format(sql.Identifier(name), sql.SQL(target.columns[name].type)) for name in names
        )
        connection.execute(
            sql.SQL("CREATE TEMPORARY TABLE IF NOT EXISTS {} ({} bigint, {}) ON COMMIT DELETE ROWS").format(
                rows, order, types
            )
        )
        self.copy = COPY.format(rows, identifiers([ROW_NUMBER, *names])).as_bytes(connection)
        parts = {
            "target": target.identifier,
            "names": identifiers(names),
            "key": identifiers(table.key),
            "rows": rows,
            "order": order,
            "conflict": on_conflict(table.key, names),
        }
        self.merge = MERGE.format(**parts).as_bytes(connection)
        self.merge_end = MERGE_END.format(**parts).as_bytes(connection)

    def statements(self, first: int) -> Sequence[bytes]:
        return (self.copy, self.merge + b"%d" % first + self.merge_end)

    def text(self, rows: Rows, first: int, end: int) -> bytes:
        numbers = list(map(str, range(first, end)))
        return copy_text([numbers, *_slice(rows, first, end)], {0, *(position + 1 for position in rows.full)})


def on_conflict(key: Sequence[str], names: Sequence[str]) -> sql.Composed:
    """What an upsert does with a row that is there: all but its key is replaced."""
    others = [name for name in names if name not in key]
    if not others:
        return sql.SQL("ON CONFLICT ({}) DO NOTHING").format(identifiers(key))
    changes = sql.SQL(", ").join(sql.SQL("{0} = EXCLUDED.{0}").format(sql.Identifier(name)) for name in others)
    return sql.SQL("ON CONFLICT ({}) DO UPDATE SET {}").format(identifiers(key), changes)


def put(connection: Connection, writer: Writer, rows: Rows, span: int) -> list[Reject]:
    """Write rows inside a transaction; answers those that the database refuses, and why. The others are in.

    A refusal names no row reliably, so the rows are halved, each half under a savepoint, until the ones at fault
    stand alone: for n rows at most log2(n) levels deep. Raises psycopg.Error when the rows are not at fault.
    """
    rejects = []
    halves = [(0, rows.count)]
    while halves:
        first, end = halves.pop()
        try:
            with connection.transaction():
                script = Script(connection, writer.statements(first))
                script.start([writer.text(rows, first, end)])
                script.finish()
        except psycopg.Error as error:
            if not is_rows_fault(error):
                raise
            middle = (first + end) // 2
            if middle == first:
                rejects.append(_reject(rows, first, error, span))
            else:
                halves += [(middle, end), (first, middle)]
    return rejects


def _slice(rows: Rows, first: int, end: int) -> Sequence[Sequence[object]]:
    if (first, end) == (0, rows.count):
        return rows.columns
    return [column[first:end] for column in rows.columns]


def _reject(rows: Rows, row: int, error: psycopg.Error, span: int) -> Reject:
    column = error.diag.column_name or ""
    context = COLUMN_IN_CONTEXT.search(error.diag.context or "")
    if not column and context and context[1] in rows.names:
        column = context[1]
    return Reject(rows.place(row), message_of(error), column, span)
