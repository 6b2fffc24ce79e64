"""Look at the tables of a plan as a load does before its first row, in transactions that only read."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import TypeVar

import psycopg

from penstock.destinations.postgres.catalog import Relation, check_all, find_table
from penstock.destinations.postgres.column_rules import is_wider, refused_columns
from penstock.destinations.postgres.connect import Connect, Connection
from penstock.destinations.postgres.errors import translated
from penstock.destinations.postgres.evolve import check_owner
from penstock.destinations.postgres.plan_tables import checked_tables, names_of
from penstock.destinations.postgres.rights import role_of
from penstock.destinations.postgres.transactions import transact
from penstock.destinations.postgres.types import storages
from penstock.errors import DestinationMissingError
from penstock.model.column import Column, Storage
from penstock.model.table import Table, TablePlan
from penstock.model.table_limits import ColumnLimits, TableLimits

T = TypeVar("T")

_UNIQUE = """
SELECT (SELECT array_agg(a.attname::text ORDER BY k.n)
        FROM unnest(i.indkey[0:i.indnkeyatts - 1]) WITH ORDINALITY AS k (attnum, n)
        JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum)
FROM pg_index i
WHERE i.indrelid = %s AND i.indisunique AND i.indisvalid AND i.indpred IS NULL AND i.indexprs IS NULL
"""
_NOT_NULL = "SELECT attname FROM pg_attribute WHERE attrelid = %s AND attnum > 0 AND attnotnull AND NOT attisdropped"
_INTEGERS = {"smallint": 2**15, "integer": 2**31}
_NUMERIC = re.compile(r"numeric\((\d+),(\d+)\)")
_TEXT = re.compile(r"(?:character varying|character)\((\d+)\)")


@dataclass(frozen=True, slots=True)
class PostgresInspection:
    """Implements ``TableInspection``. Each call opens a connection of its own."""

    connect: Connect

    def storages(self, plan: TablePlan) -> Mapping[str, Mapping[str, Storage]]:
        """Return how the existing tables store their columns."""
        tables = checked_tables(plan)

        def look(connection: Connection) -> Mapping[str, Mapping[str, Storage]]:
            return {name: storages(connection, relation.oid) for name, relation in _found(connection, tables).items()}

        return self._read(look, f"reading the catalog for {names_of(tables)}")

    def check(self, plan: TablePlan) -> Mapping[str, TableLimits]:
        """Check the existing tables of the plan: columns, key and rights. Return their limits.

        Raises DestinationMissingError, InvalidTableError and AccessDeniedError, each with the missing item.
        """
        tables = checked_tables(plan)

        def look(connection: Connection) -> Mapping[str, TableLimits]:
            found = _found(connection, tables)
            for table in tables:
                if table.name not in found and not table.create:
                    raise DestinationMissingError(
                        f"table {table.name} does not exist",
                        hint="Create the table, or let Penstock create it (`create = true`, or --create).",
                    )
            check_all(connection, {table: found[table.name] for table in tables if table.name in found})
            return {name: _limits(connection, relation) for name, relation in found.items()}

        return self._read(look, f"checking {names_of(tables)}")

    def refused(self, table: Table, columns: Sequence[Column], added: int) -> Mapping[str, str]:
        """Return which columns a load would not add to the table, and why."""

        def look(connection: Connection) -> Mapping[str, str]:
            relation = find_table(connection, table)
            if relation is None:
                return {}
            held = storages(connection, relation.oid)
            refused = refused_columns(connection, held, columns, added)
            new = [column for column in columns if column.name not in held and column.name not in refused]
            wider = [column for column in columns if column.name in held and is_wider(column.type, held[column.name])]
            if new or wider:
                check_owner(connection, relation, new, wider)
            return refused

        return self._read(look, f"reading the catalog for {table.name}")

    def _read(self, work: Callable[[Connection], T], what: str) -> T:
        with self.connect() as connection:
            connection.read_only = True
            try:
                return transact(connection, lambda: work(connection), time.sleep, creating=False)
            except psycopg.Error as error:
                raise translated(error, what, role_of(connection)) from error


def _found(connection: Connection, tables: tuple[Table, ...]) -> Mapping[str, Relation]:
    found = {table.name: find_table(connection, table) for table in tables}
    return {name: relation for name, relation in found.items() if relation}


def _limits(connection: Connection, relation: Relation) -> TableLimits:
    required = {name for (name,) in connection.execute(_NOT_NULL, [relation.oid]).fetchall()}
    unique = [tuple(columns) for (columns,) in connection.execute(_UNIQUE, [relation.oid]).fetchall() if columns]
    columns = {name: _limits_of(info.type, name not in required) for name, info in relation.columns.items()}
    return TableLimits(columns, tuple(unique))


def _limits_of(sql: str, nullable: bool) -> ColumnLimits:
    most: int | Decimal | None = None
    least: int | Decimal | None = None
    # The limits of an array are those of its elements.
    element = sql.removesuffix("[]")
    if bound := _INTEGERS.get(element):
        least, most = -bound, bound - 1
    elif numeric := _NUMERIC.fullmatch(element):
        # The decimal places are checked with the value: they may not be rounded.
        most = Decimal((0, (9,) * int(numeric[1]), -int(numeric[2])))
        least = most.copy_negate()
    text = _TEXT.match(sql)
    return ColumnLimits(sql, nullable, int(text[1]) if text else None, least, most)
