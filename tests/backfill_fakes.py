"""Fakes of what a backfill reads and writes."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from penstock.backfill.model import BackfillCounts, FoundObject, Missing
from penstock.backfill.selection import Selection
from penstock.jobs.events import read_event
from penstock.model.job import Job
from penstock.model.job_status import JobState, JobStatus
from penstock.model.object import Source
from penstock.routes import parse_routes

ROUTES = """
[[route]]
name = "orders"
match = ["orders/*"]
destination = "postgresql:orders"
after = { failure = "move:quarantine/" }
[[route]]
name = "copy"
match = ["in/*", "orders/*"]
destination = "s3://lake/{key}"
"""


def found(key: str, *, version: str = "v1", size: int = 10, modified: float = 1000.0, **more: object) -> FoundObject:
    return FoundObject("drops", key, size, "e1", version, modified, position=key, **more)  # type: ignore[arg-type]


def selection(**chosen: object) -> Selection:
    return Selection(parse_routes(ROUTES, "routes.toml", {"source_bucket": "drops"}), **chosen)  # type: ignore[arg-type]


@dataclass
class SortedOrigin:
    """A sorted listing. Implements ``Origin``."""

    entries: Iterable[FoundObject | Missing]
    requests: int = 0
    reads: int = 0

    def objects(self, after: str = "") -> Iterator[FoundObject | Missing]:
        for number, entry in enumerate(self.entries):
            self.requests += number % 1000 == 0
            if entry.position > after:
                yield entry


@dataclass
class UnsortedOrigin(SortedOrigin):
    """A listing that cannot be continued."""

    def objects(self, after: str = "") -> Iterator[FoundObject | Missing]:
        assert not after
        yield from self.entries


@dataclass
class MemoryMessages:
    """Keeps every message. Implements ``NotificationQueue``. ``before`` may fail, and ``after`` too."""

    bodies: list[str] = field(default_factory=list)
    batches: list[int] = field(default_factory=list)
    depth: Callable[[], int] = lambda: 0
    before: Callable[[], None] = lambda: None
    after: Callable[[], None] = lambda: None

    def send_all(self, bodies: Sequence[str]) -> None:
        self.before()
        self.bodies += bodies
        self.batches.append(len(bodies))
        self.after()

    def waiting(self) -> int:
        return self.depth()

    def sources(self) -> list[Source]:
        """All sources of all messages, as `ingest` reads them."""
        messages = [message for body in self.bodies for message in read_event(json.loads(body))]
        return [source for message in messages for source in message.sources]


@dataclass
class MemoryRecords:
    """Implements ``RecordFinder``: the states of jobs by the keys of their sources."""

    states: dict[str, JobState] = field(default_factory=dict)

    def find(self, jobs: Sequence[Job]) -> Sequence[JobStatus | None]:
        known = [self.states.get(job.source.key) for job in jobs]
        return [JobStatus(job.id, state, "") if state else None for job, state in zip(jobs, known, strict=True)]


@dataclass
class Watching:
    """Implements ``Observer``."""

    pauses: list[int] = field(default_factory=list)

    def advance(self, counts: BackfillCounts) -> None: ...

    def pause(self, waiting: int) -> None:
        self.pauses.append(waiting)


class Clock:
    """A clock that only sleeping moves."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds
