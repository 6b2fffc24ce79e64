"""Any JSON as an event; and what becomes of the sources that it is said to name."""

from __future__ import annotations

import json
from pathlib import Path
from random import Random
from typing import Any

from fuzz.harness import Target
from fuzz.mutation import damaged, damaged_tree, json_text, odd
from penstock.jobs.events import read_event
from penstock.model.job import Job
from penstock.model.object import Source
from penstock.model.object import Target as Object
from penstock.routes import check_target, destination_of, parse_routes

ROOT = Path(__file__).parents[3]
STACK = {"source_bucket": "lake", "destination_bucket": "out", "work_bucket": "work", "records_table": "records"}
ROUTES = parse_routes(
    """
    [[route]]
    name = "dated"
    match = "*.gz"
    destination = "s3://{destination_bucket}/{year}/{month}/{day}/{hour}/{dir}{base}"

    [[route]]
    name = "all"
    match = "*"
    destination = "s3://{destination_bucket}/{key}"
    """,
    "routes.toml",
    STACK,
)


def make(rng: Random) -> bytes:
    if rng.random() < 0.05:
        return json_text(odd(rng))
    event: Any = json.loads(rng.choice(sorted((ROOT / "events").glob("*.json"))).read_text(encoding="utf-8"))
    for record in event.get("Records", []) if rng.random() < 0.5 else ():
        if "body" in record:
            body = json_text(damaged_tree(rng, json.loads(record["body"])))
            record["body"] = damaged(rng, body, most=1).decode("utf-8", "surrogateescape")
    return json_text(damaged_tree(rng, event))


def check(data: bytes, _: Random) -> None:
    try:
        event = json.loads(data)
    except (ValueError, RecursionError):
        return  # Lambda itself hands over what is JSON, and no deeper than Python reads
    for message in read_event(event):
        for source in message.sources:
            follow(source)
        assert message.receives == int(message.receives)


def follow(source: Source) -> None:
    assert source.bucket
    assert source.key
    assert source.size >= 0
    source.uri.encode()
    route = ROUTES.find(source.bucket, source.key)
    assert route, "one takes all keys"
    target = destination_of(route, source)
    assert isinstance(target, Object)
    assert Job(source, route, target).id
    check_target(route, target)
    ROUTES.refuse_loop(route, source, target)


TARGETS = (Target("events", make, check),)
