"""A loader that a test kills: `python postgres_loader.py DSN MODE FIRST LAST SPAN` loads generated rows.

It prints "begun" at the start and "done ROWS REJECTS" at the end. The test's table rejects a row whose id ends in 97,
and the chunk builder one that ends in 51. In an upsert, every row comes a second time, changed.
"""

from __future__ import annotations

import sys

from penstock.destinations.postgres.connect import by_dsn
from penstock.destinations.postgres.sink import PostgresSink
from penstock.model.column import Column, ColumnType
from penstock.model.parse_options import ParseOptions
from penstock.model.table import Mode, Table, TablePlan
from penstock.tables import ChunkBuilder
from table_batches import rows

NAMES = ("id", "title", "n")
COLUMNS = (Column("id", ColumnType.INTEGER), Column("title"), Column("n", ColumnType.INTEGER))
CHUNK = 200


def plan_of(mode: Mode) -> TablePlan:
    return TablePlan(ParseOptions(), Table("songs", COLUMNS, mode, ("id",) if mode is Mode.UPSERT else ()))


def row(number: int, round_: int) -> tuple[str, str, str]:
    return str(number), f"song {number}\t{round_}", "x" if number % 100 == 51 else str(number * 7)


def source(mode: Mode, first: int, last: int) -> list[tuple[str, str, str]]:
    rounds = (1, 2) if mode is Mode.UPSERT else (1,)
    return [row(number, round_) for round_ in rounds for number in range(first, last)]


def main(dsn: str, mode: Mode, first: int, last: int, span: int) -> None:
    records = source(mode, first, last)
    plan = plan_of(mode)
    builder = ChunkBuilder(plan)
    with PostgresSink(by_dsn(dsn), "job", span) as sink:
        resume = sink.begin(plan)
        print("begun", flush=True)  # noqa: T201  # to the test
        counts = [resume.rows, resume.rejects]
        for number in range(resume.chunk, -(-len(records) // CHUNK)):
            start = number * CHUNK
            chunk, rejects = builder.chunk(number, rows(NAMES, *records[start : start + CHUNK], first=start + 1))
            loaded = sink.load(chunk)
            counts[0] += loaded.rows
            counts[1] += len(rejects) + len(loaded.rejects)
        sink.finish()
        print("done", *counts, flush=True)  # noqa: T201  # to the test


if __name__ == "__main__":
    main(sys.argv[1], Mode(sys.argv[2]), *map(int, sys.argv[3:]))
