"""The backends on which the contract of a table sink runs, with access to their tables."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Protocol

from contract.dynamodb_tables import DynamoServer
from penstock.destinations.ports import TableSink
from penstock.model.column import Column, ColumnType
from penstock.model.table import Mode, Table
from penstock.tables import Form
from postgres_database import Database

COLUMNS = (Column("id"), Column("n", ColumnType.INTEGER))


class TableBackend(Protocol):
    """A database. ``form`` is the form of rows that it takes."""

    form: Form

    def table(self, mode: Mode) -> Table:
        """A new, empty table of COLUMNS. Its key is ``id``, except for append."""

    def sink(self, job_id: str = "job", span: int = 0) -> TableSink: ...

    def content(self, table: Table) -> list[tuple[str, object]]:
        """All rows (id, n), in order."""


@dataclass
class PostgresBackend:
    database: Database
    form: Form = Form.TEXT
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
    form: Form = Form.VALUE

    def table(self, mode: Mode) -> Table:
        return replace(self.server.create(), columns=COLUMNS, mode=mode, key=("id",))

    def sink(self, job_id: str = "job", span: int = 0) -> TableSink:
        return self.server.sink()

    def content(self, table: Table) -> list[tuple[str, object]]:
        return [(str(item["id"]), item.get("n")) for item in self.server.items(table)]
