"""A replaced table keeps its readers and its dependent objects."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from threading import Event

import psycopg
import pytest

from penstock.errors import InvalidTableError, RequestRefusedError, ServiceUnavailableError
from penstock.model.column import Column, ColumnType
from penstock.model.load import Chunk, Resume
from penstock.model.parse_options import ParseOptions
from penstock.model.table import Choice, Mode, Table, TablePlan
from penstock.tables import ChunkBuilder
from postgres_database import Database
from table_batches import rows

pytest_plugins = ["postgres_fixtures"]

SONGS = Table("songs", (Column("id", ColumnType.INTEGER), Column("title")), Mode.REPLACE)
KEYED = replace(SONGS, key=("id",))

PLAIN = """
CREATE TABLE songs (
  id int PRIMARY KEY, gone int, title text NOT NULL DEFAULT 'x' CHECK (title <> ''),
  loud text GENERATED ALWAYS AS (upper(title)) STORED, at timestamptz DEFAULT '2024-01-01');
ALTER TABLE songs DROP COLUMN gone;
CREATE INDEX "by Title" ON songs (lower(title)) WHERE id > 0;
CREATE INDEX same_a ON songs (title);
CREATE INDEX same_b ON songs (title);
ALTER TABLE songs ADD CONSTRAINT "no two" UNIQUE (title, id)
"""

# The properties by which users could notice that a table is another one.
FEATURES = """
SELECT 'column', attname, format_type(atttypid, atttypmod), attnotnull::text, attgenerated::text,
       pg_get_expr(adbin, adrelid)
FROM pg_attribute LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
WHERE attrelid = 'songs'::regclass AND attnum > 0 AND NOT attisdropped
UNION ALL SELECT 'index', indexname, indexdef, '', '', '' FROM pg_indexes WHERE tablename = 'songs'
UNION ALL SELECT 'constraint', conname, pg_get_constraintdef(oid), '', '', '' FROM pg_constraint
          WHERE conrelid = 'songs'::regclass
UNION ALL SELECT 'grant', a.grantee::text, a.privilege_type, a.is_grantable::text, '', relowner::regrole::text
          FROM pg_class, aclexplode(coalesce(relacl, acldefault('r', relowner))) a WHERE oid = 'songs'::regclass
