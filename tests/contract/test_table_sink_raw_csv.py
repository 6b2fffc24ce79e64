"""A CSV that is loaded unchanged gives the same table as parsing, checking and copying every value."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from psycopg import sql

from csv_samples import TYPES as KINDS
from csv_samples import sources, tables
from lengths import examples
from penstock.destinations.postgres.catalog import TYPES
from penstock.destinations.postgres.connect import Connection, by_dsn
from penstock.destinations.postgres.pipelined_transaction import PipelinedTransaction
from penstock.destinations.postgres.rows import Appender
from penstock.formats import parse
from penstock.formats.format import no_validator
from penstock.model.column import Column, ColumnType
from penstock.model.load import Chunk, Loaded
from penstock.model.parse_options import Format, ParseOptions
from penstock.model.table import Mode, Table, TablePlan
from penstock.tables import ChunkBuilder
from postgres_database import Database

pytest_plugins = ["postgres_fixtures"]

T = ColumnType
CSV = ParseOptions(format=Format.CSV)
SONGS = Table("songs", (Column("id", T.INTEGER), Column("title"), Column("n", T.INTEGER)), key=("id",))


def chunk_of(plan: TablePlan, text: bytes, *, validated: bool) -> Chunk:
    """All chunks of a CSV."""
    maker = ChunkBuilder(plan)
    validator_factory = maker.validator if validated else no_validator
    (batch,) = parse([text], plan.parse, batch_bytes=len(text), validator_factory=validator_factory)
    assert bool(batch.raw_csv) is validated
    chunk, rejects = maker.chunk(0, batch)
    assert rejects == ()
    return chunk


@pytest.fixture(scope="module")
def connection(postgres_dsn: str) -> Iterator[Connection]:
    with by_dsn(postgres_dsn)() as connection:
        yield connection


def copied(connection: Connection, chunk: Chunk) -> list[tuple[object, ...]]:
    """The rows on the server after COPY, as texts."""
    (rows,) = chunk.rows
    types = sql.SQL(", ").join(
        sql.SQL("{} {}").format(sql.Identifier(column.name), TYPES[column.type]) for column in rows.table.columns
    )
    with connection.transaction(force_rollback=True):
        connection.execute(sql.SQL("CREATE TEMPORARY TABLE t ({}, row serial)").format(types))
        statements, text = Appender(connection, sql.Identifier("t"), rows.names).script(rows)
        script = PipelinedTransaction(connection, statements)
        script.start([text])
        script.finish()
        return connection.execute("SELECT t::text FROM t ORDER BY row").fetchall()


@settings(max_examples=examples(150))
@given(data=st.data())
def test_the_loaded_rows_are_the_same(connection: Connection, data: st.DataObject) -> None:
    table = data.draw(tables())
    names = tuple(column.name for column in table.columns)
    signs = data.draw(st.sampled_from([(",", '"'), (";", "'"), ("\t", '"')]))
    text = data.draw(sources(table, *signs))
    plan = TablePlan(replace(CSV, header=False, columns=names, delimiter=signs[0], quote=signs[1]), table)
    validator = ChunkBuilder(plan).validator(names, *signs)
    assert validator
    assume(validator(text))
    assert copied(connection, chunk_of(plan, text, validated=True)) == copied(
        connection, chunk_of(plan, text, validated=False)
    )


def test_every_type_can_be_loaded_unchanged(connection: Connection) -> None:
    table = Table("t", tuple(Column(kind, kind) for kind in KINDS))
    lines = (
        "text,integer,numeric,float,boolean,date,timestamp",
        '"say ""hi"", \\N",-1,1.50,2.5e-3,yes,2024-02-29,2024-02-29T12:30:00+02:00',
        '"","",,,"",,""',
    )
    plan = TablePlan(CSV, table)
    found = copied(connection, chunk_of(plan, "\r\n".join(lines).encode(), validated=True))
    assert found == [
        ('("say ""hi"", \\\\N",-1,1.50,0.0025,t,2024-02-29,"2024-02-29 10:30:00+00",1)',),
        ("(,,,,,,,2)",),
    ]


@pytest.mark.parametrize("mode", list(Mode))
def test_rows_that_only_the_database_rejects_are_found(database: Database, mode: Mode) -> None:
    database.execute("CREATE TABLE songs (n bigint CHECK (n <> 5), id bigint PRIMARY KEY, title text)")
    table = replace(SONGS, mode=mode)
    loaded = load(database, table, b'title,id,n\none,1,4\ntwo,2,5\n"3, three",3,\n')
    assert loaded.rows == 2
    assert [(reject.position.row, reject.position.offset, reject.position.raw) for reject in loaded.rejects] == [
        (2, 19, "two,2,5")
    ]
    assert database.execute("SELECT * FROM songs ORDER BY id") == [(4, 1, "one"), (None, 3, "3, three")]


def test_of_rows_with_the_same_key_the_last_one_wins(database: Database) -> None:
    database.execute("CREATE TABLE songs (id bigint PRIMARY KEY, title text, n bigint)")
    database.execute("INSERT INTO songs VALUES (1, 'old', 0), (4, 'stays', 0)")
    rows = "".join(f"{number % 3},title {number},{number}\n" for number in range(1, 1001))
    assert load(database, replace(SONGS, mode=Mode.UPSERT), f"id,title,n\n{rows}".encode()) == Loaded(1000)
    assert database.execute("SELECT * FROM songs ORDER BY id") == [
        (0, "title 999", 999),
        (1, "title 1000", 1000),
        (2, "title 998", 998),
        (4, "stays", 0),
    ]


def load(database: Database, table: Table, text: bytes) -> Loaded:
    plan = TablePlan(CSV, table)
    with database.sink() as sink:
        sink.begin(plan)
        loaded = sink.load(chunk_of(plan, text, validated=True))
        sink.finish()
    return loaded
