"""A run of an archive: each member that matches is a run of its own. Members of a table go one after another.

Several members that replace a table are staged, and then swapped in together.
"""

from __future__ import annotations

import posixpath
import secrets
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import AbstractContextManager, ExitStack, closing
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from penstock.archives import Skipped
from penstock.aws.cli_errors import RUN_AGAIN, cli_errors
from penstock.delivery.decoding import naming
from penstock.delivery.member_jobs import RefusedArchive
from penstock.delivery.member_store import member_head
from penstock.delivery.member_targets import TextSet, double_target_hint, tables_replaced
from penstock.delivery.replaced_tables import ReplacedTables, joined
from penstock.delivery.replacing import ReplacementSurvey, Swapper
from penstock.delivery.walked_members import SpooledMember, StreamedMember
from penstock.destinations.ports import TableSwap
from penstock.errors import (
    AccessDeniedError,
    ConfigurationError,
    DestinationMissingError,
    DiskFullError,
    FileChangedError,
    InvalidRouteError,
    PermanentError,
    SupersededError,
)
from penstock.model.job import Job, Progress
from penstock.model.member import Member
from penstock.model.route import MEMBERS, Route, TableTarget
from penstock.model.source import ByteSource, HeldSource
from penstock.run.archive_source import ArchiveSource
from penstock.run.loads import UNKNOWN, ExternalSource
from penstock.wiring.archive_result import (
    NAMED,
    ArchiveResult,
    ArchiveSurvey,
    MemberResult,
    TotalProgress,
    failure_of,
    ignore_member,
)
from penstock.wiring.member_routes import MemberRoutes, external_member
from penstock.wiring.receipt import Receipt
from penstock.wiring.run import Runner, RunOptions, ignore_progress
from penstock.wiring.run_replacing import StagedMembers
from penstock.wiring.run_request import RunRequest
from penstock.wiring.side_by_side import SMALL, SideBySide
from penstock.wiring.source_resolver import ResolvedSource

# Every other member would fail for the same reason.
_ENDS_ALL = (AccessDeniedError, DestinationMissingError, DiskFullError, FileChangedError, SupersededError)

# Characters of a member's name in the name of its file of rejects. Names of files have at most 255 bytes.
_LONGEST = 50


