"""The steps of the state machine: each a function of job, execution and what the step is about."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING

from penstock.adapters.events import DefaultEventBus
from penstock.adapters.s3_files import S3WorkFiles
from penstock.adapters.s3_parts import S3PartStore
from penstock.adapters.s3_store import S3ObjectStore, s3_client
from penstock.adapters.session import dynamodb_client, events_client
from penstock.adapters.texts import UriTexts
from penstock.delivery import Carrier, ObjectCarrier
from penstock.limits import Budget
from penstock.model import Store
from penstock.settings import Settings
from penstock.steps.aborting import Aborter
from penstock.steps.cutting_tables import TableCutter
from penstock.steps.finishing import Finisher
from penstock.steps.index_step import Indexer
from penstock.steps.planning import Planner, Sizes
from penstock.steps.working import Worker
from penstock.wiring.handover import execution_store
from penstock.wiring.routes import routes_reader

if TYPE_CHECKING:
    from penstock.steps.tables import TableSteps


class Steps:
    """What the steps of one environment are made of; each part is made when a step first needs it."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.budget = Budget.of(settings.memory)
        self.s3 = s3_client(self.budget)
        self.objects = S3ObjectStore(self.s3, self.budget)
        self.files = S3WorkFiles(self.s3, settings.work_bucket)
        self.executions = execution_store(settings, dynamodb_client())
        self.parts = S3PartStore(self.s3, self.budget)
        self.sizes = Sizes(
            self.budget, settings.memory, settings.map_concurrency, settings.span_bytes, settings.index_spacing
        )

    def tables(self, store: Store) -> TableSteps:
        """The part of the steps that is about tables, for one store."""
        from penstock.wiring import tables  # noqa: PLC0415  # parsers and psycopg: 15 MB that gunzip has no use for

        return tables.table_steps(self.settings, store, self.objects, self.s3, self.budget)

    def plan(self) -> Planner:
        """`plan` of this environment."""
        routes = routes_reader(self.settings, UriTexts(lambda: self.s3))
        return Planner(
            self.objects,
            self.files,
            self.executions,
            self.parts,
            TableCutter(self.files, self.tables, routes, self.sizes, self.settings.margin_seconds),
            routes,
            self.sizes,
            self.settings.margin_seconds,
        )

    def index(self) -> Indexer:
        return Indexer(self.objects, self.files, self.sizes, self.settings.margin_seconds)

    def work(self) -> Worker:
        return Worker(
            self.objects,
            self.files,
            self.executions,
            self.parts,
            self.tables,
            self._carriers(),
            routes_reader(self.settings, UriTexts(lambda: self.s3)),
            self.budget,
            self.settings.margin_seconds,
        )

    def finish(self) -> Finisher:
        return Finisher(self.files, self.executions, self.parts, self.tables, DefaultEventBus(events_client))

    def abort(self) -> Aborter:
        return Aborter(
            self.objects, self.files, self.executions, self.parts, self.tables, DefaultEventBus(events_client)
        )

    def _carriers(self) -> Mapping[Store, Carrier]:
        return {
            Store.BUCKET: ObjectCarrier(self.objects, self.budget),
            Store.POSTGRESQL: lambda attempt: self.tables(Store.POSTGRESQL).carrier(attempt),
            Store.DYNAMODB: lambda attempt: self.tables(Store.DYNAMODB).carrier(attempt),
        }


@cache
def steps() -> Steps:
    """The steps of this environment, built once per execution environment."""
    return Steps(Settings.from_environment())
