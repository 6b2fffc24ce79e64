"""Open PostgreSQL as a destination."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from penstock.destinations.environment import Environment
from penstock.destinations.postgres.connect import Connect, by_dsn, by_iam, by_secret
from penstock.destinations.postgres.group_sink import PostgresGroupSink
from penstock.destinations.postgres.history import earlier_loads
from penstock.destinations.postgres.inspection import PostgresInspection
from penstock.destinations.postgres.sink import FINISH_TIMEOUT, LEDGER, PostgresSink
from penstock.destinations.postgres.table_swap import PostgresTableSwap
from penstock.errors import ConfigurationError
from penstock.model.load import Resume
from penstock.model.replacement import Replacement
from penstock.model.table import Table


@dataclass(frozen=True, slots=True)
class PostgresTables:
    """Implements ``TableStore``. Each sink opens its own connection."""

    connect: Connect

    def open_sink(self, load_id: str, span: int = 0) -> PostgresSink:
        return PostgresSink(self.connect, load_id, span)

    def open_swap(self, replacement: Replacement, tables: Sequence[Table]) -> PostgresTableSwap:
        return PostgresTableSwap(self.connect, replacement, tables, ledger=LEDGER, timeout=FINISH_TIMEOUT)

    def open_inspection(self) -> PostgresInspection:
        return PostgresInspection(self.connect)

    def open_group(self) -> PostgresGroupSink:
        return PostgresGroupSink(self.connect)

    def earlier_loads(self, table: str, load_ids: Iterable[str]) -> tuple[bool, list[tuple[bool, Resume]]]:
        return earlier_loads(self.connect, table, load_ids)


def open_tables(environment: Environment) -> PostgresTables:
    """Open the configured database. Raises ConfigurationError if none is configured."""
    return PostgresTables(_connect(environment))


def _connect(environment: Environment) -> Connect:
    if environment.secret and environment.secrets_client:
        return by_secret(environment.secret, environment.secrets_client)
    if environment.dsn and environment.iam and environment.rds_client:
        return by_iam(environment.dsn, environment.rds_client)
    if environment.dsn:
        return by_dsn(environment.dsn)
    message, hint = environment.no_database
    raise ConfigurationError(message, hint=hint)
