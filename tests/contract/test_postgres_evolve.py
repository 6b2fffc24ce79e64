"""PostgreSQL adds and widens columns while others load: no deadlock, once, recorded, and within bounds."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, TypeAlias

import psycopg
import pytest

from penstock.aws.backoff import Backoff
from penstock.delivery.growing_tables import GrowingChunkBuilder
from penstock.delivery.storage_fit import begin_fitted
from penstock.destinations.postgres import evolve
from penstock.errors import AccessDeniedError, InvalidTableError, ServiceUnavailableError
from penstock.model.column import Column, ColumnType
from penstock.model.column_change import ColumnChange
from penstock.model.parse_options import ParseOptions
from penstock.model.record import Batch
from penstock.model.table import Evolve, Mode, Table, TablePlan
from penstock.tables import Form
from postgres_database import Database
from table_batches import records

pytest_plugins = ["postgres_fixtures"]

TABLE = Table("t", (Column("id", ColumnType.INTEGER),), Mode.UPSERT, ("id",), evolve=Evolve.WIDEN)
PLAN = TablePlan(ParseOptions(), TABLE)
NEW = Column("x", ColumnType.INTEGER, spellings=("integer",))


@pytest.fixture
def table(database: Database) -> Database:
    database.execute("CREATE TABLE t (id bigint PRIMARY KEY, n int, v varchar(3), c numeric(6, 2))")
    return database


Changed: TypeAlias = tuple[dict[str, str], tuple[ColumnChange, ...]]


def change(database: Database, *columns: Column, job: str = "job", span: int = 0) -> Changed:
    """What is refused, and what the job has changed so far."""
    with database.sink(job, span) as opened:
        return dict(opened.evolve(PLAN, TABLE, columns)), opened.changes()


def types(database: Database) -> dict[str, str]:
    query = (
        "SELECT attname::text, format_type(atttypid, atttypmod) FROM pg_attribute "
        "WHERE attrelid = 't'::regclass AND attnum > 0 AND NOT attisdropped"
    )
    return {str(name): str(kind) for name, kind in database.execute(query)}


@contextmanager
def holding_rows(database: Database, seconds: float) -> Iterator[None]:
    """Another load holds locks of rows for some time."""
    with psycopg.connect(database.dsn) as connection:
        connection.execute("INSERT INTO t (id) VALUES (-1)")
        timer = threading.Timer(seconds, connection.commit)
        timer.start()
        try:
            yield
        finally:
            timer.join()


def test_a_column_is_added_once_and_on_record(table: Database) -> None:
    added = ColumnChange("t", "x", "bigint")
    for _ in range(2):
        assert change(table, NEW) == ({}, (added,))
    assert table.execute("SELECT col_description('t'::regclass, 5)") == [("inferred by penstock: integer",)]
    # Another job finds it, and has changed nothing.
    assert change(table, replace(NEW, type=ColumnType.TEXT, spellings=()), job="other")[1] == (
        ColumnChange("t", "x", "text", "bigint"),
    )


def test_two_spans_that_hold_row_locks_add_the_same_column(table: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each loads chunks with the same keys in the opposite order, and meets the new field in mid-load."""
    monkeypatch.setattr(evolve, "LOCK_TIMEOUT", "100ms")
    table.execute("INSERT INTO t (id) SELECT generate_series(1, 40)")
    barrier = threading.Barrier(2)

    def batches(span: int) -> Sequence[Batch]:
        keys = range(1, 41) if span == 1 else range(40, 0, -1)
        plain: list[object] = [{"id": key} for key in keys]
        late: list[object] = [{"id": key, "x": key, f"y{span}": "a"} for key in keys]
        return [records(*rows, first=1 + 40 * n) for n, rows in enumerate((plain, late, late))]

    def load(span: int) -> None:
        with table.sink("job", span) as opened:
            plan, resume = begin_fitted(opened, PLAN)
            builder = GrowingChunkBuilder(opened, plan, Form.TEXT, lambda: None)
            for number, batch in enumerate(batches(span), start=resume.chunk):
                barrier.wait(20)
                chunk, rejects = builder.chunk(number, batch)
                assert rejects == ()
                assert opened.load(chunk).rows == 40

    with ThreadPoolExecutor(2) as pool, holding_rows(table, 0.4):
        for _ in pool.map(load, (1, 2)):
            pass
    assert table.execute("SELECT count(x), count(y1), count(y2) FROM t") == [(40, 40, 40)]
    assert sorted(one.column for one in change(table)[1]) == ["x", "y1", "y2"]


@pytest.mark.parametrize("staged", [{"mode": Mode.REPLACE}, {"mode": Mode.APPEND, "atomic": True}])
def test_a_staged_load_follows_the_changes_of_another_one(table: Database, staged: dict[str, Any]) -> None:
    plan = replace(PLAN, table=replace(TABLE, columns=(*TABLE.columns, Column("n")), inferred=True, **staged))
    with table.sink("staged") as opened:
        fitted, _ = begin_fitted(opened, plan)
        builder = GrowingChunkBuilder(opened, fitted, Form.TEXT, lambda: None)
        chunk, _ = builder.chunk(0, records({"id": 1, "n": 1}))
        opened.load(chunk)
        change(table, NEW, Column("n", ColumnType.TEXT), Column("y"), job="other")
        chunk, rejects = builder.chunk(1, records({"id": 2, "n": "many", "x": 5, "y": "z"}, first=2))
        assert (rejects, opened.load(chunk).rows) == ((), 1)
        opened.finish()
        assert opened.changes() == ()
    assert table.execute("SELECT id, n, x, y FROM t ORDER BY id") == [(1, "1", None, None), (2, "many", 5, "z")]
    assert table.execute(
        "SELECT col_description('t'::regclass, attnum) FROM pg_attribute WHERE attname = 'x' "
        "AND attrelid = 't'::regclass"
    ) == [("inferred by penstock: integer",)]


@pytest.mark.parametrize("mode", [Mode.APPEND, Mode.UPSERT])
def test_a_load_that_does_not_know_of_a_wider_type_goes_on(table: Database, mode: Mode) -> None:
    plan = replace(PLAN, table=replace(TABLE, columns=(*TABLE.columns, Column("n")), inferred=True, mode=mode))
    with table.sink("first") as opened:
        fitted, _ = begin_fitted(opened, plan)
        builder = GrowingChunkBuilder(opened, fitted, Form.TEXT, lambda: None)
        assert opened.load(builder.chunk(0, records({"id": 1, "n": 1}))[0]).rows == 1
        change(table, Column("n", ColumnType.TEXT), job="other")
        assert opened.load(builder.chunk(1, records({"id": 2, "n": 2}, first=2))[0]).rows == 1
        assert opened.load(builder.chunk(2, records({"id": 3, "n": "x"}, first=3))[0]).rows == 1
    assert table.execute("SELECT id, n FROM t ORDER BY id") == [(1, "1"), (2, "2"), (3, "x")]


def test_a_lock_that_is_never_free_makes_the_job_wait(table: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evolve, "LOCK_TIMEOUT", "20ms")
    monkeypatch.setattr(evolve, "LOCK_POLICY", Backoff(attempts=3, base=0.01))
    began = time.monotonic()
    with holding_rows(table, 0.5), pytest.raises(ServiceUnavailableError, match="ALTER TABLE t: canceling"):
        change(table, NEW)
    assert time.monotonic() - began < 5
    assert "x" not in types(table)


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("N", "differs from that of column 'n' by case only"),
        ("ü" * 32, "more than 63 bytes"),
        ('a"b', "has quotes, blanks around it"),
        (" a", "has quotes, blanks around it"),
        ("a\nb", "has quotes, blanks around it"),
        ("ctid", "PostgreSQL has a column of its own"),
    ],
)
def test_a_name_that_would_be_mistaken_is_refused(table: Database, name: str, why: str) -> None:
    refused, changes = change(table, Column(name), NEW)
    assert list(refused) == [name]
    assert why in refused[name]
    assert changes == (ColumnChange("t", "x", "bigint"),)


def test_new_names_that_differ_by_case_are_both_refused(table: Database) -> None:
    refused, changes = change(table, Column("Ä"), Column("ä"))
    assert (set(refused), changes) == ({"Ä", "ä"}, ())


