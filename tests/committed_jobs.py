"""Small jobs that wait for the commit of their table, in memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from typing import Any

from penstock.destinations.iceberg.ports import Committer, WrittenFiles
from penstock.jobs.commit.committing import JobCommits
from penstock.jobs.commit.ports import CommitStore
from penstock.model.commit import CommitNote
from penstock.model.identity import digest
from penstock.model.job import Claim, Job, Receipt
from penstock.model.job_status import JobStatus
from penstock.model.object import Source
from penstock.model.parse_options import ParseOptions
from penstock.model.route import Route, TableTarget
from penstock.model.table import Mode, Table, TablePlan
from penstock.testing import ManualDeadline, MemoryJobStore
from penstock.testing.commits import MemoryCatalog, MemoryCommitStore, MemoryJobFiles, file_of

TABLE = "sales.orders"
RECEIPT = Receipt(1000, 5000, 0, 1, "gzip", rows=1)
LEASE = 900.0


@dataclass
class Clock:
    now: float = 1_795_249_800.0

    def __call__(self) -> float:
        return self.now


def job_of(name: str, table: str = TABLE, mode: Mode = Mode.APPEND, sequencer: str = "0A", version: str = "v1") -> Job:
    """The job of an upload of one key."""
    source = Source("drops", f"in/{name}.csv", size=1000, etag="e", version_id=version, sequencer=sequencer)
    plan = TablePlan(ParseOptions(), Table(table, mode=mode))
    route = Route("orders", ("in/*",), f"iceberg:{table}", store="iceberg", plan=plan)
    return Job(source, route, TableTarget("iceberg", table))


@dataclass
class World:
    """The jobs, their files and the tables. ``kill`` ends the process at the given call of its store or catalog."""

    clock: Clock = field(default_factory=Clock)
    jobs: MemoryJobStore = field(init=False)
    store: MemoryCommitStore = field(init=False)
    files: MemoryJobFiles = field(default_factory=MemoryJobFiles)
    catalog: MemoryCatalog = field(default_factory=MemoryCatalog)
    ids: Iterator[int] = field(default_factory=count)

    def __post_init__(self) -> None:
        self.jobs = MemoryJobStore(self.clock)
        self.store = MemoryCommitStore(self.jobs)
        self.catalog.create(TABLE)

    def hold(
        self, name: str, *files: str, job: Job | None = None, replaces: str = "", spec_id: int = 0, table_id: str = ""
    ) -> str:
        """Let a job wait with these files. Return its id."""
        job = job or job_of(name)
        claim = self.jobs.claim(job, lease=60)
        assert isinstance(claim, Claim)
        self.clock.now += 0.001
        note = CommitNote(replaces=replaces, series=digest(*job.series), order=job.order) if replaces else CommitNote()
        self.jobs.hold(claim, RECEIPT, note)
        self.files.written[job.id] = WrittenFiles(
            tuple(map(file_of, files)), spec_id=spec_id, table_id=table_id, size=100
        )
        return job.id

    def commits(self, store: CommitStore | None = None, catalog: Committer | None = None) -> JobCommits:
        return JobCommits(
            store or self.store,
            self.files,
            lambda: catalog or self.catalog,
            LEASE,
            margin=10.0,
            clock=self.clock,
            new_id=lambda: f"commit-{next(self.ids)}",
        )

    def run(self, *job_ids: str, store: CommitStore | None = None, catalog: Committer | None = None) -> dict[str, str]:
        """Commit jobs. Return the errors of those that wait still."""
        left = self.commits(store, catalog)({TABLE: job_ids or list(self.jobs.jobs)}, ManualDeadline(800.0))
        return {job_id: type(error).__name__ for job_id, error in left.items()}

    def status(self, job_id: str) -> JobStatus:
        return self.jobs.jobs[job_id]

    def states(self) -> dict[str, int]:
        """How many jobs are in each state."""
        found = [str(job.state) for job in self.jobs.jobs.values()]
        return {state: found.count(state) for state in sorted(set(found))}

    def names(self) -> list[str]:
        """The files in the table."""
        return [uri.rpartition("/")[2].removesuffix(".parquet") for uri in self.catalog.files(TABLE)]

    def snapshots(self) -> int:
        return len(self.catalog.tables[TABLE])

    def redrive(self, job_id: str, name: str) -> None:
        """Let a job wait once more, as a user does: its files are on record."""
        assert self.jobs.reopen(self.status(job_id))
        claim = self.jobs.claim(job_of(name), lease=60)
        assert isinstance(claim, Claim)
        self.jobs.hold(claim, RECEIPT, CommitNote())


class Killed(BaseException):
    """The process has ended."""


class Calls:
    """Does something before or after a call of other objects, by the number of the call."""

    def __init__(self, at: int, action: Callable[[], object], *, after: bool) -> None:
        self.left, self._action, self._after = at, action, after

    def of(self, inner: object) -> Any:
        """Return an object whose calls are counted."""
        return _Counted(self, inner)

    def call(self, method: Callable[..., object], *args: object, **named: object) -> object:
        self.left -= 1
        is_it = self.left == -1
        if is_it and not self._after:
            self._action()
        result = method(*args, **named)
        if is_it and self._after:
            self._action()
        return result


@dataclass
class _Counted:
    calls: Calls
    inner: object

    def __getattr__(self, name: str) -> Callable[..., object]:
        return partial(self.calls.call, getattr(self.inner, name))


def dying(inner: object, at: int, *, after: bool) -> Any:
    """End the process before or after a call of another object, by the number of the call."""

    def die() -> None:
        raise Killed

    return Calls(at, die, after=after).of(inner)
