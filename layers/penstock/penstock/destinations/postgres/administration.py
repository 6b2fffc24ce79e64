"""The SQL by which an administrator creates what a load would create itself, and grants what it needs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from importlib.metadata import PackageNotFoundError, version
from textwrap import dedent

from psycopg import sql

from penstock.destinations.postgres.ledger_table import ledger_ddl
from penstock.destinations.postgres.load_report import LOADS, RIGHTS, loads_ddl
from penstock.destinations.postgres.rights import Right, ledger_right, needs_of, owner_statement, quoted
from penstock.destinations.postgres.sink import LEDGER
from penstock.errors import ConfigurationError
from penstock.model.column import Column
from penstock.model.table import Mode, Table


@dataclass(frozen=True, slots=True)
class Grants:
    """What a role is to load: ``tables`` of a schema by one mode. ``create``: also tables that are missing. ``evolve``:
    the route adds columns, which only the owner of a table may."""

    role: str
    schema: str
    tables: tuple[str, ...]
    mode: Mode
    has_key: bool = False
    atomic: bool = False
    create: bool = False
    evolve: bool = False


def administration_sql(grants: Grants) -> str:
    """Return statements that may be run again. Raises ConfigurationError if ``atomic`` does not fit the mode, or if a
    name cannot be printed."""
    for name in (grants.role, grants.schema, *grants.tables):
        if not name.isprintable():
            raise ConfigurationError(f"{name!r} cannot be the name of a role, a schema or a table")
    if grants.atomic and grants.mode is Mode.REPLACE:
        raise ConfigurationError("replace is atomic already", hint="Leave --atomic out.")
    return "\n".join(_lines(grants))


def _lines(grants: Grants) -> Iterator[str]:
    schema, role = quoted(grants.schema), quoted(grants.role)
    yield f"-- {_version()}: the ledger and the report of loads in schema {schema}, for role {role}."
    yield "-- Run it as an administrator, in one transaction. It may be run again."
    ledger, loads = sql.Identifier(grants.schema, LEDGER), sql.Identifier(grants.schema, LOADS)
    indexes = [sql.Identifier(f"{LOADS}_{column}_idx") for column in ("started_at", "staged_with")]
    statements = (
        *ledger_ddl(ledger, sql.Identifier(f"{LEDGER}_at_idx")),
        *loads_ddl(loads, indexes=indexes),
        *(sql.SQL("COMMENT ON TABLE {} IS {}").format(table, sql.Literal(_version())) for table in (ledger, loads)),
    )
    for statement in statements:
        yield f"{dedent(statement.as_string()).strip()};"
    yield from dict.fromkeys(right.grant(grants.role) for right in _rights(grants))
    if grants.evolve:
        yield "-- Unless you are a superuser, you must be a member of the role, and it needs CREATE on the schema."
        yield from (owner_statement(grants.schema, name, grants.role) for name in grants.tables)
    if grants.mode is Mode.UPSERT and not grants.atomic:
        # The name of the database is known where this runs.
        temporary = f"GRANT TEMPORARY ON DATABASE %I TO {role}".replace("'", "''")
        yield f"DO $$BEGIN EXECUTE format('{temporary}', current_database()); END$$;"


def _rights(grants: Grants) -> Iterator[Right]:
    changes = grants.atomic or grants.create or grants.mode is Mode.REPLACE
    yield Right("USAGE", "schema", (grants.schema,))
    yield ledger_right((grants.schema, LEDGER), changes=changes)
    yield Right(RIGHTS, "table", (grants.schema, LOADS))
    if grants.create:
        yield Right("CREATE", "schema", (grants.schema,))
    key = ("key",) if grants.has_key or grants.mode is Mode.UPSERT else ()
    for name in grants.tables:
        table = Table(name, (Column("key"), Column("other")), grants.mode, key, atomic=grants.atomic)
        # The columns are those of the route, which is not known here: the rights are for the whole table.
        yield from (replace(right, columns=()) for right in needs_of(table, grants.schema, name))


def _version() -> str:
    try:
        return f"Penstock {version('penstock-aws')}"
    except PackageNotFoundError:
        return "Penstock"
