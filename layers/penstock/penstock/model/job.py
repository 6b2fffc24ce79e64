"""Jobs: one source through one route, and what became of it."""

from __future__ import annotations

from dataclasses import astuple, dataclass
from operator import add

from penstock.errors import PenstockError
from penstock.model.identity import digest
from penstock.model.object import Source, Target
from penstock.model.route import Route, TableTarget
from penstock.model.table import TablePlan

# Some messages list what a file holds, and a header alone may be 1 MiB; an item of the jobs table is 400 KB at most.
LONGEST_MESSAGE = 10_000


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

    @property
    def object_target(self) -> Target | None:
        """The object that it writes; None for a job that loads tables."""
        return self.target if isinstance(self.target, Target) else None

    def need_object(self) -> Target:
        """The object that it writes, where no other job may come. Raises TypeError for a job that loads tables."""
        if target := self.object_target:
            return target
        raise TypeError(f"{self.source.uri}: the job loads {self.target.uri}, which is not an object")

    def need_plan(self) -> TablePlan:
        """The plan of its route, where no other job may come. Raises TypeError for a job that writes an object."""
        if plan := self.route.plan:
            return plan
        raise TypeError(f"{self.source.uri}: the job writes {self.target.uri}, which is not a table")


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


NO_PROGRESS = Progress()


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


def superseded_by(job_id: str) -> Failure:
    """Why a job ends whose source another job takes, since its route has changed."""
    message = f"the route of its source has changed: the event that began it again is that of job {job_id}"
    return Failure("SupersededError", message, "")
