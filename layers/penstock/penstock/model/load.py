"""Rows on their way into tables, and what became of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from penstock.model.column import FieldCounts
from penstock.model.record import RawCsv, RecordPosition, Reject
from penstock.model.table import Table


@dataclass(frozen=True, slots=True)
class Rows:
    """Checked rows for one table, by column: ``columns[c][r]`` belongs to ``names[c]`` and row r.

    In text form (for COPY) values are str or None, as PostgreSQL reads them; in value form they are Python
    values (str, int, Decimal, float, bool, date, datetime, dict, list, None). ``place`` finds row r again.
    ``full`` are the positions of columns that are known to hold no None. ``raw_csv`` is the same rows once more,
    where they came in a form that PostgreSQL reads alike; ``columns`` are then only made if somebody looks.
    ``first_row`` is the number of their first record where they are consecutive ones, else 0.
    """

    table: Table
    names: tuple[str, ...]
    columns: Sequence[Sequence[object]]
    count: int
    place: Callable[[int], RecordPosition]
    full: frozenset[int] = frozenset()
    raw_csv: RawCsv | None = None
    first_row: int = 0


@dataclass(frozen=True, slots=True)
class Chunk:
    """What is committed at once: the rows of one batch, for one or several tables, and its place in the span.

    ``number`` counts chunks of a span from 0; ``end`` and ``next_row`` are where the next one begins.
    ``rejects`` is how many of its ``records`` were rejected before the database saw them. ``spare``: how many more
    the job may have; if the database refuses more, none of the chunk is committed. None: any number. ``fields`` is of
    all records of the span up to the chunk's end.
    """

    number: int
    end: int
    next_row: int
    records: int
    rows: Sequence[Rows]
    rejects: int = 0
    spare: int | None = None
    fields: FieldCounts = field(default_factory=FieldCounts)


@dataclass(frozen=True, slots=True)
class Loaded:
    """What became of a chunk: rows in, and rejects that only the database could find. A chunk that was in already
    is answered as it was the first time. ``dropped`` are rows that the database took and did not store: a trigger
    or a rule left them out. ``committed``: False where there were more rejects than it had to spare."""

    rows: int
    rejects: tuple[Reject, ...] = ()
    dropped: int = 0
    committed: bool = True


@dataclass(frozen=True, slots=True)
class Resume:
    """Where a span goes on: after the last chunk that the ledger knows.

    ``rows``, ``rejects`` and ``dropped`` count what is in already. ``refused`` are the database's rejects of the last
    chunk that is in: whoever loaded it may have died before writing them down. ``fields`` is what is known of the
    fields of all records before this place.
    """

    chunk: int = 0
    offset: int = 0
    row: int = 1
    rows: int = 0
    rejects: int = 0
    refused: tuple[Reject, ...] = ()
    dropped: int = 0
    fields: FieldCounts = field(default_factory=FieldCounts)

    def fields_with(self, others: FieldCounts) -> FieldCounts:
        """The fields of the records before this place, and of others behind it."""
        return self.fields.plus(others) if self.chunk else others


@dataclass(frozen=True, slots=True)
class LoadEnd:
    """What all of a job has loaded, once its end is noted: together, and what making it visible has changed of it."""

    total: Resume
    moved: Loaded


@dataclass(frozen=True, slots=True)
class Share:
    """What one of several jobs has in rows that are committed together: all that it has.

    ``end`` and ``next_row`` as in `Chunk`; ``rows`` is how many of the rows are its own.
    """

    job_id: str
    end: int
    next_row: int
    rows: int


@dataclass(frozen=True, slots=True)
class Unfit:
    """Why nothing of several jobs' rows was committed: jobs that the ledger knows, rows that the database refuses, or
    that it ``dropped``: whose they were it does not say."""

    known: frozenset[str] = frozenset()
    refused: tuple[Reject, ...] = ()
    dropped: int = 0
