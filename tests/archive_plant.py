"""An ingest on fakes that takes archives apart, and archives for it."""

from __future__ import annotations

import gzip
import io
import json
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any

from fixtures.tars import tar_of
from penstock.delivery.archive import ArchiveLoader
from penstock.delivery.archive_delivery import ArchiveDelivery
from penstock.delivery.attempt import Delivery
from penstock.delivery.bucket import BucketDelivery
from penstock.delivery.member_store import MemberObjects
from penstock.delivery.ports import ObjectStore, RejectLog
from penstock.delivery.replacing import SwapStore
from penstock.delivery.table import TableDelivery
from penstock.destinations.ports import TableSwap
from penstock.destinations.postgres.connect import by_dsn
from penstock.destinations.postgres.sink import PostgresSink
from penstock.destinations.postgres.tables import PostgresTables
from penstock.jobs.ingest import Ingest
from penstock.jobs.runner import JobRunner, Outcome
from penstock.limits import MIB, Budget
from penstock.model.job_status import JobState
from penstock.model.object import Source
from penstock.model.replacement import Replacement
from penstock.model.source import Deadline
from penstock.model.table import Table
from penstock.routes import parse_routes
from penstock.tables import Form
from penstock.testing import (
    ManualDeadline,
    MemoryJobStore,
    MemoryObjectStore,
    MemoryQueue,
    MemoryRejectLog,
    MemoryWorkFiles,
)
from postgres_database import Database

STACK = {"source_bucket": "drops", "destination_bucket": "lake", "work_bucket": "work"}
ARCHIVES = """
[[route]]
name = "archives"
match = ["in/*.zip", "in/*.tar", "in/*.tar.gz"]
archive = "members"
"""
FILES = """
[[route]]
name = "files"
match = "in/*"
destination = "s3://lake/{member}"
"""
FLAT = FILES.replace("{member}", "{member_base}")
TABLES = """
[[route]]
name = "people"
match = "in/*/people*.csv"
destination = "postgresql:people"
[route.table]
create = true
"""
NUMBERS = 'columns = [{ name = "id", type = "integer" }, { name = "name" }]\n'
CONTENTS = {
    "a.txt": b"a" * 5000,
    "b/c.bin": Random(1).randbytes(70_000),
    "b/empty": b"",
    "large.txt": b"0123456789" * 150_000,
    "z.log.gz": gzip.compress(b"line\n" * 1000),
}
AT_DESTINATION = CONTENTS | {"z.log.gz": b"line\n" * 1000}


