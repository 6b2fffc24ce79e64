"""A row of a sheet as one line."""

from __future__ import annotations

import csv
import io

from penstock.formats.xlsx.sheet import SheetRow, shown


def line_of(row: SheetRow, left: int) -> str:
    """A row as rejects show it, and as a footer is searched in it: a line of CSV, with its empty cells.

    It begins with column ``left``, the first of the table, unless the row holds something before it, and ends with the
    last cell that holds anything.
    """
    cells = row.cells if any(row.cells[:left]) else row.cells[left:]
    while cells and not cells[-1]:
        cells = cells[:-1]
    text = io.StringIO()
    csv.writer(text, lineterminator="").writerow(shown(cells))
    return text.getvalue()
