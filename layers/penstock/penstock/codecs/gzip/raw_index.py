"""Index a raw deflate stream (RFC 1951), as archives hold it: the entries are the boundaries of its blocks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from penstock.codecs.checkpoint import Checkpoint, Note, check_entry
from penstock.codecs.engine import FASTEST, Engine
from penstock.codecs.feed import Feed
from penstock.codecs.gzip.decode import inflate
from penstock.codecs.gzip.index import BlockScan, feed_at
from penstock.codecs.gzip.zlib_c import BlockInflater
from penstock.codecs.trace import Trace
from penstock.model.span import Entry


def scan(
    chunks: Iterable[bytes],
    trace: Trace,
    step: int,
    *,
    spacing: int,
    note: Note,
    checkpoint: Checkpoint | None = None,
    content: bool = True,  # noqa: ARG001  # the sizes are only known from the content
) -> Iterator[memoryview]:
    """Yield the content of the stream, and ``note`` the entries, as `gzip.index.scan` does, in as much memory.

    The stream has no checksum. Bytes after its end are not read. Raises CorruptSourceError, TruncatedSourceError, and
    ConfigurationError if no zlib library is found.
    """
    with BlockInflater(step) as inflater:
        scanner = BlockScan(Feed(chunks, trace), trace, inflater, spacing, note)
        if checkpoint is None:
            scanner.note_start()
        else:
            scanner.resume(checkpoint)
        yield from scanner.stream()
        trace.members += 1


def enter(
    chunks: Iterable[bytes],
    entry: Entry,
    window: bytes,
    step: int,
    *,
    trace: Trace | None = None,
    engine: Engine = FASTEST,
) -> Iterator[bytes]:
    """Yield the content from ``entry`` to the end of the stream, in pieces of 1 to ``step`` bytes.

    ``chunks`` begin at byte ``entry.encoded``; ``window`` was noted with the entry. Raises CorruptSourceError and
    TruncatedSourceError with offsets in the complete stream, and CorruptIndexError for an entry that no scan can have
    noted.
    """
    check_entry(entry, window)
    trace = trace or Trace()
    yield from inflate(feed_at(entry, chunks, trace), trace, step, engine, window)
