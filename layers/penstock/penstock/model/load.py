"""Rows for tables, and the results of their loads."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from penstock.model.column import FieldCounts
from penstock.model.column_change import ColumnChange
from penstock.model.load_origin import LoadOrigin
from penstock.model.record import RawCsv, RecordPosition, Reject
from penstock.model.table import Table


@dataclass(frozen=True, slots=True)
class Rows:
    """Checked rows for one table, by column: ``columns[c][r]`` belongs to ``names[c]`` and row r.

    In text form (for COPY) values are str or None, as PostgreSQL reads them; in value form they are Python
    values (str, int, Decimal, float, bool, date, datetime, dict, list, None). ``position(r)`` is the position of row r.
    ``full`` are the indexes of columns without None. ``raw_csv`` holds the same rows as CSV, if PostgreSQL reads them
    alike; ``columns`` are then created on first access. ``first_row`` is the number of the first record if the rows
    are consecutive records, otherwise 0. ``rescued`` rows have a value of the wrong type in their rescue column.
    """

    table: Table
    names: tuple[str, ...]
    columns: Sequence[Sequence[object]]
    count: int
    position: Callable[[int], RecordPosition]
    full: frozenset[int] = frozenset()
    raw_csv: RawCsv | None = None
    first_row: int = 0
    rescued: int = 0


@dataclass(frozen=True, slots=True)
class Chunk:
    """The unit of commit: the rows of one batch, for one or several tables, and their position in the span.

    ``number`` counts the chunks of a span from 0; the next one begins at ``end`` and ``next_row``. ``rejects`` of its
    ``records`` were rejected before they reached the database. ``spare`` is how many more rejects the job allows; if
    the database refuses more, nothing of the chunk is committed. None: any number. ``fields`` covers all records of
    the span up to the chunk's end. ``first_reject`` is the first of the ``rejects``. ``begun``: as in `Resume`.
    """

    number: int
    end: int
    next_row: int
    records: int
    rows: Sequence[Rows]
    rejects: int = 0
    spare: int | None = None
    fields: FieldCounts = field(default_factory=FieldCounts)
    first_reject: Reject | None = None
    begun: float = 0.0


@dataclass(frozen=True, slots=True)
class Loaded:
    """The result of a chunk: rows stored, and rejects that only the database could find. A chunk that is already
    committed returns its first result. ``dropped`` counts rows that a trigger or a rule of the database left out.
    ``committed``: False if there were more rejects than its ``spare``. ``tables`` are the rows by table, if there are
    several."""

    rows: int
    rejects: tuple[Reject, ...] = ()
    dropped: int = 0
    committed: bool = True
    tables: Mapping[str, int] = field(default_factory=dict, compare=False)


@dataclass(frozen=True, slots=True)
class Resume:
    """Where a span resumes: after the last chunk in the ledger.

    ``rows``, ``rejects`` and ``dropped`` count what is committed. ``refused`` are the database's rejects of the last
    committed chunk: its loader may have died before it logged them. ``fields`` covers all records before this
    position. ``begun`` is when the load was begun (Unix seconds), if its rows tell it; 0 otherwise.
    """

    chunk: int = 0
    offset: int = 0
    row: int = 1
    rows: int = 0
    rejects: int = 0
    refused: tuple[Reject, ...] = ()
    dropped: int = 0
    fields: FieldCounts = field(default_factory=FieldCounts)
    begun: float = 0.0

    def fields_with(self, others: FieldCounts) -> FieldCounts:
        """Combine the fields of the records before this position with those of ``others`` after it."""
        return self.fields.plus(others) if self.chunk else others


@dataclass(frozen=True, slots=True)
class LoadEnd:
    """The total load of a job whose end is recorded, what making it visible changed, and the columns it changed."""

    total: Resume
    moved: Loaded
    changes: tuple[ColumnChange, ...] = ()


@dataclass(frozen=True, slots=True)
class Share:
    """The share of one job in rows that several jobs commit together. It is the job's complete load.

    ``end`` and ``next_row`` as in `Chunk`; ``rows`` counts the job's own rows, and ``tables`` them by table, if there
    are several. ``origin`` is for the report of the load.
    """

    job_id: str
    end: int
    next_row: int
    rows: int
    tables: Mapping[str, int] = field(default_factory=dict)
    origin: LoadOrigin | None = None


@dataclass(frozen=True, slots=True)
class Unfit:
    """Why no rows of several jobs were committed: jobs that are in the ledger, rows that the database refuses, or
    rows that it ``dropped`` without naming their jobs."""

    known: frozenset[str] = frozenset()
    refused: tuple[Reject, ...] = ()
    dropped: int = 0
