"""How a job stands: its state, its phases and its progress."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from penstock.model.job import MAX_ATTEMPTS, NO_PROGRESS, Failure, Progress
from penstock.model.object import Source, Target
from penstock.model.route import BUCKET


class Execution(NamedTuple):
    """How an execution stands: its ``status`` as Step Functions names it, and what it ended with."""

    status: str
    error: str = ""
    cause: str = ""

    @property
    def ended(self) -> bool:
        return self.status not in {"RUNNING", "PENDING_REDRIVE"}


class JobState(StrEnum):
    """Where a job stands; the final ones never change again. EXECUTING: an execution of the state machine has it."""

    RUNNING = "running"
    WAITING = "waiting"
    EXECUTING = "executing"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    SUPERSEDED = "superseded"
    SKIPPED = "skipped"

    @property
    def final(self) -> bool:
        return self not in (JobState.RUNNING, JobState.WAITING, JobState.EXECUTING)


class Phase(StrEnum):
    """What an execution of the state machine is at, in the order in which it comes to it."""

    PLAN = "plan"
    INDEX = "index"
    SURVEY = "survey"
    SPANS = "spans"
    FINISH = "finish"


class Stage(StrEnum):
    """The two times that a large source is read: to find where it can be entered (index, survey), and to deliver it."""

    READ = "read"
    DELIVER = "deliver"


@dataclass(frozen=True, slots=True)
class JobStatus:
    """What the jobs table knows of one job. Times are Unix seconds. ``execution``, ``spans`` and what follows are of a
    job that the state machine carries: ``phases`` tells when each phase began, ``indexed`` how many bytes of the source
    the index or the survey has read. ``upload`` is the source as its event told it; None where not all of it is on
    record.

    ``holder`` is the attempt or execution that has the job until ``lease_until``; the invocation that holds a claim is
    killed at ``deadline_at`` at the latest. ``memory_peak`` of ``memory_size`` bytes were used at the last heartbeat.
    ``attempts_limit`` is the number of the last attempt. ``uploads`` are ids of multipart uploads that the job has
    opened, of which those that were completed stay. ``round`` counts uploads that an execution had to begin again,
    ``yields_to`` is the newer job that this one waits for. ``aborts`` counts what the reconciler has asked of `abort`,
    ``sends`` the events that it has sent since somebody claimed the job.
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

    @property
    def store(self) -> str:
        """The name of its destination."""
        return BUCKET if self.object_target else self.target.partition(":")[0]

    @property
    def object_target(self) -> Target | None:
        """Its target, where that is an object."""
        bucket, _, key = self.target.removeprefix("s3://").partition("/")
        return Target(bucket, key) if self.target.startswith("s3://") else None

    @property
    def phase(self) -> Phase | None:
        """What its execution is at."""
        return self.phases[-1][0] if self.phases and self.state is JobState.EXECUTING else None

    @property
    def percent(self) -> float:
        """Exact share of the bytes that must be read and were, 0 to 100: of those of the source, which an index or a
        survey reads once more."""
        if self.state is JobState.SUCCEEDED:
            return 100.0
        return 100.0 * self._read / self._to_read if self._to_read else 0.0

    @property
    def seconds(self) -> float:
        """From the first claim to the end, or to the last sign of life."""
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
        """What is left at the pace so far; None before anything was consumed, 0 at the end."""
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


def can_redrive(status: JobStatus, now: float) -> bool:
    """Whether a job has failed, or nobody works on it any more; of an execution's job, only Step Functions knows."""
    match status.state:
        case JobState.FAILED | JobState.EXECUTING:
            return True
        case JobState.RUNNING:
            return status.lease_until <= now
    return False
