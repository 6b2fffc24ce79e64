"""The values of a run of an archive: which members, what became of each, and of all."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from penstock.delivery.replaced_tables import ReplacedTables
from penstock.errors import IncompleteJobError, PenstockError
from penstock.model.job import Progress
from penstock.model.member import MemberCounts
from penstock.wiring.run import RunResult

# Failed or skipped members that a message names.
NAMED = 20


@dataclass(frozen=True, slots=True)
class MemberResult:
    """What became of one entry of an archive: ``result``, ``error``, or why it was ``skipped``.

    ``name`` is that in the archive, empty for a warning about the archive itself. ``size``: bytes, if it declares them.
    """

    name: str
    number: int
    result: RunResult | None = None
    error: PenstockError | None = None
    skipped: str = ""
    size: int = 0

    @property
    def is_loss(self) -> bool:
        """Whether something was skipped that may be missed: not a directory, which files of it make."""
        return bool(self.skipped and self.name) and not self.name.endswith("/")


@dataclass(frozen=True, slots=True)
class ArchiveSurvey:
    """What a run of an archive will deliver. ``size``: decoded bytes, as far as the archive declares them.

    ``members``: those with a route. ``left_out``: those that the patterns exclude. ``replaced``: the tables that
    several of them replace.
    """

    members: int
    size: int
    left_out: int
    replaced: tuple[ReplacedTables, ...] = ()


@dataclass(slots=True)
class ArchiveResult:
    """The result of a run of an archive. ``stopped``: members after the failed one were not begun.

    ``kind`` and ``codec`` are the names of the archive's format and of the codec around it. ``size`` and ``bytes_out``
    are encoded and decoded bytes. ``total``: members to deliver. ``already`` counts delivered members whose load was
    complete before, ``skipped`` entries that are no files or have no route, without directories.
    """

    source: str
    target: str
    kind: str
    codec: str
    size: int
    left_out: int
    total: int
    delivered: int = 0
    already: int = 0
    failed: int = 0
    skipped: int = 0
    bytes_out: int = 0
    rows: int = 0
    rejects: int = 0
    stopped: bool = False
    seconds: float = 0.0

    @property
    def counts(self) -> MemberCounts:
        """The members, counted as those of an archive in a stack."""
        return MemberCounts(self.delivered, self.failed, self.skipped + self.left_out, total=self.total)

    def add(self, member: MemberResult) -> None:
        self.failed += member.error is not None
        self.skipped += member.is_loss
        if member.result:
            receipt = member.result.receipt
            self.delivered += 1
            self.already += member.result.already
            self.bytes_out += receipt.bytes_out
            self.rows += receipt.rows
            self.rejects += receipt.rejects


@dataclass(slots=True)
class TotalProgress:
    """The progress of all members together."""

    on_progress: Callable[[Progress], None]
    done: Progress = field(default_factory=Progress)

    def of_member(self, now: Progress) -> None:
        self.on_progress(_sum(self.done, now))

    def end(self, member: MemberResult) -> None:
        """Count a member as done, however much of it was read."""
        now = Progress(member.size)
        if member.result:
            receipt = member.result.receipt
            now = Progress(member.size, receipt.bytes_out, receipt.rows, receipt.rejects, receipt.dropped)
        self.done = _sum(self.done, now)
        self.on_progress(self.done)


def _sum(left: Progress, right: Progress) -> Progress:
    return Progress(
        left.bytes_in + right.bytes_in,
        left.bytes_out + right.bytes_out,
        left.rows + right.rows,
        left.rejects + right.rejects,
        left.dropped + right.dropped,
    )


def failure_of(total: ArchiveResult, failed: Sequence[MemberResult]) -> IncompleteJobError:
    """Return the error of a run in which members failed. It names the first of them."""
    first = failed[0]
    error = IncompleteJobError(
        f"{total.source}: {total.failed:,} of {total.failed + total.delivered:,} members failed",
        hint=(first.error.hint if first.error else "") or "Correct the members that failed, then run it again.",
    )
    for member in failed[:NAMED]:
        error.add_note(f"{member.name}: {member.error}")
    return error


def ignore_member(member: MemberResult) -> None:
    """Do nothing."""
