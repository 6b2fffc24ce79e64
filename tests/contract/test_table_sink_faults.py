"""Exactly once despite faults: lost connections, terminated sessions, deadlocks, killed processes, concurrency."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

import postgres_loader
from lengths import IS_LONG
from penstock.destinations.postgres.connect import Timeouts, by_dsn
from penstock.destinations.postgres.sink import PostgresSink
from penstock.errors import LeaseLostError, ServiceUnavailableError
from penstock.model.column import Column, ColumnType
from penstock.model.load import Chunk, Resume
from penstock.model.parse_options import ParseOptions
from penstock.model.table import Mode, Table, TablePlan
from penstock.tables import ChunkBuilder
from postgres_database import Database
from postgres_proxy import PostgresProxy, proxied
from table_batches import rows

pytest_plugins = ["postgres_fixtures"]

COLUMNS = (Column("id", ColumnType.INTEGER), Column("title"))
MANY = [(str(number), "x" * 500) for number in range(2000)]


def table_of(mode: Mode) -> Table:
    return Table("songs", COLUMNS, mode, ("id",) if mode is Mode.UPSERT else ())


def plan_of(table: Table) -> TablePlan:
    return TablePlan(ParseOptions(), table)


def chunk(table: Table, cells: Sequence[Sequence[str | None]], number: int = 0, first: int = 1) -> Chunk:
    return ChunkBuilder(plan_of(table)).chunk(number, rows(["id", "title"], *cells, first=first))[0]


def count(database: Database) -> object:
    return database.execute("SELECT count(*), count(DISTINCT id) FROM songs")


@pytest.fixture(params=list(Mode))
def mode(request: pytest.FixtureRequest, database: Database) -> Mode:
    database.execute("CREATE TABLE songs (id int, title text)")
    if request.param is Mode.UPSERT:
        database.execute("ALTER TABLE songs ADD PRIMARY KEY (id)")
    return Mode(request.param)


# The protocol messages after which the server commits: the end of a COPY, or a separate statement.
COPY_DONE = b"c\0\0\0\4"
COMMIT = b"COMMIT\0"


def cut_before_the_end(proxy: PostgresProxy) -> None:
    proxy.before = COPY_DONE


def cut_after_the_end(proxy: PostgresProxy) -> None:
    proxy.after = COPY_DONE


def cut_in_copy(proxy: PostgresProxy) -> None:
    proxy.limit = 400_000


@pytest.mark.parametrize(
    ("cut", "committed"), [(cut_before_the_end, False), (cut_after_the_end, True), (cut_in_copy, False)]
)
def test_a_chunk_whose_connection_is_lost_is_loaded_once_after_the_retry(
    database: Database, mode: Mode, cut: Callable[[PostgresProxy], None], committed: bool
) -> None:
    table = table_of(mode)
    made = chunk(table, MANY)
    with proxied(database.dsn) as proxy, PostgresSink(by_dsn(proxy.dsn), "job") as sink:
        sink.begin(plan_of(table))
        cut(proxy)
        with pytest.raises(ServiceUnavailableError):
            sink.load(made)
        assert proxy.cuts == 1
    with database.sink() as sink:
        resume = sink.begin(plan_of(table))
        assert (resume.chunk, resume.rows) == ((1, 2000) if committed else (0, 0))
        assert sink.load(made).rows == 2000
        sink.finish()
    assert count(database) == [(2000, 2000)]


@pytest.mark.parametrize("side", ["before", "after"])
def test_an_end_whose_connection_is_lost_is_reached_by_the_retry(database: Database, mode: Mode, side: str) -> None:
    table = table_of(mode)
    with proxied(database.dsn) as proxy, PostgresSink(by_dsn(proxy.dsn), "job") as sink:
        sink.begin(plan_of(table))
        sink.load(chunk(table, MANY))
        setattr(proxy, side, COMMIT)
        with pytest.raises(ServiceUnavailableError):
            sink.finish()
        assert proxy.cuts == 1
    with database.sink() as sink:
        sink.begin(plan_of(table))
        sink.finish()
    assert count(database) == [(2000, 2000)]
    assert database.tables() == {"songs", "penstock_ledger"}


def test_a_session_that_an_operator_terminates_is_a_lost_connection(database: Database) -> None:
    database.execute("CREATE TABLE songs (id int, title text)")
    with database.sink() as sink:
        sink.begin(plan_of(table_of(Mode.APPEND)))
        database.execute("SELECT pg_terminate_backend(%s)", [sink._connection.info.backend_pid])
        with pytest.raises(ServiceUnavailableError):
            sink.load(chunk(table_of(Mode.APPEND), MANY))


def test_a_loader_that_waits_for_the_same_chunk_of_another_takes_it_as_loaded(database: Database) -> None:
    database.execute("CREATE TABLE songs (id int, title text)")
    table = table_of(Mode.APPEND)
    with ThreadPoolExecutor(6) as pool, database.sink() as first:
        first.begin(plan_of(table))

        def load(_: int) -> int:
            with database.sink() as sink:
                resume = sink.begin(plan_of(table))
                return resume.rows or sink.load(chunk(table, MANY)).rows

        assert list(pool.map(load, range(6))) == [2000] * 6
    assert count(database) == [(2000, 2000)]


def test_a_lock_that_is_not_released_makes_the_load_fail_in_time(database: Database) -> None:
    database.execute("CREATE TABLE songs (id int, title text)")
    table = table_of(Mode.APPEND)
    with PostgresSink(by_dsn(database.dsn, Timeouts(lock=0.05)), "job") as sink:
        sink.begin(plan_of(table))
        with psycopg.connect(database.dsn) as other:
            other.execute("LOCK TABLE songs")
            with pytest.raises(ServiceUnavailableError, match="lock timeout"):
                sink.load(chunk(table, MANY))
        assert sink.load(chunk(table, MANY)).rows == 2000


def test_a_statement_that_takes_too_long_is_tried_again_later(database: Database) -> None:
    database.execute(
        "CREATE TABLE songs (id int, title text);"
        "CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(9); RETURN NEW; END';"
        "CREATE TRIGGER slow BEFORE INSERT ON songs FOR EACH ROW EXECUTE FUNCTION slow()"
    )
    table = table_of(Mode.APPEND)
    with PostgresSink(by_dsn(database.dsn, Timeouts(statement=0.05)), "job") as sink:
        sink.begin(plan_of(table))
        with pytest.raises(ServiceUnavailableError, match="statement timeout"):
            sink.load(chunk(table, [("1", "a")]))


# Between row 1 and row 2, the first loader waits until another session waits for it.
MEETING = """
CREATE TABLE songs (id int PRIMARY KEY, title text);
INSERT INTO songs VALUES (1, 'old'), (2, 'old');
CREATE SEQUENCE loaders;
CREATE FUNCTION meet() RETURNS trigger LANGUAGE plpgsql AS $$
  BEGIN
    IF NEW.id = 2 AND nextval('loaders') = 1 THEN
      WHILE NOT EXISTS (SELECT FROM pg_locks WHERE NOT granted) LOOP PERFORM pg_sleep(0.001); END LOOP;
    END IF;
    RETURN NEW;
  END $$;