def zip_of(contents: Mapping[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        for name, data in contents.items():
            archive.writestr(name, data)
    return file.getvalue()


Writer = Callable[[Mapping[str, bytes]], bytes]
WRITERS: Mapping[str, Writer] = {
    "in/a.zip": zip_of,
    "in/a.tar": lambda contents: tar_of(dict(contents)),
    "in/a.tar.gz": lambda contents: gzip.compress(tar_of(dict(contents))),
}


class KilledError(Exception):
    """The function was killed."""


@dataclass
class Clock:
    now: float = 1_795_249_800.0

    def __call__(self) -> float:
        return self.now


@dataclass(frozen=True)
class Stores:
    """Implements ``SwapStore``."""

    open_swap: Callable[[Replacement, Sequence[Table]], TableSwap]
    rejects: RejectLog


@dataclass
class Plant:
    """An ingest on fakes, and on PostgreSQL if there is a database."""

    routes: str = ARCHIVES + FILES
    database: Database | None = None
    clock: Clock = field(default_factory=Clock)
    store: MemoryObjectStore = field(default_factory=lambda: MemoryObjectStore("drops", "lake", "work"))
    files: MemoryWorkFiles = field(default_factory=MemoryWorkFiles)
    rejects: MemoryRejectLog = field(default_factory=MemoryRejectLog)
    written: list[str] = field(default_factory=list)
    password: bytes = b""

    def __post_init__(self) -> None:
        self.jobs = MemoryJobStore(self.clock)
        self.objects: ObjectStore = self.store

    def ingest(self) -> Ingest:
        archives = self.archives()
        runner = JobRunner(
            objects=archives.loader.objects,
            jobs=self.jobs,
            deliveries={**archives.loader.deliveries, "members": archives},
            loads=archives.loader.loads,
            lease=60,
            heartbeat_every=2,
            margin=10,
            clock=self.clock,
        )
        return Ingest(runner, MemoryQueue(), lambda: parse_routes(self.routes, "routes.toml", STACK))

    def archives(self) -> ArchiveDelivery:
        budget = Budget.of(128 * MIB)
        objects = MemberObjects(self.objects, budget, passwords=lambda _: self.password)
        tables = TableDelivery(objects, self.rejects, self._sink, Form.TEXT, budget)
        deliveries: dict[str, Delivery] = {"bucket": BucketDelivery(objects, budget), "postgresql": tables}
        loads, begun = {"postgresql": tables.ended}, {"postgresql": tables.begun}
        return ArchiveDelivery(ArchiveLoader(objects, deliveries, budget, loads, begun), self.files, self._stores)

    def _stores(self, store: str) -> SwapStore:
        assert self.database
        return Stores(PostgresTables(by_dsn(self.database.dsn)).open_swap, self.rejects)

    def _sink(self, job: Any) -> PostgresSink:
        assert self.database
        return PostgresSink(by_dsn(self.database.dsn), job.id)

    def source(self, key: str) -> Source:
        """The source of the job of a key."""
        return next(status.upload for status in self.jobs.jobs.values() if status.upload and status.upload.key == key)

    def put(self, data: bytes, key: str = "in/a.zip") -> Source:
        return self.store.put("drops", key, data)

    def one(self, source: Source, receives: int = 1, deadline: Deadline | None = None) -> Outcome:
        thing = {"key": source.key, "size": source.size, "eTag": source.etag, "versionId": source.version_id}
        body = {
            "Records": [
                {
                    "eventSource": "aws:s3",
                    "eventName": "ObjectCreated:Put",
                    "s3": {"bucket": {"name": "drops"}, "object": thing | {"sequencer": source.sequencer}},
                }
            ]
        }
        record = {
            "eventSource": "aws:sqs",
            "messageId": "m",
            "body": json.dumps(body),
            "attributes": {"ApproximateReceiveCount": str(receives)},
        }
        (outcome,) = self.ingest().handle({"Records": [record]}, deadline or ManualDeadline(900)).outcomes
        return outcome

    def lake(self) -> dict[str, bytes]:
        stored = {key: self.store.get("lake", key) for key in self.store.keys("lake")}
        return {key: found.data for key, found in stored.items() if found}

    def results(self, outcome: Outcome) -> list[dict[str, Any]]:
        text = self.files.files[f"jobs/{outcome.job_id}/members.jsonl"].decode()
        return [json.loads(line) for line in text.splitlines()]

    def states(self, outcome: Outcome) -> dict[str, str]:
        return {line["name"]: line["state"] for line in self.results(outcome)}

    def versions(self) -> int:
        """How often an object was written."""
        return sum(len(versions) for (bucket, _), versions in self.store._versions.items() if bucket == "lake")


def succeeded(outcome: Outcome) -> Outcome:
    assert outcome.state is JobState.SUCCEEDED, outcome
    return outcome


def failed(outcome: Outcome, error: str, text: str) -> Outcome:
    assert outcome.failure, outcome
    assert (outcome.state, outcome.failure.error) == (JobState.FAILED, error), outcome.failure
    assert text in outcome.failure.message, outcome.failure.message
    return outcome


def people(first: int, count: int) -> bytes:
    return b"id,name\n" + b"".join(b"%d,name %d\n" % (n, n) for n in range(first, first + count))


def ids_in(database: Database) -> list[int]:
    return [int(str(n)) for (n,) in database.execute("SELECT id FROM people ORDER BY id")]
