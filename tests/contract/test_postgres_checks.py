"""Each check of a database finds the one thing that is wrong, and its remedy repairs it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from contract.test_table_sink_postgres import SONGS, begin, plan_of
from penstock.destinations.postgres.checks import check_database
from penstock.destinations.postgres.connect import by_dsn
from penstock.destinations.postgres.load_report import LoadReport
from penstock.model.check import Check, failed
from penstock.model.column import Column
from penstock.model.parse_options import ParseOptions
from penstock.model.table import Choice, Evolve, Mode, Table, TablePlan
from postgres_database import Database
from postgres_tls import HOST, tls_proxy

pytest_plugins = ["postgres_fixtures"]

DDL = "CREATE TABLE songs (id int PRIMARY KEY, title text)"
LEDGER = "SELECT, INSERT ON penstock_ledger"
UPSERT = replace(SONGS, mode=Mode.UPSERT, key=("id",))


def checks_of(database: Database, table: Table | None = SONGS, connections: int = 5) -> dict[str, Check]:
    plan = plan_of(table) if table else None
    return {check.name: check for check in check_database(by_dsn(database.dsn), plan, connections=connections)}


def only_failure(database: Database, table: Table | None = SONGS, connections: int = 5) -> Check:
    (found,) = failed(checks_of(database, table, connections).values())
    return found


@pytest.fixture
def role(database: Database) -> Iterator[Database]:
    """A role that may append to a table whose ledger an administrator has created."""
    database.execute(DDL)
    begin(database, SONGS)
    with database.role("INSERT ON songs", LEDGER) as role:
        yield role


def repaired(admin: Database, role: Database, found: Check, table: Table = SONGS) -> Sequence[Check]:
    """What fails after an administrator has run the remedy."""
    admin.execute(found.remedy)
    return failed(checks_of(role, table).values())


def test_a_role_with_exactly_its_rights_passes(role: Database) -> None:
    found = checks_of(role)
    assert not failed(found.values())
    assert found["database reachable"].ok
    assert found["database role"].found == role.user
    assert found[f"rights on {role.schema}.songs"].found == f"role {role.user} has USAGE, INSERT"
    # The test server listens on loopback only.
    assert found["TLS"].ok is None


def test_a_server_that_cannot_be_reached_is_the_only_finding(role: Database) -> None:
    nowhere = replace(role, dsn=make_conninfo(role.dsn, port=1))
    (found,) = checks_of(nowhere).values()
    assert (found.name, found.ok) == ("database reachable", False)
    wrong = replace(role, dsn=make_conninfo(role.dsn, password="wrong"))  # it is refused
    assert "secret" in only_failure(wrong).remedy


@pytest.mark.parametrize(
    ("table", "ddl", "right"),
    [
        (SONGS, "REVOKE INSERT ON songs FROM {role}", "INSERT on table {schema}.songs"),
        (SONGS, "REVOKE INSERT ON penstock_ledger FROM {role}", "INSERT on table {schema}.penstock_ledger"),
        (UPSERT, "", "SELECT, UPDATE on table {schema}.songs"),
        (replace(SONGS, name="other", create=True), "GRANT UPDATE, DELETE ON penstock_ledger TO {role}", "CREATE on"),
        (SONGS, "DROP TABLE penstock_ledger", ""),
    ],
)
def test_a_right_that_is_missing_is_found(
    database: Database, role: Database, table: Table, ddl: str, right: str
) -> None:
    database.execute(ddl.format(role=role.user) or "SELECT")
    found = only_failure(role, table)
    assert right.format(schema=database.schema) in found.found
    if right:
        assert repaired(database, role, found, table) == ()
    else:
        assert "penstock ledger sql" in found.remedy


def test_a_table_that_is_missing_or_does_not_fit_is_found(database: Database, role: Database) -> None:
    assert only_failure(role, replace(SONGS, name="absent")).found == "does not exist"
    database.execute("ALTER TABLE songs DROP COLUMN title")
    assert "no column 'title'" in only_failure(role).found
    templated = checks_of(role, replace(SONGS, name="{stem}"))["table {stem}"]
    assert templated.ok is None


def test_columns_that_only_a_file_knows_are_those_of_the_table(role: Database) -> None:
    assert not failed(checks_of(role, replace(SONGS, columns=())).values())


def test_a_route_that_adds_columns_is_told_who_owns_the_table(database: Database, role: Database) -> None:
    table = replace(SONGS, columns=(*SONGS.columns, Column("new")), evolve=Evolve.ADD)
    name = f"columns of {role.schema}.songs"
    found = checks_of(role, table)
    assert (failed(found.values()), found[name].ok) == ((), None)
    database.execute(found[name].remedy)
    assert checks_of(role, table)[name].ok
    database.execute(f"ALTER TABLE songs OWNER TO {database.user}")


def test_all_tables_of_a_choice_are_checked(database: Database, role: Database) -> None:
    database.execute("CREATE TABLE apps (id int, title text)")
    plan = TablePlan(ParseOptions(), choice=Choice("type", {"song": SONGS, "app": replace(SONGS, name="apps")}))
    (found,) = failed(check_database(by_dsn(role.dsn), plan, connections=1))
    assert found.name == f"rights on {role.schema}.apps"


def test_more_loads_than_connections_are_found(database: Database, role: Database) -> None:
    assert only_failure(role, connections=5000).name == "database connections"
    database.execute(f"ALTER ROLE {role.user} CONNECTION LIMIT 4")
    assert "4 connections for this role" in only_failure(role).found


def test_a_role_that_only_reads_is_found(database: Database, role: Database) -> None:
    database.execute(f"ALTER ROLE {role.user} SET default_transaction_read_only = on")
    found = only_failure(role)
    assert found.name == "database writable"
    assert repaired(database, role, found) == ()


def test_a_timeout_that_ends_loads_is_found(database: Database, role: Database) -> None:
    database.execute(f"ALTER ROLE {role.user} SET idle_session_timeout = '2s'")
    found = only_failure(role)
    assert found.found == "idle_session_timeout is 2 s, less than 60 s"
    assert repaired(database, role, found) == ()


def test_the_name_of_a_server_is_verified_or_not(role: Database, tmp_path: Path) -> None:
    parameters = conninfo_to_dict(role.dsn)
    with tls_proxy((str(parameters["host"]), int(parameters["port"] or 0)), "db.example", tmp_path) as server:
        through = make_conninfo(role.dsn, host="db.example", hostaddr=HOST, port=server.port, sslmode="require")
        found = checks_of(replace(role, dsn=through))["TLS"]
        assert (found.ok, "not verified" in found.found) == (None, True)
        proven = make_conninfo(through, sslmode="verify-full", sslrootcert=str(server.authority))
        assert checks_of(replace(role, dsn=proven))["TLS"].ok
    elsewhere = make_conninfo(role.dsn, host="db.example", hostaddr=HOST)
    assert only_failure(replace(role, dsn=elsewhere)).name == "TLS"


def test_a_superuser_is_named(database: Database) -> None:
    assert checks_of(database, None)["database role"].ok is None


def test_a_report_that_cannot_be_written_is_no_failure(database: Database, role: Database) -> None:
    name = f"report {role.schema}.penstock_loads"
    found = checks_of(role)[name]
    assert (found.ok, "lacks CREATE" in found.found) == (None, True)
    with database._connection() as connection, connection.transaction():
        LoadReport(connection, database.schema).ensure()
    found = checks_of(role)[name]
    assert (found.ok, "lacks SELECT, INSERT, UPDATE" in found.found) == (None, True)
    database.execute(found.remedy)
    assert checks_of(role)[name].ok
