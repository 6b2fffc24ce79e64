"""The values of a table load: records as parsers find them, tables as routes declare them, what was delivered."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TypeAlias

from penstock.columns import Column as Column  # noqa: PLC0414  # mypy wants an alias on what is passed on
from penstock.columns import ColumnType as ColumnType  # noqa: PLC0414
from penstock.columns import FieldCounts as FieldCounts  # noqa: PLC0414
from penstock.columns import Storage as Storage  # noqa: PLC0414

# Characters of a rejected record that are kept.
RAW_LIMIT = 8192


class Format(StrEnum):
    """How bytes are parsed into records; AUTO goes by the name without its compression suffix."""

    AUTO = "auto"
    CSV = "csv"
    JSONL = "jsonl"
    JSON = "json"
    XLSX = "xlsx"


@dataclass(frozen=True, slots=True)
class ParseOptions:
    """The ``[route.parse]`` table.

    ``columns`` names the columns of a CSV without header (or with ``header = true`` replaces its names). What follows
    its ``escape`` is text, whatever it is; empty: there is none.
    ``records`` is the path to the list of records in a JSON document, keys joined by dots; empty: the document.
    ``records_at``: of each key of that path, how many of the same name come before the one that counts.
    ``sheet`` is the name of a sheet; empty: the first.
    """

    format: Format = Format.AUTO
    delimiter: str = ","
    quote: str = '"'
    header: bool = True
    columns: tuple[str, ...] = ()
    encoding: str = "utf-8"
    records: str = ""
    sheet: str = ""
    max_record: int = 1024 * 1024
    escape: str = ""
    records_at: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Place:
    """Where a record stands: its number from 1 (a header does not count), the byte offset of its start in the
    decoded source, and its raw text, cut to RAW_LIMIT characters."""

    row: int
    offset: int
    raw: str


@dataclass(frozen=True, slots=True)
class Reject:
    """A record that could not be loaded. ``column`` is empty where the whole record is at fault."""

    place: Place
    reason: str
    column: str = ""
    span: int = 0

    @property
    def flat(self) -> dict[str, str | int]:
        """As it is kept: one object of a JSON Lines file."""
        return {
            "span": self.span,
            "row": self.place.row,
            "offset": self.place.offset,
            "column": self.column,
            "reason": self.reason,
            "raw": self.place.raw,
        }


@dataclass(frozen=True, slots=True)
class Verbatim:
    """Rows as CSV in which every value is in order (see `tables.verbatim`), for PostgreSQL to read as it is.

    UTF-8, without a header, each of the ``count`` rows ends with LF. ``names`` are columns of the table, one for each
    field of a row; an empty field, quoted or not, is null.
    """

    text: bytes
    count: int
    names: tuple[str, ...]
    delimiter: str
    quote: str


Screen: TypeAlias = Callable[[bytes], Verbatim | None]
"""Recognises whole records, in UTF-8, that may be loaded as they are; None where any might not."""

Screening: TypeAlias = Callable[[tuple[str, ...], str, str], Screen | None]
"""The screen for a CSV of these names, delimiter and quote; None where there is none."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Consecutive records, as the parser found them.

    ``first_row`` and ``offset`` belong to the first one, ``end`` is the byte offset just past the last one, in
    the decoded source: parsing can go on from there. For CSV and XLSX ``names`` are the columns and every row
    has as many fields; for JSON ``names`` is empty and rows are mappings (or any JSON value: the shaper rejects
    those). ``rejects`` are records that were no records (ragged, bad JSON, too long): not in ``rows``, but
    counted by ``count`` and in row numbers. ``place`` finds the i-th of ``rows`` again. ``verbatim`` is all of the
    batch where a screen let it pass.
    """

    first_row: int
    offset: int
    end: int
    count: int
    names: tuple[str, ...]
    rows: Sequence[Sequence[str | None]] | Sequence[object]
    place: Callable[[int], Place]
    rejects: tuple[Reject, ...] = ()
    verbatim: Verbatim | None = None


class Mode(StrEnum):
    """APPEND adds rows; UPSERT inserts or updates by key; REPLACE swaps the whole content at the end."""

    APPEND = "append"
    UPSERT = "upsert"
    REPLACE = "replace"


@dataclass(frozen=True, slots=True)
class Table:
    """A destination table. ``name`` may be qualified by a schema. Without ``columns`` they are inferred from
    header and sample, with these ``nulls``, and then fixed for the job. ``create``: make it where it is missing; not
    where its columns are ``guessed``, for no record has shown their types. ``atomic``: append or upsert all rows in
    one transaction at the end. ``inferred``: its columns are those of a sample; ``spare`` are
    others that the table has, for fields that come behind the sample."""

    name: str
    columns: tuple[Column, ...] = ()
    mode: Mode = Mode.APPEND
    key: tuple[str, ...] = ()
    create: bool = False
    nulls: tuple[str, ...] = ("",)
    guessed: bool = False
    atomic: bool = False
    inferred: bool = False
    spare: tuple[Column, ...] = ()

    @property
    def staged(self) -> bool:
        """Whether nothing of a load is visible until all of it is."""
        return self.atomic or self.mode is Mode.REPLACE


@dataclass(frozen=True, slots=True)
class Choice:
    """Records routed by a field: ``tables`` maps its values to tables; the row lies under ``payload`` (empty:
    the record itself). Values without a table are rejected, or ignored where ``ignore_unknown``."""

    field: str
    tables: Mapping[str, Table]
    payload: str = ""
    ignore_unknown: bool = False


@dataclass(frozen=True, slots=True)
class TablePlan:
    """What a route does with records: into one table, or by choice into several. ``max_rejects`` below 1 is a
    share of the records, else a count."""

    parse: ParseOptions
    table: Table | None = None
    choice: Choice | None = None
    max_rejects: float = 0


@dataclass(frozen=True, slots=True)
class Rows:
    """Checked rows for one table, by column: ``columns[c][r]`` belongs to ``names[c]`` and row r.

    In text form (for COPY) values are str or None, as PostgreSQL reads them; in value form they are Python
    values (str, int, Decimal, float, bool, date, datetime, dict, list, None). ``place`` finds row r again.
    ``full`` are the positions of columns that are known to hold no None. ``verbatim`` is the same rows once more,
    where they came in a form that PostgreSQL reads alike; ``columns`` are then only made if somebody looks.
    ``first_row`` is the number of their first record where they are consecutive ones, else 0.
    """

    table: Table
    names: tuple[str, ...]
    columns: Sequence[Sequence[object]]
    count: int
    place: Callable[[int], Place]
    full: frozenset[int] = frozenset()
    verbatim: Verbatim | None = None
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
