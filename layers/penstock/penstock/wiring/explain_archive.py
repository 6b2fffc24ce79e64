"""What is in an archive, and where its routes lead each member. Nothing is written."""

from __future__ import annotations

from collections import deque
from collections.abc import Generator
from contextlib import closing
from dataclasses import dataclass, field, replace
from threading import Event

from penstock.archives import Skipped, archive_named
from penstock.archives.zip.ciphers import CIPHERS
from penstock.codecs import codec_by_name
from penstock.delivery.member_jobs import Entry, RefusedArchive
from penstock.delivery.member_store import MemberObjects
from penstock.delivery.member_targets import TextSet
from penstock.delivery.ports import ObjectStore
from penstock.errors import BadDocumentError, BadSourceError, InvalidRouteError, PermanentError
from penstock.explain.archive_forecast import ArchiveForecast, forecast_archive
from penstock.explain.explanation import StackEnvironment
from penstock.formats import resolve
from penstock.limits import MIB, S3
from penstock.model.job import Job
from penstock.model.member import Member
from penstock.model.object import Source, member_source
from penstock.model.parse_options import ParseOptions
from penstock.model.route import DEFAULT_RATIO, Route
from penstock.model.source import ByteSource
from penstock.routes import Routes, destination_of, takes_member
from penstock.run.archive_source import ArchiveSource
from penstock.run.loads import RoutedObjectStore
from penstock.run.local_source import FileSource
from penstock.wiring.source_resolver import ResolvedSource

# Members that are listed by name. All are counted.
LISTED = 100

# Encoded bytes that are read of an archive that can only be read in order.
READ = 16 * MIB

_UNLIMITED = Route("", (), "", max_ratio=DEFAULT_RATIO, max_bytes=S3.max_object)


@dataclass(frozen=True, slots=True)
class MemberPreview:
    """One entry of an archive. ``size`` is None if the archive does not declare it. ``codec`` and ``format`` are those
    that its name says. ``target``: the URI of its destination, by ``route``. ``reason`` says why it has none, or why
    its records cannot be read. ``encryption``: its cipher; empty if it is not encrypted.
    """

    name: str
    number: int
    size: int | None = None
    codec: str = ""
    format: str = ""
    route: str = ""
    target: str = ""
    reason: str = ""
    encryption: str = ""


@dataclass(frozen=True, slots=True)
class DestinationCount:
    """How many members a route takes, and their decoded bytes. ``destination`` is the text of the route."""

    route: str
    destination: str
    members: int
    size: int


@dataclass(frozen=True, slots=True)
class ArchivePreview:
    """The content of an archive. ``listed``: its first entries. The counts cover all entries that were read:
    ``members``, ``size`` (decoded bytes), ``delivered`` (with a route), ``skipped`` (no files; without directories),
    ``encrypted`` (with a route). ``password_secret``: the secret that the archive's route names for these.

    ``complete``: all of the archive was read. ``problem``: why the archive cannot be read, or not be delivered.
    ``destinations``: where those with a route go. ``forecast`` is set if all was read, and its route takes it apart.
    """

    kind: str
    codec: str = ""
    listed: tuple[MemberPreview, ...] = ()
    members: int = 0
    size: int = 0
    delivered: int = 0
    skipped: int = 0
    encrypted: int = 0
    password_secret: str = ""
    complete: bool = True
    warnings: tuple[str, ...] = ()
    problem: str = ""
    destinations: tuple[DestinationCount, ...] = ()
    forecast: ArchiveForecast | None = None


def preview_archive(
    objects: ObjectStore,
    resolved: ResolvedSource,
    route: Route | None,
    routes: Routes,
    environment: StackEnvironment,
) -> ArchivePreview | None:
    """List the archive that a source is by its name; None if it is none, or cannot be entered.

    ``route`` is that of the archive. Memory: LISTED previews, and that of `TextSet`.
    """
    source, archive = resolved.source, archive_named(resolved.source.key)
    local = resolved.content if isinstance(resolved.content, FileSource) else None
    if archive is None or (resolved.content and not local):
        return None
    beginning = _Beginnings(lambda: objects, local)
    listing = _Listing(source, route, routes)
    opened = ArchiveSource(source, archive, MemberObjects(beginning, environment.budget), _UNLIMITED)
    expected = None
    try:
        opened = opened.opened()
        with closing(opened.entries({})) as entries:
            found = ((entry, listing.add(entry)) for entry, _ in entries)
            if route and route.takes_apart:
                expected = forecast_archive(Job(source, route, destination_of(route, source)), environment, found)
            else:
                deque(found, maxlen=0)
    except PermanentError as error:
        cut = beginning.cut.is_set() and isinstance(error, BadSourceError)
        return listing.preview(archive.name, opened.codec, complete=False, problem="" if cut else str(error))
    return replace(listing.preview(archive.name, opened.codec), forecast=expected)


