"""The status of a job: its state, its phases and its progress."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

from penstock.model.after import AfterLevel, AfterState, AfterStatus
from penstock.model.column_change import ColumnChange
from penstock.model.commit import NO_COMMIT, CommitNote
from penstock.model.job import MAX_ATTEMPTS, NO_PROGRESS, Failure, Progress
from penstock.model.member import MemberCounts
from penstock.model.object import Location, Source, Target
from penstock.model.route import BUCKET, MEMBERS
from penstock.model.serialization import OMIT_DEFAULT


class Execution(NamedTuple):
    """The status of an execution: its ``status`` in Step Functions, and the error and cause with which it ended."""

    status: str
    error: str = ""
    cause: str = ""

    @property
    def ended(self) -> bool:
        return self.status not in {"RUNNING", "PENDING_REDRIVE"}


class JobState(StrEnum):
    """The state of a job. Final states never change. EXECUTING: an execution of the state machine runs it.

    COMMITTING: its files are complete, and wait for the commit of their table. IN_DOUBT: nobody can tell whether that
    commit is in. A redrive looks again.
    """

    RUNNING = "running"
    WAITING = "waiting"
    EXECUTING = "executing"
    COMMITTING = "committing"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    SUPERSEDED = "superseded"
    SKIPPED = "skipped"
    IN_DOUBT = "in_doubt"

    @property
    def final(self) -> bool:
        return self not in (JobState.RUNNING, JobState.WAITING, JobState.EXECUTING, JobState.COMMITTING)

    @property
    def stored(self) -> JobState:
        """The state that the attribute ``state`` of a job's record holds: one that earlier releases can read."""
        return {JobState.COMMITTING: JobState.EXECUTING, JobState.IN_DOUBT: JobState.FAILED}.get(self, self)


class Phase(StrEnum):
    """The phases of an execution of the state machine, in order."""

    PLAN = "plan"
    INDEX = "index"
    SURVEY = "survey"
    SPANS = "spans"
    FINISH = "finish"
    COMMIT = "commit"


class Stage(StrEnum):
    """The two passes over a large source: to find its entry points (index, survey), and to deliver it."""

    READ = "read"
    DELIVER = "deliver"


