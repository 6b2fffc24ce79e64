"""An archive as the source of a run, read as the functions read it.

Only the name decides whether a source is an archive (`archive_named`): XLSX, JAR and others are zips inside.
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import closing
from dataclasses import dataclass, replace
from typing import Self

from penstock.archives import Archive
from penstock.codecs import IDENTITY
from penstock.delivery.archive_reader import ArchiveReader, OpenedArchive
from penstock.delivery.attempt import Attempt
from penstock.delivery.decoding import naming
from penstock.delivery.member_jobs import Entry, check_size
from penstock.delivery.member_store import MemberObjects
from penstock.delivery.walked_members import StreamedMember
from penstock.errors import CodecMismatchError, PermanentError
from penstock.model.job import Job, Progress
from penstock.model.member import Member
from penstock.model.object import ObjectHead, Source, member_source
from penstock.model.route import MEMBERS, Route, TableTarget
from penstock.model.source import ByteSource
from penstock.routes import Routes
from penstock.run.loads import UNKNOWN, NoDeadline

_NO_ROUTES = Routes((), "")


@dataclass(frozen=True, slots=True)
class ArchiveSource:
    """An archive in ``objects``; ``archive`` is the format that its name says. ``route`` has the limits, and ``routes``
    say which archives in it are taken apart.

    Memory: that of `ArchiveReader`.
    """

    source: Source
    archive: Archive
    objects: MemberObjects
    route: Route
    routes: Routes = _NO_ROUTES
    format: OpenedArchive | None = None

    @property
    def codec(self) -> str:
        """The name of the codec around it, known once it is `opened`."""
        return self.format.codec.name if self.format else IDENTITY.name

    def opened(self) -> Self:
        """Check that the content is the archive that the name says, and return it with its codec.

        Raises CodecMismatchError if it is not, or must be read from its end but is compressed, and the errors of
        decoding its beginning. A zip may follow other bytes: what has no end of one is refused by `entries`.
        """
        found = self._reader.open(self._attempt())
        # An empty tar is nothing but zeros.
        begins = self.archive.is_found_by_its_end or self.archive.recognise(found.head)
        if found.head.strip(b"\0") and not begins:
            with naming(self.source):
                raise CodecMismatchError(
                    f"its name {self.source.key!r} says {self.archive.name}, but the content is not", offset=0
                )
        return replace(self, format=found)

    def entries(self, refused: dict[int, PermanentError]) -> Generator[tuple[Entry, ByteSource | None], None, None]:
        """Yield the entries in order, each member with its content. It may be left unread. ``refused``: see
        `InnerReader`.

        Raises BadSourceError for a damaged archive, ExpansionLimitError, and the errors of the source.
        """
        attempt = self._attempt()
        opened = self.format or self._reader.open(attempt)
        with closing(self._reader.contents(attempt, opened, refused)) as contents:
            for entry, pieces in contents:
                if not isinstance(entry, Member):
                    yield entry, None
                elif pieces is None:
                    yield entry, EnteredMember(self.objects, member_source(self.source, entry), self.route)
                else:
                    yield entry, StreamedMember(UNKNOWN if entry.size is None else entry.size, pieces)

    @property
    def _reader(self) -> ArchiveReader:
        return ArchiveReader(self.objects, self.objects.budget)

    def _attempt(self) -> Attempt:
        job = Job(self.source, self.route, TableTarget(MEMBERS, ""))
        head = ObjectHead(self.source.size, self.source.etag, self.source.version_id)
        return Attempt(job, head, 1, self.routes, _ignore_progress, NoDeadline(), 0.0)


@dataclass(frozen=True, slots=True)
class EnteredMember:
    """A member that is read by its range. Implements ``ByteSource``; can be read repeatedly.

    Raises ExpansionLimitError if the archive declares more bytes than the route allows, and the errors of the archive's
    format.
    """

    objects: MemberObjects
    source: Source
    route: Route

    @property
    def size(self) -> int:
        return self.source.size

    def chunks(self) -> Generator[bytes, None, None]:
        check_size(self.source, self.route)
        yield from self.objects.open_source(self.source).chunks()


def _ignore_progress(progress: Progress) -> None:
    """A run counts what its members deliver."""
