"""Which fields of records a plan needs. A format that stores records by columns reads no others."""

from __future__ import annotations

from penstock.model.table import Evolve, TablePlan
from penstock.tables.field_watch import path_of


def needed_fields(plan: TablePlan) -> frozenset[str] | None:
    """Return the names of the fields that the columns of the only table take; None if any other field may matter.

    It does where the route rescues or adds fields, fails on them, or chooses the table by one.
    """
    table = plan.table
    if table is None or not table.columns or table.rescue or table.spare or table.evolve not in (None, Evolve.IGNORE):
        return None
    return frozenset(path_of(column)[0] for column in table.columns if not column.metadata)