def test_any_other_name_is_a_column_as_it_is(table: Database) -> None:
    names = ["Order ID", "select", "a.b", "é", "x" * 63, "'; DROP TABLE t; --", "%s", "{}"]
    refused, _ = change(table, *map(Column, names))
    assert refused == {}
    assert set(names) <= types(table).keys()


def test_a_load_adds_a_hundred_columns_at_most_however_it_is_cut(table: Database) -> None:
    assert change(table, *(Column(f"a{n}") for n in range(60)), span=1)[0] == {}
    refused, _ = change(table, *(Column(f"b{n}") for n in range(41)), span=2)
    assert len(refused) == 41
    assert set(refused.values()) == {"a load may add 100 columns at most"}
    assert change(table, *(Column(f"b{n}") for n in range(40)), span=2)[0] == {}
    assert len(types(table)) == 104


WIDENED = [
    ("n", ColumnType.NUMERIC, "numeric", True),
    ("n", ColumnType.TEXT, "text", True),
    ("c", ColumnType.NUMERIC, "numeric", False),
    ("c", ColumnType.TEXT, "text", True),
    ("v", ColumnType.TEXT, "text", False),
]


@pytest.mark.parametrize(("column", "wanted", "type_", "rewrites"), WIDENED)
def test_a_type_is_widened_up_to_a_size_where_postgresql_rewrites_the_table(
    table: Database, monkeypatch: pytest.MonkeyPatch, column: str, wanted: ColumnType, type_: str, *, rewrites: bool
) -> None:
    before = types(table)[column]
    table.execute("INSERT INTO t VALUES (1, 2, 'abc', 1.50)")
    monkeypatch.setattr(evolve, "MOST_REWRITTEN", 1)
    file = "SELECT pg_relation_filenode('t')"
    if rewrites:
        with pytest.raises(InvalidTableError, match=r"column .* would rewrite the table, which has [\d,]+") as caught:
            change(table, Column(column, wanted))
        statement = caught.value.hint.partition(": ")[2]
        monkeypatch.undo()
    old = table.execute(file)
    assert change(table, Column(column, wanted)) == ({}, (ColumnChange("t", column, type_, before),))
    assert (table.execute(file) != old) == rewrites
    assert types(table)[column] == type_
    assert table.execute("SELECT n::text, v, c::text FROM t") == [("2", "abc", "1.50")]
    if rewrites:
        table.execute(statement)  # it is complete, and may be run


def test_a_narrower_type_changes_nothing(table: Database) -> None:
    table.execute("ALTER TABLE t ADD COLUMN s text, ADD COLUMN d date")
    wanted = [Column("s", ColumnType.INTEGER), Column("d", ColumnType.TEXT), Column("c", ColumnType.INTEGER)]
    assert change(table, *wanted) == ({}, ())


def test_a_type_that_something_depends_on_is_refused_with_the_statement(table: Database) -> None:
    table.execute("CREATE VIEW w AS SELECT n FROM t")
    with pytest.raises(InvalidTableError, match="column 'n' cannot become numeric: cannot alter type") as caught:
        change(table, Column("n", ColumnType.NUMERIC))
    assert 'ALTER COLUMN "n" TYPE numeric;' in caught.value.hint


def test_only_the_owner_changes_columns_and_the_hint_repairs_it(table: Database) -> None:
    table.execute("CREATE TABLE penstock_ledger (LIKE t); DROP TABLE penstock_ledger")
    with table.sink() as owner:
        owner.begin(PLAN)
    with table.role("ALL ON t", "ALL ON penstock_ledger", f"CREATE ON SCHEMA {table.schema}") as role:
        with pytest.raises(AccessDeniedError, match="ownership of table") as caught:
            change(role, NEW)
        # What is there already needs no right.
        table.execute("ALTER TABLE t ADD COLUMN y text")
        assert change(role, Column("y"))[0] == {}
        table.execute(caught.value.hint.partition("run: ")[2].partition(" Or ")[0])
        assert change(role, NEW) == ({}, (ColumnChange("t", "x", "bigint"),))
        table.execute(f"ALTER TABLE t OWNER TO {table.user}")
