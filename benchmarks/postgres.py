"""A CSV into PostgreSQL: Penstock beside COPY as it is, COPY and upsert by hand, and pandas.

    python -m benchmarks.postgres [--rows N] [--repeat K] [--without-pandas]

All load the same file into the same empty table of the same server, which runs in a process of its own and waits for
the disk. Each run is a fresh process; contenders take turns, and after each run the content of the table is compared.
What is timed is the load with its connection. The best runs are compared, as other work on the machine only ever
adds; client and server each want a core. Penstock loads as the function does (`TableCarrier`, its ledger and
progress), from a file instead of S3, with every value checked. pandas takes its turn once: that is minutes.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import platform
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any, cast

import psycopg
from benchmarks.sightings import COLUMNS, DDL, sample
from benchmarks.usual.postgres_peers import copy_and_upsert, pandas_chunks, raw_copy

from penstock.adapters.postgres import PostgresSink
from penstock.adapters.postgres_connect import by_dsn
from penstock.delivery import Attempt
from penstock.limits import MIB, Budget
from penstock.loading import TableCarrier
from penstock.model import Job, ObjectHead, Progress, Route, Source, Store, TableTarget
from penstock.ports import ByteSource, ObjectStore
from penstock.records import Mode, ParseOptions, Table, TablePlan
from penstock.routes import Routes
from penstock.tables import Form
from penstock.testing import ManualDeadline, MemoryRejectLog
from penstock_local import postgres
from penstock_local.tools import checkout

RESULTS = Path(__file__).parent / "results"
ROWS = 500_000  # what the targets are set for
MEMORY = 1769 * MIB

COPY, APPEND, BY_HAND, UPSERT, PANDAS = (
    "COPY as it is",
    "Penstock, append",
    "COPY and upsert by hand",
    "Penstock, upsert",
    "pandas, chunks of multi-row INSERT",
)
KEYED = (BY_HAND, UPSERT)
TARGETS = ((APPEND, COPY, 1.5), (UPSERT, BY_HAND, 1.4), (APPEND, PANDAS, 1 / 8))

# pandas makes 3.4 of 3.40.
CONTENT = """
SELECT count(*), sum(hashtextextended((id, seen_at, reported_on, place, birds, latitude, longitude,
                                       trim_scale(distance), trim_scale(wind), rare, note)::text, 0)) FROM sightings
