"""PostgreSQL as the workloads use it: its settings, a table that is cleared before and compared after each run."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import psycopg
from psycopg import sql

from penstock_local import postgres

# It waits for the disk, as a server does; what it does now and then on its own would fall on whoever's turn it is.
SETTINGS = {**postgres.DURABLE, "max_wal_size": "4GB", "autovacuum": "off"}
OTHERS = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'
"""


class Database:
    """``content`` is a query whose one row tells right tables from wrong ones, ``clear`` makes them as they were."""

    def __init__(self, dsn: str, *, content: str, clear: str) -> None:
        self.dsn = dsn
        self._content = content
        self._clear = clear

    def execute(self, statement: str) -> None:
        """One or more that this program brings along."""
        with psycopg.connect(self.dsn, autocommit=True) as connection:
            connection.execute(statement.encode())

    def insert_json(self, table: str, rows: Sequence[Mapping[str, Any]]) -> None:
        """Objects by the names of the table's columns, as PostgreSQL itself reads them."""
        names = sql.SQL(", ").join(map(sql.Identifier, dict.fromkeys(name for row in rows for name in row)))
        statement = sql.SQL("INSERT INTO {0} ({1}) SELECT {1} FROM json_populate_recordset(NULL::{0}, {2})").format(
            sql.Identifier(table), names, sql.Literal(json.dumps(rows))
        )
        with psycopg.connect(self.dsn) as connection:
            connection.execute(statement)

    def hang_up(self) -> None:
        """End what a function that was killed has left to be done."""
        self.execute(OTHERS)

    def clear(self) -> None:
        """As before each run, and nothing left to write behind it."""
        self.execute(self._clear)
        self.execute("CHECKPOINT")

    def content(self) -> tuple[Any, ...]:
        with psycopg.connect(self.dsn) as connection:
            return connection.execute(self._content.encode()).fetchone() or ()


@contextmanager
def database(*, content: str, clear: str) -> Iterator[Database]:
    """An empty one on a server in a process of its own."""
    with TemporaryDirectory() as folder, postgres.running(Path(folder) / "postgres", settings=SETTINGS) as dsn:
        yield Database(dsn, content=content, clear=clear)
