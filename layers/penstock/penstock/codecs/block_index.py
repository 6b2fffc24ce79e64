"""Index sources of independently decodable units: zstd frames and xz blocks.

A unit is entered at its border: the end of the last unit with content before it.
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

# Tools that write units for parallel decoding write smaller ones (pzstd, pixz and others: 1 to 200 MiB). A source that
# begins with a larger unit is assumed to have no other unit. Reading all of it to find out is not worth the time.
LARGEST = 1 * GIB

START = Checkpoint(Entry(0, 0))


class Units(Protocol):
    """The units of a source, in order: `at_unit`, then `pieces`. They count in the trace. Raise BadSourceError."""

    def at_unit(self) -> bool:
        """Return whether another unit follows. Bytes between units are skipped."""

    def declared(self) -> int:
        """Return the decoded size that the unit's header declares; 0 if it declares none."""

    def pieces(self, step: int, *, content: bool) -> Iterator[bytes]:
        """Yield the content of the unit, the last piece after the checks. Without ``content``, pieces may be empty."""

    def border(self) -> Checkpoint:
        """Return the end of the unit."""


def feed_from(checkpoint: Checkpoint, chunks: Iterable[bytes], trace: Trace) -> Feed:
    """Return a feed of ``chunks``, which begin at the checkpoint's entry, and set the trace to that position."""
    feed = Feed(chunks, trace)
    feed.position = trace.consumed = checkpoint.entry.encoded
    trace.produced, trace.members, trace.crc32 = checkpoint.entry.decoded, checkpoint.members, checkpoint.crc32
    trace.warnings[:] = checkpoint.warnings
    return feed


def scan_units(
    units: Units, trace: Trace, step: int, *, spacing: int, note: Note, checkpoint: Checkpoint | None, content: bool
) -> Iterator[bytes]:
    """Yield the content, and note the borders that lie far enough apart: a `penstock.codecs.checkpoint.Scan`.

    Ends early if no second entry is found within LARGEST bytes: such a source cannot be split.
    """
    border = checkpoint or START
    if checkpoint is None:
        note(border)
    due = border.entry.decoded + spacing
    give_up_at = max(LARGEST, 2 * spacing)
    while units.at_unit():
        if border.entry.decoded >= due:
            note(border)
            due = border.entry.decoded + spacing
        last = give_up_at if due == spacing else None
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
    """Yield the content of all remaining units, in pieces of 1 to ``step`` bytes."""
    while units.at_unit():
        yield from units.pieces(step, content=True)


def passing(pieces: Iterable[bytes], trace: Trace, border: Entry) -> Iterator[bytes]:
    """Yield the same pieces. Raises CorruptSourceError if they pass ``border`` and no unit ends there.

    Declared boundaries, in headers or in an index of the source, are verified by the span that reaches them.
    """
    for piece in pieces:
        reached = trace.produced, trace.consumed
        if reached[0] - len(piece) < border.decoded <= reached[0] and reached != (border.decoded, border.encoded):
            raise CorruptSourceError(
                f"the source declares that byte {border.decoded:,} of the content follows here, but it does not",
                offset=border.encoded,
            )
        yield piece
