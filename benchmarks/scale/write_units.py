"""The write units of the jobs table, counted where the real stores write: on the simulation's DynamoDB in memory."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count
from typing import Any, cast

from simulation.dynamodb import INDEX_KEY, INDEX_TIME, MemoryDynamoDB

from penstock.aws.dynamodb_values import item_size
from penstock.aws.jobs_table.attributes import plain
from penstock.aws.jobs_table.execution_store import DynamoExecutionStore
from penstock.aws.jobs_table.job_store import DynamoJobStore
from penstock.aws.jobs_table.span_progress import SHARD
from penstock.aws.jobs_table.time_index import table_schema
from penstock.limits import GIB, KIB
from penstock.model.job import Claim, Job, Progress, Receipt
from penstock.model.job_status import JobState, Stage
from penstock.model.object import Source
from penstock.model.span import SpanReceipt
from penstock.routes import destination_of, parse_routes

TABLE = "jobs"
ROUTES = '[[route]]\nname = "files"\nmatch = ["in/*"]\ndestination = "s3://destination/{key}"\n'


@dataclass
class Meter:
    """Write units by item and by index key. An item costs a unit for each KB of the larger of its two states.

    https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/GSI.html: an entry whose key changes is deleted and
    put.
    """

    items: Counter[str] = field(default_factory=Counter)
    index: Counter[str] = field(default_factory=Counter)
    writes: Counter[str] = field(default_factory=Counter)

    def __call__(self, _: str, key: str, old: Any, new: Any) -> None:
        self.writes[key] += 1
        self.items[key] += max(map(units_of, filter(None, (old, new))))
        before, after = (_entry_of(item) for item in (old, new))
        if before != after:
            self.index.update(entry[0].split("#")[0] for entry in (before, after) if entry)


def _entry_of(item: Any) -> tuple[str, str] | None:
    """The entry of an item in the index, if it has one."""
    return (item[INDEX_KEY]["S"], item[INDEX_TIME]["N"]) if INDEX_KEY in item else None


def units_of(item: Any) -> int:
    return -(-item_size(plain(item).items()) // KIB)


def table(meter: Meter) -> tuple[Any, Callable[[], float]]:
    """A client of an empty jobs table, and its clock, which goes on with each look."""
    seconds = count(1_795_249_800)
    clock = lambda: float(next(seconds)) + 0.123456  # noqa: E731  # as many digits as a real one
    client = MemoryDynamoDB(clock, changed=meter)
    client.create_table(TableName=TABLE, **table_schema())
    return client, clock


def job_of(key: str = "in/file.json") -> Job:
    source = Source("penstock-dev-source-123456789012-us-east-1", key, 2_000, "d" * 32, "v" * 32, sequencer="0" * 18)
    (route,) = parse_routes(ROUTES, "routes.toml", {"source_bucket": source.bucket}).routes
    return Job(source, route, destination_of(route, source))


def of_span(execution: str = "e" * 32) -> Meter:
    """One heartbeat of each of the spans of an item of progress, then their receipts: 5 GiB each, late in 48.8 TiB."""
    meter = Meter()
    client, clock = table(meter)
    store = DynamoExecutionStore(client, TABLE, retention_days=90, clock=clock)
    first = 300 * SHARD
    for span in range(first, first + SHARD):
        store.record_progress(execution, Stage.DELIVER, span, Progress(GIB - span, 5 * GIB - span))
    # A write to an item that has all its spans costs the most.
    meter.items.clear()
    meter.writes.clear()
    for span in range(first, first + SHARD):
        store.record_progress(execution, Stage.DELIVER, span, Progress(GIB - span, 5 * GIB - span))
        store.record_receipt("j" * 32, execution, SpanReceipt(span, GIB - span, 5 * GIB, 2**32 - 1, chunks=1))
    return meter


def of_job(*, burst: bool) -> Meter:
    """A small job that `ingest` runs alone, or as one of a burst."""
    meter = Meter()
    client, clock = table(meter)
    store = DynamoJobStore(client, TABLE, retention_days=90, clock=clock)
    job, receipt = job_of(), Receipt(2_000, 2_000, 2**32 - 1, 1, "identity", rows=10)
    if burst:
        store.record_many([(job, receipt)], seconds=1.0)
        return meter
    claim = store.claim(job, lease=60.0)
    store.close(cast("Claim", claim), JobState.SUCCEEDED, receipt=receipt)
    return meter
