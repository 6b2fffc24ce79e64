"""The values of a source that is cut: where it can be entered, what one piece of it is, what became of it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Self

from penstock.model.column import FieldCounts
from penstock.model.job import Progress
from penstock.model.load import Resume


@dataclass(frozen=True, slots=True)
class Entry:
    """A place at which an encoded source can be entered.

    ``decoded`` is the offset, in the decoded source, of the first byte that comes out. Reading starts at byte
    ``encoded`` of the source, of which the ``bits`` lowest bits (0 to 7) belong to what came before. ``raw``: it lies
    inside a deflate stream, whose last 32 KiB before it are its window; else a member, frame or plain byte begins.
    ``record`` is the decoded offset of the first record that begins at or after ``decoded``, and ``row`` its number
    (from 1, a header is 0); -1 where records were not counted.
    """

    decoded: int
    encoded: int
    bits: int = 0
    raw: bool = False
    record: int = -1
    row: int = -1


@dataclass(frozen=True, slots=True)
class Stored:
    """Where bytes lie in the work bucket."""

    key: str
    start: int
    size: int


@dataclass(frozen=True, slots=True)
class Span:
    """One contiguous piece of the decoded source, bytes ``start`` to ``end``, and how to enter it.

    In a bucket job it is a whole number of parts of ``part_size`` bytes (the last part of all may be shorter), the
    first of which is ``first_part``. In a table job it holds whole records, the first of which is ``first_row``.
    Nothing of the source beyond byte ``encoded_end`` is needed for it. ``bytes_in`` is its share of the source: the
    shares of all spans add up to the source's size. ``following`` is where the next span enters; None for the last.
    """

    number: int
    start: int
    end: int
    entry: Entry
    encoded_end: int
    bytes_in: int
    window: Stored | None = None
    first_part: int = 0
    part_size: int = 0
    first_row: int = 0
    following: Entry | None = None

    @property
    def size(self) -> int:
        return self.end - self.start


@dataclass(frozen=True, slots=True)
class SpanReceipt:
    """What one span delivered. ``crc32`` is that of its ``bytes_out`` decoded bytes; ``bytes_in`` is its share of the
    encoded source. ``rows`` are stored, the database ``dropped`` others. ``chunks`` counts parts of an object, or
    commits of a table load. ``began``: when, in Unix seconds, the attempt that delivered it did; 0 where that was not
    noted. ``fields`` is of all records of the span."""

    span: int
    bytes_in: int
    bytes_out: int
    crc32: int = 0
    rows: int = 0
    rejects: int = 0
    chunks: int = 0
    seconds: float = 0.0
    warnings: tuple[str, ...] = ()
    began: float = 0.0
    dropped: int = 0
    fields: FieldCounts = field(default_factory=FieldCounts)

    @classmethod
    def of_load(cls, span: int, bytes_in: int, bytes_out: int, loaded: Resume) -> Self:
        """The receipt of a table load that has come as far as ``loaded``."""
        return cls(
            span,
            bytes_in,
            bytes_out,
            rows=loaded.rows,
            rejects=loaded.rejects,
            chunks=loaded.chunk,
            dropped=loaded.dropped,
            fields=loaded.fields,
        )

    @property
    def progress(self) -> Progress:
        return Progress(self.bytes_in, self.bytes_out, self.rows, self.rejects, self.dropped)


@dataclass(frozen=True, slots=True)
class Within:
    """What a part of a source has to be told, as only the source's start shows it; JSON-able.

    The part begins with a record, number ``row``, at byte ``offset`` of the source. ``delimiter`` and ``names`` are
    for CSV.
    """

    offset: int
    row: int
    encoding: str
    delimiter: str = ""
    names: tuple[str, ...] = ()

    def go_on(self, resume: Resume) -> Resume:
        """The same, or the part's start where nothing of it is in."""
        return resume if resume.offset > self.offset else replace(resume, offset=self.offset, row=self.row)


def delivery_of(execution: str, round_: int) -> str:
    """What the receipts of an execution are kept under: each of its rounds sends all spans, and has its own."""
    return f"{execution}.{round_}" if round_ else execution