CREATE TRIGGER meet BEFORE INSERT ON songs FOR EACH ROW EXECUTE FUNCTION meet()
"""


def test_a_deadlock_does_not_fail_the_load(database: Database) -> None:
    database.execute(MEETING)
    impatient = make_conninfo(database.dsn, options=f"-csearch_path={database.schema} -cdeadlock_timeout=20ms")
    table = table_of(Mode.UPSERT)
    locked = Event()

    def rival() -> None:
        with psycopg.connect(database.dsn) as connection:
            connection.execute("SET deadlock_timeout = '60s'")
            connection.execute("UPDATE songs SET title = 'other' WHERE id = 2")
            locked.set()
            while database.execute("SELECT is_called FROM loaders") == [(False,)]:
                time.sleep(0.001)
            connection.execute("UPDATE songs SET title = 'other' WHERE id = 1")

    with ThreadPoolExecutor(1) as pool, PostgresSink(by_dsn(impatient), "job") as sink:
        sink.begin(plan_of(table))
        other = pool.submit(rival)
        locked.wait()
        loaded = sink.load(chunk(table, [("1", "new"), ("2", "new")]))
        other.result()
    assert loaded.rows == 2
    assert database.execute("SELECT last_value FROM loaders") == [(2,)]
    assert database.execute("SELECT * FROM songs ORDER BY id") == [(1, "new"), (2, "new")]


def test_spans_that_upsert_the_same_keys_concurrently_all_succeed(database: Database) -> None:
    database.execute("CREATE TABLE songs (id int PRIMARY KEY, title text)")
    table = table_of(Mode.UPSERT)

    def load(span: int) -> int:
        order = random.Random(span)
        with database.sink(span=span) as sink:
            sink.begin(plan_of(table))
            total = 0
            for number in range(8):
                keys = order.sample(range(300), 200)
                total += sink.load(chunk(table, [(str(key), f"{span}") for key in keys], number)).rows
        return total

    with ThreadPoolExecutor(6) as pool:
        assert list(pool.map(load, range(6))) == [1600] * 6
    assert count(database) == [(300, 300)]


ROWS = 6000
KILLS = 6 if IS_LONG else 3


@pytest.mark.timeout(120)
@pytest.mark.long
def test_a_loader_that_is_killed_repeatedly_loads_every_row_once(database: Database, mode: Mode) -> None:
    database.execute("ALTER TABLE songs ADD n bigint, ADD CHECK (id % 100 <> 97)")
    database.execute("INSERT INTO songs VALUES (-1, 'old', 0)")
    moments = random.Random(mode)
    kills = 0
    code = None
    while code != 0:
        with start(database, mode) as loader:
            assert loader.stdout
            assert loader.stdout.readline() == "begun\n"
            if kills < KILLS:
                time.sleep(moments.uniform(0, 0.15))
                loader.send_signal(signal.SIGKILL)
            said = loader.stdout.read()
        code = loader.returncode
        assert code in {0, -signal.SIGKILL}
        kills += code != 0
    good = [number for number in range(ROWS) if number % 100 not in {51, 97}]
    rounds = 2 if mode is Mode.UPSERT else 1
    assert said == f"done {len(good) * rounds} {(ROWS - len(good)) * rounds}\n"
    expected = [(number, f"song {number}\t{rounds}", number * 7) for number in good]
    old = [] if mode is Mode.REPLACE else [(-1, "old", 0)]
    assert database.execute("SELECT id, title, n FROM songs ORDER BY id") == old + expected
    assert database.tables() == {"songs", "penstock_ledger"}
    assert kills > 0


def start(database: Database, mode: Mode) -> subprocess.Popen[str]:
    script = Path(postgres_loader.__file__)
    arguments = [sys.executable, str(script), database.dsn, str(mode), "0", str(ROWS), "0"]
    return subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True, cwd=script.parent)


def test_a_zombie_cannot_load_after_its_job_has_ended(database: Database, mode: Mode) -> None:
    table = table_of(mode)
    with database.sink() as zombie, database.sink() as successor:
        assert zombie.begin(plan_of(table)) == successor.begin(plan_of(table)) == Resume()
        successor.load(chunk(table, MANY))
        successor.finish()
        assert zombie.load(chunk(table, MANY)).rows == 2000
        with pytest.raises(LeaseLostError):
            zombie.load(chunk(table, MANY, number=1, first=2001))
        zombie.abort()
    assert count(database) == [(2000, 2000)]
