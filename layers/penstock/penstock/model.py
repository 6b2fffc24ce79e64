"""The values that pass between the parts of Penstock: frozen, comparable, without behaviour of their own."""

from __future__ import annotations

import hashlib
import json
from dataclasses import astuple, dataclass, field
from enum import StrEnum
from operator import add

from penstock.errors import PenstockError
from penstock.identity import identities
from penstock.objects import Content, ObjectHead, Published, Source, Target
from penstock.records import TablePlan

__all__ = [
    "DEFAULT_RATIO",
    "LONGEST_MESSAGE",
    "MAX_ATTEMPTS",
    "Claim",
    "Content",
    "Failure",
    "Job",
    "JobState",
    "JobStatus",
    "ObjectHead",
    "Progress",
    "Published",
    "Receipt",
    "Route",
    "Source",
    "Store",
    "TableTarget",
    "Target",
    "can_begin_again",
    "digest",
    "superseded_by",
]


def digest(*texts: str) -> str:
    """32 hex digits that stand for a sequence of texts."""
    return hashlib.sha256(json.dumps(texts).encode()).hexdigest()[:32]


# Tables and logs decode to 4-20 times their size, sparse ones to 100; the worst honest deflate is 1,032.
DEFAULT_RATIO = 250.0


# Some messages list what a file holds, and a header alone may be 1 MiB; an item of the jobs table is 400 KB at most.
LONGEST_MESSAGE = 10_000


class Store(StrEnum):
    """Where a route delivers to."""

    BUCKET = "bucket"
    POSTGRESQL = "postgresql"
    DYNAMODB = "dynamodb"


@dataclass(frozen=True, slots=True)
class TableTarget:
    """A table that records go to; ``table`` is empty where a choice names several."""

    store: Store
    table: str

    @property
    def uri(self) -> str:
        return f"{self.store}:{self.table}" if self.table else str(self.store)


@dataclass(frozen=True, slots=True)
class Route:
    """One rule of ``routes.toml``. ``destination`` is a template; ceilings are per object; ``plan`` is for tables.

    ``digest`` changes when anything that may change the outcome changes. It is made once: with a plan it takes a
    millisecond, and each of a thousand small jobs asks for it.
    """

    name: str
    match: tuple[str, ...]
    destination: str
    source_bucket: str = "*"
    codec: str = "auto"
    max_ratio: float = DEFAULT_RATIO
    max_bytes: int = 50_000 * 1024**3
    store: Store = Store.BUCKET
    plan: TablePlan | None = None
    digest: str = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "digest", digest(*identities(self)))


@dataclass(frozen=True, slots=True)
class Job:
    """One source through one route."""

    source: Source
    route: Route
    target: Target | TableTarget

    @property
    def id(self) -> str:
        """32 hex digits: the same for every delivery of the same upload."""
        return digest(*self.source.identity, self.route.digest)


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
class Failure:
    """Why a job did not succeed: the error's class, what it said and the way out."""

    error: str
    message: str
    hint: str

    @classmethod
    def of(cls, error: PenstockError) -> Failure:
        """An error as the jobs table keeps it. Notes, such as an abort that failed too, are kept."""
        notes = getattr(error, "__notes__", [])
        # What a message quotes may hold half a character, which no service takes.
        message = "; ".join([str(error), *notes])[:LONGEST_MESSAGE].encode("utf-8", "backslashreplace").decode()
        return cls(type(error).__name__, message, error.hint)


@dataclass(frozen=True, slots=True)
class Progress:
    """So far: ``bytes_in`` of the encoded source consumed, ``bytes_out`` decoded, and records of a table load: stored,
    rejected, and dropped by the database."""

    bytes_in: int = 0
    bytes_out: int = 0
    rows: int = 0
    rejects: int = 0
    dropped: int = 0

    def plus(self, other: Progress) -> Progress:
        """Both together."""
        return Progress(*map(add, astuple(self), astuple(other)))


@dataclass(frozen=True, slots=True)
class Receipt:
    """What was delivered. ``crc32`` covers all ``bytes_out``; ``parts`` is 0 for a single PUT. ``rows`` are those that
    the database stored; it ``dropped`` others, by a trigger or a rule."""

    bytes_in: int
    bytes_out: int
    crc32: int
    parts: int
    codec: str
    etag: str = ""
    version_id: str = ""
    warnings: tuple[str, ...] = ()
    rows: int = 0
    rejects: int = 0
    dropped: int = 0


# Attempts that a job has, and has again after each redrive: those that the queue delivers and those that the
# reconciler begins count alike.
MAX_ATTEMPTS = 5


@dataclass(frozen=True, slots=True)
class Claim:
    """The right to work on a job until the lease ends.

    ``attempt`` fences out everyone else; ``number`` counts attempts from 1: above it, one before has died or failed.
    ``redrives``: how often somebody has begun the job again after it had failed. ``refusal``: why the job has to stop,
    unless an attempt before this one has done it all.
    """

    job_id: str
    attempt: str
    number: int
    redrives: int = 0
    refusal: PenstockError | None = None

    @property
    def is_first(self) -> bool:
        """Whether nobody can have worked on the job before, as far as its record tells."""
        return self.number == 1 and not self.redrives


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
    progress: Progress = Progress()
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
    def store(self) -> Store:
        """What kind of destination its target is."""
        return Store.BUCKET if self.object_target else Store(self.target.partition(":")[0])

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


def can_begin_again(status: JobStatus, now: float) -> bool:
    """Whether a job has failed, or nobody works on it any more; of an execution's job, only Step Functions knows."""
    match status.state:
        case JobState.FAILED | JobState.EXECUTING:
            return True
        case JobState.RUNNING:
            return status.lease_until <= now
    return False


def superseded_by(job_id: str) -> Failure:
    """Why a job ends whose source another job takes, since its route has changed."""
    message = f"the route of its source has changed: the event that began it again is that of job {job_id}"
    return Failure("SupersededError", message, "")
