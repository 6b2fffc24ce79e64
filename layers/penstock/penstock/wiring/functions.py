"""What the Lambda functions do, each a function of this environment's settings."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache, partial
from types import ModuleType
from typing import TYPE_CHECKING

from penstock.aws.jobs_table.job_store import DynamoJobStore
from penstock.aws.lambda_context import LambdaContext, LambdaDeadline
from penstock.aws.queue import SqsQueue
from penstock.aws.s3.client import s3_client
from penstock.aws.session import dynamodb_client, sqs_client
from penstock.aws.text_files import UriTexts
from penstock.delivery.attempt import Attempt, Delivery
from penstock.delivery.bucket import BucketDelivery
from penstock.destinations import DESTINATIONS
from penstock.destinations.bucket.object_store import S3ObjectStore
from penstock.jobs.ingest import Ingest, LoadTogether
from penstock.jobs.runner import JobRunner, Outcome
from penstock.large_jobs.failure_recorder import FailureRecorder
from penstock.limits import Budget
from penstock.model.job import Job, Receipt
from penstock.model.route import BUCKET
from penstock.model.source import Deadline
from penstock.settings import Settings
from penstock.wiring.handover import handover
from penstock.wiring.routes import routes_reader

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.client import DynamoDBClient
    from mypy_boto3_s3 import S3Client

    from penstock.delivery.table import TableDelivery
    from penstock.jobs.reconcile.reconciler import Reconciliation
    from penstock.large_jobs.abort import Aborter
    from penstock.wiring.large_jobs import Steps


@cache
def ingest() -> Ingest:
    """The ingest use case of this environment, built once per execution environment."""
    with _for_good():
        return build_ingest(Settings.from_environment())


def plan() -> FailureRecorder:
    """The plan step of this environment."""
    return FailureRecorder(_steps().executions, _steps().plan())


def index() -> FailureRecorder:
    """The index step."""
    return FailureRecorder(_steps().executions, _steps().index())


def work() -> FailureRecorder:
    """The work step."""
    return FailureRecorder(_steps().executions, _steps().work())


def finish() -> FailureRecorder:
    """The finish step."""
    return FailureRecorder(_steps().executions, _steps().finish())


def abort() -> Aborter:
    """The abort step."""
    return _steps().abort()


@cache
def reconcile() -> Reconciliation:
    """The reconciler of this environment."""
    with _for_good():
        from penstock.wiring.reconcile import build_reconciliation  # noqa: PLC0415  # no other function has use for it

        return build_reconciliation(Settings.from_environment())


def deadline(context: LambdaContext) -> Deadline:
    """The deadline of one invocation."""
    return LambdaDeadline(context, Settings.from_environment().time_limit_seconds)


def build_ingest(settings: Settings) -> Ingest:
    """The ingest use case for explicit settings; AWS credentials and endpoint come from boto3's own chain."""
    budget = Budget.of(settings.memory)
    s3 = s3_client(budget)
    objects = S3ObjectStore(s3, budget)
    dynamodb = dynamodb_client()
    jobs = build_job_store(settings, dynamodb)
    tables = {
        name: cache(partial(_table_delivery, settings, name, objects, s3, budget))
        for name, destination in DESTINATIONS.items()
        if destination.takes_rows
    }
    runner = JobRunner(
        objects=objects,
        jobs=jobs,
        deliveries={BUCKET: BucketDelivery(objects, budget)}
        | {store: _later(delivery) for store, delivery in tables.items()},
        loads={store: _later_look(delivery) for store, delivery in tables.items()},
        lease=settings.lease_seconds,
        heartbeat_every=settings.heartbeat_seconds,
        margin=settings.margin_seconds,
        handover=handover(settings, objects, s3, dynamodb),
        memory=settings.memory,
    )
    routes = routes_reader(settings, UriTexts(lambda: s3))
    together = _later_together(lambda: _tables().small_batches(settings, s3, jobs, budget))
    return Ingest(runner, SqsQueue(sqs_client), routes, together)


def build_job_store(settings: Settings, client: DynamoDBClient | None = None) -> DynamoJobStore:
    """The jobs table of explicit settings, with a client of its own where none is given."""
    return DynamoJobStore(client or dynamodb_client(), settings.jobs_table, retention_days=settings.job_retention_days)


def _later(made: Callable[[], TableDelivery]) -> Delivery:
    """A carrier that is made for its first job: a cold start should not pay for what it may never need."""

    def deliver(attempt: Attempt) -> Receipt:
        return made()(attempt)

    return deliver


def _later_look(made: Callable[[], TableDelivery]) -> Callable[[Job], Receipt | None]:
    """What it says of a job that is in already."""
    return lambda job: made().ended(job)


def _later_together(make: Callable[[], LoadTogether]) -> LoadTogether:
    """The same for jobs that are done together."""
    made = cache(make)

    def deliver(jobs: Sequence[Job], deadline: Deadline) -> Mapping[str, Outcome]:
        return made()(jobs, deadline)

    return deliver


@cache
def _steps() -> Steps:
    with _for_good():
        from penstock.wiring import large_jobs as steps  # noqa: PLC0415  # as above

        return steps.steps()


@contextmanager
def _for_good() -> Iterator[None]:
    """What is made here stays, as do the modules that were imported: nobody looks for garbage among it, now or later.

    The collector would go through all of it a dozen times during a cold start, a fifth of its CPU, to find next to
    nothing. Handlers stop it before their first import (docs/adr/0011).
    """
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


def _table_delivery(
    settings: Settings, store: str, objects: S3ObjectStore, s3: S3Client, budget: Budget
) -> TableDelivery:
    delivery: TableDelivery = _tables().table_delivery(settings, store, objects, s3, budget)
    return delivery


def _tables() -> ModuleType:
    from penstock.wiring import tables  # noqa: PLC0415  # parsers and psycopg: 15 MB that gunzip has no use for

    return tables
