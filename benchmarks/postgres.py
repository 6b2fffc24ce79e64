"""A 500,000-row CSV into PostgreSQL: Penstock beside COPY by hand and beside pandas, in one run on one server.

    python -m benchmarks.postgres [--rows N] [--repeat K] [--pandas]

Penstock parses, types and checks every row and commits chunk by chunk with its ledger; COPY by hand checks nothing
and is the floor. Upsert is beside COPY into a temporary table and one INSERT ... ON CONFLICT. Contenders take turns;
figures are medians.
``--pandas`` needs `pip install -r requirements/bench.txt`.
"""

from __future__ import annotations

import argparse
import platform
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from itertools import count
from pathlib import Path

import psycopg

from penstock.adapters.postgres import PostgresSink
from penstock.adapters.postgres_connect import by_dsn
from penstock.delivery import Attempt
from penstock.limits import MIB, Budget
from penstock.loading import TableCarrier
from penstock.model import Job, ObjectHead, Source, Store, TableTarget
from penstock.routes import parse_routes
from penstock.tables import Form
from penstock.testing import ManualDeadline, MemoryRejectLog
from penstock_local import postgres

COLUMNS = {
    "id": ("integer", "bigint"),
    "started": ("timestamp", "timestamptz"),
    "day": ("date", "date"),
    "city": ("text", "text"),
    "severity": ("integer", "bigint"),
    "latitude": ("float", "double precision"),
    "longitude": ("float", "double precision"),
    "price": ("numeric", "numeric"),
    "open": ("boolean", "boolean"),
    "note": ("text", "text"),
}
NAMES = ", ".join(COLUMNS)
RESULTS = Path(__file__).parent / "results"
PIECE = 256 * 1024
_jobs = count(1)