@dataclass(frozen=True, slots=True)
class PreparedArchive:
    """A run of an archive whose source and destination were found. ``fail_fast``: see `run`.

    ``refused``: inner archives that cannot be taken apart, as the survey finds them.
    """

    runner: Runner
    archive: ArchiveSource
    options: RunOptions
    members: MemberRoutes
    fail_fast: bool = False
    refused: dict[int, PermanentError] = field(default_factory=dict)

    def survey(self) -> ArchiveSurvey:
        """Read all entries, and check their destinations, before anything is written. An archive that must be decoded
        is decoded once for this. Memory: that of `TextSet`, and the tables of the routes.

        Raises InvalidRouteError if two members would have one destination, one of them replaces a table of the other
        alone, or a member has that of the archive, or if no member matches, and BadSourceError if the archive is
        damaged or cut off.
        """
        count = routed = size = left_out = 0
        seen, tables = TextSet(), dict[str, bool]()
        replaced = ReplacementSurvey(self._archive_job)
        with self._reading():
            for member, _ in self._members():
                if not self.members.takes(member):
                    left_out += 1
                    continue
                count, size = count + 1, size + (member.size or 0)
                routed += self.members.route_of(member) is not None
                target = self._exclusive_target(member)
                if target and not seen.add(target):
                    self._refuse_if_shared(member, target)
                if job := self._table_job(member):
                    replaced.add(job)
                    for table, replaces in tables_replaced(job).items():
                        if tables.setdefault(table, replaces) != replaces:
                            self._refuse_if_shared(member, table)
        if left_out and not count:
            raise InvalidRouteError(
                f"{self.archive.source.uri}: none of its {left_out:,} members matches", hint="Correct the patterns."
            )
        return ArchiveSurvey(routed, size, left_out, replaced.found(secrets.token_hex(16)))

    def run(
        self,
        survey: ArchiveSurvey,
        on_progress: Callable[[Progress], None] = ignore_progress,
        on_member: Callable[[MemberResult], None] = ignore_member,
    ) -> ArchiveResult:
        """Deliver the members. A member that fails leaves nothing, and the others go on, unless ``fail_fast`` is set.

        ``on_progress`` is called with the sum over all members, in decoded bytes; ``on_member`` after each entry.
        Raises the errors that would meet every member, such as a missing permission, and those of the archive itself.
        """
        began = time.monotonic()
        source = self.archive.source
        total = ArchiveResult(
            source.uri,
            self.members.shown,
            self.archive.archive.name,
            self.archive.codec,
            source.size,
            survey.left_out,
            survey.members,
        )
        progress = TotalProgress(on_progress)
        with self._reading(), closing(self._outcomes(survey.replaced, progress)) as outcomes:
            for outcome in outcomes:
                progress.end(outcome)
                total.add(outcome)
                on_member(outcome)
                if outcome.error and self.fail_fast:
                    total.stopped = True
                    break
        total.seconds = time.monotonic() - began
        return total

    def _outcomes(
        self, replaced: tuple[ReplacedTables, ...], progress: TotalProgress
    ) -> Generator[MemberResult, None, None]:
        """Deliver the members and yield what became of each entry, in their order; staged ones after all others."""
        with (
            closing(self.archive.entries(self.refused)) as entries,
            SideBySide() as small,
            StagedMembers(Swapper(self._open_swap), replaced, self._rejects_path) as staged,
        ):
            for entry, content in entries:
                if isinstance(entry, Skipped):
                    yield from small.begin(partial(MemberResult, entry.name, entry.number, skipped=entry.reason))
                elif isinstance(entry, RefusedArchive):
                    yield from small.begin(partial(_failed, entry.member, entry.error))
                elif content is None or not self.members.takes(entry):
                    continue
                elif (route := self.members.route_of(entry)) is None:
                    yield from small.begin(partial(MemberResult, entry.path, entry.number, skipped="no route takes it"))
                elif error := self.members.refusal(route, entry):
                    yield from small.begin(partial(_failed, entry, error))
                elif self._is_small(entry, route):
                    yield from small.begin(self._small(entry, content, route))
                else:
                    yield from small.rest()
                    job = self._table_job(entry, staged.replaced)
                    member = replace(entry, replacement=job.replacement if job else None)
                    yield from staged.hold(member, self._deliver(member, content, route, progress.of_member))
            yield from small.rest()
            yield from staged.swap()

    def _is_small(self, member: Member, route: Route) -> bool:
        """Return whether a member may go beside others: not into a table, and not if its failure is to end the run."""
        return member.size is not None and member.size <= SMALL and route.plan is None and not self.fail_fast

    def _small(self, member: Member, content: ByteSource, route: Route) -> Callable[[], MemberResult]:
        """Read a member, and return the call that delivers it. Threads do not read: the archive is read in order."""
        try:
            with self._reading(), naming(external_member(self.archive.source, member, content.size)):
                held = HeldSource(b"".join(content.chunks()))
        except PermanentError as error:
            return partial(_failed, member, error)
        if route.destination.startswith("s3://"):
            _ = self.runner.objects  # its client is made here, once, and then shared by the threads
        return partial(self._deliver, member, held, route, ignore_progress)

    def receipt(self, on_progress: Callable[[Progress], None] | None = None) -> Receipt:
        """Deliver the members and return their receipts. Memory: a receipt for each member.

        Raises IncompleteJobError if some failed, and the errors of `survey` and `run`.
        """
        receipts: list[Receipt] = []
        failed: list[MemberResult] = []
        warnings: list[str] = []

        def keep(member: MemberResult) -> None:
            if member.result:
                receipts.append(Receipt.of(member.result))
            elif member.error:
                failed.append(member)
            elif len(warnings) < NAMED and (member.is_loss or not member.name):
                warnings.append(f"{member.name}: {member.skipped}" if member.name else member.skipped)

        total = self.run(self.survey(), on_progress or ignore_progress, keep)
        if failed:
            raise failure_of(total, failed)
        return Receipt.of_archive(total, receipts, warnings)

    def _deliver(
        self, member: Member, content: ByteSource, route: Route, heartbeat: Callable[[Progress], None]
    ) -> MemberResult:
        try:
            with ExitStack() as stack:
                if isinstance(content, StreamedMember) and route.plan:
                    content = stack.enter_context(SpooledMember(content.size, content.pieces, most=UNKNOWN))
                request = self._request(member, content, route)
                result = self.runner.run(request, self._options(member), heartbeat)
        except PermanentError as error:
            return _failed(member, error)
        return MemberResult(member.path, member.number, result, size=member.size or 0)

    def _request(self, member: Member, content: ByteSource, route: Route) -> RunRequest:
        source = external_member(self.archive.source, member, content.size)
        self.members.check(route, source)
        return RunRequest(
            ResolvedSource(source, member_head(source), content),
            route,
            self.members.target_of(route, member),
            self.members.routes,
        )

    @property
    def _archive_job(self) -> Job:
        return Job(self.archive.source, self.archive.route, TableTarget(MEMBERS, ""))

    def _table_job(self, member: Member, replaced: tuple[ReplacedTables, ...] = ()) -> Job | None:
        """Return the job of a member that goes into a table."""
        route = self.members.route_of(member)
        if route is None or route.plan is None:
            return None
        target = self.members.target_of(route, member)
        assert isinstance(target, TableTarget)  # noqa: S101  # for mypy: the route has tables
        return joined(Job(external_member(self.archive.source, member, 0), route, target), replaced)

    def _open_swap(self, tables: ReplacedTables) -> TableSwap:
        return self.runner.tables(tables.store).open_swap(tables.replacement, tables.tables)

    def _exclusive_target(self, member: Member) -> str:
        """Return the destination of a member that no other may have; empty for tables."""
        route = self.members.route_of(member)
        if route is None or route.takes_apart or route.plan:
            return ""
        target = self.members.target_of(route, member)
        return str(target) if isinstance(target, Path) else target.uri

    def _options(self, member: Member) -> RunOptions:
        return replace(self.options, rejects=self._rejects_path(member))

    def _rejects_path(self, member: Member) -> Path:
        """Each member has a file of its own for rejects, named after the archive and the member."""
        source = self.archive.source
        name = source.location if isinstance(source, ExternalSource) else posixpath.basename(source.key)
        base = self.options.rejects or Path(f"{name}.rejects")
        number = ".".join(map(str, member.numbers))
        return base.with_name(f"{base.name}.{number}-{posixpath.basename(member.name)[-_LONGEST:]}.jsonl")

    def _members(self) -> Iterator[tuple[Member, ByteSource]]:
        with closing(self.archive.entries(self.refused)) as entries:
            for entry, content in entries:
                if content and isinstance(entry, Member):
                    yield entry, content

    def _refuse_if_shared(self, last: Member, target: str) -> None:
        """Raises InvalidRouteError if an earlier member really has this destination of the last one."""
        for member, _ in self._members():
            if member.numbers >= last.numbers:
                return
            if self.members.takes(member) and self._has(member, target):
                raise InvalidRouteError(
                    f"{self.archive.source.uri}: members {member.path!r} (number {_number(member)}) and {last.path!r} "
                    f"(number {_number(last)}) would both become {target}; nothing was written",
                    hint=double_target_hint(member, last, in_table=self._table_job(last) is not None),
                )

    def _has(self, member: Member, target: str) -> bool:
        job = self._table_job(member)
        return target in tables_replaced(job) if job else self._exclusive_target(member) == target

    def _reading(self) -> AbstractContextManager[None]:
        by_route = self.members.routes is not None
        return cli_errors(f"running {self.archive.source.uri}", again=RUN_AGAIN, by_route=by_route)


def _number(member: Member) -> str:
    return ".".join(f"{number:,}" for number in member.numbers)


def _failed(member: Member, error: PermanentError) -> MemberResult:
    """Return the result of a member that failed. Raises the error if every other member would meet it."""
    if isinstance(error, _ENDS_ALL) or type(error) is ConfigurationError:
        raise error
    return MemberResult(member.path, member.number, error=error, size=member.size or 0)
