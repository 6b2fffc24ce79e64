"""A burst of small JSON files into PostgreSQL: Penstock together, one by one, and two usual ways beside it.

    python -m benchmarks.media [--files N] [--records M] [--repeat K]

All read the same files (examples/media/generate.py) from the same S3 server and load them into the same tables
(examples/media/schema.sql) of the same PostgreSQL server; both servers run in processes of their own. Each run is a
fresh process, warmed up with a few other files; contenders take turns, and after each run the tables are compared with
what was sent. What is timed is the event, from its arrival to its answer.

Not to favour Penstock: its connection to the database is made within the time, the peers hold theirs already. It
keeps a jobs table, answered by a light server, and they have none; neither has Penstock one by one.
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
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import median
from typing import Any

import boto3
import psycopg
from benchmarks.dynamodb_server import light_server
from benchmarks.s3_server import s3_server

from penstock.ingest import Ingest, nothing_together
from penstock.limits import MIB
from penstock.settings import Settings
from penstock.testing import ManualDeadline, MemoryJobStore
from penstock.wiring.deployed import build_ingest
from penstock_local import postgres
from penstock_local.tools import checkout

RESULTS = Path(__file__).parent / "results"
MEDIA = checkout() / "examples" / "media"
BUCKET = "drops"
FILES = 1000  # what the targets are set for
WARMING = 20
COUNTS = (
    "SELECT (SELECT (count(*), sum(hashtext(artist_name || title || year || release)))::text FROM songs),"
    " (SELECT (count(*), sum(budget), count(*) FILTER (WHERE is_adult), sum(release_date - date '2000-01-01'),"
    " sum(hashtext(original_title_normalized || original_language)))::text FROM movies),"
    " (SELECT (count(*), sum(size_bytes), count(*) FILTER (WHERE is_awesome), sum(hashtext(name || version)))::text"
    " FROM apps)"
)

TOGETHER, ALONE, LOOP, TASKS = "Penstock, together", "Penstock, one by one", "plain loop", "aiohttp + asyncpg"
TIMES_ALONE, TIMES_TASKS = 10.0, 1.0


Message = dict[str, Any]
Take = Callable[[Sequence[Any]], None]  # of messages, or of keys


@dataclass(frozen=True, slots=True)
class Place:
    """Where everything is."""

    s3: str
    jobs: str
    dsn: str


@dataclass(frozen=True, slots=True)
class Run:
    contender: str
    files: int
    seconds: float
    cpu_seconds: float
    peak: int


def ingest_of(place: Place, *, together: bool) -> Ingest:
    """As it is wired for a function with a whole vCPU."""
    os.environ |= {"AWS_ENDPOINT_URL_S3": place.s3, "AWS_ENDPOINT_URL_DYNAMODB": place.jobs}
    settings = Settings(
        jobs_table="jobs",
        source_bucket=BUCKET,
        destination_bucket="lake",
        work_bucket="work",
        memory=1769 * MIB,
        routes_uri=str(MEDIA / "routes.toml"),
        postgres_dsn=place.dsn,
    )
    ingest = build_ingest(settings)
    if together:
        return ingest
    workshop = replace(ingest.workshop, jobs=MemoryJobStore(time.time))
    return replace(ingest, workshop=workshop, together=nothing_together)


@contextmanager
def penstock(place: Place, *, together: bool) -> Iterator[Take]:
    ingest = ingest_of(place, together=together)

    def take(messages: Sequence[Message]) -> None:
        report = ingest.handle({"Records": messages}, ManualDeadline(900))
        assert not report.returned
        assert all(outcome.state == "succeeded" for outcome in report.outcomes)

    yield take


def messages_of(endpoint: str, keys: Sequence[str]) -> list[Message]:
    """What SQS hands on of what S3 says of these objects."""
    s3 = boto3.client("s3", endpoint_url=endpoint)
    return [message(key, s3.head_object(Bucket=BUCKET, Key=key)) for key in keys]


def message(key: str, head: Any) -> Message:
    """An S3 notification in a message of SQS."""
    thing = {"key": key, "size": head["ContentLength"], "eTag": head["ETag"].strip('"'), "sequencer": "0A"}
    record = {
        "eventSource": "aws:s3",
        "eventName": "ObjectCreated:Put",
        "s3": {"bucket": {"name": BUCKET}, "object": thing},
    }
    return {"messageId": key, "receiptHandle": key, "eventSource": "aws:sqs", "body": json.dumps({"Records": [record]})}


def contender_of(name: str, place: Place) -> AbstractContextManager[Take]:
    from benchmarks.usual import media_peers  # noqa: PLC0415  # its libraries are for benchmarks alone

    match name:
        case "plain loop":
            return media_peers.plain_loop(place.s3, BUCKET, place.dsn)
        case "aiohttp + asyncpg":
            return media_peers.one_task_per_file(place.s3, BUCKET, place.dsn)
    return penstock(place, together=name == TOGETHER)


def run(contender: str, place: Place, warming: Sequence[Any], work: Sequence[Any]) -> Run:
    """One run, in the process that calls it."""
    with contender_of(contender, place) as take:
        take(warming)
        clear(place.dsn)
        began, cpu = time.perf_counter(), time.process_time()
        take(work)
        seconds, spent = time.perf_counter() - began, time.process_time() - cpu
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return Run(contender, len(work), seconds, spent, peak)


def clear(dsn: str) -> None:
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("TRUNCATE songs, movies, apps")
        connection.execute("CHECKPOINT")


def content(dsn: str) -> Any:
    with psycopg.connect(dsn) as connection:
        return connection.execute(COUNTS).fetchone()


def runs(place: Place, names: Sequence[str], repeat: int) -> Iterator[Run]:
    contenders = [TOGETHER, ALONE, LOOP, TASKS]
    messages = messages_of(place.s3, names)
    expected = None
    for _ in range(repeat):
        for contender in contenders:
            with psycopg.connect(place.dsn, autocommit=True) as connection:
                connection.execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
                connection.execute((MEDIA / "schema.sql").read_bytes())
            with multiprocessing.get_context("spawn").Pool(1) as fresh:
                work: Sequence[Any] = messages if contender in (TOGETHER, ALONE) else names
                done = fresh.apply(run, (contender, place, work[:WARMING], work[WARMING:]))
            expected = expected or content(place.dsn)
            assert content(place.dsn) == expected, f"{contender}: other rows than before"
            print(f"{contender:24}{done.seconds:7.2f} s {done.cpu_seconds:6.2f} s of CPU", file=sys.stderr, flush=True)
            yield done
        contenders.reverse()


def measure(files: int, records: int, repeat: int, latency: float) -> Iterator[Run]:
    sys.path.insert(0, str(MEDIA))
    from generate import media_files  # noqa: PLC0415  # an example, not a package

    os.environ |= {"AWS_ACCESS_KEY_ID": "bench", "AWS_SECRET_ACCESS_KEY": "bench", "AWS_DEFAULT_REGION": "us-east-1"}
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        place = Place(
            stack.enter_context(s3_server(latency)),
            stack.enter_context(light_server(0.005)),
            stack.enter_context(postgres.running(Path(folder) / "postgres")),
        )
        s3 = boto3.client("s3", endpoint_url=place.s3)
        names = []
        for name, body in media_files(files + WARMING, records):
            s3.put_object(Bucket=BUCKET, Key=name, Body=body)
            names.append(name)
        yield from runs(place, names, repeat)


def report(done: Sequence[Run]) -> tuple[str, list[str]]:
    """The table, and the targets that were missed."""
    wall = {name: [each.seconds for each in done if each.contender == name] for name in (TOGETHER, ALONE, LOOP, TASKS)}
    cpu = {name: [each.cpu_seconds for each in done if each.contender == name] for name in wall}
    peak = {name: max(each.peak for each in done if each.contender == name) for name in wall}
    ours = median(wall[TOGETHER])
    lines = [
        "| | wall s | files/s | times as long as together | CPU s | peak MiB |",
        "|---|---|---|---|---|---|",
    ]
    for name, seconds in wall.items():
        middle = median(seconds)
        lines.append(
            f"| {name} | {middle:.2f} ({min(seconds):.2f}-{max(seconds):.2f}) | {done[0].files / middle:,.0f} "
            f"| **{middle / ours:.1f}** | {median(cpu[name]):.2f} | {peak[name] / MIB:.0f} |"
        )
    targets = {ALONE: TIMES_ALONE, TASKS: TIMES_TASKS}
    missed = [
        f"{times:g} times as fast as {name}" for name, times in targets.items() if median(wall[name]) / ours < times
    ]
    return "\n".join(lines), missed


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.media", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--files", type=int, default=FILES, help="files of the burst (default: %(default)s)")
    parser.add_argument("--records", type=int, default=10, help="records in each (default: %(default)s)")
    parser.add_argument("--repeat", type=int, default=3, help="runs of each contender (default: %(default)s)")
    parser.add_argument("--latency", type=float, default=0.0, help="ms until S3 answers a GET (default: %(default)g)")
    options = parser.parse_args(argv)
    done = list(measure(options.files, options.records, options.repeat, options.latency / 1000))
    table, missed = report(done)
    machine = f"{platform.machine()}, Python {platform.python_version()}"
    head = f"{options.files:,} files of {options.records} records, {options.repeat} repetitions, "
    head += f"S3 played by the light server that takes {options.latency:g} ms; {machine}"
    text = f"{head}\n\n{table}\n" + "".join(f"\nMissed: {target}\n" for target in missed)
    print(text)
    if options.files >= FILES:
        RESULTS.mkdir(exist_ok=True)
        name = f"media-{options.latency:g}ms" if options.latency else "media"
        (RESULTS / f"{name}.md").write_text(text)
        (RESULTS / f"{name}.json").write_text(json.dumps([asdict(each) for each in done], indent=1) + "\n")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
