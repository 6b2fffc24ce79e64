"""A PostgreSQL schema for one test, and helpers to query it."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import psycopg
from psycopg.conninfo import make_conninfo

from penstock.destinations.postgres.connect import by_dsn
from penstock.destinations.postgres.sink import PostgresSink


@dataclass(frozen=True)
class Database:
    """A separate schema, which is on the search path of ``dsn``."""

    dsn: str
    schema: str

    def sink(self, job_id: str = "job", span: int = 0) -> PostgresSink:
        return PostgresSink(by_dsn(self.dsn), job_id, span)

    def execute(self, statement: str, values: Sequence[object] | None = None) -> list[tuple[object, ...]]:
        """Run a statement, commit it, and return its rows."""
        with psycopg.connect(self.dsn, autocommit=True) as connection:
            cursor = connection.execute(statement, values)
            return cursor.fetchall() if cursor.description else []

    def tables(self) -> set[str]:
        found = self.execute("SELECT tablename FROM pg_tables WHERE schemaname = %s", [self.schema])
        return {str(name) for (name,) in found}

    @contextmanager
    def role(self, *grants: str) -> Iterator[Database]:
        """The same schema for a role with only these grants, such as ``INSERT ON songs``."""
        name, password = f"role_{secrets.token_hex(4)}", secrets.token_hex(8)
        self.execute(f"CREATE ROLE {name} LOGIN PASSWORD '{password}'")
        try:
            for grant in (f"USAGE ON SCHEMA {self.schema}", *grants):
                self.execute(f"GRANT {grant} TO {name}")
            yield Database(make_conninfo(self.dsn, user=name, password=password), self.schema)
        finally:
            self.execute(f"DROP OWNED BY {name} CASCADE")
            self.execute(f"DROP ROLE {name}")
