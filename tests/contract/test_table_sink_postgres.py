"""The contract of PostgreSQL beyond that of table sinks: it creates and checks tables, and may itself reject rows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, NamedTuple

import psycopg
import pytest

from penstock.destinations.postgres import ledger as postgres_ledger
from penstock.destinations.postgres import sink as postgres_sink
from penstock.destinations.postgres.created_tables import schemas_with_ledger
from penstock.errors import AccessDeniedError, DestinationMissingError, InvalidTableError, PenstockError
from penstock.model.column import Column, ColumnType, FieldCounts
from penstock.model.load import Chunk, Loaded, Resume
from penstock.model.parse_options import ParseOptions
from penstock.model.table import Choice, Mode, Table, TablePlan
from penstock.tables import ChunkBuilder
from postgres_database import Database
from table_batches import WIDTH, rows

pytest_plugins = ["postgres_fixtures"]

T = ColumnType
SONGS = Table("songs", (Column("id", T.INTEGER), Column("title")))


def plan_of(table: Table) -> TablePlan:
    return TablePlan(ParseOptions(), table)


def chunk(table: Table, *cells: Sequence[str | None], number: int = 0, first: int = 1) -> Chunk:
    names = [column.name for column in table.columns]
    made, rejects = ChunkBuilder(plan_of(table)).chunk(number, rows(names, *cells, first=first))
    assert rejects == ()
    return made


def load(database: Database, table: Table, *cells: Sequence[str | None], job: str = "job") -> Loaded:
    with database.sink(job) as sink:
        sink.begin(plan_of(table))
        loaded = sink.load(chunk(table, *cells))
        sink.finish()
    return loaded


def begin(database: Database, table: Table) -> None:
    with database.sink() as sink:
        sink.begin(plan_of(table))


def reasons(loaded: Loaded) -> list[tuple[int, str, str]]:
    return [(reject.position.row, reject.column, reject.reason) for reject in loaded.rejects]


# Creating tables


def test_a_table_is_created_as_the_route_declares_it(database: Database) -> None:
    kinds = tuple(Column(f'{kind} "of" all', kind) for kind in ColumnType)
    table = Table("All kinds", (Column("id", T.INTEGER), Column("b", nullable=False), *kinds), key=("id",), create=True)
    begin(database, table)
    found = database.execute(
        "SELECT column_name, data_type, is_nullable FROM information_schema.columns "
        "WHERE table_name = 'All kinds' ORDER BY ordinal_position"
    )
    assert found == [
        ("id", "bigint", "NO"),
        ("b", "text", "NO"),
        ('text "of" all', "text", "YES"),
        ('integer "of" all', "bigint", "YES"),
        ('numeric "of" all', "numeric", "YES"),
        ('float "of" all', "double precision", "YES"),
        ('boolean "of" all', "boolean", "YES"),
        ('date "of" all', "date", "YES"),
        ('timestamp "of" all', "timestamp with time zone", "YES"),
        ('json "of" all', "jsonb", "YES"),
    ]


def test_a_created_column_has_the_declared_digits(database: Database) -> None:
    price = Column("price", T.NUMERIC, digits=5, places=2)
    load(database, Table("prices", (price, Column("x")), create=True), ("999.99", "a"), ("1.5", "b"))
    assert database.execute(
        "SELECT numeric_precision, numeric_scale FROM information_schema.columns WHERE column_name = 'price'"
    ) == [(5, 2)]
    assert [str(price) for (price,) in database.execute("SELECT price FROM prices")] == ["999.99", "1.50"]


def test_an_existing_table_is_not_changed(database: Database) -> None:
    database.execute("CREATE TABLE songs (id smallint, title varchar(5), played int DEFAULT 7)")
    load(database, replace(SONGS, create=True), ("1", "abc"))
    assert database.execute("SELECT * FROM songs") == [(1, "abc", 7)]


def test_a_table_may_be_in_another_schema_with_its_ledger(database: Database) -> None:
    other = f"{database.schema}_other"
    database.execute(f"CREATE SCHEMA {other}")
    try:
        load(database, replace(SONGS, name=f"{other}.songs", create=True), ("1", "a"))
        assert database.execute(f"SELECT * FROM {other}.songs") == [(1, "a")]
        assert database.execute(f"SELECT count(*) FROM {other}.penstock_ledger") == [(2,)]
        assert database.tables() == set()
    finally:
        database.execute(f"DROP SCHEMA {other} CASCADE")


def test_loaders_that_start_at_the_same_time_create_everything_once(database: Database) -> None:
    tables = [
        replace(SONGS, create=True, mode=mode, name=mode, key=("id",) if mode is Mode.UPSERT else ()) for mode in Mode
    ]

    def span(number: int) -> Resume:
        table = tables[number % len(tables)]
        with database.sink(f"job {table.name}", span=number) as sink:
            return sink.begin(plan_of(table))

    with ThreadPoolExecutor(12) as pool:
        assert list(pool.map(span, range(12))) == [Resume()] * 12


@pytest.mark.parametrize("name", ["a.b.c", "", "a.", "x" * 64, "a\0b"])
def test_an_invalid_name_is_an_error(database: Database, name: str) -> None:
    with pytest.raises(InvalidTableError, match="is not the name of a table"):
        begin(database, replace(SONGS, name=name, create=True))


def test_a_column_name_that_would_be_truncated_is_an_error(database: Database) -> None:
    table = Table("songs", (Column("é" * 32),), create=True)
    with pytest.raises(InvalidTableError, match="cannot be the name of a column"):
        begin(database, table)


# Tables that do not fit


@pytest.mark.parametrize(
    ("ddl", "change", "error", "message"),
    [
        ("SELECT", {}, DestinationMissingError, "table songs does not exist"),
        ("SELECT", {"name": "nowhere.songs", "create": True}, PenstockError, 'schema "nowhere" does not exist'),
        ("CREATE VIEW songs AS SELECT 1 AS id", {}, InvalidTableError, r"songs is not a table"),
        (
            "CREATE TABLE songs (id int, name text)",
            {},
            InvalidTableError,
            "no column 'title'; its columns are id, name",
        ),
        (
            "CREATE TABLE songs (id int, title text GENERATED ALWAYS AS ('x') STORED)",
            {},
            InvalidTableError,
            "column 'title' of table .* is generated",
        ),
        (
            "CREATE TABLE songs (id int, title text, year int NOT NULL)",
            {},
            InvalidTableError,
            "column 'year' of table .* is not nullable and has no default",
        ),
        (
            "CREATE TABLE songs (id int, title text, UNIQUE (id, title), UNIQUE (title) DEFERRABLE)",
            {"mode": Mode.UPSERT, "key": ("id",)},
            InvalidTableError,
            r"has no unique index on \(id\), which upsert needs",
        ),
        (
            "CREATE TABLE songs (id int, title text); CREATE UNIQUE INDEX ON songs (id) WHERE title <> ''",
            {"mode": Mode.UPSERT, "key": ("id",)},
            InvalidTableError,
            r"has no unique index on \(id\), which upsert needs",
        ),
        ("SELECT", {"columns": (), "create": True}, InvalidTableError, "columns are neither declared nor inferred"),
    ],
)
def test_a_table_that_does_not_fit_is_one_clear_error(
    database: Database, ddl: str, change: dict[str, Any], error: type[PenstockError], message: str
) -> None:
    database.execute(ddl)
    with pytest.raises(error, match=message) as caught:
        begin(database, replace(SONGS, **change))
    assert caught.value.hint
    assert "penstock_ledger" not in database.tables()


@pytest.mark.parametrize(
    ("change", "hint"),
    [
        ({}, "Create the table, or let Penstock create it (`create = true`, or --create in a command)."),
        ({"create": True, "guessed": True}, "Create the table, or declare its columns: the file has no good record "),
        ({"create": True, "columns": ()}, "Declare the table's columns: the file is empty, "),
    ],
)
def test_what_to_do_about_a_missing_table_depends_on_what_the_route_says_and_the_file_shows(
    database: Database, change: dict[str, Any], hint: str
) -> None:
    with pytest.raises(PenstockError) as caught:
        begin(database, replace(SONGS, **change))
    assert caught.value.hint.startswith(hint)
    assert "songs" not in database.tables()


def test_columns_with_defaults_need_not_be_loaded(database: Database) -> None:
    database.execute(
        """
        CREATE TABLE songs (
          n int GENERATED ALWAYS AS IDENTITY, id int, title text, at timestamptz NOT NULL DEFAULT '2024-01-01',
          loud text GENERATED ALWAYS AS (upper(title)) STORED)
        """
    )
    load(database, SONGS, ("5", "a"))
    assert database.execute("SELECT n, id, title, at::date::text, loud FROM songs") == [(1, 5, "a", "2024-01-01", "A")]


def test_a_column_that_a_trigger_fills_need_not_be_loaded(database: Database) -> None:
    database.execute(
        """
        CREATE TABLE songs (id int, title text, year int NOT NULL);
        CREATE FUNCTION fill() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN NEW.year := 1999; RETURN NEW; END';
        CREATE TRIGGER fill BEFORE INSERT ON songs FOR EACH ROW EXECUTE FUNCTION fill()
        """
    )
    load(database, SONGS, ("5", "a"))
    assert database.execute("SELECT year FROM songs") == [(1999,)]


def test_a_partitioned_table_is_a_table(database: Database) -> None:
    database.execute(
        "CREATE TABLE songs (id int PRIMARY KEY, title text) PARTITION BY RANGE (id);"
        "CREATE TABLE songs_low PARTITION OF songs FOR VALUES FROM (0) TO (10)"
    )
    loaded = load(database, replace(SONGS, mode=Mode.UPSERT, key=("id",)), ("1", "a"), ("99", "b"), ("1", "c"))
    assert database.execute("SELECT * FROM songs") == [(1, "c")]
    assert reasons(loaded)[0][:2] == (2, "")
    assert "no partition" in reasons(loaded)[0][2]


# Permissions


def test_the_documented_permissions_are_enough(database: Database) -> None:
    database.execute("CREATE TABLE songs (id int PRIMARY KEY, title text, other text)")
    begin(database, SONGS)
    ledger = "SELECT, INSERT, UPDATE, DELETE ON penstock_ledger"
    with database.role("INSERT (id, title) ON songs", ledger) as appender:
        load(appender, SONGS, ("1", "a"), job="append")
    with database.role("INSERT, SELECT, UPDATE ON songs", ledger) as upserter:
        load(upserter, replace(SONGS, mode=Mode.UPSERT, key=("id",)), ("1", "b"), ("2", "b"), job="upsert")
    create = f"CREATE ON SCHEMA {database.schema}"
    with database.role("INSERT, SELECT, DELETE ON songs", create, ledger) as replacer:
        load(replacer, replace(SONGS, mode=Mode.REPLACE), ("3", "c"), job="replace")
    assert database.execute("SELECT * FROM songs") == [(3, "c", None)]


@pytest.mark.parametrize(
    ("grants", "mode", "right"),
    [
        ((), Mode.APPEND, "INSERT on table {schema}.songs"),
        (("INSERT (id) ON songs",), Mode.APPEND, "INSERT (title) on table {schema}.songs"),
        (("INSERT ON songs",), Mode.UPSERT, "SELECT, UPDATE on table {schema}.songs"),
        (("INSERT, SELECT ON songs",), Mode.UPSERT, "UPDATE on table {schema}.songs"),
        (("INSERT, SELECT ON songs",), Mode.REPLACE, "DELETE, UPDATE on table {schema}.songs"),
        (
            ("INSERT ON songs", "REVOKE"),
            Mode.APPEND,
            "SELECT, INSERT on table {schema}.penstock_ledger",
        ),
    ],
)
def test_a_missing_permission_is_named(database: Database, grants: Sequence[str], mode: Mode, right: str) -> None:
    database.execute("CREATE TABLE songs (id int PRIMARY KEY, title text)")
    begin(database, SONGS)
    ledger = () if "REVOKE" in grants else ("SELECT, INSERT, UPDATE, DELETE ON penstock_ledger",)
    tables = [grant for grant in grants if grant != "REVOKE"]
    with database.role(*tables, *ledger) as poor, pytest.raises(AccessDeniedError) as caught:
        begin(poor, replace(SONGS, mode=mode, key=("id",)))
    assert caught.value.right == right.format(schema=database.schema)


def test_the_permission_to_create_a_table_or_the_ledger_is_named(database: Database) -> None:
    with database.role() as poor, pytest.raises(AccessDeniedError) as caught:
        begin(poor, replace(SONGS, create=True))
    assert caught.value.right == f"CREATE on schema {database.schema}"
    database.execute("CREATE TABLE songs (id int, title text)")
    with database.role("INSERT ON songs") as poor, pytest.raises(AccessDeniedError) as caught:
        begin(poor, SONGS)
    assert caught.value.right == f"CREATE on schema {database.schema}, for the table penstock_ledger"


def test_a_schema_that_may_not_be_used_is_named(database: Database) -> None:
    hidden = f"{database.schema}_hidden"
    database.execute(f"CREATE SCHEMA {hidden}; CREATE TABLE {hidden}.songs (id int, title text)")
    try:
        with database.role() as poor, pytest.raises(AccessDeniedError) as caught:
            begin(poor, replace(SONGS, name=f"{hidden}.songs"))
        assert caught.value.right == f"USAGE on schema {hidden}"
    finally:
        database.execute(f"DROP SCHEMA {hidden} CASCADE")


# Rows that only the database rejects

STRICT = """
CREATE TABLE artists (name text PRIMARY KEY);
INSERT INTO artists VALUES ('Bach');
CREATE TYPE mood AS ENUM ('calm');
CREATE TABLE songs (
  id int UNIQUE, title varchar(5), year smallint CHECK (year > 1900), artist text REFERENCES artists,
  twin int UNIQUE DEFERRABLE INITIALLY DEFERRED, mood mood, day date NOT NULL, key text);
