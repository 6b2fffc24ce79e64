"""`penstock ledger sql`: an administrator runs its output, and the role then loads without the right to create."""

from __future__ import annotations

from dataclasses import replace

import pytest
from click.testing import CliRunner

from contract.test_postgres_rights import CASES, KEYED, PLAIN, Case
from contract.test_table_sink_postgres import SONGS, chunk, plan_of
from penstock.destinations.postgres.ledger import Ledger
from penstock.destinations.postgres.load_report import LoadReport
from penstock.model.column import Column, ColumnType
from penstock.model.load_origin import LoadOrigin
from penstock.model.object import Source
from penstock.model.table import Evolve, Mode
from penstock_cli.main import main
from postgres_database import Database

pytest_plugins = ["postgres_fixtures"]

ORIGIN = LoadOrigin(Source("drops", "a.csv", 1, "e"), "songs", (("songs", Mode.APPEND),))


def printed(*options: str) -> str:
    result = CliRunner().invoke(main, ["ledger", "sql", *options])
    assert result.exit_code == 0, result.output
    return result.output


@pytest.mark.parametrize(
    ("case", "options"),
    [
        (CASES["append"], []),
        (CASES["append with a trigger"], []),
        (CASES["upsert"], ["--mode", "upsert"]),
        (CASES["atomic append"], ["--atomic"]),
        (CASES["atomic upsert"], ["--atomic", "--mode", "upsert"]),
        (CASES["replace"], ["--mode", "replace"]),
        (CASES["replace by key"], ["--mode", "replace", "--key"]),
    ],
)
def test_a_role_loads_with_what_it_grants(database: Database, case: Case, options: list[str]) -> None:
    """The case is killed in the middle, resumes, ends, is repeated late, and gives a second job up."""
    database.execute(case.ddl.format(schema=database.schema))
    ((name,),) = database.execute("SELECT current_database()")
    with database.role() as role:
        database.execute(f"REVOKE ALL ON SCHEMA {database.schema} FROM {role.user}")
        database.execute(f"REVOKE TEMPORARY ON DATABASE {name} FROM PUBLIC")
        try:
            text = printed("--role", role.user, "--schema", database.schema, "--table", "songs", *options)
            for _ in range(2):
                database.execute(text)
            case.loads(role)
            case.aborts(role)
        finally:
            database.execute(f"GRANT TEMPORARY ON DATABASE {name} TO PUBLIC")


def test_a_role_that_appends_reports_its_loads_too(database: Database) -> None:
    database.execute(PLAIN)
    with database.role() as role:
        database.execute(printed("--role", role.user, "--schema", database.schema, "--table", "songs"))
        for number in range(2):
            with role.sink(f"job {number}") as sink:
                sink.describe(ORIGIN, at_once=not number)
                sink.begin(plan_of(SONGS))
                sink.load(chunk(SONGS, [str(number), "a"]))
                sink.finish()
        with role.sink("job 2") as sink:
            sink.describe(ORIGIN)
            sink.record_end("failed", "its source is damaged")
    assert database.execute("SELECT job, status, rows_loaded, failure FROM penstock_loads ORDER BY job") == [
        ("job 0", "succeeded", 1, None),
        ("job 1", "succeeded", 1, None),
        ("job 2", "failed", 0, "its source is damaged"),
    ]


def test_the_tables_are_those_that_a_load_creates(database: Database) -> None:
    def described() -> list[tuple[object, ...]]:
        return database.execute(
            """
            SELECT c.relname, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull,
                   pg_get_expr(d.adbin, d.adrelid)
            FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid LEFT JOIN pg_attrdef d
              ON d.adrelid = c.oid AND d.adnum = a.attnum
            WHERE c.relnamespace = %s::regnamespace AND a.attnum > 0 ORDER BY 1, a.attnum
            """,
            [database.schema],
        )

    with database._connection() as connection, connection.transaction():
        Ledger(connection, (database.schema, "penstock_ledger"), "job", 0).ensure()
        LoadReport(connection, database.schema).ensure()
    created = described()
    database.execute("DROP TABLE penstock_ledger, penstock_loads")
    database.execute(printed("--role", database.user, "--schema", database.schema))
    assert described() == created
    assert any(name == "penstock_loads_staged_with_idx" for name, *_ in created)


def test_it_repairs_what_a_load_is_refused_for(database: Database) -> None:
    """The tables of a load exist already; its owner is another role."""
    database.execute(KEYED)
    with database.sink() as sink:
        sink.begin(plan_of(replace(SONGS, key=("id",))))
    with database.role() as role:
        text = printed("--role", role.user, "--schema", database.schema, "--table", "songs", "--create")
        assert f"GRANT CREATE ON SCHEMA {database.schema} TO {role.user};" in text
        database.execute(text)
        CASES["append"].loads(role)


def test_names_are_quoted_and_the_version_is_named() -> None:
    text = printed("--role", "My role", "--schema", 'a"b', "--table", "Songs")
    assert text.startswith("-- Penstock ")
    assert 'GRANT INSERT ON TABLE "a""b"."Songs" TO "My role";' in text
    assert "UPDATE, DELETE" not in text
    assert "COMMENT ON TABLE" in text
    refused = CliRunner().invoke(main, ["ledger", "sql", "--role", "r", "--mode", "replace", "--atomic"])
    assert (refused.exit_code, "Leave --atomic out" in refused.output) == (1, True)


def test_the_role_of_a_route_that_adds_columns_becomes_the_owner(database: Database) -> None:
    database.execute(PLAIN)
    table = replace(SONGS, evolve=Evolve.ADD)
    with database.role() as role:
        database.execute(printed("--role", role.user, "--schema", database.schema, "--table", "songs", "--evolve"))
        with role.sink() as sink:
            assert sink.evolve(plan_of(table), table, [Column("year", ColumnType.INTEGER)]) == {}
        CASES["append"].loads(role)
        database.execute(f"ALTER TABLE songs OWNER TO {database.user}")
