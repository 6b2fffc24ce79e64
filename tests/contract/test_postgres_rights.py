"""The rights of docs/tables.md, proven. A role with exactly these rights loads, also after a kill and through abort.
With one right less the load is refused, and the statement in the hint is what was missing."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

import pytest

from contract.test_table_sink_postgres import chunk, plan_of
from penstock.destinations.postgres.connect import by_dsn
from penstock.destinations.postgres.sink import PostgresSink
from penstock.destinations.postgres.tables import PostgresTables
from penstock.errors import AccessDeniedError
from penstock.model.column import Column, ColumnType
from penstock.model.load import Loaded
from penstock.model.replacement import Replacement
from penstock.model.table import Mode, Table
from postgres_database import Database

pytest_plugins = ["postgres_fixtures"]

SONGS = Table("songs", (Column("id", ColumnType.INTEGER), Column("title")))
PLAIN = "CREATE TABLE songs (id int UNIQUE CHECK (id < 10), title text, other text)"
KEYED = "CREATE TABLE songs (id int PRIMARY KEY CHECK (id < 10), title text, other text)"
# A trigger that drops rows: the counts are known only after they are written.
DROPPING = f"""{PLAIN};
CREATE FUNCTION {{schema}}.drop_row() RETURNS trigger LANGUAGE plpgsql AS
  $$BEGIN IF NEW.title = 'dropped' THEN RETURN NULL; END IF; RETURN NEW; END$$;
