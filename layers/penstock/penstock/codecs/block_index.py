"""Sources made of units that are each decoded on their own: zstd frames and xz blocks.

A unit is entered at its border: the end of the last unit before it that had content.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Protocol

from penstock.codecs.checkpoint import Checkpoint, Note
from penstock.codecs.feed import Feed
from penstock.codecs.trace import Trace
from penstock.errors import CorruptSourceError
from penstock.limits import GIB
from penstock.model.span import Entry

# Tools that write units for parallel decoding make them smaller (pzstd, pixz and others: 1 to 200 MiB). A source that
# begins with a larger unit is assumed to have no other. Reading all of it to find out is not worth the time.
LARGEST = 1 * GIB

START = Checkpoint(Entry(0, 0))


class Units(Protocol):
    """The units of a source, in order: `at_unit`, then `pieces`. They count in the trace. Raise BadSourceError."""

    def at_unit(self) -> bool:
        """Whether another unit follows. What lies between units is skipped."""

    def declared(self) -> int:
        """Decoded bytes of the unit as its head declares them; 0 where it does not."""

    def pieces(self, step: int, *, content: bool) -> Iterator[bytes]:
        """The content of the unit; its last piece comes after the checks. Without ``content`` pieces may be empty."""

    def border(self) -> Checkpoint:
        """The end of the unit."""


def feed_from(checkpoint: Checkpoint, chunks: Iterable[bytes], trace: Trace) -> Feed:
    """A feed and a trace positioned where ``chunks`` begin: at the checkpoint's entry."""
    feed = Feed(chunks, trace)
    feed.position = trace.consumed = checkpoint.entry.encoded
    trace.produced, trace.members, trace.crc32 = checkpoint.entry.decoded, checkpoint.members, checkpoint.crc32
    trace.warnings[:] = checkpoint.warnings
    return feed


def scan_units(
    units: Units, trace: Trace, step: int, *, spacing: int, note: Note, checkpoint: Checkpoint | None, content: bool
) -> Iterator[bytes]:
    """Yield the content, and note the borders that lie far enough apart: a `penstock.codecs.checkpoint.Scan`.

    Ends early where the first entry stays the only one for LARGEST bytes: such a source cannot be cut.
    """
    border = checkpoint or START
    if checkpoint is None:
        note(border)
    due = border.entry.decoded + spacing
    patience = max(LARGEST, 2 * spacing)
    while units.at_unit():
        if border.entry.decoded >= due:
            note(border)
            due = border.entry.decoded + spacing
        last = patience if due == spacing else None
        before = trace.produced
        if last and before + units.declared() > last:
            return
        for piece in units.pieces(step, content=content):
            yield piece
            if last and trace.produced > last:
                return
        if trace.produced > before:
            border = units.border()


def enter_units(units: Units, step: int) -> Iterator[bytes]:
    """Yield the content of all units that are left, in pieces of 1 to ``step`` bytes."""
    while units.at_unit():
        yield from units.pieces(step, content=True)


def passing(pieces: Iterable[bytes], trace: Trace, border: Entry) -> Iterator[bytes]:
    """The same pieces. Raises CorruptSourceError if they pass ``border`` and no unit ends there.

    Declared boundaries, in headers or in an index of the source, are verified by the span that reaches them.
    """
    for piece in pieces:
        reached = trace.produced, trace.consumed
        if reached[0] - len(piece) < border.decoded <= reached[0] and reached != (border.decoded, border.encoded):
            raise CorruptSourceError(
                f"byte {border.decoded:,} of the content was declared to follow here, but does not",
                offset=border.encoded,
            )
        yield piece
