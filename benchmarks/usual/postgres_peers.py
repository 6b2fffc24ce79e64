"""A CSV into PostgreSQL, as people write it: COPY as it is, COPY and upsert by hand, pandas in chunks."""

from __future__ import annotations

from pathlib import Path

import psycopg
from benchmarks.sightings import COLUMNS
from psycopg import sql

BLOCK = 64 * 1024
FRAME = 10_000  # rows; what examples of `read_csv(chunksize=...)` take
INSERT = 1_000  # rows of one INSERT: 65,535 parameters are the limit


def raw_copy(path: Path, dsn: str) -> None:
    """The file as it is into the table: PostgreSQL parses it."""
    with psycopg.connect(dsn) as connection:
        copy_file(connection, path, "sightings")


def copy_and_upsert(path: Path, dsn: str) -> None:
    """The file as it is into a temporary table, then one INSERT ... ON CONFLICT."""
    names = [column.name for column in COLUMNS]
    changes = sql.SQL(", ").join(sql.SQL("{0} = EXCLUDED.{0}").format(sql.Identifier(name)) for name in names[1:])
    with psycopg.connect(dsn) as connection:
        connection.execute("CREATE TEMPORARY TABLE staged (LIKE sightings)")
        copy_file(connection, path, "staged")
        connection.execute(
            sql.SQL(
                "INSERT INTO sightings SELECT DISTINCT ON (id) * FROM staged ORDER BY id "
                "ON CONFLICT (id) DO UPDATE SET {}"
            ).format(changes)
        )


def copy_file(connection: psycopg.Connection, path: Path, table: str) -> None:
    command = sql.SQL("COPY {} FROM STDIN (FORMAT csv, HEADER)").format(sql.Identifier(table))
    with connection.cursor() as cursor, cursor.copy(command) as copy, path.open("rb") as file:
        while block := file.read(BLOCK):
            copy.write(block)


def pandas_chunks(path: Path, dsn: str) -> None:
    """``read_csv`` in chunks, ``to_sql`` with many rows in an INSERT."""
    import pandas as pd  # type: ignore[import-untyped]  # noqa: PLC0415  # without stubs; requirements/bench.txt
    import sqlalchemy  # noqa: PLC0415

    engine = sqlalchemy.create_engine(dsn.replace("postgresql://", "postgresql+psycopg://"))
    with engine.begin() as connection:
        for frame in pd.read_csv(path, chunksize=FRAME, parse_dates=["seen_at", "reported_on"]):
            frame.to_sql("sightings", connection, if_exists="append", index=False, method="multi", chunksize=INSERT)
    engine.dispose()
