"""Find the header of a sheet by the columns that the route declares: titles and remarks may stand above it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice

from penstock.errors import HeaderRowError
from penstock.formats.xlsx.sheet import SheetRow
from penstock.model.likely_name import with_likely_names
from penstock.model.wording import counted

# Rows that hold anything, in which a header is looked for.
ROWS = 1000


def find_header(rows: Iterator[SheetRow], declared: Sequence[str]) -> SheetRow | None:
    """Take rows up to the first that holds all the declared columns; None for an empty sheet.

    Raises HeaderRowError, which names the row that lacks the fewest of them.
    """
    examined, closest, lacking = 0, 0, list(declared)
    others: list[str] = []
    for examined, row in enumerate(islice(rows, ROWS), 1):  # noqa: B007  # used after the loop
        present = set(row.cells)
        absent = [name for name in declared if name not in present]
        if not absent:
            return row
        if len(absent) < len(lacking):
            closest, lacking = row.number, absent
            others = [str(cell) for cell in row.cells if cell and cell not in declared]
    if not examined:
        return None
    names = with_likely_names(lacking, others)
    where = f"; the closest, row {closest:,}, lacks {names}" if closest else f": {names}"
    raise HeaderRowError(
        f"none of the first {counted(examined, 'row')} holds all columns that the route declares{where}",
        offset=0,
        hint="Correct the columns in the route, or say where the header is by parse.skip_rows or parse.range.",
    )
