"""Records to DynamoDB: Penstock beside boto3's batch_writer and a plain loop over the low-level client.

    python -m benchmarks.dynamodb [--items N] [--repeat K] [--latency MS] [--server light|emulator]

All write the same items, made up chunk by chunk, to a fresh table of the same server, which runs in a process of its
own. Each run is a fresh process; contenders take turns. What is timed is writing, not making up items.

There are two servers. The light one answers any number of requests, each after a set time, as DynamoDB does: its
users see single-digit milliseconds, so it takes 5. The emulator does one thing at a time and needs 0.15 ms of CPU for
an item, which on a machine it shares bounds the items per second of everybody, so there only CPU is held to the target.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import platform
import random
import resource
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from decimal import Decimal
from pathlib import Path
from statistics import median
from typing import Any

import boto3
from benchmarks.dynamodb_server import light_server
from boto3.dynamodb.types import TypeSerializer

from penstock.adapters.dynamodb_client import records_config
from penstock.adapters.dynamodb_sink import DynamoRecordSink
from penstock.limits import MIB
from penstock.records import Chunk, Mode, ParseOptions, Place, Rows, Table, TablePlan
from penstock_local.account import emulator_only

RESULTS = Path(__file__).parent / "results"
LIGHT, EMULATOR = "light", "emulator"
ITEMS = 50_000
CHUNK = 2500
WORKERS = 8
BUDGET = 8 * MIB
TARGET = 2.0  # times batch_writer
CITIES = ("Los Angeles", "Houston", "Miami", "Charlotte", "Dallas", "Baton Rouge", "Sacramento", "Nashville")

Item = dict[str, Any]
Client = dict[str, Any]  # what boto3 is told


def chunks(count: int) -> Iterator[list[Item]]:
    """Items of 13 attributes, about 250 bytes, like rows of a table of accidents."""
    rng = random.Random(7)
    for first in range(0, count, CHUNK):
        yield [item(number, rng) for number in range(first, min(count, first + CHUNK))]


def item(number: int, rng: random.Random) -> Item:
    return {
        "id": f"A-{number}",
        "source": f"Source{number % 3}",
        "severity": rng.randint(1, 4),
        "start": f"2021-06-{rng.randint(1, 28):02}T{rng.randint(0, 23):02}:00:00+00:00",
        "latitude": Decimal(f"{25 + rng.random() * 20:.6f}"),
        "longitude": Decimal(f"{-120 + rng.random() * 45:.6f}"),
        "distance": Decimal(f"{rng.random():.2f}"),
        "description": f"Accident on I-{rng.randint(1, 99)} near Exit {rng.randint(1, 300)}. Expect delays.",
        "city": rng.choice(CITIES),
        "country": "US",
        "humidity": rng.randint(20, 99),
        "rain": False,
        "stop": True,
    }


class Stopwatch:
    """Sums up wall and CPU seconds of what it is put around."""

    def __init__(self) -> None:
        self.wall = self.cpu = 0.0

    @contextmanager
    def running(self) -> Iterator[None]:
        wall, cpu = time.perf_counter(), time.process_time()
        yield
        self.wall += time.perf_counter() - wall
        self.cpu += time.process_time() - cpu


def penstock(client: Client, name: str, count: int, watch: Stopwatch) -> None:
    table = Table(name, mode=Mode.UPSERT)
    writer = boto3.client("dynamodb", config=records_config(WORKERS), **client)
    with DynamoRecordSink(writer, budget_bytes=BUDGET, workers=WORKERS) as sink:
        sink.begin(TablePlan(ParseOptions(), table=table))
        for number, items in enumerate(chunks(count)):
            rows = Rows(
                table, tuple(items[0]), list(zip(*(each.values() for each in items), strict=True)), len(items), _place
            )
            chunk = Chunk(number, end=0, next_row=0, records=len(items), rows=[rows])
            with watch.running():
                loaded = sink.load(chunk)
            assert loaded.rows == len(items)


def batch_writer(client: Client, name: str, count: int, watch: Stopwatch) -> None:
    table = boto3.resource("dynamodb", **client).Table(name)
    writer = table.batch_writer()
    for items in chunks(count):
        with watch.running():
            for each in items:
                writer.put_item(Item=each)
    with watch.running():
        writer.__exit__(None, None, None)


def plain_client(client: Client, name: str, count: int, watch: Stopwatch) -> None:
    """What one writes by hand: the serializer, 25 at a time, what is left again."""
    serializer = TypeSerializer()
    writer = boto3.client("dynamodb", **client)
    for items in chunks(count):
        with watch.running():
            for first in range(0, len(items), 25):
                puts: list[Any] = [
                    {"PutRequest": {"Item": {name: serializer.serialize(value) for name, value in each.items()}}}
                    for each in items[first : first + 25]
                ]
                left: Any = {name: puts}
                while left:
                    left = writer.batch_write_item(RequestItems=left)["UnprocessedItems"]


def _place(row: int) -> Place:
    return Place(row + 1, 0, "")


Contender = Callable[[Client, str, int, Stopwatch], None]
OURS, USUAL = "Penstock", "boto3 batch_writer"
CONTENDERS: dict[str, Contender] = {OURS: penstock, USUAL: batch_writer, "low-level client, a plain loop": plain_client}


@dataclass(frozen=True, slots=True)
class Run:
    """One load. ``peak`` is the process's largest resident set in bytes, interpreter and boto3 included."""

    contender: str
    items: int
    seconds: float
    cpu_seconds: float
    peak: int

    @property
    def per_second(self) -> float:
        return self.items / self.seconds

    @property
    def per_cpu_second(self) -> float:
        return self.items / self.cpu_seconds