"""


@dataclass(frozen=True, slots=True)
class Run:
    contender: str
    seconds: float
    cpu_seconds: float
    server_cpu_seconds: float
    peak: int


@dataclass(frozen=True, slots=True)
class FileSource:
    """A file in place of an object."""

    path: Path
    read_chunk: int

    @property
    def size(self) -> int:
        return self.path.stat().st_size

    def chunks(self) -> Generator[bytes, None, None]:
        with self.path.open("rb") as file:
            while chunk := file.read(self.read_chunk):
                yield chunk


@dataclass(frozen=True, slots=True)
class Files:
    """What a table load needs of an object store."""

    path: Path
    read_chunk: int

    def open_source(self, source: Source) -> ByteSource:  # noqa: ARG002  # there is one
        return FileSource(self.path, self.read_chunk)


def penstock(mode: Mode, path: Path, dsn: str) -> None:
    budget = Budget.of(MEMORY)
    connect = by_dsn(dsn)
    table = Table("sightings", COLUMNS, mode, ("id",) if mode is Mode.UPSERT else ())
    plan = TablePlan(ParseOptions(), table)
    route = Route("sightings", ("*",), "postgresql:sightings", store=Store.POSTGRESQL, plan=plan)
    source = Source("drops", "sightings.csv", path.stat().st_size, etag=str(os.getpid()))
    job = Job(source, route, TableTarget(Store.POSTGRESQL, table.name))
    carrier = TableCarrier(
        cast("ObjectStore", Files(path, budget.read_chunk)),
        MemoryRejectLog(),
        lambda job: PostgresSink(connect, job.id),
        Form.TEXT,
        budget,
    )
    head = ObjectHead(source.size, source.etag)
    attempt = Attempt(job, head, 1, Routes((route,), source.bucket), beat, ManualDeadline(900), margin=10)
    receipt = carrier(attempt)
    assert receipt.rejects == 0


def beat(progress: Progress) -> None:
    """Nobody listens."""


LOADS: dict[str, Callable[[Path, str], None]] = {
    COPY: raw_copy,
    APPEND: partial(penstock, Mode.APPEND),
    BY_HAND: copy_and_upsert,
    UPSERT: partial(penstock, Mode.UPSERT),
    PANDAS: pandas_chunks,
}


def run(contender: str, path: Path, dsn: str) -> tuple[float, float, int]:
    """Wall and CPU seconds and peak bytes of one run, in the process that calls it."""
    began, cpu = time.perf_counter(), time.process_time()
    LOADS[contender](path, dsn)
    seconds, spent = time.perf_counter() - began, time.process_time() - cpu
    return seconds, spent, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def children(server: int) -> int:
    return len(Path(f"/proc/{server}/task/{server}/children").read_text().split())


def server_cpu(server: int, processes: int) -> float:
    """CPU seconds of the server's sessions, once they have ended and so many of its processes are left."""
    while children(server) > processes:
        time.sleep(0.01)
    fields = Path(f"/proc/{server}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[13:15])) / os.sysconf("SC_CLK_TCK")


def prepare(dsn: str, contender: str) -> None:
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("DROP TABLE IF EXISTS sightings, penstock_ledger")
        connection.execute(DDL.format(key=" PRIMARY KEY" if contender in KEYED else "").encode())
        connection.execute("CHECKPOINT")


def content(dsn: str) -> Any:
    with psycopg.connect(dsn) as connection:
        return connection.execute(CONTENT).fetchone()


def measure(rows: int, repeat: int, contenders: list[str]) -> Iterator[Run]:
    path = sample(rows, checkout() / ".penstock" / "samples")
    expected = None
    with tempfile.TemporaryDirectory() as folder:
        data_dir = Path(folder)
        settings = {**postgres.DURABLE, "max_wal_size": "4GB", "autovacuum": "off"}
        with postgres.running(data_dir, settings=settings) as dsn:
            server = postgres.pid(data_dir) or 0
            time.sleep(1)  # the session that found the server ready has ended then
            processes = children(server)
            for number in range(repeat):
                for contender in contenders:
                    if contender == PANDAS and number:
                        continue
                    prepare(dsn, contender)
                    before = server_cpu(server, processes)
                    with multiprocessing.get_context("spawn").Pool(1) as fresh:
                        seconds, cpu, peak = fresh.apply(run, (contender, path, dsn))
                    done = Run(contender, seconds, cpu, server_cpu(server, processes) - before, peak)
                    expected = expected or content(dsn)
                    assert content(dsn) == expected, f"{contender}: another content than before"
                    print(f"{contender:36}{seconds:7.2f} s {cpu:6.2f} s of CPU", file=sys.stderr, flush=True)
                    yield done
                contenders.reverse()


def report(done: Sequence[Run]) -> tuple[str, list[str]]:
    """The table, and the targets that were missed."""
    names = list(dict.fromkeys(each.contender for each in done))
    names.sort(key=list(LOADS).index)
    wall = {name: [each.seconds for each in done if each.contender == name] for name in names}
    lines = ["| | wall s: best (median, worst) | CPU s | of the server | peak MiB |", "|---|---|---|---|---|"]
    for name in names:
        runs = [each for each in done if each.contender == name]
        cpu, server = min(each.cpu_seconds for each in runs), min(each.server_cpu_seconds for each in runs)
        lines.append(
            f"| {name} | {min(wall[name]):.2f} ({median(wall[name]):.2f}, {max(wall[name]):.2f}) | {cpu:.2f} "
            f"| {server:.2f} | {max(each.peak for each in runs) / MIB:.0f} |"
        )
    lines.append("")
    missed = []
    for ours, theirs, most in TARGETS:
        if theirs in wall:
            ratio = min(wall[ours]) / min(wall[theirs])
            verdict = f"{ours} takes {ratio:.2f} times as long as {theirs} (at most {most:.3g})"
            lines.append(f"- {verdict}")
            if ratio > most:
                missed.append(verdict)
    return "\n".join(lines), missed


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.postgres", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--rows", type=int, default=ROWS, help="rows of the file (default: %(default)s)")
    parser.add_argument("--repeat", type=int, default=5, help="runs of each contender (default: %(default)s)")
    parser.add_argument("--without-pandas", action="store_true", help="pandas needs requirements/bench.txt")
    options = parser.parse_args(argv)
    contenders = [name for name in LOADS if not (options.without_pandas and name == PANDAS)]
    done = list(measure(options.rows, options.repeat, contenders))
    table, missed = report(done)
    head = (
        f"{options.rows:,} rows, {options.repeat} repetitions; {platform.machine()}, Python {platform.python_version()}"
    )
    text = f"{head}\n\n{table}\n" + "".join(f"\nMissed: {target}\n" for target in missed)
    print(text)
    if options.rows >= ROWS and PANDAS in contenders:
        RESULTS.mkdir(exist_ok=True)
        (RESULTS / "postgres.md").write_text(text)
        (RESULTS / "postgres.json").write_text(json.dumps([asdict(each) for each in done], indent=1) + "\n")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
