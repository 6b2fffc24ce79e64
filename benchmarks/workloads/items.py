"""A CSV into DynamoDB: Penstock's ingest function beside boto3's batch_writer and others."""

from __future__ import annotations

import csv
import io
import random
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from decimal import Decimal
from pathlib import Path
from typing import Any

from benchmarks.dynamodb_server import light_server, written
from benchmarks.frame.contender import Contender, Form, Role
from benchmarks.frame.functions import cold_and_warm, peer
from benchmarks.frame.machine import Host
from benchmarks.frame.reading import Reading, Readings, wall
from benchmarks.frame.result import Goal, Result, at_most
from benchmarks.frame.rounds import present, take_turns
from benchmarks.s3_server import s3_server
from benchmarks.workloads.tables import none_failed

from penstock_local.account import Account
from penstock_local.runtime import Function
from penstock_local.runtime.environment import IngestEnvironment

ITEMS = 5_000  # 0.8 MB
LATENCY = 0.005  # seconds
WAIT_SECONDS = 30.0  # seconds
ROUTES = Path(__file__).with_name("items.toml")
TABLE = "records"

OURS = Contender("Penstock", Role.OURS)
USUAL = Contender("boto3 batch_writer")
MODULES = {
    USUAL: "items_batch_writer",
    Contender("boto3 client, batches by hand"): "items_client",
    Contender("awswrangler chunks, put_df", modules=("awswrangler",)): "items_wrangler",
}
UNDER_USUAL = 1 / 2

CITIES = ("Los Angeles", "Houston", "Miami", "Charlotte", "Dallas", "Baton Rouge", "Sacramento", "Nashville")
ABOUT = """One CSV file of {items:,} made-up rows of 13 fields, {size:.1f} MB, from S3 into a table of DynamoDB. Every
contender is a Lambda function in Lambda's own runtime client, each repetition a fresh process with a cold and a warm
event. S3 and DynamoDB are light servers, each in a process of its own; [DynamoDB's](../dynamodb_server.py) answers any
number of requests at once, each after 5 ms, its users' single-digit milliseconds, and refuses nothing. There Penstock
keeps its jobs table as well, the others keep none. After each run every item is compared. A peer that takes longer than
{patience:.0f} s has one turn at that size."""

Typed = Mapping[str, Mapping[str, Any]]  # an item as DynamoDB writes JSON: {"severity": {"N": "3"}}


class Bench:
    """The servers, the file in its bucket, and a contender's function at a size."""

    def __init__(self, ingest_environment: IngestEnvironment, dynamodb: str, items: int, give_up: float) -> None:
        self._ingest_environment = ingest_environment
        self._dynamodb = dynamodb
        self._give_up = give_up
        records = list(_records(items))
        body = _csv(records)
        self._upload = ingest_environment.upload("items/records.csv", body)
        self._expected = {record["id"]: _exact(_typed(record)) for record in records}
        self.size = len(body)

    def run(self, contender: Contender, memory: int, repetition: int) -> Iterator[Reading]:
        function = self._function(contender, memory)
        yield from cold_and_warm(contender.name, function, repetition, self._event, self._compare)

    def _function(self, contender: Contender, memory: int) -> Function:
        if contender is OURS:
            routes = {"PENSTOCK_ROUTES_URI": str(ROUTES)}
            return self._ingest_environment.ingest(memory=memory, timeout=self._give_up, env=routes)
        return peer(MODULES[contender], memory, self._give_up, self._ingest_environment.environment)

    def _event(self) -> object:
        written(self._dynamodb, TABLE)  # and forgotten
        return self._upload.event()

    def _compare(self) -> None:
        found = {name: _exact(item) for name, item in written(self._dynamodb, TABLE).items()}
        assert found == self._expected, "the result is wrong"


def _records(items: int) -> Iterator[dict[str, str]]:
    """Like rows of a table of accidents; the same for the same number."""
    rng = random.Random(7)
    for number in range(items):
        yield {
            "id": f"A-{number}",
            "source": f"Source{number % 3}",
            "severity": str(rng.randint(1, 4)),
            "start": f"2021-06-{rng.randint(1, 28):02}T{rng.randint(0, 23):02}:00:00+00:00",
            "latitude": f"{25 + rng.random() * 20:.6f}",
            "longitude": f"{-120 + rng.random() * 45:.6f}",
            "distance": f"{rng.random():.2f}",
            "description": f"Accident on I-{rng.randint(1, 99)} near Exit {rng.randint(1, 300)}. Expect delays.",
            "city": rng.choice(CITIES),
            "country": "US",
            "humidity": str(rng.randint(20, 99)),
            "rain": "false",
            "stop": "true",
        }


def _csv(records: list[dict[str, str]]) -> bytes:
    text = io.StringIO()
    writer = csv.DictWriter(text, records[0], lineterminator="\n")
    writer.writeheader()
    writer.writerows(records)
    return text.getvalue().encode()


def _typed(record: Mapping[str, str]) -> Typed:
    kinds = {
        **dict.fromkeys(("severity", "latitude", "longitude", "distance", "humidity"), "N"),
        **dict.fromkeys(("rain", "stop"), "BOOL"),
    }
    return {
        name: {kind: value == "true" if kind == "BOOL" else value}
        for name, value in record.items()
        for kind in [kinds.get(name, "S")]
    }


def _exact(item: Typed) -> dict[str, Any]:
    """An item whose numbers are equal however they are written."""
    return {name: Decimal(value["N"]) if "N" in value else value for name, value in item.items()}


def measure(form: Form) -> Result:
    items = round(ITEMS * form.scale)
    machine = Host.here("boto3", "awswrangler", "pandas")
    contenders = present((OURS, *MODULES))
    with ExitStack() as stack:
        dynamodb = stack.enter_context(light_server(LATENCY))
        ingest_environment = IngestEnvironment(Account(dynamodb), s3_endpoint=stack.enter_context(s3_server()))
        bench = Bench(ingest_environment, dynamodb, items, form.give_up)
        readings = Readings(tuple(take_turns(contenders, form, bench.run, patience=WAIT_SECONDS)))
    return Result(
        name="items",
        title="A CSV into DynamoDB",
        about=ABOUT.format(items=items, size=bench.size / 1e6, patience=WAIT_SECONDS),
        size=bench.size,
        per="of CSV",
        contenders=tuple(contenders),
        form=form,
        machine=machine,
        readings=readings,
        goals=tuple(_goals(readings, form)) if form.scale == 1 else (),
    )


def _goals(readings: Readings, form: Form) -> list[Goal]:
    # Of writing: half of a cold run of so few items is the start.
    warm = ("warm",)
    return [
        *at_most(readings, UNDER_USUAL, OURS.name, USUAL.name, wall, what="wall time", sizes=form.sizes, starts=warm),
        *none_failed(readings, OURS.name, form),
    ]
