"""Plants whose table jobs load into a real PostgreSQL."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from machine import Plant
from penstock.delivery.ports import ObjectStore
from penstock.delivery.table import TableDelivery
from penstock.destinations.ports import TableSink, TableSwap
from penstock.destinations.postgres.connect import by_dsn
from penstock.destinations.postgres.sink import PostgresSink
from penstock.destinations.postgres.tables import PostgresTables
from penstock.large_jobs.table_steps import TableSteps
from penstock.limits import KIB, MIB, Budget
from penstock.model.replacement import Replacement
from penstock.model.table import Table
from penstock.tables import Form
from postgres_database import Database

OpenSink = Callable[[str, int], TableSink]

BUDGET = replace(Budget.of(128 * MIB), step=1 * KIB, batch=2 * KIB)


def add_tables(
    plant: Plant,
    database: Database,
    wrap: Callable[[OpenSink], OpenSink] = lambda good: good,
    wrap_swap: Callable[[TableSwap], TableSwap] = lambda good: good,
) -> None:
    """Let the table jobs of a plant load into this database. Rejects go to ``plant.rejects``."""

    def postgres(job_id: str, span: int) -> TableSink:
        return PostgresSink(by_dsn(database.dsn), job_id, span)

    open_sink = wrap(postgres)
    objects: ObjectStore = plant.opened
    delivery = TableDelivery(objects, plant.rejects, lambda job: open_sink(job.id, 0), Form.TEXT, BUDGET)
    tables = PostgresTables(by_dsn(database.dsn))

    def open_swap(replacement: Replacement, replaced: Sequence[Table]) -> TableSwap:
        return wrap_swap(tables.open_swap(replacement, replaced))

    steps = TableSteps(delivery, open_sink, plant.rejects, Form.TEXT, BUDGET, open_swap)
    plant.tables = lambda store: steps
    plant.table_deliveries = {"postgresql": delivery}
    plant.loads = {"postgresql": delivery.ended}
    plant.begun = {"postgresql": delivery.begun}
    plant.failures = {"postgresql": delivery.report_failure}


def table_plant(database: Database, route: str, **options: Any) -> Plant:
    plant = Plant(route, **{"span_bytes": 4 * KIB, **options})
    add_tables(plant, database)
    return plant


def route(*, mode: str = "append", more: str = "", parse: str = "", table: str = "people") -> str:
    """A route to a table of three columns. ``more`` are lines of the route, ``parse`` lines of its parser. ``mode`` may
    be "atomic append"."""
    atomic, _, mode = mode.rpartition(" ")
    return f"""
    [[route]]
    name = "people"
    match = "*"
    destination = "postgresql:{table}"
    {more}
    [route.parse]
    {parse}
    [route.table]
    create = true
    mode = "{mode}"
    atomic = {"true" if atomic else "false"}
    key = ["id"]
    columns = [
        {{ name = "id", type = "integer", nullable = false }},
        {{ name = "name" }},
        {{ name = "born", type = "date" }},
    ]
    """
