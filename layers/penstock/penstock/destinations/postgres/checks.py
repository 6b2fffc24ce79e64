"""Check a database for the loads of a route, for `penstock doctor`. Reads only.

What cannot be read is no reason to stop: each check says what it found, and what to do.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import psycopg

from penstock.aws.cli_hints import hint_for
from penstock.destinations.postgres.catalog import Relation, check_columns, find, find_table
from penstock.destinations.postgres.connect import Connect, Connection
from penstock.destinations.postgres.errors import message_of
from penstock.destinations.postgres.load_report import LOADS, RIGHTS
from penstock.destinations.postgres.rights import (
    Right,
    is_owned,
    lacking,
    ledger_right,
    needs_in,
    owner_statement,
    role_of,
)
from penstock.destinations.postgres.sink import FINISH_TIMEOUT, LEDGER
from penstock.errors import PenstockError, ServiceUnavailableError
from penstock.model.check import Check
from penstock.model.column import Column
from penstock.model.table import Table, TablePlan
from penstock.model.wording import counted

# The oldest server with generated columns and `pg_partition_tree`, which every load reads.
OLDEST = 120_000
# Seconds for which a connection may be idle between two chunks.
IDLE = 60.0
LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})

_SERVER = """
SELECT current_user, (SELECT rolsuper FROM pg_roles WHERE rolname = current_user), current_schema(),
       pg_is_in_recovery(), current_setting('transaction_read_only') = 'on', pg_backend_pid()
"""
# Connections that are left to ordinary roles; the limits of the role and of the database are -1 if there are none.
_CONNECTIONS = """
SELECT current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int
         - coalesce(current_setting('reserved_connections', true)::int, 0),
       (SELECT rolconnlimit FROM pg_roles WHERE rolname = current_user),
       (SELECT datconnlimit FROM pg_database WHERE datname = current_database()),
       (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid())
