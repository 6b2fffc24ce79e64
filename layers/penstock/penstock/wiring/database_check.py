"""Checks of a PostgreSQL database, for the tables of routes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from penstock.aws.session import rds_client, secrets_client
from penstock.destinations import DESTINATIONS
from penstock.destinations.postgres.checks import check_database
from penstock.destinations.postgres.connect import Connect, by_dsn, by_iam, by_secret
from penstock.model.check import Check
from penstock.model.parse_options import ParseOptions
from penstock.model.route import Route
from penstock.model.table import Choice, Table, TablePlan
from penstock.routes import Routes
from penstock.settings import Settings


def check_tables(settings: Settings, routes: Routes, connections: int) -> Iterator[Check]:
    """Yield what the database of a stack finds, by one connection, for the tables of all routes."""
    yield from check_database(_connect(settings), plan_of_all(routes.routes), connections=connections)


def plan_of_all(routes: Iterable[Route]) -> TablePlan | None:
    """Return one plan with each table of these routes, or nothing if none goes to a database."""
    tables = dict.fromkeys(
        table for route in routes if route.plan and DESTINATIONS[route.store].takes_dsn for table in _tables(route.plan)
    )
    named = {str(number): table for number, table in enumerate(tables)}
    return TablePlan(ParseOptions(), choice=Choice("table", named)) if named else None


def check_dsn(dsn: str, table: Table | None, connections: int) -> Iterator[Check]:
    """Yield what the database of a DSN finds."""
    plan = TablePlan(ParseOptions(), table=table) if table else None
    yield from check_database(by_dsn(dsn), plan, connections=connections)


def _tables(plan: TablePlan) -> Iterator[Table]:
    if plan.table:
        yield plan.table
    if plan.choice:
        yield from plan.choice.tables.values()


def _connect(settings: Settings) -> Connect:
    """Return how the functions connect: see `destinations.postgres.tables`."""
    if settings.postgres_secret:
        return by_secret(settings.postgres_secret, secrets_client)
    if settings.postgres_iam:
        return by_iam(settings.postgres_dsn, rds_client)
    return by_dsn(settings.postgres_dsn)
