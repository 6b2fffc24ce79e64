"""Beginning a load: the plan's columns become those of the tables, whoever has made them."""

from __future__ import annotations

from penstock.destinations.ports import TableSink
from penstock.model.load import Resume
from penstock.model.table import TablePlan
from penstock.tables import fit_to_storage, tables_of


def begin_fitted(sink: TableSink, plan: TablePlan) -> tuple[TablePlan, Resume]:
    """What ``sink.begin`` does, with the plan fitted to the tables; answers that plan too.

    A table that is missing may be made by `begin`, or meanwhile by another load that has seen another sample.
    """
    fitted = fit_to_storage(plan, sink.storages(plan))
    resume = sink.begin(fitted)
    if any(table.create for table in tables_of(plan)):
        settled = fit_to_storage(plan, sink.storages(plan))
        if settled != fitted:
            return settled, sink.begin(settled)
    return fitted, resume
