"""Begin a load with the plan's columns fitted to the existing tables."""

from __future__ import annotations

from penstock.destinations.ports import TableSink
from penstock.model.load import Resume
from penstock.model.table import TablePlan
from penstock.tables import fit_to_storage, tables_of


def begin_fitted(sink: TableSink, plan: TablePlan) -> tuple[TablePlan, Resume]:
    """Call ``sink.begin`` with the plan fitted to the tables; also return that plan.

    `begin` may create a missing table. Another load with another sample may also have created it meanwhile.
    """
    fitted = fit_to_storage(plan, sink.storages(plan))
    resume = sink.begin(fitted)
    if any(table.create for table in tables_of(plan)):
        settled = fit_to_storage(plan, sink.storages(plan))
        if settled != fitted:
            return settled, sink.begin(settled)
    return fitted, resume