def run(contender: str, client: Client, table: str, count: int) -> Run:
    watch = Stopwatch()
    CONTENDERS[contender](client, table, count, watch)
    return Run(contender, count, watch.wall, watch.cpu, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)


def runs(endpoint: str, count: int, repeat: int) -> Iterator[Run]:
    client: Client = {
        "endpoint_url": endpoint,
        "region_name": "us-east-1",
        "aws_access_key_id": "test",
        "aws_secret_access_key": "test",
    }
    dynamodb: Any = boto3.client("dynamodb", **client)
    for repetition in range(repeat):
        for number, contender in enumerate(CONTENDERS):
            table = f"bench-{repetition}-{number}"
            dynamodb.create_table(
                TableName=table,
                KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
                AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
                BillingMode="PAY_PER_REQUEST",
            )
            with multiprocessing.get_context("spawn").Pool(1) as fresh:
                done = fresh.apply(run, (contender, client, table, count))
            pages = dynamodb.get_paginator("scan").paginate(TableName=table, Select="COUNT")
            assert sum(page["Count"] for page in pages) == count, f"{contender}: items are missing"
            dynamodb.delete_table(TableName=table)
            print(f"{contender:32} {done.seconds:6.2f} s {done.cpu_seconds:6.2f} s of CPU", file=sys.stderr, flush=True)
            yield done


def report(done: list[Run]) -> tuple[str, float, float]:
    """The table, and how many times batch_writer's items per second and per CPU second are Penstock's."""
    lines = [
        "| | items/s | times batch_writer | items per CPU s | times batch_writer | peak MiB |",
        "|---|---|---|---|---|---|",
    ]
    speeds = {name: (_figures(done, name, "per_second"), _figures(done, name, "per_cpu_second")) for name in CONTENDERS}
    wall, cpu = (median(figures) for figures in speeds[USUAL])
    for name, figures in speeds.items():
        cells = [
            f"{median(each):,.0f} ({min(each):,.0f}-{max(each):,.0f}) | {median(each) / usual:.2f}"
            for each, usual in zip(figures, (wall, cpu), strict=True)
        ]
        lines.append(f"| {name} | {' | '.join(cells)} | {median(_figures(done, name, 'peak')) / MIB:.0f} |")
    ours = [median(figures) for figures in speeds[OURS]]
    return "\n".join(lines), ours[0] / wall, ours[1] / cpu


def _figures(done: list[Run], contender: str, figure: str) -> list[float]:
    return [getattr(each, figure) for each in done if each.contender == contender]


def measure(server: str, latency: float, count: int, repeat: int) -> list[Run]:
    if server == EMULATOR:
        with emulator_only() as account:
            return list(runs(account.endpoint, count, repeat))
    with light_server(latency / 1000) as endpoint:
        return list(runs(endpoint, count, repeat))


def section(server: str, latency: float, done: list[Run]) -> tuple[str, bool]:
    """What is said of the runs on one server, and whether the target is met there."""
    table, fast, lean = report(done)
    if server == EMULATOR:
        title = "The emulator, whose own CPU is the limit"
        said = (
            f"Items per CPU second: **{lean:.1f} times** batch_writer's. Items per second ({fast:.1f} times) are bound"
        )
        said += " by the server, which works off one request at a time on the same two cores."
    else:
        title = f"A server that answers every request after {latency:g} ms, as DynamoDB does"
        said = f"Items per second: **{fast:.1f} times** batch_writer's; items per CPU second: **{lean:.1f} times**."
    met = lean >= TARGET and (fast >= TARGET or server == EMULATOR)
    return f"## {title}\n\n{said}\n\n{table}\n", met


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.dynamodb", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--items", type=int, default=ITEMS, help="items in each run (default: %(default)s)")
    parser.add_argument("--repeat", type=int, default=3, help="runs of each contender (default: %(default)s)")
    parser.add_argument("--latency", type=float, default=5.0, help="ms, of the light server (default: %(default)g)")
    parser.add_argument("--server", choices=(LIGHT, EMULATOR), help="one of the two (default: one after the other)")
    options = parser.parse_args(argv)
    servers = [options.server] if options.server else [LIGHT, EMULATOR]
    done = {server: measure(server, options.latency, options.items, options.repeat) for server in servers}
    sections = [section(server, options.latency, some) for server, some in done.items()]
    machine = f"{platform.machine()}, Python {platform.python_version()}"
    head = (
        f"{options.items:,} items of 13 attributes, {options.repeat} repetitions; Penstock with {WORKERS} requests "
        f"under way at once, the others, as they are, with one; {machine}"
    )
    text = "\n".join([f"{head}\n", *(text for text, _ in sections)])
    print(text)
    if not options.server and options.items >= ITEMS:
        RESULTS.mkdir(exist_ok=True)
        (RESULTS / "dynamodb.md").write_text(text)
        figures = {server: [asdict(each) for each in some] for server, some in done.items()}
        (RESULTS / "dynamodb.json").write_text(json.dumps(figures, indent=1) + "\n")
    return 0 if all(met for _, met in sections) else 1


if __name__ == "__main__":
    sys.exit(main())
