"""Reads an archive: its format, its entries, and the contents of one that is read in order."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, replace

from penstock.archives.archive import Archive
from penstock.codecs import IDENTITY, Codec, choose
from penstock.codecs.peek import peek
from penstock.delivery.attempt import Attempt
from penstock.delivery.decoding import Decoding, naming
from penstock.delivery.inner_reader import Contents, InnerReader
from penstock.delivery.member_jobs import Entry
from penstock.delivery.member_store import HEAD, MemberObjects, format_of, must_be_entered
from penstock.errors import PermanentError, TimeLimitError
from penstock.limits import Budget
from penstock.model.job import NO_PROGRESS
from penstock.model.member import Member


@dataclass(frozen=True, slots=True)
class OpenedArchive:
    """The format of an archive, the codec around it, and the decoded bytes that it begins with.

    ``is_indexed``: it is read through the index of that codec.
    """

    archive: Archive
    codec: Codec
    head: bytes = b""
    is_indexed: bool = False

    @property
    def is_entered(self) -> bool:
        """Whether members are read by their ranges; otherwise the archive is read in order."""
        return (self.is_indexed or self.codec.name == IDENTITY.name) and self.archive.entries is not None

    @property
    def full_name(self) -> str:
        """The name of the format, and of the codec around it."""
        return self.archive.name if self.codec.name == IDENTITY.name else f"{self.archive.name}.{self.codec.name}"

    @property
    def around(self) -> str:
        """The codec around an archive that is read through an index; else empty."""
        return self.codec.name if self.is_indexed else ""


@dataclass(frozen=True, slots=True)
class ArchiveReader:
    """Reads the archive of an attempt. Memory: that of `MemberObjects`, or of decoding what is read in order."""

    objects: MemberObjects
    budget: Budget

    def open(self, attempt: Attempt) -> OpenedArchive:
        """Return the format of an attempt's archive. Raises CodecMismatchError, and the errors of reading."""
        source, route = attempt.job.source, attempt.job.route
        with naming(source):
            with closing(self.objects.open_source(source, end=min(HEAD, source.size)).chunks()) as chunks:
                head = b"".join(chunks)
            codec = choose(head, source.key, route.codec, window=self.budget.window)
            if codec.name == IDENTITY.name:
                return OpenedArchive(format_of(head, source), codec, head)
            with closing(self._decoding(attempt).pieces()) as pieces:
                head, _ = peek(pieces, HEAD)
            found = format_of(head, source)
            if found.walk is None:
                raise must_be_entered(found, codec)
            return OpenedArchive(found, codec, head)

    def entries(
        self, attempt: Attempt, opened: OpenedArchive, refused: dict[int, PermanentError], *, ahead: bool = False
    ) -> Iterator[Entry]:
        """Yield the entries of the archive, without their contents. Raises the errors of the archive's format."""
        with closing(self.contents(attempt, opened, refused, ahead=ahead)) as contents:
            yield from (entry for entry, _ in contents)

    def contents(
        self,
        attempt: Attempt,
        opened: OpenedArchive,
        refused: dict[int, PermanentError],
        rest: Callable[[], None] = lambda: None,
        *,
        ahead: bool = False,
    ) -> Contents:
        """Yield the entries, also those of inner archives that a route takes apart.

        The content of an entry is None if it is read through ``objects``; any other may be left unread. ``refused``,
        ``rest`` and ``ahead``: see `InnerReader`.
        """
        source = attempt.job.source
        inner = InnerReader(self.objects, self.budget, attempt, refused, rest, ahead)
        with naming(source):
            if opened.is_entered and opened.archive.entries:
                entries = opened.archive.entries(self.objects.open_archive(source, opened.around).ranges)
                for entry, content in inner.flattened((_within(entry, opened.around), None) for entry in entries):
                    check_time(attempt)
                    yield entry, content
            elif opened.archive.walk:
                with closing(self._decoding(attempt).pieces()) as decoded:
                    pieces = _alive(attempt, decoded, inner.broken)
                    yield from inner.flattened(opened.archive.walk(pieces))
                    # Bytes that follow the archive are ignored, but the checksum of the codec comes after them.
                    deque(pieces, maxlen=0)

    def chosen(self, attempt: Attempt, members: Iterable[Member], rest: Callable[[], None] = lambda: None) -> Contents:
        """Yield these members of an archive that is entered, as `contents` does."""
        return InnerReader(self.objects, self.budget, attempt, {}, rest).chosen(members)

    def _decoding(self, attempt: Attempt) -> Decoding:
        source = attempt.job.source
        content = self.objects.open_source(source)
        return Decoding(
            source, content, attempt.job.route, self.budget, deadline=attempt.deadline, margin=attempt.margin
        )


def _within(entry: Entry, codec: str) -> Entry:
    """Return the entry, whose content says that it lies in the decoded bytes of ``codec``."""
    if not codec or not isinstance(entry, Member) or not entry.content:
        return entry
    return replace(entry, content=replace(entry.content, codec=codec))


def check_time(attempt: Attempt) -> None:
    """Raises TimeLimitError if only the margin is left until the deadline."""
    if attempt.deadline.remaining() <= attempt.margin:
        raise TimeLimitError(f"{attempt.job.source.uri}: the time limit was reached before the last member")


def _alive(attempt: Attempt, pieces: Iterator[bytes], errors: list[PermanentError]) -> Iterator[bytes]:
    """Keep the lease while the archive is read, also where nothing is delivered for long; note its errors."""
    try:
        for piece in pieces:
            attempt.heartbeat(NO_PROGRESS)
            yield piece
    except PermanentError as error:
        errors.append(error)
        raise
