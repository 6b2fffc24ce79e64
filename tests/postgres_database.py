"""A PostgreSQL schema for one test, and helpers to query it."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from typing import Any

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from penstock.destinations.postgres.connect import by_dsn
from penstock.destinations.postgres.sink import PostgresSink


@dataclass(frozen=True)
class Database:
    """A separate schema, which is on the search path of ``dsn``.

    Statements share connections: a new one takes 6 ms of CPU, more than most statements.
    """

    dsn: str
    schema: str
    _idle: list[psycopg.Connection[Any]] = field(default_factory=list, repr=False, compare=False)

    @property
    def user(self) -> str:
        """The role that connects."""
        return str(conninfo_to_dict(self.dsn)["user"])

    def sink(self, job_id: str = "job", span: int = 0) -> PostgresSink:
        return PostgresSink(by_dsn(self.dsn), job_id, span)

    def execute(self, statement: str, values: Sequence[object] | None = None) -> list[tuple[object, ...]]:
        """Run a statement, commit it, and return its rows."""
        with self._connection() as connection:
            cursor = connection.execute(statement, values)
            return cursor.fetchall() if cursor.description else []

    def close(self) -> None:
        """Close the connections that `execute` opened."""
        while self._idle:
            self._idle.pop().close()

    @contextmanager
    def _connection(self) -> Iterator[psycopg.Connection[Any]]:
        """An idle connection, or a new one if other threads use all. It is closed on failure."""
        try:
            connection = self._idle.pop()
        except IndexError:
            # A prepared statement would fail after another one has changed its table.
            connection = psycopg.connect(self.dsn, autocommit=True, prepare_threshold=None)
        try:
            yield connection
        except BaseException:
            connection.close()
            raise
        self._idle.append(connection)

    def tables(self) -> set[str]:
        """The tables of the schema, without the report of loads."""
        query = "SELECT tablename FROM pg_tables WHERE schemaname = %s AND tablename <> 'penstock_loads'"
        found = self.execute(query, [self.schema])
        return {str(name) for (name,) in found}

    @contextmanager
    def role(self, *grants: str) -> Iterator[Database]:
        """The same schema for a role with only these grants, such as ``INSERT ON songs``."""
        name, password = f"role_{secrets.token_hex(4)}", secrets.token_hex(8)
        self.execute(f"CREATE ROLE {name} LOGIN PASSWORD '{password}'")
        try:
            for grant in (f"USAGE ON SCHEMA {self.schema}", *grants):
                self.execute(f"GRANT {grant} TO {name}")
            with closing(Database(make_conninfo(self.dsn, user=name, password=password), self.schema)) as database:
                yield database
        finally:
            self.execute(f"DROP OWNED BY {name} CASCADE")
            self.execute(f"DROP ROLE {name}")
