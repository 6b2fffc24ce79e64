"""The values of a source that is split: its entry points, its spans, and their receipts."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Self

from penstock.model.column import FieldCounts
from penstock.model.column_change import ColumnChange
from penstock.model.job import Progress
from penstock.model.load import Resume
from penstock.model.member import MemberCounts
from penstock.model.serialization import OMIT_DEFAULT


@dataclass(frozen=True, slots=True)
class Entry:
    """An entry point of an encoded source.

    ``decoded`` is the offset of the first decoded byte in the decoded source. Reading starts at byte ``encoded`` of the
    source; its ``bits`` lowest bits (0 to 7) belong to the data before. ``raw``: the entry is inside a deflate stream,
    whose 32 KiB before it are its window; otherwise a member, frame or plain byte begins there. ``record`` is the
    decoded offset of the first record that begins at or after ``decoded``, and ``row`` its number (from 1; a header is
    0); -1 if records were not counted.
    """

    decoded: int
    encoded: int
    bits: int = 0
    raw: bool = False
    record: int = -1
    row: int = -1


@dataclass(frozen=True, slots=True)
class Stored:
    """A byte range of a file in the work bucket."""

    key: str
    start: int
    size: int


@dataclass(frozen=True, slots=True)
class Span:
    """One contiguous piece of the decoded source, bytes ``start`` to ``end``, and its entry point.

    In a bucket job it consists of complete parts of ``part_size`` bytes, from ``first_part`` on; the object's last part
    may be shorter. In a table job it holds complete records, from ``first_row`` on. No byte of the source after
    ``encoded_end`` is needed for it. ``bytes_in`` is its share of the source: the shares of all spans add up to the
    source's size. ``following`` is the entry point of the next span; None for the last.
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
    """What one span delivered. ``crc32`` covers its ``bytes_out`` decoded bytes; ``bytes_in`` is its share of the
    encoded source. The database stored ``rows`` rows and ``dropped`` others. ``chunks`` counts parts of an object, or
    commits of a table load. ``began`` is the start of the attempt that delivered it, in Unix seconds; 0 if it was not
    recorded. ``fields`` covers all records of the span. For a batch of an archive's members, or a whole archive:
    ``members`` were delivered, and the others are as in `MemberCounts`. ``waiting`` are visible once their tables are
    swapped. ``changes`` are as in `Receipt`; of spans, the ledger has them."""

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
    members: int = field(default=0, metadata=OMIT_DEFAULT)
    failed: int = field(default=0, metadata=OMIT_DEFAULT)
    skipped: int = field(default=0, metadata=OMIT_DEFAULT)
    superseded: int = field(default=0, metadata=OMIT_DEFAULT)
    members_total: int = field(default=0, metadata=OMIT_DEFAULT)
    waiting: int = field(default=0, metadata=OMIT_DEFAULT)
    changes: tuple[ColumnChange, ...] = field(default=(), metadata=OMIT_DEFAULT)

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
        return Progress(self.bytes_in, self.bytes_out, self.rows, self.rejects, self.dropped, self.counts)

    @property
    def counts(self) -> MemberCounts:
        """The members of a batch, or of a whole archive."""
        return MemberCounts(self.members, self.failed, self.skipped, self.superseded, self.members_total)


@dataclass(frozen=True, slots=True)
class Within:
    """What a span needs to know from the start of its source; JSON-able.

    The span begins with record number ``row``, at byte ``offset`` of the source. ``delimiter`` and ``names`` are for
    CSV. ``notes`` tell what was found that the route does not say. ``is_last``: the span ends with the source.
    ``header`` is for Avro: that of the file, in base64. Records before the number ``loaded`` are loaded already, though
    they may be in the span: of a block that was begun. ``end`` is the offset of
    its end, for a format that reads ranges.
    """

    offset: int
    row: int
    encoding: str
    delimiter: str = ""
    names: tuple[str, ...] = ()
    notes: tuple[str, ...] = field(default=(), metadata=OMIT_DEFAULT)
    is_last: bool = field(default=True, metadata=OMIT_DEFAULT)
    header: str = field(default="", metadata=OMIT_DEFAULT)
    loaded: int = field(default=0, metadata=OMIT_DEFAULT)
    end: int = field(default=0, metadata=OMIT_DEFAULT)

    def go_on(self, resume: Resume) -> Resume:
        """Return where to resume: the span's start if nothing of it is committed."""
        return resume if resume.offset > self.offset else replace(resume, offset=self.offset, row=self.row)


def delivery_of(execution: str, round_: int) -> str:
    """Name the folder of an execution's receipts. Each round sends all spans again and has its own receipts."""
    return f"{execution}.{round_}" if round_ else execution
