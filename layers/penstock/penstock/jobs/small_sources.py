"""Small sources: many are read at once in bounded memory, and each is parsed separately."""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass

from penstock.delivery.decoding import Decoding
from penstock.delivery.ports import ObjectReader
from penstock.formats import parse, reads_ranges, resolve
from penstock.limits import READERS, Budget
from penstock.model.job import Job, Receipt
from penstock.model.object import Source
from penstock.model.parse_options import ParseOptions
from penstock.model.record import Batch
from penstock.model.source import HeldSource

# At most this many objects are read ahead, however small: each costs about 10 KB in addition to its bytes.
WAITING = 256


@dataclass(frozen=True, slots=True)
class Parsed:
    """All records of a source. The receipt counts bytes; the loader counts rows."""

    batch: Batch
    receipt: Receipt


def read_ahead(
    reader: ObjectReader, sources: Iterable[Source], most: int
) -> Generator[tuple[Source, Future[bytes]], None, None]:
    """Yield the sources in order, each with its bytes or its error. At most ``most`` bytes are read ahead."""
    waiting: deque[tuple[Source, Future[bytes]]] = deque()
    ahead = 0
    with ThreadPoolExecutor(READERS, thread_name_prefix="s3-small") as threads:
        try:
            for source in sources:
                while waiting and (len(waiting) == WAITING or ahead + source.size > most):
                    ahead -= waiting[0][0].size
                    yield waiting.popleft()
                waiting.append((source, threads.submit(reader.read, source)))
                ahead += source.size
            while waiting:
                yield waiting.popleft()
        finally:
            threads.shutdown(cancel_futures=True)


def parse_whole(job: Job, body: bytes, options: ParseOptions, budget: Budget, room: int) -> Parsed | None:
    """Return the records of a source as one batch, or None if there are no records or more than ``room`` decoded bytes.

    Raises the errors of decoding and parsing. Memory: two batches.
    """
    decoding = Decoding(job.source, HeldSource(body), job.route, budget)
    with closing(decoding.pieces()) as pieces:
        options = resolve(job.source.key, options)
        ranges = decoding.ranges() if reads_ranges(options) else None
        batches = parse(pieces, options, batch_bytes=room, tell=decoding.trace.warnings.append, ranges=ranges)
        batch = next(batches, None)
        # Asking for a second batch also verifies the end of the source.
        if next(batches, None) or batch is None:
            return None
    trace = decoding.trace
    receipt = Receipt(
        bytes_in=job.source.size,
        bytes_out=trace.produced or batch.end,
        crc32=trace.crc32 or 0,
        parts=1,
        codec=decoding.codec,
        warnings=tuple(trace.warnings),
    )
    return Parsed(batch, receipt)