CREATE TRIGGER drop_row BEFORE INSERT ON songs FOR EACH ROW EXECUTE FUNCTION {{schema}}.drop_row()"""

USAGE, CREATE = "USAGE ON SCHEMA {schema}", "CREATE ON SCHEMA {schema}"
TEMPORARY = "TEMPORARY ON DATABASE {database}"
READ, ENTER = "SELECT ON TABLE {schema}.penstock_ledger", "INSERT ON TABLE {schema}.penstock_ledger"
CHANGE, DELETE = "UPDATE ON TABLE {schema}.penstock_ledger", "DELETE ON TABLE {schema}.penstock_ledger"
LEDGER, STAGED_LEDGER = (READ, ENTER), (READ, ENTER, CHANGE, DELETE)
ON = "ON TABLE {schema}.songs"


@dataclass(frozen=True)
class Case:
    """A load, and all rights that it needs. ``ddl`` is what an administrator has created."""

    table: Table
    ddl: str
    grants: tuple[str, ...]

    def loads(self, database: Database) -> None:
        """Load two chunks in two attempts, with a row that the database refuses; then all that a late attempt does."""
        plan = replace(plan_of(self.table), max_rejects=9)
        with sink_of(database) as killed:
            killed.begin(plan)
            assert killed.load(chunk(self.table, ["1", "a"], ["2", "b"])) == Loaded(2)
        with sink_of(database) as sink:
            resume = sink.begin(plan)
            assert (resume.chunk, resume.rows) == (1, 2)
            second = chunk(self.table, ["3", "c"], ["11", "refused"], ["4", "dropped"], number=1, first=3)
            loaded = sink.load(second)
            sink.finish()
            sink.moved()
        assert len(loaded.rejects) == 1
        with sink_of(database) as sink:
            assert sink.ended()
            sink.fence()
            sink.abort()
        with sink_of(database, holder="attempt 2") as late:
            late.begin(plan)
            late.finish()

    def aborts(self, database: Database) -> None:
        """Begin another job, and give it up in the middle."""
        with sink_of(database, "other") as sink:
            sink.begin(plan_of(self.table))
            sink.load(chunk(self.table, ["5", "e"]))
            sink.fence()
            sink.fence()
            sink.abort()


APPEND = Case(SONGS, PLAIN, (USAGE, f"INSERT (id, title) {ON}", *LEDGER))
KEY = ("id",)
UPSERT = (f"SELECT (id, title) {ON}", f"UPDATE (title) {ON}")
CASES = {
    "append": APPEND,
    "append with a trigger": replace(APPEND, ddl=DROPPING),
    "append to a table with an identity column": replace(
        APPEND, ddl="CREATE TABLE songs (n int GENERATED ALWAYS AS IDENTITY, id int CHECK (id < 10), title text)"
    ),
    "append to a table with a serial column": Case(
        SONGS,
        "CREATE TABLE songs (n serial, id int CHECK (id < 10), title text)",
        (*APPEND.grants, "USAGE ON SEQUENCE {schema}.songs_n_seq"),
    ),
    "upsert": Case(replace(SONGS, mode=Mode.UPSERT, key=KEY), KEYED, (*APPEND.grants, *UPSERT, TEMPORARY)),
    "upsert of keys": Case(
        replace(SONGS, mode=Mode.UPSERT, key=("id", "title")),
        "CREATE TABLE songs (id int CHECK (id < 10), title text, UNIQUE (id, title))",
        (*APPEND.grants, f"SELECT (id, title) {ON}", TEMPORARY),
    ),
    "atomic append": Case(
        replace(SONGS, atomic=True),
        PLAIN,
        (USAGE, CREATE, f"INSERT (id, title) {ON}", f"SELECT {ON}", *STAGED_LEDGER),
    ),
    "atomic upsert": Case(
        replace(SONGS, mode=Mode.UPSERT, key=KEY, atomic=True),
        KEYED,
        (USAGE, CREATE, f"INSERT (id, title) {ON}", f"SELECT {ON}", f"UPDATE (title) {ON}", *STAGED_LEDGER),
    ),
    "replace": Case(
        replace(SONGS, mode=Mode.REPLACE),
        PLAIN,
        (USAGE, CREATE, f"INSERT {ON}", f"SELECT {ON}", f"DELETE {ON}", *STAGED_LEDGER),
    ),
    "replace by key": Case(
        replace(SONGS, mode=Mode.REPLACE, key=KEY),
        KEYED,
        (USAGE, CREATE, f"INSERT {ON}", f"SELECT {ON}", f"DELETE {ON}", f"UPDATE {ON}", *STAGED_LEDGER),
    ),
}


def sink_of(database: Database, job: str = "job", *, holder: str = "attempt 1") -> PostgresSink:
    sink = database.sink(job)
    sink.hold(holder)
    return sink


@contextmanager
def prepared(database: Database, ddl: str) -> Iterator[dict[str, str]]:
    """The table and the ledger, made by an administrator. No role has a right by default."""
    ((name,),) = database.execute("SELECT current_database()")
    database.execute(ddl.format(schema=database.schema))
    with database.sink("administrator") as sink:
        sink.begin(plan_of(SONGS))
    database.execute(f"REVOKE TEMPORARY ON DATABASE {name} FROM PUBLIC")
    try:
        yield {"schema": database.schema, "database": str(name)}
    finally:
        database.execute(f"GRANT TEMPORARY ON DATABASE {name} TO PUBLIC")


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_the_listed_rights_are_enough(database: Database, case: Case) -> None:
    with prepared(database, case.ddl) as names, database.role() as role:
        database.execute(f"REVOKE ALL ON SCHEMA {database.schema} FROM {role.user}")
        for grant in case.grants:
            database.execute(f"GRANT {grant.format(**names)} TO {role.user}")
        case.loads(role)
        case.aborts(role)


@pytest.mark.parametrize(
    ("case", "missing"),
    [
        pytest.param(case, missing, id=f"{name}: {missing.format(schema='', database='')}")
        for name, case in CASES.items()
        for missing in case.grants
    ],
)
def test_each_right_is_needed_and_the_hint_grants_it(database: Database, case: Case, missing: str) -> None:
    """The error names the role, the object and the right. What its hint says, and nothing else, makes the load work."""
    with prepared(database, case.ddl) as names, database.role() as role:
        database.execute(f"REVOKE ALL ON SCHEMA {database.schema} FROM {role.user}")
        for grant in case.grants:
            if grant != missing:
                database.execute(f"GRANT {grant.format(**names)} TO {role.user}")
        with pytest.raises(AccessDeniedError) as caught:
            case.loads(role)
        privilege, *_, object_ = missing.format(**names).split()
        assert privilege in caught.value.right
        assert caught.value.right.split(",")[0].endswith(object_) or object_ in caught.value.right
        assert f"role {role.user} lacks it" in caught.value.message
        (statement,) = re.findall(r"GRANT [^;]+;", caught.value.hint)
        assert statement.endswith(f"TO {role.user};")
        database.execute(statement)
        case.loads(role)


def test_the_owner_of_a_table_replaces_it_without_rights_on_it(database: Database) -> None:
    with prepared(database, PLAIN) as names, database.role() as role:
        database.execute(f"ALTER TABLE songs OWNER TO {role.user}")
        for grant in (CREATE, *STAGED_LEDGER):
            database.execute(f"GRANT {grant.format(**names)} TO {role.user}")
        replace(CASES["replace"]).loads(role)


def test_a_role_that_creates_its_table_and_the_ledger_needs_the_schema_only(database: Database) -> None:
    created = Table("made", SONGS.columns, create=True)
    with database.role(f"CREATE ON SCHEMA {database.schema}") as role:
        with role.sink() as sink:
            sink.begin(plan_of(created))
            sink.load(chunk(created, ["1", "a"]))
            sink.finish()
        assert database.execute("SELECT id, title FROM made") == [(1, "a")]


def test_a_late_column_needs_its_own_right(database: Database) -> None:
    late = Table("songs", (*SONGS.columns, Column("other")))
    with prepared(database, PLAIN) as names, database.role() as role:
        for grant in APPEND.grants:
            database.execute(f"GRANT {grant.format(**names)} TO {role.user}")
        with role.sink() as sink:
            sink.begin(plan_of(SONGS))
            with pytest.raises(AccessDeniedError) as caught:
                sink.load(chunk(late, ["1", "a", "b"]))
            assert caught.value.right == f"INSERT (other) on table {database.schema}.songs"
            database.execute(re.findall(r"GRANT [^;]+;", caught.value.hint)[0])
            assert sink.load(chunk(late, ["1", "a", "b"])) == Loaded(1)


def test_a_ledger_that_others_may_read_is_left_alone(database: Database) -> None:
    """`abort` looks into all ledgers of the database: a right to read one is no reason to write to it."""
    with prepared(database, PLAIN), database.role(f"SELECT {ON}".format(schema=database.schema)) as role:
        database.execute(f"GRANT SELECT ON penstock_ledger TO {role.user}")
        with sink_of(role) as sink:
            sink.fence()
            sink.abort()


def test_members_of_an_archive_replace_a_table_with_the_same_rights(database: Database) -> None:
    """Two attempts stage rows, the second one takes over and swaps; another archive is aborted."""
    table = replace(SONGS, mode=Mode.REPLACE)

    def stage(role: Database, replacement: Replacement, member: int) -> None:
        with role.sink(f"{member} of {replacement.load_id}") as sink:
            sink.join(replacement, (member,))
            sink.begin(plan_of(table))
            sink.load(chunk(table, [str(member), "new"]))
            sink.finish()

    first = Replacement("g" * 32, "a" * 32, "attempt 1", "songs", "series", "01")
    second = replace(first, attempt="attempt 2")
    given_up = replace(first, id="n" * 32, job_id="b" * 32, order="02")
    with prepared(database, PLAIN) as names, database.role() as role:
        for grant in CASES["replace"].grants:
            database.execute(f"GRANT {grant.format(**names)} TO {role.user}")
        store = PostgresTables(by_dsn(role.dsn))
        with store.open_swap(first, [table]) as swap:
            swap.begin()
        stage(role, first, 1)
        with store.open_swap(second, [table]) as swap:
            swap.begin()
            stage(role, second, 1)
            stage(role, second, 2)
            swap.finish(2)
            swap.finish(2)
        with store.open_swap(given_up, [table]) as swap:
            swap.begin()
            stage(role, given_up, 3)
            swap.abort()
    assert database.execute("SELECT id FROM songs ORDER BY id") == [(1,), (2,)]