@dataclass(frozen=True, slots=True)
class JobStatus:
    """The record of one job in the jobs table. Times are Unix seconds.

    ``execution``, ``spans``, ``spans_done``, ``phases`` and ``indexed`` are for jobs in the state machine: ``phases``
    holds the start of each phase, ``indexed`` the bytes of the source that the index or the survey has read. ``upload``
    is the source from its event; None if the record is incomplete.

    ``holder`` is the attempt or execution that has the job until ``lease_until``; Lambda ends its invocation at
    ``deadline_at`` at the latest. ``memory_peak`` of ``memory_size`` bytes were used at the last heartbeat.
    ``attempts_limit`` is the number of the last attempt. ``uploads`` are the ids of the job's multipart uploads,
    including completed ones. ``round`` counts uploads that an execution had to restart; ``yields_to`` is the newer job
    that this one waits for. ``aborts`` counts the reconciler's calls of `abort`, ``sends`` the events that it has sent
    since the last claim. ``archive_job`` is the job of the archive that a large member belongs to. ``after`` is what
    becomes of the object once the job has ended, and ``location`` where the object is, if it was moved.
    ``result_etag`` and ``result_version_id`` are those of the object that the job published. ``repeat_of`` is the job
    that has delivered the same object (`Route.once`). ``changes`` are as in `Receipt`. ``commit`` is that of a table
    whose files are committed together.
    """

    job_id: str
    state: JobState
    source: str
    route: str = ""
    target: str = ""
    size: int = 0
    progress: Progress = NO_PROGRESS
    attempts: int = 0
    started_at: float = 0.0
    updated_at: float = 0.0
    finished_at: float = 0.0
    codec: str = ""
    crc32: str = ""
    parts: int = 0
    warnings: tuple[str, ...] = ()
    failure: Failure | None = None
    execution: str = ""
    spans: int = 0
    spans_done: int = 0
    redrives: int = 0
    upload: Source | None = None
    holder: str = ""
    lease_until: float = 0.0
    deadline_at: float = 0.0
    memory_peak: int = 0
    memory_size: int = 0
    attempts_limit: int = MAX_ATTEMPTS
    uploads: tuple[str, ...] = ()
    round: int = 0
    yields_to: str = ""
    aborts: int = 0
    sends: int = 0
    phases: tuple[tuple[Phase, float], ...] = ()
    indexed: int = 0
    archive_job: str = field(default="", metadata=OMIT_DEFAULT)
    after: AfterStatus | None = field(default=None, metadata=OMIT_DEFAULT)
    location: Location | None = field(default=None, metadata=OMIT_DEFAULT)
    result_etag: str = field(default="", metadata=OMIT_DEFAULT)
    result_version_id: str = field(default="", metadata=OMIT_DEFAULT)
    repeat_of: str = field(default="", metadata=OMIT_DEFAULT)
    changes: tuple[ColumnChange, ...] = field(default=(), metadata=OMIT_DEFAULT)
    commit: CommitNote = field(default=NO_COMMIT, metadata=OMIT_DEFAULT)

    @property
    def store(self) -> str:
        """The name of the destination."""
        return BUCKET if self.object_target else self.target.partition(":")[0]

    @property
    def object_target(self) -> Target | None:
        """The target, if it is an object."""
        bucket, _, key = self.target.removeprefix("s3://").partition("/")
        return Target(bucket, key) if self.target.startswith("s3://") else None

    @property
    def is_archive(self) -> bool:
        """Whether the job takes an archive apart: then its spans are batches of members."""
        return self.target == MEMBERS

    @property
    def is_deleted(self) -> bool:
        """Whether the object was deleted after the job."""
        action = self.after.plan.action(self.state) if self.after else None
        return bool(self.after and action and action.level is AfterLevel.DELETE and self.after.state is AfterState.DONE)

    @property
    def members(self) -> MemberCounts:
        """What has become of the members of an archive."""
        return self.progress.members

    @property
    def phase(self) -> Phase | None:
        """The current phase of the execution."""
        return self.phases[-1][0] if self.phases and self.state is JobState.EXECUTING else None

    @property
    def percent(self) -> float:
        """The exact share of the source's bytes read so far, 0 to 100. An index or a survey reads them once more.

        Of an archive in one invocation, the share of its members: its bytes are not read in order.
        """
        if self.state in (JobState.SUCCEEDED, JobState.COMMITTING):
            return 100.0
        if self.counts_members:
            return 100.0 * self.members.done / self.members.total
        return 100.0 * self._read / self._to_read if self._to_read else 0.0

    @property
    def counts_members(self) -> bool:
        """Whether the members of an archive show how far its job is, and not its bytes."""
        return self.is_archive and not self._read and self.members.total > 0

    @property
    def seconds(self) -> float:
        """Seconds from the first claim to the end, or to the last update."""
        return max(0.0, (self.finished_at or self.updated_at) - self.started_at)

    @property
    def throughput(self) -> float:
        """Decoded bytes per second."""
        return self.progress.bytes_out / self.seconds if self.seconds else 0.0

    @property
    def rows_per_second(self) -> float:
        """Rows loaded per second."""
        return self.progress.rows / self.seconds if self.seconds else 0.0

    @property
    def seconds_left(self) -> float | None:
        """Estimated seconds left at the current pace; None before anything is read, 0 at the end."""
        if self.state.final:
            return 0.0
        done = self._read
        return self.seconds * (self._to_read - done) / done if done and self.seconds else None

    @property
    def _read(self) -> int:
        return self.indexed + self.progress.bytes_in

    @property
    def _to_read(self) -> int:
        indexing = any(phase in (Phase.INDEX, Phase.SURVEY) for phase, _ in self.phases)
        return 2 * self.size if indexing else self.size


def frees_claim(status: JobStatus, *, adds_rows: bool, at_once: bool = False) -> bool:
    """Whether a job has ended and nothing of its object was delivered, so that a repeat of the object is delivered.

    A superseded job cannot be redriven. A repeat is delivered in its place, unless its route ``adds_rows``: some may be
    there. ``at_once``: all rows of a job are delivered by one commit, so that a failed job has delivered none.
    """
    is_over = status.state is JobState.SUPERSEDED and not adds_rows
    has_failed = status.state.final and status.state not in (JobState.SUCCEEDED, JobState.IN_DOUBT)
    return is_over or (has_failed and (at_once or not status.progress.rows))


def can_redrive(status: JobStatus, now: float) -> bool:
    """Whether a job has failed or is in doubt, or its lease has expired. For a job of an execution, Step Functions
    decides. While the files of a failed job are deleted, it has a lease, too."""
    match status.state:
        case JobState.EXECUTING | JobState.IN_DOUBT:
            return True
        case JobState.FAILED | JobState.RUNNING:
            return status.lease_until <= now
    return False
