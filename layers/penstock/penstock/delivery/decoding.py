"""source -> codec -> sink, within a deadline, a memory budget and the route's ceilings.

Memory: two read chunks, two decoded steps and the sink's part buffers (limits.Budget), for any size of source.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing, contextmanager

from penstock.codecs import HEAD, IDENTITY, Codec, Trace, choose
from penstock.codecs.peek import peek
from penstock.destinations.ports import BucketSink
from penstock.errors import BadDocumentError, BadSourceError, ExpansionLimitError, TimeLimitError
from penstock.limits import MIB, Budget
from penstock.model.job import Progress, Receipt
from penstock.model.member import Member
from penstock.model.object import Source
from penstock.model.route import Route
from penstock.model.source import ByteSource, Deadline, RangeReader

# The ratio of a small file means nothing: 1 KiB of zeros is 43 bytes of gzip. Below this size it is not checked.
HARMLESS_BYTES = 64 * MIB


class Decoding:
    """Decodes a source. ``trace`` and ``codec`` hold what is known so far."""

    def __init__(
        self,
        source: Source,
        content: ByteSource,
        route: Route,
        budget: Budget,
        *,
        deadline: Deadline | None = None,
        margin: float = 0.0,
    ) -> None:
        self.trace = Trace()
        self.codec = ""
        self._source = source
        self._content = content
        self._route = route
        self._budget = budget
        self._deadline = deadline
        self._margin = margin
        self._ceiling = ceiling(source, route)

    def pieces(self) -> Generator[bytes, None, None]:
        """Yield the decoded bytes of the only member in order, at most ``budget.step`` at once.

        Raises BadDocumentError if the source has more than one member, and the errors of `members`.
        """
        with closing(self.members()) as members:
            for member, pieces in members:
                if member.number > 1:
                    raise BadDocumentError(
                        f"the source holds several files; the second is {member.name!r}",
                        offset=self.trace.consumed,
                        hint="Send each file as an object of its own.",
                    )
                yield from pieces

    def members(self) -> Generator[tuple[Member, Iterator[bytes]], None, None]:
        """Yield the members of the source in order, each with its decoded bytes. Read each to its end before the next.

        Raises BadSourceError with the byte offset, ExpansionLimitError at the route's ceiling, TimeLimitError when
        only ``margin`` seconds are left, and the errors of the source.
        """
        with closing(self._content.chunks()) as chunks:
            head, content = peek(self._in_time(chunks), HEAD)
            codec = choose(head, self._source.key, self._route.codec, window=self._budget.window)
            self.codec = codec.name
            yield from codec.members(self._decoded(codec, content))

    def ranges(self) -> RangeReader | None:
        """Return what reads ranges of the source; None if it is compressed, or must be read in order.

        Raises CodecMismatchError, and the errors of reading. Each range raises TimeLimitError as `members` does.
        """
        content = self._content
        if not isinstance(content, RangeReader):
            return None
        head = b"".join(content.read(0, min(HEAD, content.size)))
        codec = choose(head, self._source.key, self._route.codec, window=self._budget.window)
        if codec.name != IDENTITY.name:
            return None
        self.codec = codec.name
        return _CountedRanges(content, self)

    def check_produced(self, produced: int) -> None:
        """Raises ExpansionLimitError at the route's ceiling, for a source that is read by ranges."""
        if produced > self._ceiling:
            raise too_large(self._source, self._route, self.trace.consumed)

    def _decoded(self, codec: Codec, chunks: Iterable[bytes]) -> Iterator[bytes]:
        for piece in codec.decode(chunks, self.trace, self._budget.step):
            if self.trace.produced > self._ceiling:
                raise too_large(self._source, self._route, self.trace.consumed)
            self.check_time()
            yield piece

    def check_time(self) -> None:
        """Raises TimeLimitError if only the margin is left until the deadline."""
        if self._deadline and self._deadline.remaining() <= self._margin:
            raise TimeLimitError(
                f"{self._source.uri}: the time limit was reached after {self.trace.consumed:,} of "
                f"{self._source.size:,} bytes ({self.trace.produced:,} decoded)"
            )

    def _in_time(self, chunks: Iterable[bytes]) -> Iterator[bytes]:
        """Check the time for every chunk as well: a source may decode to nothing for long (empty members)."""
        for chunk in chunks:
            self.check_time()
            yield chunk


class _CountedRanges:
    """Implements ``RangeReader``: counts in the trace of a decoding what is read of the source."""

    def __init__(self, content: RangeReader, decoding: Decoding) -> None:
        self._content = content
        self._decoding = decoding

    @property
    def size(self) -> int:
        return self._content.size

    def read(self, start: int, end: int) -> Generator[bytes, None, None]:
        self._decoding.check_time()
        with closing(self._content.read(start, end)) as chunks:
            for chunk in chunks:
                self._decoding.trace.consumed += len(chunk)
                yield chunk
                self._decoding.check_time()


def ceiling(source: Source, route: Route) -> int:
    """Return the maximum of decoded bytes that a route allows for a source."""
    return min(route.max_bytes, max(HARMLESS_BYTES, int(route.max_ratio * source.encoded_size)))


def too_large(source: Source, route: Route, consumed: int) -> ExpansionLimitError:
    """Return the error for a source that has exceeded its ceiling after ``consumed`` bytes."""
    return ExpansionLimitError(
        f"{source.uri}: {source.encoded_size:,} bytes decode to more than {ceiling(source, route):,}, "
        f"the ceiling of route {route.name!r} (max_ratio {route.max_ratio:g}, "
        f"max_bytes {route.max_bytes:,}); stopped at byte {consumed:,}"
    )


def pour(
    source: Source,
    content: ByteSource,
    route: Route,
    sink: BucketSink,
    *,
    budget: Budget,
    heartbeat: Callable[[Progress], None],
    deadline: Deadline,
    margin: float,
    before_publishing: Callable[[], None] = lambda: None,
    stored: int | None = None,
) -> Receipt:
    """Decode a complete source into an open sink and publish it.

    ``margin`` is the number of seconds to keep for cleanup. ``heartbeat`` is called with the progress after every step.
    An error of ``before_publishing`` prevents the publication. ``stored`` is the CRC32 of the source, if S3 has it; it
    proves a copy. Raises BadSourceError with the source's name and offset, ExpansionLimitError at the route's ceiling,
    TimeLimitError before the time is over, and the errors of source and sink.
    """
    decoding = Decoding(source, content, route, budget, deadline=deadline, margin=margin)
    trace = decoding.trace
    with naming(source):
        with closing(decoding.pieces()) as pieces:
            for piece in pieces:
                sink.write(piece)
                heartbeat(Progress(trace.consumed, trace.produced))
        before_publishing()
        published = sink.publish(crc32=stored if decoding.codec == IDENTITY.name else trace.crc32)
    return Receipt(
        bytes_in=trace.consumed,
        bytes_out=published.size,
        crc32=published.crc32,
        parts=published.parts,
        codec=decoding.codec,
        etag=published.etag,
        version_id=published.version_id,
        warnings=tuple(trace.warnings),
    )


@contextmanager
def naming(source: Source) -> Iterator[None]:
    """Add the source's name to errors of codecs and parsers, which only know offsets."""
    try:
        yield
    except BadSourceError as error:
        error.name_source(source.uri, is_member=source.member is not None)
        raise