CREATE UNIQUE INDEX songs_key ON songs (key);
CREATE FUNCTION no_polka() RETURNS trigger LANGUAGE plpgsql AS
  $$BEGIN IF NEW.title = 'polka' THEN RAISE 'no polka here'; END IF; RETURN NEW; END$$;
CREATE TRIGGER no_polka BEFORE INSERT ON songs FOR EACH ROW EXECUTE FUNCTION no_polka()
"""
STRICT_COLUMNS = (
    Column("id", T.INTEGER),
    Column("title"),
    Column("year", T.INTEGER),
    Column("artist"),
    Column("twin", T.INTEGER),
    Column("mood"),
    Column("day", T.DATE),
    Column("key"),
)
GOOD = {"id": "1", "title": "a", "year": "2000", "artist": "Bach", "twin": "1", "mood": "calm", "day": "2024-01-01"}
# A text that does not fit an index even when it is compressed.
LONG = "".join(map(chr, range(0x4E00, 0x4E00 + 9000)))


class Refused(NamedTuple):
    """A value, and the reason of its reject."""

    field: str
    value: str
    column: str
    reason: str


REFUSED = [
    Refused("id", "2147483648", "id", 'value "2147483648" is out of range for type integer'),
    Refused("title", "toolong", "title", "value too long for type character varying(5)"),
    Refused("year", "1800", "", 'new row for relation "songs" violates check constraint "songs_year_check"'),
    Refused("year", "40000", "year", 'value "40000" is out of range for type smallint'),
    Refused("artist", "Nobody", "", 'violates foreign key constraint "songs_artist_fkey"'),
    Refused("twin", "1", "", 'duplicate key value violates unique constraint "songs_twin_key"'),
    Refused("mood", "sad", "mood", 'invalid input value for enum mood: "sad"'),
    Refused("day", "", "day", 'null value in column "day" of relation "songs" violates not-null constraint'),
    Refused("title", "polka", "", "no polka here"),
    Refused("key", LONG, "", "index row"),
]
KNOWN_KEY = Refused(
    "id", "1", "", 'duplicate key value violates unique constraint "songs_id_key": Key (id)=(1) already exists.'
)


def strict_row(number: int, **changes: str) -> tuple[str, ...]:
    row = {**GOOD, "id": str(number), "twin": str(number), "key": f"k{number}", **changes}
    return tuple(row[column.name] for column in STRICT_COLUMNS)


@pytest.mark.parametrize(
    ("mode", "case"),
    [*((Mode.APPEND, case) for case in [*REFUSED, KNOWN_KEY]), *((Mode.UPSERT, case) for case in REFUSED)],
)
def test_a_row_that_the_database_rejects_is_found_and_the_others_are_loaded(
    database: Database, mode: Mode, case: Refused
) -> None:
    database.execute(STRICT)
    table = Table("songs", STRICT_COLUMNS, mode, ("id",) if mode is Mode.UPSERT else ())
    cells = [strict_row(number) for number in range(1, 8)]
    cells[4] = strict_row(5, **{case.field: case.value})
    loaded = load(database, table, *cells)
    assert loaded.rows == 6
    ((row, column, reason),) = reasons(loaded)
    assert (row, column) == (5, case.column)
    assert case.reason in reason
    assert database.execute("SELECT array_agg(id ORDER BY id) FROM songs") == [([1, 2, 3, 4, 6, 7],)]


def test_all_rows_may_be_rejected(database: Database) -> None:
    database.execute("CREATE TABLE songs (id int CHECK (id < 0), title text)")
    loaded = load(database, SONGS, *((str(number), "a") for number in range(50)))
    assert loaded.rows == 0
    assert [row for row, *_ in reasons(loaded)] == list(range(1, 51))


def test_a_retry_gets_the_rejects_of_the_last_chunk(database: Database) -> None:
    database.execute("CREATE TABLE songs (id int UNIQUE, title text)")
    with database.sink(span=3) as sink:
        sink.begin(plan_of(SONGS))
        sink.load(chunk(SONGS, ("1", "a"), ("1", "b")))
        loaded = sink.load(chunk(SONGS, ("2", "a"), ("2", "b"), ("3", "c"), number=1, first=3))
        assert sink.load(chunk(SONGS, ("2", "a"), ("2", "b"), ("3", "c"), number=1, first=3)) == loaded
    assert loaded.rejects[0].span == 3
    with database.sink(span=3) as sink:
        expected = Resume(chunk=2, offset=5 * WIDTH, row=6, rows=3, rejects=2, refused=loaded.rejects)
        assert sink.begin(plan_of(SONGS)) == expected


def test_a_retry_gets_the_observed_fields(database: Database) -> None:
    database.execute("CREATE TABLE songs (id int UNIQUE, title text)")
    fields = [FieldCounts(n, ("late", "\u20ac'\\"), (("songs", "title"),), ("songs",)) for n in (1, 2)]
    with database.sink() as sink:
        sink.begin(plan_of(SONGS))
        sink.load(replace(chunk(SONGS, ("1", "a")), fields=fields[0]))
        assert sink.begin(plan_of(SONGS)).fields == fields[0]
        refused = replace(chunk(SONGS, ("2", "a"), ("2", "b"), number=1, first=2), fields=fields[1])
        assert len(sink.load(refused).rejects) == 1
        known = sink.begin(plan_of(SONGS))
        assert (known.fields, len(known.refused)) == (fields[1], 1)
        sink.load(chunk(SONGS, ("4", "a"), number=2, first=4))
        assert sink.begin(plan_of(SONGS)).fields == FieldCounts()


def test_the_end_of_the_job_has_the_observed_fields(database: Database) -> None:
    database.execute("CREATE TABLE songs (id int, title text)")
    for span in (0, 1):
        with database.sink(span=span) as sink:
            sink.begin(plan_of(SONGS))
            for number in (0, 1):
                fields = FieldCounts(1 + number, (f"late {span}",))
                sink.load(replace(chunk(SONGS, ("1", "a"), number=number, first=1 + number), fields=fields))
            assert sink.ended() is None
    with database.sink() as sink:
        sink.begin(plan_of(SONGS))
        sink.finish()
        end = sink.ended()
    assert end
    assert (end.total.rows, end.total.fields) == (4, FieldCounts(4, ("late 0", "late 1")))


def test_the_ledger_counts_rejects_of_the_row_converter(database: Database) -> None:
    database.execute("CREATE TABLE songs (id int UNIQUE, title text)")
    with database.sink() as sink:
        sink.begin(plan_of(SONGS))
        made, rejects = ChunkBuilder(plan_of(SONGS)).chunk(0, rows(["id", "title"], ("x", "a"), ("1", "b"), ("1", "c")))
        assert len(rejects) == 1
        sink.load(made)
        assert sink.begin(plan_of(SONGS)).rejects == 2


# Upsert


def test_an_upsert_changes_the_columns_of_the_route_only(database: Database) -> None:
    database.execute("CREATE TABLE songs (id int PRIMARY KEY, title text, plays int DEFAULT 0)")
    database.execute("INSERT INTO songs VALUES (1, 'old', 9), (2, 'old', 9)")
    load(database, replace(SONGS, mode=Mode.UPSERT, key=("id",)), ("1", "new"), ("3", "new"))
    assert database.execute("SELECT * FROM songs ORDER BY id") == [(1, "new", 9), (2, "old", 9), (3, "new", 0)]


def test_keys_that_are_equal_to_the_database_are_one_key(database: Database) -> None:
    database.execute("CREATE TABLE t (n numeric, at timestamptz, v text, UNIQUE (at, n))")
    columns = (Column("n", T.NUMERIC), Column("at", T.TIMESTAMP), Column("v"))
    table = Table("t", columns, Mode.UPSERT, ("n", "at"))
    cells = [("1.0", "2024-01-01T00:00:00Z", "a"), ("1", "2024-01-01 01:00:00+01:00", "b"), ("1.00", "2024-01-01", "c")]
    assert load(database, table, *cells).rows == 3
    assert database.execute("SELECT v FROM t") == [("c",)]


def test_a_table_with_only_a_key_can_be_upserted(database: Database) -> None:
    table = Table("tags", (Column("tag"),), Mode.UPSERT, ("tag",), create=True)
    load(database, table, ("a",), ("b",), ("a",))
    load(database, table, ("b",), job="again")
    assert database.execute("SELECT tag FROM tags ORDER BY tag") == [("a",), ("b",)]


def test_the_last_row_wins_even_if_earlier_rows_are_rejected(database: Database) -> None:
    database.execute("CREATE TABLE songs (id int PRIMARY KEY, title varchar(3))")
    table = replace(SONGS, mode=Mode.UPSERT, key=("id",))
    loaded = load(database, table, ("1", "a"), ("1", "long"), ("1", "b"), ("2", "x"), ("1", "c"), ("2", "longer"))
    assert [row for row, *_ in reasons(loaded)] == [2, 6]
    assert database.execute("SELECT * FROM songs ORDER BY id") == [(1, "c"), (2, "x")]


def test_two_kinds_of_records_may_go_to_one_table(database: Database) -> None:
    database.execute("CREATE TABLE media (id int PRIMARY KEY, title text, version text)")
    song = Table("media", (Column("id", T.INTEGER), Column("title")), Mode.UPSERT, ("id",))
    app = Table("media", (Column("id", T.INTEGER), Column("version")), Mode.UPSERT, ("id",))
    plan = TablePlan(ParseOptions(), choice=Choice("type", {"song": song, "app": app}))
    batch = rows(
        ["type", "id", "title", "version"], ("song", "1", "a", ""), ("app", "2", "", "v"), ("app", "1", "", "w")
    )
    made, _ = ChunkBuilder(plan).chunk(0, batch)
    with database.sink() as sink:
        sink.begin(plan)
        sink.load(made)
    assert database.execute("SELECT * FROM media ORDER BY id") == [(1, "a", "w"), (2, None, "v")]


# The ledger


@contextmanager
def writing_late(database: Database) -> Iterator[None]:
    """The server writes the log of asynchronous commits to the disk every ten seconds."""
    for change in ("SET wal_writer_delay = '10s'", "SET wal_writer_flush_after = '1GB'"):
        database.execute(f"ALTER SYSTEM {change}")
    database.execute("SELECT pg_reload_conf()")
    try:
        yield
    finally:
        database.execute("ALTER SYSTEM RESET ALL")
        database.execute("SELECT pg_reload_conf()")


def test_a_span_is_durable_at_its_end_even_if_its_only_chunk_failed_immediately(database: Database) -> None:
    database.execute("CREATE TABLE songs (id int CHECK (id < 10), title text)")
    apps = replace(SONGS, name="apps", create=True)
    plan = TablePlan(ParseOptions(), choice=Choice("type", {"song": SONGS, "app": apps}))
    # The second COPY is not reached: the error of the first one arrives while the chunk is sent.
    parts = (*chunk(SONGS, ("10", "a"), ("2", "b")).rows, *chunk(apps, ("1", "c")).rows)
    with writing_late(database), database.sink() as sink:
        sink.begin(plan)
        loaded = sink.load(Chunk(0, 100, 4, records=3, rows=parts))
        ((committed,),) = database.execute("SELECT pg_current_wal_insert_lsn()")
        sink.__exit__(None, None, None)
        # The session commits asynchronously, and the server would write to the disk in ten seconds.
        assert database.execute("SELECT pg_current_wal_flush_lsn() >= %s", [committed]) == [(True,)]
    assert (loaded.rows, len(loaded.rejects)) == (2, 1)


def test_the_ledger_forgets_jobs_that_ended_long_ago(database: Database) -> None:
    table = replace(SONGS, create=True)
    load(database, table, ("1", "a"), job="old")
    load(database, table, ("1", "a"), job="recent")
    database.execute("UPDATE penstock_ledger SET at = now() - interval '91 days' WHERE job = 'old'")
    load(database, table, ("1", "a"), job="new")
    assert database.execute("SELECT DISTINCT job FROM penstock_ledger ORDER BY job") == [("new",), ("recent",)]


INDEXES = "SELECT indexdef FROM pg_indexes WHERE schemaname = %s AND indexdef LIKE '%%penstock_ledger USING btree (at)'"


def indexes(database: Database) -> int:
    return len(database.execute(INDEXES, [database.schema]))


def test_the_ledger_is_pruned_by_an_index_which_is_added_to_an_older_ledger(database: Database) -> None:
    table = replace(SONGS, create=True)
    load(database, table, ("1", "a"), job="one")
    assert indexes(database) == 1
    database.execute("DROP INDEX penstock_ledger_at_idx")
    load(database, table, ("1", "a"), job="two")
    load(database, table, ("1", "a"), job="three")
    assert indexes(database) == 1


def test_a_ledger_that_the_role_may_not_index_is_used_without_an_index(database: Database) -> None:
    load(database, replace(SONGS, create=True), ("1", "a"), job="one")
    database.execute("DROP INDEX penstock_ledger_at_idx")
    with database.role("INSERT ON songs", "SELECT, INSERT, UPDATE, DELETE ON penstock_ledger") as loader:
        load(loader, SONGS, ("2", "b"), job="two")
    assert database.execute("SELECT id FROM songs ORDER BY id") == [(1,), (2,)]
    assert indexes(database) == 0


def test_a_load_prunes_few_jobs_and_waits_for_no_other_load_that_prunes(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres_ledger, "PRUNED_AT_ONCE", 3)
    load(database, replace(SONGS, create=True), ("1", "a"), job="recent")
    database.execute(
        "INSERT INTO penstock_ledger SELECT 'old', 0, n, 0, 0, 0, 0, NULL, now() - make_interval(days => 100 + n) "
        "FROM generate_series(1, 6) n"
    )
    with psycopg.connect(database.dsn) as other:
        other.execute("SELECT FROM penstock_ledger WHERE job = 'old' AND chunk = 6 FOR UPDATE")
        load(database, SONGS, ("2", "b"), job="new")
    left = database.execute("SELECT chunk FROM penstock_ledger WHERE job = 'old' ORDER BY chunk")
    assert left == [(1,), (2,), (6,)]


def test_a_ledger_that_disappears_while_a_job_is_discarded_is_passed_over(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody drops a schema between the list of ledgers and the look into them."""
    monkeypatch.setattr(
        postgres_sink, "schemas_with_ledger", lambda *of: ["dropped_meanwhile", *schemas_with_ledger(*of)]
    )
    begin(database, replace(SONGS, create=True))
    assert "songs" in database.tables()
    with database.sink() as sink:
        sink.fence()
        sink.abort()
    assert "songs" not in database.tables()
