"""The backends on which the contract of a table sink runs, with access to their tables."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Protocol

import pytest

from contract.dynamodb_tables import DynamoServer
from contract.object_backends import Endpoint
from penstock.destinations import Destination
from penstock.destinations.dynamodb.destination import DYNAMODB
from penstock.destinations.ports import TableSink
from penstock.destinations.postgres.destination import POSTGRESQL
from penstock.model.column import Column, ColumnType
from penstock.model.table import Mode, Table
from postgres_database import Database

COLUMNS = (Column("id"), Column("n", ColumnType.INTEGER))


class TableBackend(Protocol):
    """A database of a destination."""

    @property
    def destination(self) -> Destination: ...

    def table(self, mode: Mode) -> Table:
        """A new, empty table of COLUMNS. Its key is ``id``, except for append."""

    def sink(self, job_id: str = "job", span: int = 0) -> TableSink: ...

    def content(self, table: Table) -> list[tuple[str, object]]:
        """All rows (id, n), in order."""


@dataclass
class PostgresBackend:
    database: Database
    destination: Destination = POSTGRESQL
    created: list[Table] = field(default_factory=list)

    def table(self, mode: Mode) -> Table:
        key = ("id",) if mode is Mode.UPSERT else ()
        table = Table(f"Table {len(self.created)}", COLUMNS, mode, key)
        self.created.append(table)
        primary = ", PRIMARY KEY (id)" if key else ""
        self.database.execute(f'CREATE TABLE "{table.name}" (id text, n bigint{primary})')
        return table

    def sink(self, job_id: str = "job", span: int = 0) -> TableSink:
        return self.database.sink(job_id, span)

    def content(self, table: Table) -> list[tuple[str, object]]:
        rows = self.database.execute(f'SELECT id, n FROM "{table.name}" ORDER BY id COLLATE "C", n')
        return [(str(key), number) for key, number in rows]


@dataclass
class DynamoBackend:
    server: DynamoServer
    destination: Destination = DYNAMODB

    def table(self, mode: Mode) -> Table:
        return replace(self.server.create(), columns=COLUMNS, mode=mode, key=("id",))

    def sink(self, job_id: str = "job", span: int = 0) -> TableSink:
        return self.server.sink()

    def content(self, table: Table) -> list[tuple[str, object]]:
        return [(str(item["id"]), item.get("n")) for item in self.server.items(table)]


def _postgres(request: pytest.FixtureRequest) -> TableBackend:
    return PostgresBackend(request.getfixturevalue("database"))


def _dynamodb(request: pytest.FixtureRequest) -> TableBackend:
    moto: Endpoint = request.getfixturevalue("moto")
    return DynamoBackend(DynamoServer(moto.url))


# The registry: one line for each destination that takes rows. What it declares says which tests it runs.
BACKENDS: dict[str, tuple[Destination, Callable[[pytest.FixtureRequest], TableBackend]]] = {
    "postgres": (POSTGRESQL, _postgres),
    "dynamodb": (DYNAMODB, _dynamodb),
}


def cases(*modes: Mode, ledger: bool = False) -> list[tuple[str, Mode]]:
    """Each backend in each of these modes (else in all) that it declares. ``ledger``: only backends that keep one."""
    return [
        (name, mode)
        for name, (declared, _) in BACKENDS.items()
        for mode in declared.modes
        if (mode in modes or not modes) and (declared.has_ledger or not ledger)
    ]


def backend_of(request: pytest.FixtureRequest, name: str) -> TableBackend:
    """The backend of this name, for one test."""
    return BACKENDS[name][1](request)
