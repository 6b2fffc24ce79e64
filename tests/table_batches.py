"""Builds batches as a parser returns them, for tests without a parser."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from penstock.model.record import Batch, RecordPosition, Reject

# Bytes per row of these sources.
WIDTH = 100


def rows(names: Sequence[str], *cells: Sequence[str | None], first: int = 1) -> Batch:
    """Rows of a CSV. Row n begins at byte (n - 1) * WIDTH."""
    return _batch(tuple(names), cells, first)


def records(*values: object, first: int = 1) -> Batch:
    """JSON records."""
    return _batch((), values, first)


def with_rejects(batch: Batch, *rejects: Reject) -> Batch:
    """A batch in which the parser rejected further records."""
    return replace(batch, rejects=rejects, count=batch.count + len(rejects))


def _batch(names: tuple[str, ...], values: Sequence[object], first: int) -> Batch:
    def position_of(index: int) -> RecordPosition:
        row = first + index
        return RecordPosition(row, (row - 1) * WIDTH, raw_of(values[index]))

    return Batch(
        first_row=first,
        offset=(first - 1) * WIDTH,
        end=(first - 1 + len(values)) * WIDTH,
        count=len(values),
        names=names,
        rows=values,
        position=position_of,
    )


def raw_of(value: object) -> str:
    """The raw text of a record, in a simple form."""
    if isinstance(value, Mapping) or not isinstance(value, Sequence):
        return str(value)
    return ",".join("" if cell is None else str(cell) for cell in value)
