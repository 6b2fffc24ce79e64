"""Takes apart the archives within an archive, one level deep: an inner archive's entries stand in its place.

An inner archive whose bytes stand in the object as they are is read there, by ranges. Any other is decoded: a tar is
read in order, and a zip, which must be read from its end, goes to a temporary file for as long as its members are read.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, field, replace
from itertools import groupby
from typing import NoReturn

from penstock.archives import Archive, Skipped, archive_named
from penstock.archives.archive import MAX_MEMBERS
from penstock.codecs import IDENTITY, choose
from penstock.codecs.peek import peek
from penstock.delivery.attempt import Attempt
from penstock.delivery.decoding import Decoding, ceiling, naming, too_large
from penstock.delivery.inner_archives import WAY_OUT
from penstock.delivery.member_jobs import Entry, MemberRouter, RefusedArchive
from penstock.delivery.member_store import HEAD, MemberObjects, format_of, must_be_entered
from penstock.delivery.walked_members import StreamedMember
from penstock.errors import ExpansionLimitError, PermanentError, SourceChangedError, SourceGoneError, TimeLimitError
from penstock.limits import Budget
from penstock.model.job import NO_PROGRESS, Job
from penstock.model.member import Member
from penstock.model.object import Source, archive_of, member_source
from penstock.model.source import ByteSource

# Entries of an inner archive that is read in order: each of its batches reads it from the start.
MOST_IN_ORDER = 10_000

# They are errors of the whole archive.
_OF_ARCHIVE = (SourceChangedError, SourceGoneError, TimeLimitError)

Contents = Generator[tuple[Entry, Iterator[bytes] | None], None, None]


@dataclass(slots=True)
class InnerReader:
    """Reads the inner archives of an attempt's archive, in one pass over it.

    ``refused``: those that could not be taken apart, by number; none of their members is delivered. A second pass gets
    what the first has found; ``ahead``: there is no other, so that each inner archive is read to its end before its
    entries are yielded. ``rest`` waits until the members yielded so far are read. ``broken``: errors of the
    archive itself, if it is read in order. Memory: that of `MemberObjects`, or of decoding what is read in order.
    """

    objects: MemberObjects
    budget: Budget
    attempt: Attempt
    refused: dict[int, PermanentError]
    rest: Callable[[], None]
    ahead: bool = False
    broken: list[PermanentError] = field(default_factory=list)
    count: int = field(default=0, init=False)
    has_inner: bool = field(default=False, init=False)
    decoded: int = field(default=0, init=False)

    def flattened(self, contents: Iterable[tuple[Entry, Iterator[bytes] | None]]) -> Contents:
        """Yield entries with their contents; instead of an inner archive that is taken apart, its entries.

        The content of an entry is None if it is read through `MemberObjects`. What cannot be taken apart becomes a
        `RefusedArchive`. Raises SourceChangedError, SourceGoneError and TimeLimitError.
        """
        for entry, content in contents:
            job = self._inner(entry)
            if job is None:
                self._count()
                yield entry, content
            else:
                yield from self._checked(job) if self.ahead and content is None else self._apart(job, content)

    def chosen(self, members: Iterable[Member]) -> Contents:
        """Yield these members with their contents, in order. Those of one inner archive are read together."""
        for within, group in groupby(members, key=lambda member: member.within):
            if within is None:
                for member in group:
                    job = self._inner(member)
                    yield from ((member, None),) if job is None else self._checked(job)
            else:
                yield from self._chosen_within(list(group))

    def _checked(self, job: Job) -> Contents:
        before = self.count, self.decoded
        with closing(self._apart(job, None)) as contents:
            deque(contents, maxlen=0)  # nothing of an archive that is damaged is delivered
        self.count, self.decoded = before
        yield from self._apart(job, None)

    def _chosen_within(self, members: list[Member]) -> Contents:
        inner = archive_of(member_source(self.attempt.job.source, members[0]))
        route = self.attempt.routes.route_of(inner)
        taking = route if route and route.takes_apart else self.attempt.job.route
        job = replace(self.attempt.job, source=inner, route=taking)
        if all(member.content for member in members):
            yield from self._refusing(job, self._held(inner, members))
            return
        numbers = {member.number for member in members}
        for entry, content in self._apart(job, None):
            if isinstance(entry, RefusedArchive) or entry.number in numbers:
                yield entry, content

    def _held(self, inner: Source, members: list[Member]) -> Contents:
        with self.objects.entering(inner):
            yield from ((member, None) for member in members)
            self.rest()  # before its file is deleted

    def _inner(self, entry: Entry) -> Job | None:
        """Return the job of an inner archive that a route takes apart."""
        if not isinstance(entry, Member) or entry.within or archive_named(entry.name) is None:
            return None
        job = MemberRouter(self.attempt.job, self.attempt.routes).job_of(entry)
        return job if isinstance(job, Job) and job.route.takes_apart else None

    def _apart(self, job: Job, content: Iterator[bytes] | None) -> Contents:
        return self._refusing(job, self._within_limits(job, self._entries(job, content)))

    def _refusing(self, job: Job, contents: Contents) -> Contents:
        member = job.source.member or Member()
        if member.number not in self.refused:
            try:
                with naming(job.source), closing(contents):
                    yield from contents
            except _OF_ARCHIVE:
                raise
            except PermanentError as error:
                if error in self.broken:
                    raise
                self.refused[member.number] = error
        if refusal := self.refused.get(member.number):
            yield RefusedArchive(member, refusal), None

    def _entries(self, job: Job, content: Iterator[bytes] | None) -> Contents:
        source = job.source
        if content is None:
            head = b"".join(self.objects.open_source(source, end=min(HEAD, source.size)).chunks())
            encoded: ByteSource = self.objects.open_source(source)
        else:
            head, pieces = peek(content, HEAD)
            encoded = StreamedMember(source.size, iter(pieces))
        codec = choose(head, source.key, job.route.codec, window=self.budget.window)
        if codec.name == IDENTITY.name:
            found = format_of(head, source)
            if found.walk is None or (content is None and self.objects.stored_range(source)):
                yield from self._entered(source, found, None if content is None else encoded)
                return
        with closing(self._decoded(job, encoded)) as decoded:
            head, pieces = peek(decoded, HEAD)
            found = format_of(head, source)
            if found.walk is None:
                raise must_be_entered(found, codec)
            stream = iter(pieces)
            yield from found.walk(stream)
            # Bytes that follow the archive are ignored, but the checksum of the codec comes after them.
            deque(stream, maxlen=0)

    def _entered(self, source: Source, found: Archive, encoded: ByteSource | None) -> Contents:
        """Yield the entries of an inner archive that is entered. ``encoded``: its bytes, if they come in order."""
        is_stored = encoded is None and self.objects.stored_range(source) is not None
        if not is_stored:
            self._expand(source.size)
        with self.objects.entering(source, encoded.chunks() if encoded else None) as opened:
            if found.entries:
                yield from ((entry, None) for entry in found.entries(opened.ranges))
            if not is_stored:
                self.rest()  # before its file is deleted

    def _decoded(self, job: Job, encoded: ByteSource) -> Generator[bytes, None, None]:
        """Decode an inner archive that is read in order, and keep the lease meanwhile."""
        attempt = self.attempt
        decoding = Decoding(
            job.source, encoded, job.route, self.budget, deadline=attempt.deadline, margin=attempt.margin
        )
        try:
            with closing(decoding.pieces()) as pieces:
                for piece in pieces:
                    attempt.heartbeat(NO_PROGRESS)
                    self._expand(len(piece))
                    yield piece
        except TimeLimitError as error:
            error.hint = WAY_OUT
            raise

    def _within_limits(self, job: Job, contents: Contents) -> Contents:
        """Yield the entries as those of an inner archive, within its limits and those of the archive around it."""
        member, most, size = job.source.member or Member(), ceiling(job.source, job.route), 0
        for count, (entry, content) in enumerate(contents, start=1):
            self.has_inner = True
            self._count()
            if content is not None and count > MOST_IN_ORDER:
                raise ExpansionLimitError(
                    f"{job.source.uri}: the inner archive is read in order; it has more than {MOST_IN_ORDER:,} entries",
                    hint=WAY_OUT,
                )
            if isinstance(entry, Skipped):
                reason = entry.reason if entry.name else f"{member.name}: {entry.reason}"
                name = entry.name and f"{member.name}/{entry.name}"
                yield Skipped(name, entry.number, reason, member.number), content
            elif isinstance(entry, Member):
                size += entry.size or 0
                if size > most:
                    raise too_large(job.source, job.route, 0)
                yield replace(entry, within=member), content

    def _count(self) -> None:
        """Raises ExpansionLimitError if the archive and its inner archives have too many entries."""
        self.count += 1
        if self.has_inner and self.count > MAX_MEMBERS:
            self._end(
                ExpansionLimitError(
                    f"{self.attempt.job.source.uri} and the archives in it have more than {MAX_MEMBERS:,} entries",
                    hint="Send several smaller archives.",
                )
            )

    def _expand(self, size: int) -> None:
        """Raises ExpansionLimitError if the inner archives decode to more bytes than the archive's route allows."""
        self.decoded += size
        source, route = self.attempt.job.source, self.attempt.job.route
        if self.decoded > ceiling(source, route):
            self._end(too_large(source, route, 0))

    def _end(self, error: PermanentError) -> NoReturn:
        """Raise an error of the whole archive."""
        self.broken.append(error)
        raise error
