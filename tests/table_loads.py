"""Loads a file into PostgreSQL, in one pass and in spans. Both give the same rows and rejects."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from penstock.delivery.attempt import Attempt
from penstock.delivery.table import TableDelivery
from penstock.destinations.ports import TableSink
from penstock.destinations.postgres.connect import by_dsn
from penstock.destinations.postgres.sink import PostgresSink
from penstock.limits import KIB, MIB, Budget
from penstock.model.column_change import ColumnChange
from penstock.model.job import Job
from penstock.model.job_status import JobState
from penstock.model.record import Reject
from penstock.routes import destination_of, parse_routes
from penstock.tables import Form
from penstock.testing import ManualDeadline, MemoryObjectStore, MemoryRejectLog
from postgres_database import Database
from table_machine import table_plant


@dataclass(frozen=True)
class LoadResult:
    """The number of loaded rows, (row, column, reason) of each reject, and warnings and changes of the receipt."""

    rows: int
    rejects: list[tuple[int, str, str]]
    warnings: tuple[str, ...] = ()
    changes: tuple[ColumnChange, ...] = ()

    @property
    def rejected(self) -> list[int]:
        return [row for row, _, _ in self.rejects]


Load: TypeAlias = Callable[..., LoadResult]
"""Arguments: a database, the name and the bytes of a file, and the table section of the route."""


def route(table: str, destination: str = "postgresql:t") -> str:
    return f"""
    [[route]]
    name = "t"
    match = "*"
    destination = "{destination}"
    max_rejects = 1000
    [route.table]
    {table}
    """


def in_one_pass(database: Database, key: str, data: bytes | str, table: str = "create = true") -> LoadResult:
    return load_into(lambda job: PostgresSink(by_dsn(database.dsn), job.id), Form.TEXT, key, data, route(table))


def load_into(open_sink: Callable[[Job], TableSink], form: Form, key: str, data: bytes | str, text: str) -> LoadResult:
    """Load a file with the route in ``text``."""
    store, log = MemoryObjectStore("drops"), MemoryRejectLog()
    source = store.put("drops", key, data.encode() if isinstance(data, str) else data)
    routes = parse_routes(text, "routes.toml", {"source_bucket": "drops"})
    job = Job(source, routes.routes[0], destination_of(routes.routes[0], source))
    head = store.head("drops", key)
    assert head
    delivery = TableDelivery(store, log, open_sink, form, Budget.of(128 * MIB))
    receipt = delivery(Attempt(job, head, 1, routes, lambda _: None, ManualDeadline(900), 0.0))
    return LoadResult(receipt.rows, _rejects_of(log.all), receipt.warnings, receipt.changes)


def in_spans(database: Database, key: str, data: bytes | str, table: str = "create = true") -> LoadResult:
    content = data.encode() if isinstance(data, str) else data
    # Some four spans: a span is a connection, and hundreds of them take half a minute.
    plant = table_plant(database, route(table), span_bytes=max(4 * KIB, len(content) // 4))
    status = plant.run(plant.upload(key, content))
    assert status.state is JobState.SUCCEEDED, status
    assert status.progress.rows is not None
    return LoadResult(status.progress.rows, _rejects_of(plant.rejects.all), status.warnings, status.changes)


LOADERS = {"whole": in_one_pass, "in spans": in_spans}


def _rejects_of(rejects: Sequence[Reject]) -> list[tuple[int, str, str]]:
    return sorted((reject.position.row, reject.column, reject.reason) for reject in rejects)
