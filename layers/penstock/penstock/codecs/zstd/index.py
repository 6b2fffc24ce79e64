"""Index a zstd source, whose entries are its frames.

A frame whose header declares its size can be skipped without decoding. Many headers do not, such as those of pzstd.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from penstock.codecs.block_index import enter_units, feed_from, scan_units
from penstock.codecs.checkpoint import Checkpoint, Note
from penstock.codecs.feed import Feed
from penstock.codecs.trace import Trace
from penstock.codecs.zstd.decode import Frames, Header
from penstock.limits import MIN_WINDOW
from penstock.model.span import Entry


class _Units:
    """Frames with content, as units."""

    def __init__(self, feed: Feed, trace: Trace, window: int) -> None:
        self._feed = feed
        self._trace = trace
        self._frames = Frames(feed, trace, window)
        self._header = Header(b"", None, has_checksum=False)

    def at_unit(self) -> bool:
        if not self._frames.at_frame():
            return False
        self._header = self._frames.header()
        return True

    def declared(self) -> int:
        return self._header.size or 0

    def pieces(self, step: int, *, content: bool) -> Iterator[bytes]:
        if content or self._header.size is None:
            yield from self._frames.content(self._header, step)
        else:
            for _ in self._frames.skip_content(self._header):
                yield b""

    def border(self) -> Checkpoint:
        trace = self._trace
        entry = Entry(trace.produced, self._feed.position)
        return Checkpoint(entry, members=trace.members, warnings=tuple(trace.warnings))


def scan(
    chunks: Iterable[bytes],
    trace: Trace,
    step: int,
    *,
    spacing: int,
    note: Note,
    checkpoint: Checkpoint | None = None,
    content: bool = True,
    largest: int = MIN_WINDOW,
) -> Iterator[bytes]:
    """A `checkpoint.Scan`. Raises the errors of `zstd.decode` with ``largest`` as window.

    Memory: that of decoding; one chunk of the source if frames are skipped. Ends as `scan_units` does.
    """
    feed = feed_from(checkpoint, chunks, trace) if checkpoint else Feed(chunks, trace)
    units = _Units(feed, trace, largest)
    return scan_units(units, trace, step, spacing=spacing, note=note, checkpoint=checkpoint, content=content)


def enter(
    chunks: Iterable[bytes],
    entry: Entry,
    window: bytes,  # noqa: ARG001  # frames depend on nothing before them
    step: int,
    *,
    trace: Trace | None = None,
    largest: int = MIN_WINDOW,
) -> Iterator[bytes]:
    """A `checkpoint.Enter`. Raises the errors, and uses the memory, of decoding with ``largest`` as window."""
    trace = trace or Trace()
    # Zeros may precede a frame, but not the first.
    feed = feed_from(Checkpoint(entry, members=int(entry.encoded > 0)), chunks, trace)
    return enter_units(_Units(feed, trace, largest), step)
