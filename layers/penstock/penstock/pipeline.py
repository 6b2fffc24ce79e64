"""source -> codec -> sink, within a deadline, a memory budget and the route's ceilings.

Memory: two read chunks, two decoded steps and the sink's part buffers (limits.Budget), whatever the size.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from itertools import chain

from penstock.codecs import HEAD, Codec, Trace, choose
from penstock.errors import BadSourceError, ExpansionLimitError, TimeLimitError
from penstock.limits import MIB, Budget
from penstock.model import Progress, Published, Receipt, Route, Source
from penstock.ports import BucketSink, ByteSource, Deadline

# A ratio says nothing of a small file: 1 KiB of zeros is 43 bytes of gzip. Nobody is harmed below this.
HARMLESS_BYTES = 64 * MIB


def pour(
    source: Source,
    content: ByteSource,
    route: Route,
    sink: BucketSink,
    *,
    budget: Budget,
    beat: Callable[[Progress], None],
    deadline: Deadline,
    margin: float,
) -> Receipt:
    """Decode a whole source into an entered sink and publish it.

    ``margin`` is the seconds to keep for clearing up. ``beat`` hears
    of progress after every step. Raises BadSourceError with the source's name and offset, ExpansionLimitError
    at the route's ceiling, TimeLimitError before time runs out, and what source and sink raise.
    """
    trace = Trace()
    ceiling = min(route.max_bytes, max(HARMLESS_BYTES, int(route.max_ratio * source.size)))
    try:
        with closing(content.chunks()) as chunks:
            head, whole = peek(chunks, HEAD)
            codec = choose(head, source.key, route.codec, window=budget.window)
            for piece in codec.decode(whole, trace, budget.step):
                _check_ceiling(source, route, trace, ceiling)
                _check_time(source, trace, deadline, margin)
                sink.write(piece)
                beat(Progress(trace.consumed, trace.produced))
        published = sink.publish(crc32=trace.crc32)
    except BadSourceError as error:
        error.source = source.uri
        raise
    beat(Progress(trace.consumed, trace.produced))
    return _receipt(codec, trace, published)


def peek(chunks: Iterator[bytes], size: int) -> tuple[bytes, Iterable[bytes]]:
    """The first ``size`` bytes (fewer if there are no more), and all of the chunks again."""
    first: list[bytes] = []
    have = 0
    for chunk in chunks:
        first.append(chunk)
        have += len(chunk)
        if have >= size:
            break
    head = first[0] if len(first) == 1 else b"".join(first)
    return head[:size], chain((head,) if head else (), chunks)


def _check_ceiling(source: Source, route: Route, trace: Trace, ceiling: int) -> None:
    if trace.produced <= ceiling:
        return
    raise ExpansionLimitError(
        f"{source.uri}: {source.size:,} bytes decode to more than {ceiling:,}, the ceiling of route {route.name!r} "
        f"(max_ratio {route.max_ratio:g}, max_bytes {route.max_bytes:,}); stopped at byte {trace.consumed:,}"
    )


def _check_time(source: Source, trace: Trace, deadline: Deadline, margin: float) -> None:
    if deadline.remaining() > margin:
        return
    raise TimeLimitError(
        f"{source.uri}: too long for one invocation: {trace.consumed:,} of {source.size:,} bytes were read "
        f"({trace.produced:,} decoded) when time ran out"
    )


def _receipt(codec: Codec, trace: Trace, published: Published) -> Receipt:
    return Receipt(
        bytes_in=trace.consumed,
        bytes_out=published.size,
        crc32=published.crc32,
        parts=published.parts,
        codec=codec.name,
        etag=published.etag,
        version_id=published.version_id,
        warnings=tuple(trace.warnings),
    )
