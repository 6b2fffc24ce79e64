"""Commits the files of small jobs: many jobs of one table share a commit, and each succeeds or fails by itself.

A batch goes through these steps. A process may die between any two of them, and another one goes on:

1. Each job is taken: its record names the commit. A job that another process has taken is left to that one.
2. The batch is written, once, with the jobs that it took. From now on, they never change. A job that names a commit
   whose batch does not have it is taken again, by a new commit.
3. The batch names the snapshot of the table, before the first request that could commit.
4. The commit. If an earlier process has begun it, its id is searched among the snapshots since then.
5. The batch names the snapshot that has the files. Each job is ended.

While a function works on a batch, it has a lease of it. The messages of other functions return to the queue.

Memory: the files of one commit, `MOST_FILES` and `MOST_BYTES` at most, and the records of the jobs of one invocation.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from itertools import groupby
from typing import TypeVar

from penstock.destinations.iceberg.ports import Commit, Committer, JobFiles, WrittenFiles
from penstock.errors import (
    AccessDeniedError,
    CommitInDoubtError,
    ConfigurationError,
    DestinationMissingError,
    IncompleteJobError,
    JobInProgressError,
    NotEnoughTimeError,
    PenstockError,
    PermanentError,
    RetryableError,
    SupersededError,
)
from penstock.jobs.commit.ports import CommitStore
from penstock.limits import MIB
from penstock.model.commit import TABLE, CommitBatch
from penstock.model.job import Failure
from penstock.model.job_status import JobState, JobStatus
from penstock.model.source import Deadline

# Of one commit: data files, and bytes of the records that describe them. A manifest entry takes about as many.
MOST_JOBS, MOST_FILES, MOST_BYTES = 1_000, 2_000, 16 * MIB
# Requests at once to S3 and DynamoDB: an item of a job, or the record of its files. botocore keeps ten connections.
REQUESTS = 8
# Jobs whose files are read ahead.
READ_AHEAD = 64
# After so many attempts that ended in doubt, the jobs of a batch do.
DOUBTS = 3

# Errors that all jobs of a table have in common.
_COMMON = (AccessDeniedError, ConfigurationError, DestinationMissingError)

T = TypeVar("T")
R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class JobCommits:
    """Commits the files of jobs, table by table. ``lease`` is longer than an invocation takes. Times are in seconds,
    ``clock`` returns Unix seconds."""

    store: CommitStore
    files: JobFiles
    committer: Callable[[], Committer]
    lease: float
    margin: float
    clock: Callable[[], float] = time.time
    new_id: Callable[[], str] = lambda: uuid.uuid4().hex

    def __call__(self, tables: Mapping[str, Sequence[str]], deadline: Deadline) -> Mapping[str, PenstockError]:
        """Commit the files of jobs by table. Return the jobs that must be announced again, each with the reason."""
        left: dict[str, PenstockError] = {}
        for table, job_ids in tables.items():
            found = [job for job in self.store.jobs(job_ids) if job.state is JobState.COMMITTING]
            left |= _TableCommits(self, table, deadline).commit(found)
        return left


@dataclass(frozen=True, slots=True)
class _Ready:
    """A job that waits, with its files."""

    job: JobStatus
    written: WrittenFiles


@dataclass
class _TableCommits:
    """The jobs of one table in one invocation. ``left`` are those that wait still, with the reason."""

    run: JobCommits
    table: str
    deadline: Deadline
    left: dict[str, PenstockError] = field(default_factory=dict)

    @cached_property
    def committer(self) -> Committer:
        return self.run.committer()

    @property
    def store(self) -> CommitStore:
        return self.run.store

    def commit(self, jobs: Sequence[JobStatus]) -> Mapping[str, PenstockError]:
        """Commit the files of the jobs. A retryable error of a batch concerns its jobs alone."""
        free: list[JobStatus] = []
        for commit_id, members in groupby(sorted(jobs, key=_commit_id), key=_commit_id):
            waiting = list(members)
            with self._leaving(waiting):
                free += self._resume(commit_id, waiting) if commit_id else waiting
        with self._leaving(free):
            for portion in _portions(self._fit(free)):
                with self._leaving([ready.job for ready in portion]):
                    self._commit_together(portion)
        return self.left

    @contextmanager
    def _leaving(self, jobs: Sequence[JobStatus]) -> Iterator[None]:
        """Leave jobs to a later invocation if a retryable error is raised."""
        try:
            if self.deadline.remaining() < self.run.margin:
                raise NotEnoughTimeError(f"{self.table}: not committed: the time of this invocation is nearly over")
            yield
        except RetryableError as error:
            self.left |= {job.job_id: error for job in jobs}

    def _resume(self, commit_id: str, waiting: Sequence[JobStatus]) -> list[JobStatus]:
        """Go on with a commit that another process has begun. Return the jobs that a new one must take."""
        # A batch that was not written yet never has a job, once another process has written it.
        batch = self.store.batch(commit_id) or self.store.begin(CommitBatch(commit_id, self.table, ()))
        free = [job for job in waiting if job.job_id not in batch.jobs]
        if not batch.jobs:
            return free
        with self._leaving([job for job in waiting if job.job_id in batch.jobs]):
            found = self.store.jobs(batch.jobs)
            members = [job for job in found if job.commit.id == commit_id and job.state is JobState.COMMITTING]
            if batch.is_done:
                self._close(members, batch, JobState.SUCCEEDED)
                return free
            if not self.store.lease(commit_id, self.run.clock() + self.run.lease):
                raise JobInProgressError(f"{self.table}: another invocation makes commit {commit_id}", retry_after=30.0)
            ready = [one for one in self._with_files(members) if isinstance(one, _Ready)]
            if len(ready) == len(batch.jobs):
                self._commit(batch, ready)
            elif not batch.requested or not self._is_in(batch, members):
                # Some jobs of the batch are in doubt, and may be redriven later. The others do not wait for them.
                free += [job for job in members if job.job_id not in self.left]
                self.store.release(commit_id)
        return free

    def _is_in(self, batch: CommitBatch, members: Sequence[JobStatus]) -> bool:
        """Look for a commit of which not all jobs are there any more. If it is in, or in doubt, its jobs are ended."""
        try:
            snapshot = self.committer.find(self.table, batch.id, batch.base)
        except CommitInDoubtError as error:
            self._doubt(batch, members, error)
            return True
        if snapshot is None:
            return False
        self._record(batch, snapshot, members)
        return True

    def _commit_together(self, portion: Sequence[_Ready]) -> None:
        """Take jobs, and commit their files."""
        commit_id = self.run.new_id()
        taken = self._take([ready.job for ready in portion], commit_id)
        portion = [replace(ready, job=taken[ready.job.job_id]) for ready in portion if ready.job.job_id in taken]
        if not portion:
            return
        until = self.run.clock() + self.run.lease
        batch = self.store.begin(CommitBatch(commit_id, self.table, tuple(taken), until))
        if len(batch.jobs) < len(taken):
            raise JobInProgressError(
                f"{self.table}: another invocation has taken jobs from {commit_id}", retry_after=30.0
            )
        self._commit(batch, portion)

    def _take(self, jobs: Sequence[JobStatus], commit_id: str) -> dict[str, JobStatus]:
        """Take those of the jobs that still wait."""
        done = _each(lambda job: self.store.take(job.job_id, commit_id, instead_of=job.commit.id), jobs)
        taken = (job for job, is_ours in zip(jobs, done, strict=True) if is_ours)
        return {job.job_id: replace(job, commit=replace(job.commit, id=commit_id)) for job in taken}

    def _commit(self, batch: CommitBatch, portion: Sequence[_Ready]) -> None:
        """Commit the files of a batch, and end its jobs."""
        jobs = [ready.job for ready in portion]
        replaces = jobs[0].commit.replaces
        files = [file for ready in portion for file in ready.written.files]
        if replaces and not batch.requested and self.store.is_overtaken(jobs[0]):
            error = SupersededError(f"{jobs[0].source}: a newer version was claimed before this one was committed")
            self._close(jobs, batch, JobState.SUPERSEDED, error)
            return
        if not files and replaces != TABLE:
            self._record(batch, None, jobs)
            return
        commit = Commit(
            batch.id,
            self.table,
            files,
            replace=bool(replaces),
            whole=replaces == TABLE,
            base=batch.base,
            is_retry=batch.requested > 0,
            spec_id=portion[0].written.spec_id,
            table_id=portion[0].written.table_id,
            written_at=min((ready.written.written_at for ready in portion if ready.written.files), default=0.0),
            series=jobs[0].commit.series if replaces else "",
            order=jobs[0].commit.order if replaces else "",
            summary=(("penstock.jobs", str(len(jobs))),),
        )
        try:
            committed = self.committer.commit(commit, partial(self.store.record_base, batch.id))
        except CommitInDoubtError as error:
            self._doubt(batch, jobs, error)
        except SupersededError as error:
            self._close(jobs, batch, JobState.SUPERSEDED, error)
        except PermanentError as error:
            if batch.requested:
                # An earlier request may be in, and this error says nothing about it.
                self._doubt(batch, jobs, CommitInDoubtError(error.message, hint=error.hint))
            else:
                self._refused(batch, portion, error)
        except RetryableError:
            self.store.release(batch.id)
            raise
        else:
            self._record(batch, committed.snapshot, jobs)

    def _refused(self, batch: CommitBatch, portion: Sequence[_Ready], error: PermanentError) -> None:
        """Find out which jobs a batch fails for, by halves. The others succeed."""
        middle = (len(portion) + 1) // 2
        if len(portion) == 1 or isinstance(error, _COMMON):
            self.store.release(batch.id)  # a redrive goes on with this batch, and need not wait
            self._close([ready.job for ready in portion], batch, JobState.FAILED, error)
            return
        for half in (portion[:middle], portion[middle:]):
            with self._leaving([ready.job for ready in half]):
                self._commit_together(half)

    def _doubt(self, batch: CommitBatch, jobs: Sequence[JobStatus], error: CommitInDoubtError) -> None:
        """End jobs in doubt after some attempts; before, raise the error."""
        self.store.release(batch.id, doubt=True)
        if batch.doubts + 1 < DOUBTS:
            raise error
        self._close(jobs, self.store.batch(batch.id) or batch, JobState.IN_DOUBT, error)

    def _record(self, batch: CommitBatch, snapshot: int | None, jobs: Sequence[JobStatus]) -> None:
        self.store.record_snapshot(batch.id, snapshot)
        self._close(jobs, self.store.batch(batch.id) or batch, JobState.SUCCEEDED)

    def _close(
        self, jobs: Sequence[JobStatus], batch: CommitBatch, state: JobState, error: PenstockError | None = None
    ) -> None:
        failure = Failure.of(error) if error else None
        _each(lambda job: self.store.close(job, batch, state, failure), jobs)

    def _fit(self, jobs: Sequence[JobStatus]) -> Iterator[_Ready]:
        """Yield the jobs with their files, the oldest first. A job whose files are not on record fails."""
        for found in self._with_files(sorted(jobs, key=lambda job: (job.updated_at, job.job_id))):
            if isinstance(found, _Ready):
                yield found
                continue
            job, error = found
            commit_id = self.run.new_id()
            taken = self._take([job], commit_id)
            self._close(list(taken.values()), CommitBatch(commit_id, self.table, ()), JobState.FAILED, error)

    def _with_files(self, jobs: Sequence[JobStatus]) -> Iterator[_Ready | tuple[JobStatus, PermanentError]]:
        """Read the files of jobs, some at once."""
        for first in range(0, len(jobs), READ_AHEAD):
            yield from _each(self._read, jobs[first : first + READ_AHEAD])

    def _read(self, job: JobStatus) -> _Ready | tuple[JobStatus, PermanentError]:
        try:
            written = self.run.files.read(job.job_id)
        except PermanentError as error:
            return job, error
        if not written.missing:
            return _Ready(job, written)
        hint = "It has expired: upload the source again."
        return job, IncompleteJobError(f"{job.source}: the record of its files is gone", hint=hint)


def _commit_id(job: JobStatus) -> str:
    return job.commit.id


def _portions(found: Iterable[_Ready]) -> Iterator[list[_Ready]]:
    """Group jobs that a commit may have together, in order. A job that replaces rows is alone."""
    portion: list[_Ready] = []
    files = size = 0
    for ready in found:
        written = ready.written
        files, size = files + len(written.files), size + written.size
        if portion and (
            ready.job.commit.replaces
            or portion[0].job.commit.replaces
            or (written.spec_id, written.table_id) != (portion[0].written.spec_id, portion[0].written.table_id)
            or len(portion) >= MOST_JOBS
            or files > MOST_FILES
            or size > MOST_BYTES
        ):
            yield portion
            portion, files, size = [], len(written.files), written.size
        portion.append(ready)
    if portion:
        yield portion


def _each(work: Callable[[T], R], items: Sequence[T]) -> list[R]:
    """Call ``work`` for each item, some at once. Return the results in order; raises the first error."""
    with ThreadPoolExecutor(REQUESTS, thread_name_prefix="commit") as threads:
        return list(threads.map(work, items))
