"""Parsed records and rejects."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from penstock.model.column import Column

# The number of characters kept of a rejected record.
RAW_LIMIT = 8192


@dataclass(frozen=True, slots=True)
class RecordPosition:
    """The position of a record: its number from 1 (without the header), the byte offset of its start in the decoded
    source, and its raw text, cut to RAW_LIMIT characters."""

    row: int
    offset: int
    raw: str


@dataclass(frozen=True, slots=True)
class Reject:
    """A record that could not be loaded. ``column`` is empty if no single column is at fault. ``member`` is that of an
    archive, for a reader of all members; a file has those of one, and does not name it.
    """

    position: RecordPosition
    reason: str
    column: str = ""
    span: int = 0
    member: str = ""

    @property
    def flat(self) -> dict[str, str | int]:
        """The form in a JSON Lines file."""
        return {
            **({"member": self.member} if self.member else {}),
            "span": self.span,
            "row": self.position.row,
            "offset": self.position.offset,
            "column": self.column,
            "reason": self.reason,
            "raw": self.position.raw,
        }


@dataclass(frozen=True, slots=True)
class RawCsv:
    """Rows as CSV whose values are all valid (see `tables.raw_csv`), for PostgreSQL to read unchanged.

    UTF-8, without a header; each of the ``count`` rows ends with LF. ``names`` are the columns of the table, one for
    each field of a row; an empty field, quoted or not, is null. ``arrays`` are the same columns as Arrow arrays, for a
    destination that takes these.
    """

    text: bytes
    count: int
    names: tuple[str, ...]
    delimiter: str
    quote: str
    arrays: Sequence[object] | None = field(default=None, repr=False, compare=False)


CsvValidator: TypeAlias = Callable[[bytes], RawCsv | None]
"""Checks complete records, in UTF-8; None unless all may be loaded unchanged."""

CsvValidatorFactory: TypeAlias = Callable[[tuple[str, ...], str, str], CsvValidator | None]
"""Creates the validator for a CSV of these names, delimiter and quote; None if there is none."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Consecutive parsed records.

    ``first_row`` and ``offset`` belong to the first record; ``end`` is the byte offset after the last one in the
    decoded source, where parsing can resume; for XLSX, both are the number of the sheet from 0.
    For CSV and XLSX ``names`` are the columns, and every row has as many fields; for JSON ``names`` is empty and rows
    are mappings, or other JSON values, which are rejected later.
    ``rejects`` are invalid records (ragged, bad JSON, too long): not in ``rows``, but counted in ``count`` and in row
    numbers. ``position(i)`` is the position of ``rows[i]``. ``raw_csv`` is the complete batch as CSV, if it passed the
    validator. ``sheet`` is the name of the sheet that holds the records; empty for a format without sheets.
    ``metadata(name)`` is a value of the source for each row, if columns hold any. ``schema`` are the columns that the
    source itself declares with their types; empty for a format whose values show them.
    """

    first_row: int
    offset: int
    end: int
    count: int
    names: tuple[str, ...]
    rows: Sequence[Sequence[str | None]] | Sequence[object]
    position: Callable[[int], RecordPosition]
    rejects: tuple[Reject, ...] = ()
    raw_csv: RawCsv | None = None
    sheet: str = ""
    metadata: Callable[[str], Sequence[str | None]] | None = None
    schema: tuple[Column, ...] = ()