ORDER BY 1, 2, 3
"""


FUNCTION = "CREATE FUNCTION f() RETURNS SETOF songs LANGUAGE sql AS 'SELECT * FROM songs'"
TRIGGER = """
CREATE FUNCTION t() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
CREATE TRIGGER t BEFORE INSERT ON songs FOR EACH ROW EXECUTE FUNCTION t()
"""


def plan_of(table: Table) -> TablePlan:
    return TablePlan(ParseOptions(), table)


def chunk(table: Table, *cells: Sequence[str | None], number: int = 0, first: int = 1) -> Chunk:
    return ChunkBuilder(plan_of(table)).chunk(number, rows(["id", "title"], *cells, first=first))[0]


def fill(database: Database, table: Table, *cells: Sequence[str | None], job: str = "job") -> None:
    with database.sink(job) as sink:
        sink.begin(plan_of(table))
        assert sink.load(chunk(table, *cells)).rejects == ()
        sink.finish()


def oid(database: Database) -> object:
    return database.execute("SELECT 'songs'::regclass::oid")


def stagings(database: Database) -> set[str]:
    return {name for name in database.tables() if name.startswith("penstock_staging")}


def test_a_swapped_table_has_all_properties_of_the_old_one(database: Database) -> None:
    database.execute(PLAIN)
    with database.role("SELECT ON songs") as reader, database.role():
        database.execute("GRANT INSERT ON songs TO PUBLIC")
        database.execute("INSERT INTO songs VALUES (1, 'old')")
        before, old = database.execute(FEATURES), oid(database)
        fill(database, SONGS, ("1", "new"), ("2", "b"))
        assert oid(database) != old
        assert database.execute(FEATURES) == before
        assert reader.execute("SELECT id, title, loud, at::date::text FROM songs ORDER BY id") == [
            (1, "new", "NEW", "2024-01-01"),
            (2, "b", "B", "2024-01-01"),
        ]
    assert stagings(database) == set()


def test_default_privileges_of_new_tables_are_not_added(database: Database) -> None:
    database.execute(PLAIN)
    before = database.execute(FEATURES)
    with database.role() as other:
        user = str(psycopg.conninfo.conninfo_to_dict(other.dsn)["user"])
        database.execute(f"ALTER DEFAULT PRIVILEGES IN SCHEMA {database.schema} GRANT SELECT ON TABLES TO {user}")
        fill(database, SONGS, ("1", "new"))
    assert database.execute(FEATURES) == before


@pytest.mark.parametrize("table", [SONGS, KEYED], ids=["whole", "by key"])
@pytest.mark.parametrize(
    ("hindrance", "check"),
    [
        ("CREATE VIEW v AS SELECT title FROM songs", "(SELECT string_agg(title, ',' ORDER BY title) FROM v) = 'a,b'"),
        (FUNCTION, "(SELECT count(*) FROM f()) = 2"),
        (TRIGGER, "relhastriggers"),
        ("COMMENT ON TABLE songs IS 'kept'", "obj_description(oid) = 'kept'"),
        ("GRANT SELECT (id) ON songs TO PUBLIC", "has_column_privilege('pg_monitor', oid, 'id', 'SELECT')"),
        ("ALTER TABLE songs SET (fillfactor = 50)", "reloptions <> '{}'"),
        ("ALTER TABLE songs ENABLE ROW LEVEL SECURITY", "relrowsecurity"),
        ("CREATE TABLE younger () INHERITS (songs)", "relhassubclass"),
        (
            "CREATE STATISTICS s ON id, title FROM songs",
            "'s' IN (SELECT stxname FROM pg_statistic_ext)",
        ),
        ("ALTER TABLE songs ADD n serial", "pg_get_serial_sequence('songs', 'n') IS NOT NULL"),
        ("ALTER TABLE songs ADD n int GENERATED ALWAYS AS IDENTITY", "pg_get_serial_sequence('songs', 'n') <> ''"),
    ],
)
def test_a_table_with_dependent_objects_stays_the_same_table(
    database: Database, table: Table, hindrance: str, check: str
) -> None:
    database.execute("CREATE TABLE songs (id int PRIMARY KEY, title text)")
    database.execute("INSERT INTO songs VALUES (1, 'old'), (9, 'old')")
    database.execute(hindrance)
    old = oid(database)
    fill(database, table, ("1", "a"), ("2", "b"))
    assert oid(database) == old
    assert database.execute(f"SELECT {check} FROM pg_class WHERE oid = 'songs'::regclass") == [(True,)]
    assert database.execute("SELECT id, title FROM songs ORDER BY id") == [(1, "a"), (2, "b")]
    assert stagings(database) == set()


def test_a_partitioned_table_is_replaced_in_place(database: Database) -> None:
    database.execute(
        "CREATE TABLE songs (id int, title text) PARTITION BY RANGE (id);"
        "CREATE TABLE songs_low PARTITION OF songs FOR VALUES FROM (0) TO (10);"
        "INSERT INTO songs VALUES (1, 'old')"
    )
    fill(database, SONGS, ("2", "new"))
    assert database.execute("SELECT * FROM songs_low") == [(2, "new")]


def test_referenced_rows_are_never_missing_if_the_route_has_a_key(database: Database) -> None:
    database.execute(
        "CREATE TABLE songs (id int PRIMARY KEY, title text); INSERT INTO songs VALUES (1, 'old'), (2, 'old');"
        "CREATE TABLE plays (song int REFERENCES songs); INSERT INTO plays VALUES (1)"
    )
    fill(database, KEYED, ("1", "new"), ("3", "new"))
    assert database.execute("SELECT * FROM songs ORDER BY id") == [(1, "new"), (3, "new")]
    with pytest.raises(RequestRefusedError, match="violates foreign key constraint"):
        fill(database, KEYED, ("3", "newer"), job="drops a song that was played")
    assert database.execute("SELECT * FROM songs ORDER BY id") == [(1, "new"), (3, "new")]


def test_rows_with_invalid_references_are_rejected_when_they_are_loaded(database: Database) -> None:
    database.execute(
        "CREATE TABLE artists (name text PRIMARY KEY); INSERT INTO artists VALUES ('Bach');"
        "CREATE TABLE songs (id int, title text REFERENCES artists)"
    )
    with database.sink() as sink:
        sink.begin(plan_of(SONGS))
        loaded = sink.load(chunk(SONGS, ("1", "Bach"), ("2", "Nobody")))
        sink.finish()
    assert [reject.position.row for reject in loaded.rejects] == [2]
    assert database.execute("SELECT * FROM songs") == [(1, "Bach")]


def test_a_table_that_was_altered_while_it_was_loaded_keeps_the_alteration(database: Database) -> None:
    database.execute("CREATE TABLE songs (id int, title text)")
    with database.sink() as sink:
        sink.begin(plan_of(SONGS))
        sink.load(chunk(SONGS, ("1", "a")))
        database.execute("ALTER TABLE songs ADD year int DEFAULT 1999")
        sink.finish()
    assert database.execute("SELECT * FROM songs") == [(1, "a", 1999)]


def test_a_role_that_does_not_own_the_table_replaces_its_content(database: Database) -> None:
    database.execute("CREATE TABLE songs (id int, title text); INSERT INTO songs VALUES (1, 'old')")
    old = oid(database)
    with database.role("INSERT, SELECT, DELETE ON songs", f"CREATE ON SCHEMA {database.schema}") as loader:
        fill(loader, SONGS, ("2", "new"))
        assert database.execute("SELECT * FROM songs") == [(2, "new")]
        assert oid(database) == old


def test_a_missing_staging_table_is_detected(database: Database) -> None:
    database.execute("CREATE TABLE songs (id int, title text)")
    with database.sink() as sink:
        sink.begin(plan_of(SONGS))
        sink.load(chunk(SONGS, ("1", "a")))
    (staging,) = stagings(database)
    database.execute(f"DROP TABLE {staging}")
    with database.sink() as sink:
        with pytest.raises(InvalidTableError, match="no longer exists: the rows loaded into it are lost"):
            sink.begin(plan_of(SONGS))
        sink.abort()


def test_replace_cannot_be_combined_with_other_modes(database: Database) -> None:
    plan = TablePlan(ParseOptions(), choice=Choice("type", {"a": SONGS, "b": replace(SONGS, mode=Mode.APPEND)}))
    with database.sink() as sink, pytest.raises(InvalidTableError, match="set mode replace for all tables of a route"):
        sink.begin(plan)


def test_several_tables_are_replaced_together_or_not_at_all(database: Database) -> None:
    database.execute(
        "CREATE TABLE songs (id int, title text); CREATE TABLE apps (id int, title text PRIMARY KEY);"
        "CREATE TABLE used (title text REFERENCES apps);"
        "INSERT INTO apps VALUES (1, 'a'); INSERT INTO used VALUES ('a')"
    )
    choice = Choice("type", {"song": SONGS, "app": replace(SONGS, name="apps")})
    plan = TablePlan(ParseOptions(), choice=choice)
    made, _ = ChunkBuilder(plan).chunk(0, rows(["type", "id", "title"], ("song", "1", "new"), ("app", "2", "b")))
    with database.sink() as sink:
        sink.begin(plan)
        sink.load(made)
        with pytest.raises(RequestRefusedError):
            sink.finish()
        assert database.execute("SELECT * FROM songs") == []
        sink.abort()
    assert database.execute("SELECT * FROM apps") == [(1, "a")]
    assert stagings(database) == set()


def test_two_attempts_to_finish_replace_the_table_once(database: Database) -> None:
    database.execute("CREATE TABLE songs (id int, title text)")
    with database.sink() as sink:
        sink.begin(plan_of(SONGS))
        sink.load(chunk(SONGS, ("1", "a")))

    def finish(_: int) -> None:
        with database.sink() as sink:
            sink.begin(plan_of(SONGS))
            sink.finish()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(finish, range(4)))
    assert database.execute("SELECT * FROM songs") == [(1, "a")]


def test_the_end_waits_for_a_long_reader_and_is_retried(database: Database) -> None:
    database.execute("CREATE TABLE songs (id int, title text)")
    with database.sink() as sink:
        sink.begin(plan_of(SONGS))
        sink.load(chunk(SONGS, ("1", "a")))
        sink._connection.execute("SET lock_timeout = '50ms'")
        with psycopg.connect(database.dsn) as reader:
            reader.execute("SELECT * FROM songs")
            with pytest.raises(ServiceUnavailableError, match="lock timeout"):
                sink.finish()
        sink.finish()
    assert database.execute("SELECT * FROM songs") == [(1, "a")]


@pytest.mark.parametrize(
    "ddl",
    ["SELECT", "CREATE VIEW titles AS SELECT title FROM songs"],
    ids=["swap", "in place"],
)
def test_a_reader_sees_the_old_rows_or_the_new_ones(database: Database, ddl: str) -> None:
    database.execute("CREATE TABLE songs (id int, title text)")
    database.execute(ddl)
    sizes = [40, 7, 0, 55]
    seen: set[tuple[object, ...]] = set()
    done = Event()

    def poll() -> None:
        with psycopg.connect(database.dsn, autocommit=True) as connection:
            while not done.is_set():
                seen.add(
                    connection.execute("SELECT count(*), count(DISTINCT title), min(title) FROM songs").fetchone() or ()
                )

    with ThreadPoolExecutor(2) as pool:
        readers = [pool.submit(poll) for _ in range(2)]
        for job, size in enumerate(sizes):
            with database.sink(f"job {job}") as sink:
                sink.begin(plan_of(SONGS))
                for number in range(2):
                    cells = [(str(row), f"job {job}") for row in range(size)]
                    sink.load(chunk(SONGS, *cells, number=number, first=number * size + 1))
                sink.finish()
        done.set()
        for reader in readers:
            reader.result()
    assert seen <= {(0, 0, None), *((2 * size, 1, f"job {job}") for job, size in enumerate(sizes) if size)}


def test_an_empty_job_empties_the_table(database: Database) -> None:
    database.execute("CREATE TABLE songs (id int, title text); INSERT INTO songs VALUES (1, 'old')")
    with database.sink() as sink:
        assert sink.begin(plan_of(SONGS)) == Resume()
        sink.finish()
    assert database.execute("SELECT * FROM songs") == []
