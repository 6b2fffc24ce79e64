"""Record batches as row groups: each is written by arro3 as a small file of its own, in memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NoReturn

from penstock.destinations.parquet.arrow_errors import writing
from penstock.errors import PermanentError
from penstock.formats.parquet.footer import MAGIC, TAIL, Footer, footer_range, read_footer
from penstock.formats.parquet.row_groups import RowGroup

if TYPE_CHECKING:
    from arro3.core import Array, RecordBatch, Schema

# Of a row group, so many rows are looked at, in so many places. Smaller ones have a dictionary of each column. Of 300
# columns of 10,000 different numbers, dictionaries take 130 MiB while they are made, and 5 MiB in the file.
_PARTS, _SAMPLED = 4, 500
_FEW: Final = 2 * _PARTS * _SAMPLED
# A share of the sample that a column of some 10,000 different values reaches.
_DISTINCT: Final = 0.9


@dataclass(frozen=True, slots=True)
class WrittenRowGroup:
    """A row group in a file of its own: its pages, which begin behind the magic, and its footer. ``group`` is None if
    there are no rows."""

    pages: memoryview
    group: RowGroup | None
    footer: Footer


def write_row_group(
    schema: Schema, batches: list[RecordBatch], compression: str, distinct: Sequence[str] = ()
) -> WrittenRowGroup:
    """Write batches as one row group. The columns ``distinct`` get no dictionary.

    Memory: its encoded bytes, twice. ``batches`` are taken out of the list, and each is freed once it is encoded, if
    nothing else holds it. Raises PermanentError.
    """
    from arro3.core import RecordBatchReader  # noqa: PLC0415  # only routes that write Parquet pay for it
    from arro3.io import write_parquet  # noqa: PLC0415

    rows = sum(batch.num_rows for batch in batches)
    out = _Written()
    with writing("a row group"):
        reader = RecordBatchReader.from_batches(schema, batches)
        batches.clear()
        write_parquet(
            reader,
            out,  # type: ignore[arg-type]  # it has what is used
            compression=compression,
            max_row_group_size=max(rows, 1),
            column_dictionary_enabled=dict.fromkeys(((name,) for name in distinct), False),
        )
    file = memoryview(out.data)
    start, length = footer_range(bytes(file[-TAIL:]), len(file))
    footer = read_footer(bytes(file[start : start + length]), start)
    if footer.rows != rows or len(footer.row_groups) > 1:
        raise PermanentError(f"{rows:,} rows became {len(footer.row_groups):,} row groups of {footer.rows:,} rows")
    if not rows:
        return WrittenRowGroup(file[:0], None, footer)
    group = footer.row_groups[0]
    # Behind the pages are page indexes, whose offsets belong to the small file.
    return WrittenRowGroup(file[len(MAGIC) : max(column.end for column in group.columns)], group, footer)


def distinct_columns(schema: Schema, batches: Sequence[RecordBatch]) -> list[str]:
    """The columns of which hardly any value is repeated, in a sample of rows. A dictionary would save nothing."""
    if sum(batch.num_rows for batch in batches) < _FEW:
        return []
    chosen = [batches[len(batches) * part // _PARTS] for part in range(_PARTS)]
    return [name for place, name in enumerate(schema.names) if _is_distinct([batch.column(place) for batch in chosen])]


def _is_distinct(columns: Sequence[Array]) -> bool:
    values: list[object] = []
    for column in columns:
        values += column.slice(0, min(len(column), _SAMPLED)).to_pylist()
    if values and isinstance(values[0], list):
        return False
    return len(set(values)) >= _DISTINCT * len(values)


class _Written:
    """A file in memory, as arro3 wants it."""

    def __init__(self) -> None:
        self.data = bytearray()

    def write(self, data: bytes) -> int:
        self.data += data
        return len(data)

    def flush(self) -> None:
        """Nothing is held back."""

    def tell(self) -> int:
        return len(self.data)

    def seek(self, _offset: int, _whence: int = 0) -> NoReturn:
        raise OSError("rows are written once, from the beginning to the end")
