"""Records as parsers find them, and rejects."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

# Characters of a rejected record that are kept.
RAW_LIMIT = 8192


@dataclass(frozen=True, slots=True)
class RecordPosition:
    """Where a record stands: its number from 1 (a header does not count), the byte offset of its start in the
    decoded source, and its raw text, cut to RAW_LIMIT characters."""

    row: int
    offset: int
    raw: str


@dataclass(frozen=True, slots=True)
class Reject:
    """A record that could not be loaded. ``column`` is empty where the whole record is at fault."""

    place: RecordPosition
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
class RawCsv:
    """Rows as CSV in which every value is in order (see `tables.verbatim`), for PostgreSQL to read as it is.

    UTF-8, without a header, each of the ``count`` rows ends with LF. ``names`` are columns of the table, one for each
    field of a row; an empty field, quoted or not, is null.
    """

    text: bytes
    count: int
    names: tuple[str, ...]
    delimiter: str
    quote: str


CsvValidator: TypeAlias = Callable[[bytes], RawCsv | None]


"""Recognises whole records, in UTF-8, that may be loaded as they are; None where any might not."""


CsvValidatorFactory: TypeAlias = Callable[[tuple[str, ...], str, str], CsvValidator | None]


"""The screen for a CSV of these names, delimiter and quote; None where there is none."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Consecutive records, as the parser found them.

    ``first_row`` and ``offset`` belong to the first one, ``end`` is the byte offset just past the last one, in
    the decoded source: parsing can go on from there. For CSV and XLSX ``names`` are the columns and every row
    has as many fields; for JSON ``names`` is empty and rows are mappings (or any JSON value: the shaper rejects
    those). ``rejects`` are records that were no records (ragged, bad JSON, too long): not in ``rows``, but
    counted by ``count`` and in row numbers. ``place`` finds the i-th of ``rows`` again. ``raw_csv`` is all of the
    batch where a screen let it pass.
    """

    first_row: int
    offset: int
    end: int
    count: int
    names: tuple[str, ...]
    rows: Sequence[Sequence[str | None]] | Sequence[object]
    place: Callable[[int], RecordPosition]
    rejects: tuple[Reject, ...] = ()
    raw_csv: RawCsv | None = None