@dataclass(frozen=True, slots=True)
class _Beginnings(RoutedObjectStore):
    """Reads only the beginning of a source that is opened whole. ``cut`` is set if it has more."""

    cut: Event = field(default_factory=Event)

    def open_source(self, source: Source, *, start: int = 0, end: int | None = None) -> ByteSource:
        content = RoutedObjectStore.open_source(self, source, start=start, end=end)
        return content if start or end is not None else _Beginning(content, self.cut)


@dataclass(frozen=True, slots=True)
class _Beginning:
    """The first READ bytes of a source. Implements ``ByteSource``. ``cut`` is set if there are more."""

    content: ByteSource
    cut: Event

    @property
    def size(self) -> int:
        return self.content.size

    def chunks(self) -> Generator[bytes, None, None]:
        read = 0
        with closing(self.content.chunks()) as chunks:
            for chunk in chunks:
                if read >= READ:
                    self.cut.set()
                    return
                read += len(chunk)
                yield chunk


@dataclass(slots=True)
class _Listing:
    """Collects what is in an archive."""

    source: Source
    route: Route | None
    routes: Routes
    listed: list[MemberPreview] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    members: int = 0
    size: int = 0
    delivered: int = 0
    skipped: int = 0
    encrypted: int = 0
    unreadable: str = ""
    shared: str = ""
    targets: TextSet = field(default_factory=TextSet)
    by_route: dict[tuple[str, str], list[int]] = field(default_factory=dict)

    def add(self, entry: Entry) -> Job | None:
        """Count an entry. Returns its job if it has a route."""
        if isinstance(entry, Skipped) and not entry.name:
            self.warnings.append(entry.reason)
            return None
        job = self._job_of(entry) if isinstance(entry, Member) else None
        found = self._member(entry, job) if isinstance(entry, Member) else self._skipped(entry)
        if found and len(self.listed) < LISTED:
            self.listed.append(found)
        return job

    def _skipped(self, entry: Skipped | RefusedArchive) -> MemberPreview | None:
        if entry.name.endswith("/"):
            return None
        self.skipped += 1
        reason = entry.reason if isinstance(entry, Skipped) else str(entry.error)
        return MemberPreview(entry.name, entry.number, reason=reason)

    def _job_of(self, member: Member) -> Job | None:
        source = member_source(self.source, member)
        route, _ = self._routed(source, member)
        return Job(source, route, destination_of(route, source)) if route else None

    def _member(self, member: Member, job: Job | None) -> MemberPreview:
        self.members += 1
        self.size += member.size or 0
        route, target, reason = None, "", ""
        if job:
            route, target = job.route, job.target.uri
            self.delivered += 1
            self._note_encrypted(member)
            count = self.by_route.setdefault((route.name, route.destination), [0, 0])
            count[0] += 1
            count[1] += job.source.size
            if route.plan is None and not route.takes_apart:
                self._note_shared(member, target)
        else:
            _, reason = self._routed(member_source(self.source, member), member)
        records, unknown = _format(member.name, route)
        return MemberPreview(
            member.name,
            member.number,
            member.size,
            codec_by_name(member.name),
            records,
            route.name if route else "",
            target,
            reason or (unknown if route and route.plan else ""),
            member.content.encryption if member.content else "",
        )

    def _routed(self, source: Source, member: Member) -> tuple[Route | None, str]:
        """Return the route of a member, or why it has none."""
        if self.route is None or not self.route.takes_apart:
            return None, ""
        if not takes_member(self.route.members, member.name):
            return None, f"left out by route {self.route.name}"
        route = self.routes.route_of(source)
        return route, "" if route else "no route takes it"

    def _note_encrypted(self, member: Member) -> None:
        """Count an encrypted member, and note why the first one cannot be delivered."""
        encryption = member.content.encryption if member.content else ""
        self.encrypted += bool(encryption)
        if not encryption or self.unreadable:
            return
        if encryption not in CIPHERS:
            self.unreadable = f"member {member.name!r} is encrypted ({encryption}), which is not supported"
        elif self.route and not self.route.password_secret:
            self.unreadable = (
                f"member {member.name!r} is encrypted ({encryption}), and route {self.route.name!r} names no secret "
                "with the password (password_secret)"
            )

    def _note_shared(self, member: Member, target: str) -> None:
        if not self.targets.add(target) and not self.shared:
            self.shared = f"member {member.name!r} (number {member.number:,}) and an earlier one would become {target}"

    def preview(self, kind: str, codec: str, *, complete: bool = True, problem: str = "") -> ArchivePreview:
        return ArchivePreview(
            kind,
            codec,
            tuple(self.listed),
            self.members,
            self.size,
            self.delivered,
            self.skipped,
            self.encrypted,
            self.route.password_secret if self.route else "",
            complete,
            tuple(self.warnings),
            problem or self.shared or self.unreadable,
            tuple(DestinationCount(*of, *counts) for of, counts in self.by_route.items()),
        )


def _format(name: str, route: Route | None) -> tuple[str, str]:
    """Return the format of a member's records, by the route or else by its name; or why neither says it."""
    options = route.plan.parse if route and route.plan else ParseOptions()
    try:
        return str(resolve(name, options).format), ""
    except (InvalidRouteError, BadDocumentError) as error:
        return "", error.message
