"""Begin a load with the plan's columns fitted to the existing tables."""

from __future__ import annotations

from collections.abc import Mapping

from penstock.delivery.growing_tables import grow, grows
from penstock.destinations.ports import TableSink
from penstock.errors import InvalidTableError
from penstock.model.load import Resume
from penstock.model.table import TablePlan
from penstock.tables import Storages, fit_to_storage, tables_of


def begin_fitted(sink: TableSink, plan: TablePlan) -> tuple[TablePlan, Resume]:
    """Call ``sink.begin`` with the plan fitted to the tables; also return that plan.

    Tables that may grow get the columns that they lack before that. `begin` may create a missing table. Another load
    with another sample may also have created it meanwhile.
    """
    held = sink.storages(plan)
    if not grows(plan):
        return _begin(sink, plan, held)
    try:
        grown = grow(sink, plan, held)
        return _begin(sink, grown, sink.storages(grown))
    except InvalidTableError:
        if sink.storages(plan).keys() <= held.keys():
            raise
        # Another load has created a table with other columns.
        return begin_fitted(sink, plan)


def _begin(sink: TableSink, plan: TablePlan, held: Mapping[str, Storages]) -> tuple[TablePlan, Resume]:
    fitted = fit_to_storage(plan, held)
    resume = sink.begin(fitted)
    if any(table.create for table in tables_of(plan)):
        settled = fit_to_storage(plan, sink.storages(plan))
        if settled != fitted:
            return settled, sink.begin(settled)
    return fitted, resume