"""
# Limits in milliseconds that a connection does not override; null if the server does not know one.
_TIMEOUTS = """
SELECT name, setting::bigint FROM pg_settings
WHERE name IN ('transaction_timeout', 'idle_session_timeout') ORDER BY name
"""


def check_database(connect: Connect, plan: TablePlan | None, *, connections: int) -> tuple[Check, ...]:
    """Check the connection, the server and, with a plan, its tables and the rights on them.

    ``connections`` is how many loads may run at once: each opens one connection.
    """
    try:
        with connect() as connection:
            reachable = _right("database reachable", _address(connection))
            return (reachable, *_all(connection, plan, connections))
    except ServiceUnavailableError as error:
        return (_wrong("database reachable", error.message, hint_for(error)),)  # no message waits for a retry
    except PenstockError as error:
        return (_wrong("database reachable", error.message, error.hint),)


def _all(connection: Connection, plan: TablePlan | None, connections: int) -> Iterator[Check]:
    makers: list[Callable[[], Iterator[Check]]] = [
        lambda: _check_tls(connection),
        lambda: _check_server(connection),
        lambda: _check_connections(connection, connections),
        lambda: _check_timeouts(connection),
    ]
    if plan:
        makers.append(lambda: _check_tables(connection, plan))
    for make in makers:
        try:
            yield from make()
        except psycopg.Error as error:
            yield Check("database", None, f"a check failed: {message_of(error)}", "Read the log of the server.")


def _right(name: str, found: str) -> Check:
    return Check(name, ok=True, found=found)


def _wrong(name: str, found: str, remedy: str) -> Check:
    return Check(name, ok=False, found=found, remedy=remedy)


def _address(connection: Connection) -> str:
    info = connection.info
    return f"database {info.dbname} on {info.host or 'the local socket'}, port {info.port}"


def _check_tls(connection: Connection) -> Iterator[Check]:
    parameters, host = connection.info.get_parameters(), connection.info.host
    mode = parameters.get("sslmode", "")
    if not connection.pgconn.ssl_in_use:
        is_local = host.startswith("/") or host in LOOPBACK
        remedy = "" if is_local else "Set sslmode=verify-full and sslrootcert in the DSN."
        yield Check("TLS", None if is_local else False, f"not encrypted (sslmode={mode})", remedy)
    elif mode == "verify-full":
        yield _right("TLS", "encrypted, and the name of the server is verified (verify-full)")
    else:
        found = f"encrypted, but the name of the server is not verified (sslmode={mode})"
        yield Check("TLS", None, found, "Set sslmode=verify-full and sslrootcert in the DSN.")


def _check_server(connection: Connection) -> Iterator[Check]:
    found = connection.execute(_SERVER).fetchone()
    role, is_superuser, _, is_replica, read_only, pid = found or ("", False, "", False, False, 0)
    version = connection.info.server_version
    named = f"PostgreSQL {version // 10_000}.{version % 10_000}"
    remedy = "" if version >= OLDEST else f"Upgrade the server to PostgreSQL {OLDEST // 10_000} or later."
    yield Check("database version", version >= OLDEST, named, remedy)
    if is_superuser:
        yield Check("database role", None, f"{role}, a superuser", "Connect as a role with the listed rights only.")
    else:
        yield _right("database role", str(role))
    if is_replica:
        yield _wrong("database writable", "the server is a replica", "Name the primary server in the DSN.")
    elif read_only:
        remedy = f"ALTER ROLE {role} SET default_transaction_read_only = off;"
        yield _wrong("database writable", "default_transaction_read_only is on", remedy)
    else:
        yield _right("database writable", "transactions may write")
    if connection.info.backend_pid != pid:
        # A pooler answers with a process number of its own.
        found_pooler = "the connection passes through a pooler, such as PgBouncer or RDS Proxy"
        remedy = "Let it pool by session: upsert keeps a temporary table from one transaction to the next."
        yield Check("database pooler", None, found_pooler, remedy)


def _check_connections(connection: Connection, wanted: int) -> Iterator[Check]:
    total, of_role, of_database, used = connection.execute(_CONNECTIONS).fetchone() or (0, -1, -1, 0)
    most = min(limit for limit in (total, of_role, of_database) if limit >= 0)
    found = f"{counted(most, 'connection')} for this role, {used} of the server in use; {wanted} loads may run at once"
    remedy = "Lower MaximumConcurrency and MapConcurrency, raise max_connections, or put a pooler in between."
    yield Check("database connections", wanted <= most, found, "" if wanted <= most else remedy)


def _check_timeouts(connection: Connection) -> Iterator[Check]:
    least = {"transaction_timeout": FINISH_TIMEOUT, "idle_session_timeout": IDLE}
    low = [
        (name, milliseconds / 1000)
        for name, milliseconds in connection.execute(_TIMEOUTS).fetchall()
        if 0 < milliseconds < least[name] * 1000
    ]
    for name, seconds in low:
        remedy = f"ALTER ROLE {role_of(connection)} SET {name} = '{least[name]:.0f}s';"
        yield _wrong("database timeouts", f"{name} is {seconds:g} s, less than {least[name]:.0f} s", remedy)
    if not low:
        yield _right("database timeouts", "none ends a load; each connection sets those of statements and locks")


def _check_tables(connection: Connection, plan: TablePlan) -> Iterator[Check]:
    tables = (plan.table,) if plan.table else tuple(dict.fromkeys(plan.choice.tables.values())) if plan.choice else ()
    schemas: dict[str, bool] = {}
    for table in tables:
        if "{" in table.name:
            yield Check(f"table {table.name}", None, "the name depends on the key of the object")
            continue
        try:
            relation = find_table(connection, table)
            schema = relation.schema if relation else _schema(connection, table)
            if relation:
                yield from _check_existing(connection, table, relation)
            else:
                yield from _check_missing(connection, table, schema)
        except PenstockError as error:
            yield _wrong(f"table {table.name}", error.message, error.hint)
            continue
        changes = table.staged or (relation is None and table.create)
        schemas[schema] = schemas.get(schema, False) or changes
    # The ledger is in the schema of the first table.
    for schema, changes in list(schemas.items())[:1]:
        yield _check_ledger(connection, schema, changes=changes)
        yield _check_report(connection, schema)


def _check_existing(connection: Connection, table: Table, relation: Relation) -> Iterator[Check]:
    if table.columns:
        known = tuple(column for column in table.columns if not table.grows or column.name in relation.columns)
        check_columns(connection, table := replace(table, columns=known), relation)
    else:
        # The file decides; at most these columns are loaded.
        columns = tuple(Column(info.name) for info in relation.columns.values() if not (info.generated or info.fixed))
        table = replace(table, columns=columns)
    yield _right(f"table {relation}", f"exists, and fits mode {table.mode}")
    yield _of_rights(connection, f"rights on {relation}", needs_in(connection, {table: relation}))
    if table.grows:
        yield _check_owner(connection, relation)


def _check_owner(connection: Connection, relation: Relation) -> Check:
    """Only the owner adds columns. A load whose fields all have columns needs no ownership."""
    role = role_of(connection)
    if is_owned(connection, relation.oid):
        return _right(f"columns of {relation}", f"role {role} owns the table, and may add columns (evolve)")
    remedy = owner_statement(relation.schema, relation.name, role)
    found = f"role {role} does not own the table: a file with new fields will fail (evolve)"
    return Check(f"columns of {relation}", None, found, remedy)


def _check_missing(connection: Connection, table: Table, schema: str) -> Iterator[Check]:
    if not table.create:
        remedy = "Create it, or let Penstock create it (`create = true`)."
        yield _wrong(f"table {table.name}", "does not exist", remedy)
        return
    yield _right(f"table {table.name}", "does not exist: the first load creates it")
    yield _of_rights(connection, f"rights on schema {schema}", [Right("CREATE", "schema", (schema,))])


def _check_ledger(connection: Connection, schema: str, *, changes: bool) -> Check:
    name = (schema, LEDGER)
    if find(connection, name):
        return _of_rights(connection, f"ledger {schema}.{LEDGER}", [ledger_right(name, changes=changes)])
    missing = lacking(connection, [Right("CREATE", "schema", (schema,))])
    remedy = "Let an administrator run the output of `penstock ledger sql`." if missing else ""
    found = "does not exist, and the role may not create it" if missing else "does not exist: the first load creates it"
    return Check(f"ledger {schema}.{LEDGER}", not missing, found, remedy)


def _check_report(connection: Connection, schema: str) -> Check:
    """Loads do not need the report: nothing about it is a failure."""
    name = (schema, LOADS)
    if find(connection, name):
        found = _of_rights(connection, f"report {schema}.{LOADS}", [Right(RIGHTS, "table", name)])
    else:
        found = _of_rights(connection, f"report {schema}.{LOADS}", [Right("CREATE", "schema", (schema,))])
    return replace(found, ok=found.ok or None)


def _of_rights(connection: Connection, name: str, needs: Sequence[Right]) -> Check:
    role = role_of(connection)
    missing = lacking(connection, needs)
    if not missing:
        return _right(name, f"role {role} has {', '.join(dict.fromkeys(need.privilege for need in needs))}")
    found = f"role {role} lacks {', '.join(map(str, missing))}"
    return _wrong(name, found, " ".join(right.grant(role) for right in missing))


def _schema(connection: Connection, table: Table) -> str:
    if "." in table.name:
        return table.name.split(".", 1)[0]
    found = connection.execute("SELECT current_schema()").fetchone()
    return str(found[0]) if found else ""
