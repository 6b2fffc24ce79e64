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

MERGE = sql.SQL(
    "INSERT INTO {target} ({names}) SELECT DISTINCT ON ({key}) {names} FROM {rows} WHERE {order} >= {first} "
    "ORDER BY {key}, {order} DESC {conflict}"
)

# Where PostgreSQL's context of an error names the column of a value that it could not read.
COLUMN_IN_CONTEXT = re.compile(r'column "?([^",:]+)"?')

Columns = Sequence[Sequence[object]]


class Writer(Protocol):
    """Puts rows into one table, all or none: by a COPY of their text, and what follows it."""

    def statements(self, first: int) -> Sequence[sql.Composable]:
        """The COPY first. ``first`` numbers the first of the rows; it grows from call to call of a transaction."""

    def text(self, columns: Columns, first: int) -> bytes:
        """The rows for the COPY."""


class Appender:
    """COPY straight into a table."""

    def __init__(self, target: sql.Identifier, names: Sequence[str]) -> None:
        self.copy = sql.SQL("COPY {} ({}) FROM STDIN").format(target, identifiers(names))

    def statements(self, first: int) -> Sequence[sql.Composable]:  # noqa: ARG002  # their order is that of the table
        return (self.copy,)

    def text(self, columns: Columns, first: int) -> bytes:  # noqa: ARG002
        return copy_text(columns)


class Upserter:
    """COPY into a temporary table, then one INSERT ... ON CONFLICT.

    Of rows with the same key the last one wins. Rows are written in the order of the key: two loaders then lock
    the rows they share in the same order, and neither waits for the other forever.
    """

    def __init__(self, target: Relation, table: Table, number: int) -> None:
        names = [column.name for column in table.columns]
        rows = sql.Identifier("pg_temp", f"penstock_rows_{number}")
        types = sql.SQL(", ").join(
            sql.SQL("{} {}").format(sql.Identifier(name), sql.SQL(target.columns[name].type)) for name in names
        )
        order = sql.Identifier(ROW_NUMBER)
        self.create = sql.SQL("CREATE TEMPORARY TABLE IF NOT EXISTS {} ({} bigint, {}) ON COMMIT DELETE ROWS").format(
            rows, order, types
        )
        self.copy = sql.SQL("COPY {} ({}, {}) FROM STDIN").format(rows, order, identifiers(names))
        self.parts = {
            "target": target.identifier,
            "names": identifiers(names),
            "key": identifiers(table.key),
            "rows": rows,
            "order": order,
            "conflict": on_conflict(table.key, names),
        }

    def statements(self, first: int) -> Sequence[sql.Composable]:
        return (self.copy, MERGE.format(**self.parts, first=sql.Literal(first)))

    def text(self, columns: Columns, first: int) -> bytes:
        numbers = list(map(str, range(first, first + len(columns[0]))))
        return copy_text([numbers, *columns])


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
                script.start([writer.text(slice_of(rows, first, end), first)])
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


def slice_of(rows: Rows, first: int, end: int) -> Columns:
    """Some of the rows, by column."""
    if (first, end) == (0, rows.count):
        return rows.columns
    return [column[first:end] for column in rows.columns]


def _reject(rows: Rows, row: int, error: psycopg.Error, span: int) -> Reject:
    column = error.diag.column_name or ""
    context = COLUMN_IN_CONTEXT.search(error.diag.context or "")
    if not column and context and context[1] in rows.names:
        column = context[1]
    return Reject(rows.place(row), message_of(error), column, span)
