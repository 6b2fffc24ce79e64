"""The commits of tables in memory: the records of batches, the files of jobs, their queue, and an Iceberg catalog."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from itertools import count

from penstock.destinations.iceberg.ports import Commit, Committed, IcebergTable, WrittenFiles
from penstock.errors import CommitInDoubtError, DestinationMissingError, InvalidTableError, SupersededError
from penstock.model.commit import CommitBatch
from penstock.model.data_file import DataFile
from penstock.model.job import Failure
from penstock.model.job_status import JobState, JobStatus
from penstock.model.table import Table
from penstock.testing.jobs import MemoryJobStore


@dataclass
class MemoryCommitStore:
    """The batches of the jobs of a `MemoryJobStore`. Implements ``CommitStore``."""

    store: MemoryJobStore
    batches: dict[str, CommitBatch] = field(default_factory=dict)
    ended: list[JobStatus] = field(default_factory=list)

    def jobs(self, ids: Sequence[str]) -> Sequence[JobStatus]:
        return [self.store.jobs[job_id] for job_id in dict.fromkeys(ids) if job_id in self.store.jobs]

    def take(self, job_id: str, commit_id: str, *, instead_of: str = "") -> bool:
        job = self.store.jobs[job_id]
        if job.state is not JobState.COMMITTING or job.commit.id != instead_of:
            return False
        note = replace(job.commit, id=commit_id, base=None, requested=0.0, snapshot=None)
        self.store.change(job_id, commit=note)
        return True

    def batch(self, commit_id: str) -> CommitBatch | None:
        return self.batches.get(commit_id)

    def begin(self, batch: CommitBatch) -> CommitBatch:
        return self.batches.setdefault(batch.id, batch)

    def lease(self, commit_id: str, until: float) -> bool:
        if self.batches[commit_id].until > self.store.clock():
            return False
        self._change(commit_id, until=until)
        return True

    def release(self, commit_id: str, *, doubt: bool = False) -> None:
        self._change(commit_id, until=0.0, doubts=self.batches[commit_id].doubts + doubt)

    def record_base(self, commit_id: str, base: int | None) -> None:
        if not self.batches[commit_id].requested:
            self._change(commit_id, base=base, requested=self.store.clock())

    def record_snapshot(self, commit_id: str, snapshot: int | None) -> None:
        self._change(commit_id, snapshot=snapshot, is_done=True)

    def close(self, job: JobStatus, batch: CommitBatch, state: JobState, failure: Failure | None = None) -> bool:
        current = self.store.jobs[job.job_id]
        if current.state is not JobState.COMMITTING or current.commit.id != batch.id:
            return False
        if state in (JobState.FAILED, JobState.SUPERSEDED):
            self.store.note_unused(job.job_id)
        note = replace(current.commit, base=batch.base, requested=batch.requested, snapshot=batch.snapshot)
        self.store.end(job.job_id, state, receipt=None, failure=failure)
        self.store.change(job.job_id, commit=note)
        self.ended.append(self.store.jobs[job.job_id])
        return True

    def is_overtaken(self, job: JobStatus) -> bool:
        return self.store.is_overtaken(job)

    def _change(self, commit_id: str, **fields: object) -> None:
        self.batches[commit_id] = replace(self.batches[commit_id], **fields)  # type: ignore[arg-type]


@dataclass
class MemoryJobFiles:
    """The files of jobs by their ids. Implements ``JobFiles``."""

    written: dict[str, WrittenFiles] = field(default_factory=dict)

    def read(self, job_id: str, spans: Sequence[int] = ()) -> WrittenFiles:  # noqa: ARG002  # of all spans together
        return self.written.get(job_id, WrittenFiles(missing=1))


@dataclass
class MemoryCommitQueue:
    """Implements ``CommitQueue``."""

    sent: list[tuple[str, str]] = field(default_factory=list)

    def send(self, table: str, job_id: str) -> None:
        self.sent.append((table, job_id))


@dataclass(frozen=True, slots=True)
class MemorySnapshot:
    """A snapshot of a table: its parent, the commit in its summary with its place, and the files that it has."""

    id: int
    parent: int | None
    commit: str
    files: frozenset[str]
    series: str = ""
    order: str = ""


def _nothing(commit: Commit) -> None:
    """Let a commit happen."""


@dataclass
class MemoryCatalog:
    """Tables with their snapshots. Implements ``Committer`` and ``TableEditor``.

    A commit is conditional on the snapshot that it was made from, as Iceberg's spec demands of catalogs: "the table
    metadata file must be swapped atomically". ``before`` is called before the swap, and ``after`` once it is done: an
    error that they raise is an answer that got lost. ``unfit`` are files that the table refuses.

    https://iceberg.apache.org/spec/#optimistic-concurrency
    """

    tables: dict[str, list[MemorySnapshot]] = field(default_factory=dict)
    before: Callable[[Commit], None] = _nothing
    after: Callable[[Commit], None] = _nothing
    unfit: set[str] = field(default_factory=set)
    expired: set[int] = field(default_factory=set)
    commits: list[Commit] = field(default_factory=list)
    _numbers: count[int] = field(default_factory=lambda: count(7_000_000_000_000_000_001))

    def create(self, table: str) -> None:
        """Create an empty table."""
        self.tables.setdefault(table, [])

    def files(self, table: str) -> list[str]:
        """The files of the current snapshot, in order of their names."""
        snapshots = self.tables[table]
        return sorted(snapshots[-1].files) if snapshots else []

    def prepare(self, table: Table) -> tuple[IcebergTable, Sequence[tuple[str, str]]]:
        if table.create:
            self.create(table.name)
        location = f"s3://warehouse/{table.name}"
        return IcebergTable(table.name, location, f"{location}/data", (), snapshot=self._current(table.name)), ()

    def commit(self, commit: Commit, record_base: Callable[[int | None], None]) -> Committed:
        current = self._current(commit.table)
        if refused := self.unfit.intersection(file.uri for file in commit.files):
            raise InvalidTableError(f"{min(refused)} does not fit table {commit.table}")
        if commit.is_retry and (found := self.find(commit.table, commit.id, commit.base)) is not None:
            return Committed(found, was_in=True)
        self._check_order(commit)
        record_base(current)
        self.before(commit)
        if self._current(commit.table) != current:
            found = self.find(commit.table, commit.id, current)
            if found is not None:
                return Committed(found, was_in=True, tries=2)
            self._check_order(commit)
        self._swap(commit)
        self.commits.append(commit)
        try:
            self.after(commit)
        except CommitInDoubtError:
            if (found := self.find(commit.table, commit.id, current)) is None:
                raise
            return Committed(found, was_in=True)
        return Committed(self.tables[commit.table][-1].id)

    def find(self, table: str, commit_id: str, base: int | None) -> int | None:
        if table not in self.tables:
            raise CommitInDoubtError(f"{table}: the table does not exist any more")
        for snapshot in reversed(self.tables[table]):
            if snapshot.id == base:
                return None
            if snapshot.id in self.expired:
                raise CommitInDoubtError(f"{table}: snapshots since {base} have expired")
            if snapshot.commit == commit_id:
                return snapshot.id
        if base is not None:
            raise CommitInDoubtError(f"{table}: snapshot {base} is no ancestor of the current one")
        return None

    def _current(self, table: str) -> int | None:
        if table not in self.tables:
            raise DestinationMissingError(f"table {table} does not exist")
        snapshots = self.tables[table]
        return snapshots[-1].id if snapshots else None

    def _swap(self, commit: Commit) -> None:
        snapshots = self.tables[commit.table]
        there = snapshots[-1].files if snapshots else frozenset[str]()
        new = [file.uri for file in commit.files]
        if doubled := there.intersection(new):
            raise AssertionError(f"{min(doubled)} would be in the table twice")
        kept = frozenset[str]() if commit.replace else there
        parent = snapshots[-1].id if snapshots else None
        files = kept | frozenset(new)
        place = commit.series, commit.order
        snapshots.append(MemorySnapshot(next(self._numbers), parent, commit.id, files, *place))

    def _check_order(self, commit: Commit) -> None:
        if any(one.series == commit.series and one.order > commit.order for one in self.tables[commit.table]):
            raise SupersededError(f"{commit.table}: a newer version has replaced the rows")


def file_of(name: str) -> DataFile:
    """Return a data file of one row."""
    return DataFile(f"s3://warehouse/data/{name}.parquet", 1000, 1)
