"""A burst of small JSON files into PostgreSQL: Penstock's ingest function beside what people write."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from itertools import count
from typing import Any

from benchmarks.dynamodb_server import light_server
from benchmarks.frame.contender import Contender, Form, Role
from benchmarks.frame.functions import cold_and_warm, peer
from benchmarks.frame.machine import Host
from benchmarks.frame.reading import Reading, Readings, wall
from benchmarks.frame.result import Goal, Result, at_most
from benchmarks.frame.rounds import present, take_turns
from benchmarks.s3_server import s3_server
from benchmarks.workloads.tables import VCPU, none_failed
from benchmarks.workloads.tables_server import Database, database

from penstock_local.account import Account
from penstock_local.runtime import Function
from penstock_local.runtime.environment import IngestEnvironment
from penstock_local.sources import checkout

FILES, RECORDS = 500, 10  # 0.6 MB
S3_LATENCY, JOBS_LATENCY = 0.02, 0.005  # seconds
WAIT_SECONDS = 10.0  # seconds
MEDIA = checkout() / "examples" / "media"

OURS = Contender("Penstock", Role.OURS)
LOOP = Contender("boto3, psycopg, a plain loop")
TASKS = Contender("aiohttp and asyncpg, a task per file", modules=("aiohttp", "asyncpg"))
ALONE = Contender("Penstock, one by one")
MODULES = {
    ALONE: "documents_alone",
    LOOP: "documents_loop",
    TASKS: "documents_tasks",
}
UNDER_LOOP = 1 / 10

CONTENT = """
SELECT (SELECT (count(*), sum(hashtextextended((artist_name, title, year, release)::text, 0)))::text FROM songs),
  (SELECT (count(*), sum(hashtextextended((original_title, original_language, trim_scale(budget), is_adult,
                                           release_date)::text, 0)))::text FROM movies),
  (SELECT (count(*), sum(hashtextextended((name, genre, rating, version, size_bytes)::text, 0)))::text FROM apps)
"""
CLEAR = "TRUNCATE songs, movies, apps"

ABOUT = """{files:,} JSON files of {records} typed records each ([examples/media](../../examples/media)), {size:.1f} MB
together, in one SQS event, into three tables of PostgreSQL 18. Every contender is a Lambda function in Lambda's own
runtime client, each repetition a fresh process with a cold and a warm event. S3 is a [light server](../s3_server.py)
that lets 20 ms pass before it answers a GET, as S3 does for a small object; PostgreSQL waits for the disk. Penstock
keeps a ledger in the database and its jobs table on a [light server](../dynamodb_server.py) that answers after 5 ms;
the peers keep neither, and keep their connections between events. After each run the content of the tables is compared
by a hash over all rows. A peer that takes longer than {patience:.0f} s has one turn at that size.

*Penstock, one by one* is what a burst costs without Penstock's way to take many small files together. It has its turn
at the largest size only. The goal against the plain loop is for a whole vCPU only: what the loop loses there is time to
wait, and a small function waits for its CPU anyway. Against a task per file there is none: it keeps no account of what
is in, and what it thereby saves is a fourth of Penstock's CPU."""


class Bench:
    """The servers, the files in their bucket, and a contender's function at a size."""

    def __init__(self, ingest_environment: IngestEnvironment, tables: Database, files: int, form: Form) -> None:
        self._ingest_environment = ingest_environment
        self._tables = tables
        self._give_up = form.give_up
        self._largest = max(form.sizes)
        self._numbers = count(1)
        content = dict(_media_files(files, RECORDS))
        self._uploads = [ingest_environment.upload(name, body) for name, body in content.items()]
        self._expected = _loaded(tables, [record for body in content.values() for record in json.loads(body)])
        self.size = sum(map(len, content.values()))

    def run(self, contender: Contender, memory: int, repetition: int) -> Iterator[Reading]:
        if contender is ALONE and memory < self._largest:
            return  # it takes minutes there, and no user needs to take it
        self._tables.hang_up()
        function = self._function(contender, memory)
        yield from cold_and_warm(contender.name, function, repetition, self._event, self._compare)

    def _function(self, contender: Contender, memory: int) -> Function:
        dsn, routes = self._tables.dsn, str(MEDIA / "routes.toml")
        if contender is OURS:
            return self._ingest_environment.ingest(
                memory=memory,
                timeout=self._give_up,
                env={"PENSTOCK_POSTGRES_DSN": dsn, "PENSTOCK_ROUTES_URI": routes},
            )
        environment = {
            **self._ingest_environment.environment,
            "PENSTOCK_POSTGRES_DSN": dsn,
            "PENSTOCK_ROUTES_URI": routes,
        }
        return peer(MODULES[contender], memory, self._give_up, environment)

    def _event(self) -> object:
        """What SQS hands on of what S3 says of every file."""
        self._tables.clear()
        return {"Records": [self._message(json.dumps(upload.event())) for upload in self._uploads]}

    def _message(self, body: str) -> dict[str, Any]:
        name = str(next(self._numbers))
        return {"messageId": name, "receiptHandle": name, "eventSource": "aws:sqs", "body": body}

    def _compare(self) -> None:
        assert self._tables.content() == self._expected, "the result is wrong"


def _media_files(files: int, records: int) -> Iterator[tuple[str, bytes]]:
    sys.path.insert(0, str(MEDIA))
    from generate import media_files  # noqa: PLC0415  # an example, not a package

    made: Iterator[tuple[str, bytes]] = media_files(files, records)
    return made


def _loaded(tables: Database, records: list[dict[str, Any]]) -> object:
    """The content that is right: PostgreSQL's own reading of the JSON."""
    tables.execute((MEDIA / "schema.sql").read_text())
    for kind, table in (("song", "songs"), ("movie", "movies"), ("app", "apps")):
        tables.insert_json(table, [record["data"] for record in records if record["type"] == kind])
    return tables.content()


def measure(form: Form) -> Result:
    files = round(FILES * form.scale)
    machine = Host.here("boto3", "psycopg", "aiohttp", "asyncpg")
    contenders = present((OURS, *MODULES))
    with ExitStack() as stack:
        account = Account(stack.enter_context(light_server(JOBS_LATENCY)))
        ingest_environment = IngestEnvironment(account, s3_endpoint=stack.enter_context(s3_server(S3_LATENCY)))
        tables = stack.enter_context(database(content=CONTENT, clear=CLEAR))
        bench = Bench(ingest_environment, tables, files, form)
        readings = Readings(tuple(take_turns(contenders, form, bench.run, patience=WAIT_SECONDS)))
    return Result(
        name="documents",
        title="A burst of small JSON files into PostgreSQL",
        about=ABOUT.format(files=files, records=RECORDS, size=bench.size / 1e6, patience=WAIT_SECONDS),
        size=bench.size,
        per="of JSON",
        contenders=tuple(contenders),
        form=form,
        machine=machine,
        readings=readings,
        goals=tuple(_goals(readings, form)) if form.scale == 1 else (),
    )


def _goals(readings: Readings, form: Form) -> list[Goal]:
    whole = [size for size in form.sizes if size >= VCPU]
    return [
        *at_most(readings, UNDER_LOOP, OURS.name, LOOP.name, wall, what="wall time", sizes=whole),
        *none_failed(readings, OURS.name, form),
    ]
