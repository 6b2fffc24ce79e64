"""The end of a job is a fence: no attempt commits anything after it, whatever is in progress."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Event

import psycopg
import pytest

from contract.test_table_sink_postgres import SONGS, chunk, plan_of
from penstock.destinations.postgres.connect import by_dsn
from penstock.destinations.postgres.sink import PostgresSink
from penstock.errors import LeaseLostError
from penstock.model.table import Mode, Table
from postgres_database import Database

pytest_plugins = ["postgres_fixtures"]

DDL = "CREATE TABLE songs (id bigint, title text)"
REPLACED = Table("songs", SONGS.columns, Mode.REPLACE)


def sink_of(database: Database, holder: str, *, span: int = 1) -> PostgresSink:
    sink = PostgresSink(by_dsn(database.dsn), "job", span)
    sink.hold(holder)
    return sink


def fence(database: Database, holder: str) -> None:
    with sink_of(database, holder) as sink:
        sink.fence()


def test_no_chunk_is_committed_for_a_holder_that_has_ended(database: Database) -> None:
    database.execute(DDL)
    with sink_of(database, "run-1") as sink:
        sink.begin(plan_of(SONGS))
        sink.load(chunk(SONGS, ["1", "in"]))
        fence(database, "run-1")
        with pytest.raises(LeaseLostError, match="has ended"):
            sink.load(chunk(SONGS, ["2", "too late"], number=1, first=2))
    assert database.execute("SELECT id FROM songs") == [(1,)]


def test_the_next_attempt_resumes_after_the_committed_chunks(database: Database) -> None:
    database.execute(DDL)
    with sink_of(database, "run-1") as sink:
        sink.begin(plan_of(SONGS))
        sink.load(chunk(SONGS, ["1", "in"]))
    for _ in range(2):
        fence(database, "run-1")
    with sink_of(database, "run-2") as sink:
        assert sink.begin(plan_of(SONGS)).chunk == 1
        sink.load(chunk(SONGS, ["2", "too"], number=1, first=2))
        sink.finish()
    assert database.execute("SELECT id FROM songs ORDER BY id") == [(1,), (2,)]


def test_two_holders_that_have_ended_are_both_kept_out(database: Database) -> None:
    database.execute(DDL)
    with sink_of(database, "run-1") as first, sink_of(database, "run-2") as second:
        first.begin(plan_of(SONGS))
        second.begin(plan_of(SONGS))
        fence(database, "run-1")
        fence(database, "run-2")
        for sink in (first, second):
            with pytest.raises(LeaseLostError):
                sink.load(chunk(SONGS, ["1", "late"]))
    assert database.execute("SELECT count(*) FROM songs") == [(0,)]


def test_the_end_waits_for_a_chunk_that_is_under_way(database: Database) -> None:
    """The chunk waits for a row lock in its transaction; the fence is set only after it has committed."""
    database.execute("CREATE TABLE songs (id bigint PRIMARY KEY, title text)")
    table = Table("songs", SONGS.columns, Mode.UPSERT, ("id",))
    database.execute("INSERT INTO songs VALUES (1, 'old')")
    fenced = Event()

    def end() -> None:
        fence(database, "run-1")
        fenced.set()

    with (
        psycopg.connect(database.dsn) as blocker,
        ThreadPoolExecutor(1) as threads,
        sink_of(database, "run-1") as sink,
    ):
        sink.begin(plan_of(table))
        blocker.execute("SELECT FROM songs WHERE id = 1 FOR UPDATE")
        settle = sink.submit(chunk(table, ["1", "new"]))
        # The server has received the transaction. When its lock on the fence is visible, it waits for the row.
        while not database.execute(
            "SELECT 1 FROM pg_locks WHERE NOT granted AND locktype IN ('transactionid', 'tuple')"
        ):
            pass
        ending = threads.submit(end)
        while not database.execute("SELECT 1 FROM pg_locks WHERE NOT granted AND locktype = 'advisory'"):
            pass
        assert not fenced.is_set()
        blocker.rollback()
        assert settle().rows == 1
        ending.result()
        with pytest.raises(LeaseLostError):
            sink.load(chunk(table, ["2", "late"], number=1, first=2))
    assert database.execute("SELECT id, title FROM songs") == [(1, "new")]


def test_nothing_is_made_visible_for_a_holder_that_has_ended(database: Database) -> None:
    database.execute(DDL)
    database.execute("INSERT INTO songs VALUES (7, 'old')")
    with sink_of(database, "run-1", span=0) as sink:
        sink.begin(plan_of(REPLACED))
        sink.load(chunk(REPLACED, ["1", "new"]))
        fence(database, "run-1")
        with pytest.raises(LeaseLostError):
            sink.finish()
    assert database.execute("SELECT id FROM songs") == [(7,)]


def test_a_fence_without_a_ledger_does_nothing(database: Database) -> None:
    fence(database, "run-1")
    assert database.execute("SELECT 1 FROM pg_tables WHERE tablename = 'penstock_ledger'") == []
