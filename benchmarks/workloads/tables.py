"""A CSV into PostgreSQL: Penstock's ingest function beside what people write, who COPY, INSERT or upsert."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import psycopg
from benchmarks import sample_csv
from benchmarks.dynamodb_server import light_server
from benchmarks.frame.contender import Contender, Form, Role
from benchmarks.frame.functions import cold_and_warm, peer
from benchmarks.frame.machine import Host
from benchmarks.frame.reading import MIB, Reading, Readings, wall
from benchmarks.frame.result import Goal, Result, at_most
from benchmarks.frame.rounds import present, take_turns
from benchmarks.s3_server import s3_server
from benchmarks.workloads.tables_server import Database, database

from penstock_local.account import Account
from penstock_local.runtime import Function
from penstock_local.runtime.environment import IngestEnvironment
from penstock_local.sources import checkout

LATENCY = 0.005  # seconds, of the jobs table
WAIT_SECONDS, GIVE_UP = 15.0, 75.0  # seconds
ROUTES = Path(__file__).with_name("tables.toml")
VCPU = 1769  # MB
PEAK = 110 * MIB  # of the smallest function

WRANGLER = ("awswrangler", "pg8000")
OURS = Contender("Penstock", Role.OURS)
COPY = Contender("COPY alone", Role.LIMIT)
PANDAS = Contender("pandas chunks, to_sql(multi)", modules=("pandas", "sqlalchemy"))
APPEND = {
    Contender("asyncpg copy_records_to_table", modules=("asyncpg",)): "csv_asyncpg_copy",
    Contender("download_file, psql \\copy", commands=("psql",)): "csv_psql",
    Contender("aws s3 cp - | psql \\copy", modules=("awscli",), commands=("psql", "bash")): "csv_pipe",
    COPY: "csv_copy",
}
INSERT = {
    PANDAS: "csv_pandas",
    Contender("awswrangler chunks, to_sql", modules=WRANGLER): "csv_wrangler",
    Contender("asyncpg executemany", modules=("asyncpg",)): "csv_asyncpg",
}
BY_HAND = Contender("COPY and upsert by hand")
UPSERT = {
    BY_HAND: "csv_copy_upsert",
    Contender("awswrangler chunks, to_sql(upsert)", modules=WRANGLER): "csv_wrangler_upsert",
    Contender("asyncpg executemany, ON CONFLICT", modules=("asyncpg",)): "csv_asyncpg_upsert",
}
OVER_COPY, UNDER_PANDAS, OVER_BY_HAND = 1.25, 1 / 8, 1.4

# pandas makes 3.4 of 3.40.
CONTENT = """
SELECT count(*), sum(hashtextextended((id, seen_at, reported_on, place, birds, latitude, longitude,
                                       trim_scale(distance), trim_scale(wind), rare, note)::text, 0)) FROM sightings
"""
EMPTY = "TRUNCATE sightings"
# Every other row is there already, with other birds.
HALF = "TRUNCATE sightings; INSERT INTO sightings SELECT * FROM earlier"
EARLIER = """
CREATE TABLE earlier AS SELECT * FROM sightings WHERE id % 2 = 0;
UPDATE earlier SET birds = birds + 1, note = NULL;
ALTER TABLE sightings ADD PRIMARY KEY (id)
"""

ABOUT = """One CSV file of {rows:,} made-up rows and eleven columns, {size:.1f} MB, from S3 into a table of PostgreSQL
18{table}. Every contender is a Lambda function in Lambda's own runtime client, each repetition a fresh process
with a cold and a warm event; S3 is a [light server](../s3_server.py), PostgreSQL waits for the disk, and each runs
in a process of its own, without a cap. Penstock checks every value before it sends it, keeps its ledger in the
same transaction, and its jobs table on a [light server](../dynamodb_server.py) that answers after 5 ms; the others
have neither. After each run the content of the table is compared by a hash over all rows. A peer that takes longer
than {patience:.0f} s has one turn at that size, and one that takes {give_up:.0f} s is stopped.{limit}"""
LIMIT = """

The limit, *COPY alone*, is not the job: the file comes from the page cache instead of S3, and PostgreSQL alone looks at
it, as it does for psql. So only where the server is the bound, at a whole vCPU, is Penstock held to it."""


@dataclass(frozen=True, slots=True)
class Work:
    """One of the three workloads. Penstock's route is the one that takes keys under ``route/``; ``prepare`` is done
    once; ``clear`` makes the table as it is before each run."""

    name: str
    title: str
    rows: int
    route: str
    modules: Mapping[Contender, str]
    prepare: str
    clear: str
    table: str
    limit: str
    goals: Callable[[Readings, Form], list[Goal]]


class Bench:
    """The servers, the sample in its bucket, and a contender's function at a size."""

    def __init__(
        self, work: Work, ingest_environment: IngestEnvironment, tables: Database, sample: Path, give_up: float
    ) -> None:
        self._work = work
        self._ingest_environment = ingest_environment
        self._tables = tables
        self._sample = sample
        self._give_up = give_up
        self._upload = ingest_environment.upload(f"{work.route}/sample_csv.csv", sample.read_bytes())
        self._expected = _loaded(tables, sample)
        tables.execute(work.prepare)

    def run(self, contender: Contender, memory: int, repetition: int) -> Iterator[Reading]:
        self._tables.hang_up()
        function = self._function(contender, memory)
        yield from cold_and_warm(contender.name, function, repetition, lambda: self._event(contender), self._compare)

    def _function(self, contender: Contender, memory: int) -> Function:
        dsn = self._tables.dsn
        if contender is OURS:
            return self._ingest_environment.ingest(
                memory=memory,
                timeout=self._give_up,
                env={"PENSTOCK_POSTGRES_DSN": dsn, "PENSTOCK_ROUTES_URI": str(ROUTES)},
            )
        environment = {**self._ingest_environment.environment, "PENSTOCK_POSTGRES_DSN": dsn}
        return peer(self._work.modules[contender], memory, self._give_up, environment)

    def _event(self, contender: Contender) -> object:
        self._tables.clear()
        return {"file": str(self._sample)} if contender.role is Role.LIMIT else self._upload.event()

    def _compare(self) -> None:
        assert self._tables.content() == self._expected, "the result is wrong"