class FileStore:
    """The sample as a source, in the pieces that the S3 adapter yields."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def size(self) -> int:
        return self.path.stat().st_size

    def open_source(self, _: Source) -> FileStore:
        return self

    def chunks(self) -> Iterator[bytes]:
        with self.path.open("rb") as file:
            while piece := file.read(PIECE):
                yield piece


def write_sample(path: Path, rows: int) -> None:
    note = "a note as partners write them, with a comma, now and then"
    with path.open("w") as file:
        file.write(",".join(COLUMNS) + "\n")
        for n in range(rows):
            file.write(
                f"{n},2026-0{1 + n % 9}-1{n % 9} 0{n % 9}:1{n % 6}:00+00,2026-0{1 + n % 9}-1{n % 9},City {n % 977},"
                f"{n % 5},{n % 90}.{n % 997:03d},{n % 180}.{n % 991:03d},{n % 10_000}.{n % 100:02d},"
                f'{"true" if n % 3 else "false"},"{note}"\n'
            )


def penstock(dsn: str, path: Path, mode: str) -> None:
    number = next(_jobs)
    columns = ", ".join(f'{{ name = "{name}", type = "{kind}" }}' for name, (kind, _) in COLUMNS.items())
    text = f"""
    [[route]]
    name = "bench"
    match = "*"
    destination = "postgresql:bench"
    [route.table]
    mode = "{mode}"
    key = "id"
    columns = [{columns}]
    """
    route = parse_routes(text, "bench", {"source_bucket": "bench"}).routes[0]
    source = Source("bench", "sample.csv", path.stat().st_size, f"etag-{number}")
    job = Job(source, route, TableTarget(Store.POSTGRESQL, "bench"))
    store = FileStore(path)
    carrier = TableCarrier(
        store,  # type: ignore[arg-type]  # only open_source is asked for
        MemoryRejectLog(),
        lambda job: PostgresSink(by_dsn(dsn), job.id),
        Form.TEXT,
        Budget.of(1769 * MIB),
    )
    head = ObjectHead(source.size, source.etag)
    routes = parse_routes(text, "bench", {"source_bucket": "bench"})
    carrier(Attempt(job, head, 1, routes, lambda _: None, ManualDeadline(900), 10.0))


def raw_copy(dsn: str, path: Path) -> None:
    with psycopg.connect(dsn) as database, database.cursor() as cursor:
        _copy(cursor, "bench", path)


def copy_and_upsert(dsn: str, path: Path) -> None:
    updates = ", ".join(f"{name} = EXCLUDED.{name}" for name in COLUMNS if name != "id")
    with psycopg.connect(dsn) as database, database.cursor() as cursor:
        cursor.execute("CREATE TEMP TABLE staging (LIKE bench)")
        _copy(cursor, "staging", path)
        cursor.execute(
            f"INSERT INTO bench SELECT DISTINCT ON (id) * FROM staging ORDER BY id "
            f"ON CONFLICT (id) DO UPDATE SET {updates}"
        )


def _copy(cursor: psycopg.Cursor[tuple[object, ...]], table: str, path: Path) -> None:
    with cursor.copy(f"COPY {table} ({NAMES}) FROM STDIN (FORMAT csv, HEADER)") as copy, path.open("rb") as file:
        while piece := file.read(PIECE):
            copy.write(piece)


def pandas_chunks(dsn: str, path: Path) -> None:
    import pandas as pd  # noqa: PLC0415  # only with --pandas
    import sqlalchemy  # noqa: PLC0415

    engine = sqlalchemy.create_engine(dsn.replace("postgresql://", "postgresql+psycopg://"))
    for chunk in pd.read_csv(path, chunksize=10_000, parse_dates=["started", "day"]):
        chunk.to_sql("bench", engine, if_exists="append", index=False, method="multi", chunksize=1000)
    engine.dispose()


def measure(dsn: str, contender: Callable[[str, Path], None], path: Path, rows: int) -> tuple[float, float]:
    """Wall and CPU seconds of one load into an empty table, whose rows are counted."""
    columns = ", ".join(f"{name} {kind}" for name, (_, kind) in COLUMNS.items())
    with psycopg.connect(dsn, autocommit=True) as database:
        database.execute("DROP TABLE IF EXISTS bench, penstock_ledger")
        database.execute(f"CREATE TABLE bench ({columns}, PRIMARY KEY (id))")
        began = time.monotonic(), time.process_time()
        contender(dsn, path)
        took = time.monotonic() - began[0], time.process_time() - began[1]
        assert database.execute("SELECT count(*) FROM bench").fetchone() == (rows,)
    return took


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.postgres")
    parser.add_argument("--rows", type=int, default=500_000)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--pandas", action="store_true")
    options = parser.parse_args()
    contenders: dict[str, Callable[[str, Path], None]] = {
        "raw COPY": raw_copy,
        "Penstock, append": partial(penstock, mode="append"),
        "COPY to staging, upsert": copy_and_upsert,
        "Penstock, upsert": partial(penstock, mode="upsert"),
        "Penstock, replace": partial(penstock, mode="replace"),
    }
    taken: dict[str, list[tuple[float, float]]] = {name: [] for name in contenders}
    settings = {**postgres.DURABLE, "max_wal_size": "4GB"}
    with tempfile.TemporaryDirectory() as folder, postgres.running(Path(folder) / "pg", settings=settings) as dsn:
        sample = Path(folder) / "sample.csv"
        write_sample(sample, options.rows)
        size = sample.stat().st_size / 1e6
        for _ in range(options.repeat):
            for name, contender in contenders.items():
                taken[name].append(measure(dsn, contender, sample, options.rows))
        if options.pandas:
            taken["pandas, multi-row INSERT"] = [measure(dsn, pandas_chunks, sample, options.rows)]
    report = _table(taken, options.rows, size)
    sys.stdout.write(report)
    (RESULTS / "postgres.md").write_text(report)
    return 0


def _table(taken: dict[str, list[tuple[float, float]]], rows: int, size: float) -> str:
    beside = {"Penstock, upsert": "COPY to staging, upsert"}
    lines = [
        (
            f"{rows:,} rows, {size:.0f} MB, into a table with a primary key; {platform.machine()}, "
            f"Python {platform.python_version()}, durable server on the same machine"
        ),
        "",
        "| | wall s | CPU s | times as long as | |",
        "|---|---|---|---|---|",
    ]
    walls = {name: statistics.median(wall for wall, _ in runs) for name, runs in taken.items()}
    for name, runs in taken.items():
        peer = beside.get(name, "raw COPY")
        cpu = statistics.median(cpu for _, cpu in runs)
        low, high = min(wall for wall, _ in runs), max(wall for wall, _ in runs)
        ratio = walls[name] / walls[peer]
        lines.append(f"| {name} | {walls[name]:.2f} ({low:.2f}-{high:.2f}) | {cpu:.2f} | **{ratio:.2f}** | {peer} |")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return "\n".join(lines) + f"\n\nPeak memory of the process over all runs: {peak:.0f} MiB\n"


if __name__ == "__main__":
    sys.exit(main())
