"""A function that a test kills: `python postgres_group_loader.py DSN MODE` handles one event of many small files.

It prints "begun" at the start and "done JOBS ROWS REJECTS" at the end. The state of its jobs is lost with it; only the
database remains. Every fortieth file has a bad record, so that it is loaded alone. In an upsert, two files write the
keys of every other file: the file of their number, and one that comes half of all files later.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from urllib.parse import quote_plus

from penstock.delivery.table import TableDelivery
from penstock.destinations.postgres.connect import by_dsn
from penstock.destinations.postgres.group_sink import PostgresGroupSink
from penstock.destinations.postgres.sink import PostgresSink
from penstock.jobs.ingest import Ingest
from penstock.jobs.runner import JobRunner
from penstock.jobs.small_batches import SmallBatchLoader
from penstock.limits import KIB, MIB, Budget
from penstock.model.job_status import JobState
from penstock.model.object import Source
from penstock.model.table import Mode
from penstock.routes import parse_routes
from penstock.tables import Form
from penstock.testing import ManualDeadline, MemoryJobStore, MemoryObjectStore, MemoryQueue, MemoryRejectLog

EVENT = Path(__file__).parents[1] / "events" / "s3-put.json"
FILES = 400
ROWS = 5
ROUTE = """
[[route]]
name = "songs"
match = "*"
destination = "postgresql:songs"
max_rejects = 1
[route.table]
mode = "{mode}"
key = ["id"]
columns = [{{ name = "id", type = "integer" }}, {{ name = "title" }}, {{ name = "n", type = "integer" }}]
"""


def is_alone(number: int) -> bool:
    return number % 40 == 7


def first_id(mode: Mode, number: int) -> int:
    return ROWS * (number if mode is Mode.APPEND or is_alone(number) else number % (FILES // 2))


def rows_of(mode: Mode, number: int) -> list[tuple[int, str, int]]:
    first = first_id(mode, number)
    return [(first + row, f"song {row}\t{number}", number * 7) for row in range(ROWS)]


def expected(mode: Mode) -> list[tuple[int, str, int]]:
    """The rows of the table after all files are loaded."""
    rows = [row for number in range(FILES) for row in rows_of(mode, number)]
    return sorted({row[0]: row for row in rows}.values())


def file_of(mode: Mode, number: int) -> bytes:
    bad = [{"id": "no number"}] if is_alone(number) else []
    records = [{"id": id_, "title": title, "n": n} for id_, title, n in rows_of(mode, number)]
    return "".join(f"{json.dumps(record)}\n" for record in records + bad).encode()


def event_of(sources: list[Source]) -> dict[str, object]:
    (record,) = json.loads(EVENT.read_text())["Records"]
    s3 = [
        {
            "bucket": {"name": source.bucket},
            "object": {
                "key": quote_plus(source.key),
                "size": source.size,
                "eTag": source.etag,
                "versionId": source.version_id,
                "sequencer": source.sequencer,
            },
        }
        for source in sources
    ]
    return {"Records": [{**record, "s3": each} for each in s3]}


def main(dsn: str, mode: Mode) -> None:
    store, jobs = MemoryObjectStore("drops"), MemoryJobStore(lambda: 0.0)
    # Two files are half a batch, so there are about 200 transactions.
    budget = Budget(1 * MIB, 256 * KIB, 1 * MIB, 1, batch=4 * 300)
    delivery = TableDelivery(store, MemoryRejectLog(), lambda job: PostgresSink(by_dsn(dsn), job.id), Form.TEXT, budget)
    runner = JobRunner(store, jobs, {"postgresql": delivery}, 60, 2, 10, lambda: 0.0)
    group = SmallBatchLoader(store, lambda _: PostgresGroupSink(by_dsn(dsn)), jobs, budget, margin=10)
    routes = parse_routes(ROUTE.format(mode=mode), "routes.toml", {"source_bucket": "drops"})
    sources = [store.put("drops", f"{number:04d}.jsonl", file_of(mode, number)) for number in range(FILES)]
    print("begun", flush=True)  # noqa: T201  # to the test
    report = Ingest(runner, MemoryQueue(), lambda: routes, group).handle(event_of(sources), ManualDeadline(900))
    assert {outcome.state for outcome in report.outcomes} == {JobState.SUCCEEDED}
    known = [jobs.jobs[outcome.job_id].progress for outcome in report.outcomes]
    counts = sum(each.rows for each in known), sum(each.rejects for each in known)
    print("done", len(known), *counts, flush=True)  # noqa: T201  # to the test


if __name__ == "__main__":
    main(sys.argv[1], Mode(sys.argv[2]))
