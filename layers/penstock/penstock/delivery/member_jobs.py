"""The jobs of an archive's members: which route takes an entry, and what became of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from penstock.archives import archive_named
from penstock.archives.archive import Skipped
from penstock.delivery.decoding import ceiling, too_large
from penstock.errors import BadDocumentError, PenstockError
from penstock.model.job import Failure, Job, Receipt
from penstock.model.job_status import JobState
from penstock.model.member import NO_MEMBERS, Member, MemberCounts
from penstock.model.object import Source, member_source
from penstock.model.route import Route
from penstock.model.serialization import OMIT_DEFAULT
from penstock.routes import Routes, destination_of, takes_member

Entry = Member | Skipped


@dataclass(frozen=True, slots=True)
class MemberResult:
    """What became of an entry of an archive: a line of its job's results.

    ``reason`` says why an entry was skipped. ``job_id``, ``target`` and the rest are those of a member with a route.
    """

    number: int
    name: str
    state: JobState
    job_id: str = field(default="", metadata=OMIT_DEFAULT)
    target: str = field(default="", metadata=OMIT_DEFAULT)
    receipt: Receipt | None = field(default=None, metadata=OMIT_DEFAULT)
    failure: Failure | None = field(default=None, metadata=OMIT_DEFAULT)
    reason: str = field(default="", metadata=OMIT_DEFAULT)

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
    """Finds the job of each member of ``archive``, the job of an archive."""

    archive: Job
    routes: Routes

    def job_of(self, entry: Entry) -> Job | MemberResult:
        """Return the job of a member, or the result of an entry that is not delivered."""
        if isinstance(entry, Skipped):
            return skipped(entry, entry.reason)
        if not takes_member(self.archive.route.members, entry.name):
            return skipped(entry, f"route {self.archive.route.name!r} leaves it out")
        source = member_source(self.archive.source, entry)
        route = self.routes.route_of(source)
        if route is None:
            return self._without_route(source, entry)
        try:
            job = Job(source, route, destination_of(route, source))
            check_size(source, route)
        except PenstockError as error:
            return MemberResult(entry.number, entry.name, JobState.FAILED, failure=Failure.of(error))
        return job

    def jobs(self, entries: Iterable[Entry]) -> Iterator[Job]:
        """Yield the jobs of the members that have one."""
        yield from (job for job in map(self.job_of, entries) if isinstance(job, Job))

    def _without_route(self, source: Source, member: Member) -> MemberResult:
        again = self.routes.find(source.bucket, source.key)
        if again and again.takes_apart and archive_named(member.name):
            error = BadDocumentError(
                "an archive within an archive is not taken apart",
                offset=member.content.start if member.content else 0,
                source=source.uri,
                hint="Send it as an object of its own, or add a route for it, which delivers it as a file.",
            )
            return MemberResult(member.number, member.name, JobState.FAILED, failure=Failure.of(error))
        return skipped(member, f"no route matches {source.key!r}")


def check_size(member: Source, route: Route) -> None:
    """Raises ExpansionLimitError if a member declares more bytes than its route allows for its encoded bytes."""
    if member.member and member.member.content and member.size > ceiling(member, route):
        raise too_large(member, route, 0)


def skipped(entry: Entry, reason: str) -> MemberResult:
    """Return the result of an entry that is left out."""
    return MemberResult(entry.number, entry.name, JobState.SKIPPED, reason=reason)


def result_of(
    job: Job, state: JobState, *, receipt: Receipt | None = None, failure: Failure | None = None
) -> MemberResult:
    """Return the result of a member that was begun."""
    member = job.source.member or Member()
    return MemberResult(member.number, member.name, state, job.id, job.target.uri, receipt, failure)
