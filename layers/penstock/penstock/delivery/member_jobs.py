"""The jobs of an archive's members: which route takes an entry, and what became of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace

from penstock.archives import archive_named
from penstock.archives.archive import Skipped
from penstock.delivery.decoding import ceiling, too_large
from penstock.delivery.replaced_tables import ReplacedTables, failure_of, is_staged, joined
from penstock.errors import BadDocumentError, PenstockError, PermanentError
from penstock.model.job import Failure, Job, Receipt
from penstock.model.job_status import JobState
from penstock.model.member import NO_MEMBERS, Member, MemberCounts
from penstock.model.object import Source, archive_of, member_source
from penstock.model.route import Route
from penstock.model.serialization import OMIT_DEFAULT
from penstock.routes import Routes, destination_of, takes_member


@dataclass(frozen=True, slots=True)
class RefusedArchive:
    """An inner archive that a route takes apart, and why that cannot be done."""

    member: Member
    error: PermanentError

    @property
    def name(self) -> str:
        return self.member.name

    @property
    def path(self) -> str:
        """Its name in the object."""
        return self.member.path

    @property
    def number(self) -> int:
        return self.member.number

    @property
    def numbers(self) -> tuple[int, ...]:
        """What identifies it in the object."""
        return self.member.numbers


Entry = Member | Skipped | RefusedArchive


@dataclass(frozen=True, slots=True)
class MemberResult:
    """What became of an entry of an archive: a line of its job's results.

    ``within`` is the number of the inner archive that has the entry, 0 for none; ``name`` then begins with that one's.
    ``reason`` says why an entry was skipped. ``job_id``, ``target`` and the rest are those of a member with a route.
    ``replaces`` is the id of the replacement that it is a part of: it is WAITING once its rows are staged.
    """

    number: int
    name: str
    state: JobState
    job_id: str = field(default="", metadata=OMIT_DEFAULT)
    target: str = field(default="", metadata=OMIT_DEFAULT)
    receipt: Receipt | None = field(default=None, metadata=OMIT_DEFAULT)
    failure: Failure | None = field(default=None, metadata=OMIT_DEFAULT)
    reason: str = field(default="", metadata=OMIT_DEFAULT)
    within: int = field(default=0, metadata=OMIT_DEFAULT)
    replaces: str = field(default="", metadata=OMIT_DEFAULT)

    @property
    def numbers(self) -> tuple[int, ...]:
        """What identifies the entry in the object."""
        return (self.within, self.number) if self.within else (self.number,)

    @property
    def counts(self) -> MemberCounts:
        """What this result adds to the counts of its archive."""
        match self.state:
            case JobState.SUCCEEDED:
                return MemberCounts(delivered=1)
            case JobState.FAILED:
                return MemberCounts(failed=1)
            case JobState.SUPERSEDED:
                return MemberCounts(superseded=1)
            # A directory is not left out: the files in it make it. Nor is a warning about the archive itself.
            case JobState.SKIPPED if self.name and not self.name.endswith("/"):
                return MemberCounts(skipped=1)
        return NO_MEMBERS


@dataclass(frozen=True, slots=True)
class MemberRouter:
    """Finds the job of each member of ``archive``, the job of an archive. ``replaced``: what they replace together."""

    archive: Job
    routes: Routes
    replaced: tuple[ReplacedTables, ...] = ()

    def job_of(self, entry: Entry) -> Job | MemberResult:
        """Return the job of a member, or the result of an entry that is not delivered."""
        if isinstance(entry, Skipped):
            return skipped(entry, entry.reason)
        if isinstance(entry, RefusedArchive):
            return _failed(entry.member, entry.error)
        source = member_source(self.archive.source, entry)
        taking = self._taking(source)
        if taking and not takes_member(taking.members, entry.name):
            return skipped(entry, f"route {taking.name!r} leaves it out")
        route = self.routes.route_of(source)
        if route is None:
            return self._without_route(source, entry)
        try:
            if route.takes_apart:
                check_depth(source)
            target, of_archive = destination_of(route, source), self.archive
            job = Job(source, route, target, begun=of_archive.begun, modified=of_archive.modified)
            job = joined(job, self.replaced)
            check_size(source, route)
        except PenstockError as error:
            return _failed(entry, error)
        failure = failure_of(job, self.replaced) if job.replacement else None
        return result_of(job, JobState.FAILED, failure=failure) if failure else job

    def stages(self, entry: Entry) -> bool:
        """Whether the rows of a member wait for a swap, so that they must be staged in this attempt."""
        if not self.replaced:
            return False
        job = self.job_of(entry)
        return is_staged(job, self.replaced) if isinstance(job, Job) else bool(job.replaces)

    def jobs(self, entries: Iterable[Entry]) -> Iterator[Job]:
        """Yield the jobs of the members that have one."""
        yield from (job for job in map(self.job_of, entries) if isinstance(job, Job))

    def _taking(self, source: Source) -> Route | None:
        """Return the route that takes the archive of a member apart; None if that of an inner archive was edited."""
        if source.member and source.member.within:
            return self.routes.route_of(archive_of(source))
        return self.archive.route

    def _without_route(self, source: Source, member: Member) -> MemberResult:
        again = self.routes.find(source.bucket, source.key)
        if again and again.takes_apart and archive_named(member.name):
            error = BadDocumentError(
                "an archive within an archive is not taken apart",
                offset=member.content.start if member.content else 0,
                source=source.uri,
                hint='Add a route for it with archive = "members", or one that delivers it as a file.',
            )
            return _failed(member, error)
        return skipped(member, f"no route matches {source.key!r}")


def check_depth(archive: Source) -> None:
    """Raises BadDocumentError if an archive to be taken apart is already within an inner archive."""
    if (member := archive.member) and (within := member.within):
        raise BadDocumentError(
            f"member {member.name!r} of the inner archive {within.name!r} is an archive itself, and archives are taken "
            "apart one level deep",
            offset=member.content.start if member.content else 0,
            source=archive.uri,
            hint="Send the inner archive as an object of its own, or add a route that delivers its archives as files.",
        )


def _failed(member: Member, error: PenstockError) -> MemberResult:
    within, number = (0, *member.numbers)[-2:]
    return MemberResult(number, member.path, JobState.FAILED, failure=Failure.of(error), within=within)


def check_size(member: Source, route: Route) -> None:
    """Raises ExpansionLimitError if a member declares more bytes than its route allows for its encoded bytes."""
    if member.member and member.member.content and member.size > ceiling(member, route):
        raise too_large(member, route, 0)


def skipped(entry: Entry, reason: str) -> MemberResult:
    """Return the result of an entry that is left out."""
    within, number = (0, *entry.numbers)[-2:]
    return MemberResult(number, entry.path, JobState.SKIPPED, reason=reason, within=within)


def result_of(
    job: Job, state: JobState, *, receipt: Receipt | None = None, failure: Failure | None = None
) -> MemberResult:
    """Return the result of a member that was begun."""
    member = job.source.member or Member()
    within, number = (0, *member.numbers)[-2:]
    result = MemberResult(number, member.path, state, job.id, job.target.uri, receipt, failure, within=within)
    return replace(result, replaces=job.replacement.id) if job.replacement else result
