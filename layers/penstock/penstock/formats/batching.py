"""Gather pieces of a source, each of complete records, into batches of about the requested size."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from penstock.model.columnar_rows import joined
from penstock.model.load import Resume
from penstock.model.record import RAW_LIMIT, Batch, RawCsv, RecordPosition, Reject


class RecordSpan(NamedTuple):
    """One record: its number in the piece, its byte offset in the source, and its (readable) bytes."""

    number: int
    offset: int
    record: bytes


class Fault(NamedTuple):
    """A record that cannot be parsed, and why."""

    span: RecordSpan
    reason: str


@dataclass(slots=True)
class Piece:
    """Consecutive complete records. ``size``: their share of a batch. ``spans`` finds the records of ``rows`` again.

    ``codec`` decodes the bytes of spans. ``raw_csv``: the complete piece, if the validator accepted it.
    """

    offset: int
    end: int
    size: int
    count: int
    rows: Sequence[object]
    spans: Callable[[], Iterable[RecordSpan]]
    faults: Sequence[Fault] = ()
    codec: str = "utf-8"
    raw_csv: RawCsv | None = None


class Cutter(Protocol):
    """Divides a source into pieces, which depend only on the source and ``limit``."""

    def cut(self, limit: int) -> Piece | None:
        """Return the next complete records, at most ``limit`` bytes; None if the first of them is longer."""

    def cut_long(self) -> Piece | None:
        """Skip the next record, which is longer than any limit; None at the end of the source.

        Raises BadSourceError if no further record can be found.
        """


class CountingCutter(Cutter, Protocol):
    """A cutter that also stops after ``most`` records."""

    def cut(self, limit: int, most: int | None = None) -> Piece | None: ...


def gather(
    cutter: Cutter, *, names: tuple[str, ...], resume: Resume, batch_bytes: int, max_record: int
) -> Iterator[Batch]:
    """Yield batches of at most ``batch_bytes``, or of one record of at most ``max_record``, from ``resume.row``.

    A header without rows yields one empty batch, so that columns are still checked.
    """
    row = resume.row
    while True:
        pieces = list(_pieces(cutter, batch_bytes, max_record))
        if not pieces:
            if names and row == 1 and not resume.chunk:
                yield empty_batch(names)
            return
        batch = _batch(pieces, names, row)
        if batch.count:
            yield batch
        row += batch.count


def discard(cutter: CountingCutter, count: int, *, limit: int) -> int:
    """Skip the first ``count`` records, in pieces of at most ``limit`` bytes. Return how many there were."""
    skipped = 0
    while skipped < count:
        piece = cutter.cut(limit, count - skipped) or cutter.cut_long()
        if piece is None:
            break
        skipped += piece.count
    return skipped


def empty_batch(names: tuple[str, ...], row: int = 1) -> Batch:
    """A batch of a header without rows."""
    return Batch(row, offset=0, end=0, count=0, names=names, rows=(), position=_Positions([], row))


def _pieces(cutter: Cutter, batch_bytes: int, max_record: int) -> Iterator[Piece]:
    room = batch_bytes = max(1, batch_bytes)
    while room > 0:
        # No window is larger than max_record: a longer record is rejected for any size of batches.
        piece = cutter.cut(min(room, max_record))
        if piece is None:
            if room < batch_bytes:
                return
            piece = cutter.cut(max_record) or cutter.cut_long()
            if piece is None:
                return
            room = 0
        room -= piece.size
        yield piece


def _batch(pieces: list[Piece], names: tuple[str, ...], first_row: int) -> Batch:
    rows, row = pieces[0].rows, first_row
    rejects: list[Reject] = []
    if len(pieces) > 1:
        rows = joined([piece.rows for piece in pieces])
    for piece in pieces:
        rejects += [Reject(_position(span, row, piece.codec), reason) for span, reason in piece.faults]
        row += piece.count
    return Batch(
        first_row=first_row,
        offset=pieces[0].offset,
        end=pieces[-1].end,
        count=row - first_row,
        names=names,
        rows=rows,
        position=_Positions(pieces, first_row),
        rejects=tuple(rejects),
        raw_csv=pieces[0].raw_csv if len(pieces) == 1 else None,
    )


def _position(span: RecordSpan, first_row: int, codec: str) -> RecordPosition:
    """Return a record's position. Its raw text has escapes for undecodable bytes, and no line end."""
    raw = span.record[: 4 * RAW_LIMIT].decode(codec, "backslashreplace").rstrip("\r\n")[:RAW_LIMIT]
    return RecordPosition(first_row + span.number, span.offset, raw)


class _Positions:
    """Finds the records of rows again, all at once on first use, which needs the memory of the batch's text again."""

    __slots__ = ("_first_row", "_pieces", "_spans")

    def __init__(self, pieces: list[Piece], first_row: int) -> None:
        self._pieces = pieces
        self._first_row = first_row
        self._spans: list[tuple[RecordSpan, int, str]] = []

    def __call__(self, index: int) -> RecordPosition:
        if not self._spans:
            row = self._first_row
            for piece in self._pieces:
                self._spans += [(span, row, piece.codec) for span in piece.spans()]
                row += piece.count
        return _position(*self._spans[index])
