"""Jobs: one source through one route, and the result."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime

from penstock.errors import PenstockError
from penstock.model.column_change import ColumnChange
from penstock.model.identity import digest
from penstock.model.member import NO_MEMBERS, MemberCounts
from penstock.model.object import Location, Source, Target
from penstock.model.replacement import Replacement
from penstock.model.route import ORDER_TABLE, Route, TableTarget
from penstock.model.serialization import OMIT_DEFAULT
from penstock.model.source_values import LOADED_AT
from penstock.model.table import TablePlan

# Some messages list the content of a file, and a header may have 1 MiB. An item of the jobs table has at most 400 KB.
LONGEST_MESSAGE = 10_000


@dataclass(frozen=True, slots=True)
class Job:
    """One source through one route. ``begun`` is when the job was first claimed (Unix seconds; of a member, its
    archive), and ``modified`` when S3 says that its object was (ISO 8601); 0 and empty if that is not known yet."""

    source: Source
    route: Route
    target: Target | TableTarget
    begun: float = field(default=0.0, metadata=OMIT_DEFAULT, compare=False)
    modified: str = field(default="", metadata=OMIT_DEFAULT, compare=False)

    @property
    def id(self) -> str:
        """32 hex digits, the same for every event of the same upload."""
        return digest(*self.source.identity, self.route.digest)

    @property
    def series(self) -> tuple[str, ...]:
        """What the jobs share of which the newest wins: the source's key and the route, or the table."""
        if self.route.order == ORDER_TABLE:
            return ORDER_TABLE, self.route.store, *sorted({table.name for table in self.need_plan().tables})
        return *self.source.series, self.route.name

    @property
    def order(self) -> str:
        """The place of the job in its series, to be compared as text; empty if it has none.

        S3's sequencers order the uploads of one key. Objects of several keys are ordered by the time of their uploads.
        """
        if self.route.order != ORDER_TABLE:
            return self.source.order
        if not self.source.event_time:
            return ""
        when = datetime.fromisoformat(self.source.event_time).astimezone(UTC)
        return f"{when.isoformat(timespec='microseconds')} {self.source.key}"

    @property
    def tells_begin(self) -> bool:
        """Whether rows hold the time of the first claim, which must be the same in every attempt."""
        return self.route.plan is not None and LOADED_AT in self.route.plan.metadata

    @property
    def replacement(self) -> Replacement | None:
        """The replacement of tables that the job is a part of, with other members of its archive."""
        return self.source.member.replacement if self.source.member else None

    @property
    def object_target(self) -> Target | None:
        """The object that the job writes; None for a job that loads tables."""
        return self.target if isinstance(self.target, Target) else None

    @property
    def places(self) -> tuple[Target, ...]:
        """The object that the job writes, or the prefixes under which it writes files."""
        return (self.target,) if isinstance(self.target, Target) else self.target.prefixes

    def need_object(self) -> Target:
        """Return the object that the job writes. Raises TypeError for a job that loads tables."""
        if target := self.object_target:
            return target
        raise TypeError(f"{self.source.uri}: the job loads {self.target.uri}, which is not an object")

    def need_plan(self) -> TablePlan:
        """Return the plan of the route, with this job's places. Raises TypeError for a job that writes an object."""
        if plan := self.route.plan:
            places = dict(self.target.places) if isinstance(self.target, TableTarget) else {}
            return plan.placed(places) if places else plan
        raise TypeError(f"{self.source.uri}: the job writes {self.target.uri}, which is not a table")


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a job did not succeed: the error's class, message and hint."""

    error: str
    message: str
    hint: str

    @classmethod
    def of(cls, error: PenstockError) -> Failure:
        """Convert an error to its form in the jobs table, with its notes, such as a second failure in the abort."""
        notes = getattr(error, "__notes__", [])
        # Quoted content may hold a lone surrogate, which services refuse.
        message = "; ".join([str(error), *notes])[:LONGEST_MESSAGE].encode("utf-8", "backslashreplace").decode()
        return cls(type(error).__name__, message, error.hint)


@dataclass(frozen=True, slots=True)
class Progress:
    """``bytes_in`` of the encoded source read, ``bytes_out`` decoded, and records of a table load: stored, rejected,
    and dropped by the database. ``members`` are those of an archive."""

    bytes_in: int = 0
    bytes_out: int = 0
    rows: int = 0
    rejects: int = 0
    dropped: int = 0
    members: MemberCounts = field(default=NO_MEMBERS, metadata=OMIT_DEFAULT)

    def plus(self, other: Progress) -> Progress:
        """Add another progress."""
        return Progress(
            self.bytes_in + other.bytes_in,
            self.bytes_out + other.bytes_out,
            self.rows + other.rows,
            self.rejects + other.rejects,
            self.dropped + other.dropped,
            self.members.plus(other.members),
        )


NO_PROGRESS = Progress()


@dataclass(frozen=True, slots=True)
class Receipt:
    """What was delivered. ``crc32`` covers all ``bytes_out``; ``parts`` is 0 for a single PUT. ``rows`` counts the rows
    that the database stored, ``dropped`` those that a trigger or a rule left out; ``members`` are those of an archive.
    ``repeat_of``: the job that has delivered the same object, so that nothing was delivered.
    ``changes`` are the columns that the job has added to its tables, or widened.
    """

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
    members: MemberCounts = field(default=NO_MEMBERS, metadata=OMIT_DEFAULT)
    repeat_of: str = field(default="", metadata=OMIT_DEFAULT)
    changes: tuple[ColumnChange, ...] = field(default=(), metadata=OMIT_DEFAULT)

    @property
    def progress(self) -> Progress:
        """The progress at the end."""
        return Progress(self.bytes_in, self.bytes_out, self.rows, self.rejects, self.dropped, self.members)


# The attempts of a job, and again after each redrive. Both queue deliveries and restarts by the reconciler count.
MAX_ATTEMPTS = 5


@dataclass(frozen=True, slots=True)
class Claim:
    """The right to work on a job until the lease ends.

    ``attempt`` fences out all other attempts. ``number`` counts attempts from 1; above 1, an earlier one has died or
    failed. ``redrives`` counts restarts by a user after a failure. ``refusal``: why the job must stop, unless an
    earlier attempt has completed it. ``location`` is where the object of the source is, if it was moved. ``begun`` is
    when the job was first claimed, in Unix seconds.
    """

    job_id: str
    attempt: str
    number: int
    redrives: int = 0
    refusal: PenstockError | None = None
    location: Location | None = None
    begun: float = 0.0

    @property
    def is_first(self) -> bool:
        """Whether the record shows no earlier attempt."""
        return self.number == 1 and not self.redrives


def superseded_by(job_id: str) -> Failure:
    """Return the failure of a job whose source belongs to another job, because its route has changed."""
    message = f"the route of the source has changed: its event now belongs to job {job_id}"
    return Failure("SupersededError", message, "")
