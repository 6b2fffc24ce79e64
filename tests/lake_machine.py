"""Plants whose table jobs write Parquet files into a fake lake."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from typing import Any

import pyarrow.parquet as pq

from machine import Plant, StepKilledError
from penstock.delivery.ports import ObjectStore
from penstock.delivery.table import TableDelivery
from penstock.destinations.parquet.destination import PARQUET
from penstock.destinations.parquet.sink import LakeSink
from penstock.destinations.parquet.tables import ParquetLake
from penstock.destinations.ports import TableSwap
from penstock.large_jobs.table_steps import TableSteps
from penstock.limits import KIB, MIB
from penstock.model.replacement import Replacement
from penstock.model.table import Table
from penstock.testing.lake import MemoryLake
from table_machine import BUDGET


def dying(inject: Callable[[str], None]) -> Callable[[str], None]:
    """Requests of one attempt. Once it is killed, it sends no more, not even to clean up."""
    dead: list[StepKilledError] = []

    def ask(name: str) -> None:
        if dead:
            raise dead[0]
        try:
            inject(name)
        except StepKilledError as error:
            dead.append(error)
            raise

    return ask


def add_lake(plant: Plant, lake: MemoryLake, inject: Callable[[str], None] = lambda _: None) -> None:
    """Let the table jobs of a plant write files into this lake. Rejects go to ``plant.rejects``."""

    def open_sink(job_id: str, span: int) -> LakeSink:
        client = lake.client(dying(inject))
        return LakeSink(ParquetLake(), client, client, job_id, span, limit=8 * MIB)

    def open_swap(replacement: Replacement, replaced: Sequence[Table]) -> TableSwap:
        raise AssertionError("nothing is replaced")

    objects: ObjectStore = plant.opened
    form = PARQUET.row_form
    delivery = TableDelivery(objects, plant.rejects, lambda job: open_sink(job.id, 0), form, BUDGET)
    steps = TableSteps(delivery, open_sink, plant.rejects, form, BUDGET, open_swap)
    plant.tables = lambda store: steps
    plant.table_deliveries = {"parquet": delivery}
    plant.loads = {"parquet": delivery.ended}
    plant.begun = {"parquet": delivery.begun}
    plant.failures = {"parquet": delivery.report_failure}


def lake_plant(lake: MemoryLake, route: str, **options: Any) -> Plant:
    plant = Plant(route, **{"span_bytes": 4 * KIB, **options})
    add_lake(plant, lake)
    return plant


def route(*, more: str = "", table: str = "", place: str = "parquet:s3://lake/people/{year}/") -> str:
    """A route to files of three columns. ``more`` are lines of the route, ``table`` lines of its table."""
    return f"""
    [[route]]
    name = "people"
    match = "*"
    destination = "{place}"
    {more}
    [route.table]
    {table}
    columns = [
        {{ name = "id", type = "integer", nullable = false }},
        {{ name = "name" }},
        {{ name = "born", type = "date" }},
    ]
    """


def rows_of(lake: MemoryLake, column: str = "id") -> list[Any]:
    """The values of a column in all files that a reader sees, in order."""
    found: list[Any] = []
    for data in lake.objects.values():
        found += pq.read_table(io.BytesIO(data)).column(column).to_pylist()
    return sorted(found, key=lambda value: (value is None, value))