def _loaded(tables: Database, sample: Path) -> object:
    """The content that is right."""
    tables.execute(sample_csv.DDL)
    with (
        psycopg.connect(tables.dsn) as connection,
        connection.cursor() as cursor,
        cursor.copy("COPY sightings FROM STDIN (FORMAT csv, HEADER)") as copy,
    ):
        copy.write(sample.read_bytes())
    return tables.content()


def append(form: Form) -> Result:
    """Into an empty table, beside other ways to COPY."""
    return _measure(APPENDING, form)


def insert(form: Form) -> Result:
    """The same with fewer rows, beside those who INSERT: they take ten to a hundred times as long."""
    return _measure(INSERTING, form)


def upsert(form: Form) -> Result:
    """Into a table that has every other row already."""
    return _measure(UPSERTING, form)


def _measure(work: Work, form: Form) -> Result:
    rows = round(work.rows * form.scale)
    sample = sample_csv.sample(rows, checkout() / ".penstock" / "samples")
    size = sample.stat().st_size
    machine = Host.here("boto3", "psycopg", "pandas", "sqlalchemy", "awswrangler", "pg8000", "asyncpg", "awscli")
    contenders = present((OURS, *work.modules))
    with ExitStack() as stack:
        account = Account(stack.enter_context(light_server(LATENCY)))
        ingest_environment = IngestEnvironment(account, s3_endpoint=stack.enter_context(s3_server()))
        tables = stack.enter_context(database(content=CONTENT, clear=work.clear))
        bench = Bench(work, ingest_environment, tables, sample, min(form.give_up, GIVE_UP))
        readings = Readings(tuple(take_turns(contenders, form, bench.run, patience=WAIT_SECONDS)))
    return Result(
        name=work.name,
        title=work.title,
        about=ABOUT.format(
            rows=rows, size=size / 1e6, table=work.table, patience=WAIT_SECONDS, give_up=GIVE_UP, limit=work.limit
        ),
        size=size,
        per="of CSV",
        contenders=tuple(contenders),
        form=form,
        machine=machine,
        readings=readings,
        goals=(*work.goals(readings, form), *none_failed(readings, OURS.name, form)) if form.scale == 1 else (),
    )


def none_failed(readings: Readings, ours: str, form: Form) -> Iterator[Goal]:
    """That ours ends well at every size, and in the smallest with memory to spare."""
    for memory in form.sizes:
        failed = [r for r in readings.all if (r.contender, r.memory) == (ours, memory) and r.error]
        yield Goal(f"{memory} MB: {len(failed)} of Penstock's runs failed (none may)", not failed)
    if peaks := [r.peak for r in readings.all if (r.contender, r.memory) == (ours, 128)]:
        said = f"128 MB: {max(peaks) / MIB:.0f} MiB at the peak (at most {PEAK // MIB})"
        yield Goal(said, max(peaks) <= PEAK)


def _append_goals(readings: Readings, form: Form) -> list[Goal]:
    return _whole(readings, form, OVER_COPY, COPY)


def _insert_goals(readings: Readings, form: Form) -> list[Goal]:
    return at_most(readings, UNDER_PANDAS, OURS.name, PANDAS.name, wall, what="wall time", sizes=form.sizes)


def _upsert_goals(readings: Readings, form: Form) -> list[Goal]:
    return _whole(readings, form, OVER_BY_HAND, BY_HAND)


def _whole(readings: Readings, form: Form, most: float, base: Contender) -> list[Goal]:
    """Where the server is the bound."""
    sizes = [size for size in form.sizes if size >= VCPU]
    return at_most(readings, most, OURS.name, base.name, wall, what="wall time", sizes=sizes, starts=("warm",))


APPENDING = Work(
    name="append",
    title="A CSV copied into a table of PostgreSQL",
    rows=300_000,  # 40 MB
    route="append",
    modules=APPEND,
    prepare="",
    clear=EMPTY,
    table=", which is empty",
    limit=LIMIT,
    goals=_append_goals,
)
INSERTING = Work(
    name="insert",
    title="A CSV inserted into a table of PostgreSQL",
    rows=40_000,  # 5 MB
    route="append",
    modules=INSERT,
    prepare="",
    clear=EMPTY,
    table=", which is empty",
    limit="",
    goals=_insert_goals,
)
UPSERTING = Work(
    name="upsert",
    title="A CSV upserted into a table of PostgreSQL",
    rows=100_000,  # 13 MB
    route="upsert",
    modules=UPSERT,
    prepare=EARLIER,
    clear=HALF,
    table=" with a primary key, which has every other row already, with other values",
    limit="",
    goals=_upsert_goals,
)
