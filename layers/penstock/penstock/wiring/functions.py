"""The use cases of the Lambda functions, built from the settings of this environment."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache, partial
from types import ModuleType
from typing import TYPE_CHECKING, Any

from penstock.aws.commit_queue import SqsCommits
from penstock.aws.jobs_table.job_store import DynamoJobStore
from penstock.aws.lambda_context import LambdaContext, LambdaDeadline
from penstock.aws.queue import SqsQueue
from penstock.aws.s3.client import s3_client
from penstock.aws.s3.work_files import S3WorkFiles
from penstock.aws.session import dynamodb_client, sqs_client
from penstock.aws.text_files import UriTexts
from penstock.delivery.attempt import Attempt, Delivery
from penstock.delivery.bucket import BucketDelivery
from penstock.destinations import DESTINATIONS
from penstock.errors import PenstockError
from penstock.jobs.commit.waiting import CommitWaiting
from penstock.jobs.ingest import Ingest, LoadTogether
from penstock.jobs.runner import JobRunner, Outcome
from penstock.large_jobs.failure_recorder import FailureRecorder
from penstock.limits import Budget
from penstock.model.job import Job, Receipt
from penstock.model.route import BUCKET, MEMBERS
from penstock.model.source import Deadline
from penstock.settings import Settings
from penstock.telemetry import EndedJobs
from penstock.wiring.handover import handover
from penstock.wiring.objects import member_objects
from penstock.wiring.routes import routes_reader

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.client import DynamoDBClient
    from mypy_boto3_s3 import S3Client

    from penstock.delivery.archive_delivery import ArchiveDelivery
    from penstock.delivery.member_store import MemberObjects
    from penstock.delivery.ports import ObjectStore
    from penstock.delivery.table import TableDelivery
    from penstock.jobs.after.records import AfterRecords
    from penstock.jobs.announce.announcer import Announced
    from penstock.jobs.commit.messages import CommitMessages
    from penstock.jobs.reconcile.reconciler import Reconciliation
    from penstock.jobs.reconcile.unused_files import UnusedFiles
    from penstock.large_jobs.abort import Aborter
    from penstock.large_jobs.table_steps import TableSteps
    from penstock.wiring.large_jobs import Steps


@cache
def ingest() -> Ingest:
    """Build the ingest use case, once per execution environment."""
    with _frozen():
        return build_ingest(Settings.from_environment())


def plan() -> FailureRecorder:
    """Build the plan step."""
    return FailureRecorder(_steps().executions, _steps().plan())


def index() -> FailureRecorder:
    """Build the index step."""
    return FailureRecorder(_steps().executions, _steps().index())


def work() -> FailureRecorder:
    """Build the work step."""
    return FailureRecorder(_steps().executions, _steps().work())


def finish() -> FailureRecorder:
    """Build the finish step."""
    return FailureRecorder(_steps().executions, _steps().finish())


def abort() -> Aborter:
    """Build the abort step."""
    return _steps().abort()


def unused() -> UnusedFiles:
    """Build what deletes the files of failed jobs."""
    return _steps().unused()


@cache
def reconcile() -> Reconciliation:
    """Build the reconciler, once per execution environment."""
    with _frozen():
        from penstock.wiring.reconcile import build_reconciliation  # noqa: PLC0415  # only this function needs it

        return build_reconciliation(Settings.from_environment(), ended_jobs().note)


@cache
def ended_jobs() -> EndedJobs:
    """Return the jobs that this invocation has ended through the state machine or as the reconciler."""
    return EndedJobs()


def check(connections: int) -> dict[str, object]:
    """Try what the functions do. The database is to serve so many connections at once."""
    with _frozen():
        from penstock.wiring.check import answer  # noqa: PLC0415  # as above

    return answer(Settings.from_environment(), connections)


@cache
def after() -> AfterRecords:
    """Build the function `after`, once per execution environment."""
    with _frozen():
        from penstock.wiring.after import build_after  # noqa: PLC0415  # only this function needs it

        return build_after(Settings.from_environment())


@cache
def commit() -> CommitMessages:
    """Build the function `commit`, once per execution environment."""
    with _frozen():
        from penstock.wiring.commit import build_commits  # noqa: PLC0415  # only this function needs it

        return build_commits(Settings.from_environment(), ended_jobs().note)


def prepare(request: Mapping[str, object]) -> dict[str, object]:
    """Create or change the table of a request."""
    from penstock.wiring.commit import prepare_table  # noqa: PLC0415  # only `commit` needs it

    return prepare_table(Settings.from_environment(), request)


@cache
def announce() -> Callable[[Mapping[str, Any]], Announced]:
    """Build the announcer of the changes in an event of the jobs table's stream, once per execution environment."""
    with _frozen():
        from penstock.aws.jobs_table.stream import read_changes  # noqa: PLC0415  # only this function needs it
        from penstock.wiring.announce import build_announcer  # noqa: PLC0415  # as above

        announcer = build_announcer(Settings.from_environment())
        return lambda event: announcer(read_changes(event))


def deadline(context: LambdaContext) -> Deadline:
    """Return the deadline of one invocation."""
    return LambdaDeadline(context, Settings.from_environment().time_limit_seconds)


def build_ingest(settings: Settings) -> Ingest:
    """Build the ingest use case for explicit settings. AWS credentials and endpoint come from boto3's own chain."""
    budget = Budget.of(settings.memory)
    s3 = s3_client(budget)
    files = S3WorkFiles(s3, settings.work_bucket)
    routes = routes_reader(settings, UriTexts(lambda: s3))
    objects = member_objects(s3, budget, files, settings.index_spacing, routes)
    dynamodb = dynamodb_client()
    jobs = build_job_store(settings, dynamodb)
    tables = {
        name: cache(partial(_table_delivery, settings, name, objects, s3, budget))
        for name, destination in DESTINATIONS.items()
        if destination.takes_rows
    }
    deliveries: dict[str, Delivery] = {BUCKET: BucketDelivery(objects, budget)}
    deliveries |= {store: _lazy_delivery(delivery) for store, delivery in tables.items()}
    loads = {store: _lazy_load(delivery) for store, delivery in tables.items()}
    steps = partial(_table_steps, settings, objects, s3, budget)
    archives = cache(partial(_archive_delivery, objects, dict(deliveries), tables, files, steps))
    runner = JobRunner(
        objects=objects,
        jobs=jobs,
        deliveries=deliveries | {MEMBERS: _lazy_delivery(archives)},
        loads=loads,
        failures={store: _lazy_failure(delivery) for store, delivery in tables.items()},
        lease=settings.lease_seconds,
        heartbeat_every=settings.heartbeat_seconds,
        margin=settings.margin_seconds,
        handover=handover(settings, objects, s3, dynamodb),
        memory=settings.memory,
        waiting=CommitWaiting(jobs, SqsCommits(sqs_client, settings.commit_queue_url)),
    )
    together = _lazy_batches(lambda: _tables().small_batches(settings, s3, jobs, budget))
    return Ingest(runner, SqsQueue(sqs_client), routes, together)


def build_job_store(settings: Settings, client: DynamoDBClient | None = None) -> DynamoJobStore:
    """Open the jobs table of explicit settings, with a new client if none is given."""
    return DynamoJobStore(client or dynamodb_client(), settings.jobs_table, retention_days=settings.job_retention_days)


def _lazy_delivery(build: Callable[[], Delivery]) -> Delivery:
    """Build a delivery for its first job, so that a cold start does not pay for an unused one."""

    def deliver(attempt: Attempt) -> Receipt:
        return build()(attempt)

    return deliver


def _lazy_load(build: Callable[[], TableDelivery]) -> Callable[[Job], Receipt | None]:
    """Look up a job's complete load, with a delivery that is built when needed."""
    return lambda job: build().ended(job)


def _lazy_begun(build: Callable[[], TableDelivery]) -> Callable[[Job], bool]:
    """Look whether rows of a job are committed, as above."""
    return lambda job: build().begun(job)


def _lazy_failure(build: Callable[[], TableDelivery]) -> Callable[[Job, PenstockError, int, int], None]:
    """Build the delivery when a job has failed for which an earlier attempt may have begun to load."""
    return lambda job, error, attempt, redrives: build().report_failure(job, error, attempt, redrives)


def _lazy_batches(build: Callable[[], LoadTogether]) -> LoadTogether:
    """Build the loader of small batches for its first batch."""
    built = cache(build)

    def deliver(jobs: Sequence[Job], deadline: Deadline) -> Mapping[str, Outcome]:
        return built()(jobs, deadline)

    return deliver


@cache
def _steps() -> Steps:
    with _frozen():
        from penstock.wiring import large_jobs as steps  # noqa: PLC0415  # as above

        return steps.steps(ended_jobs().note)


@contextmanager
def _frozen() -> Iterator[None]:
    """Objects created here are frozen out of garbage collection, as are the imported modules.

    During a cold start the collector would scan all of them a dozen times, a fifth of its CPU, and free almost nothing.
    Handlers disable it before their first import (docs/adr/0011).
    """
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


def _table_delivery(
    settings: Settings, store: str, objects: ObjectStore, s3: S3Client, budget: Budget
) -> TableDelivery:
    delivery: TableDelivery = _tables().table_delivery(settings, store, objects, s3, budget)
    return delivery


def _table_steps(settings: Settings, objects: ObjectStore, s3: S3Client, budget: Budget, store: str) -> TableSteps:
    steps: TableSteps = _tables().table_steps(settings, store, objects, s3, budget)
    return steps


def _archive_delivery(
    objects: MemberObjects,
    deliveries: Mapping[str, Delivery],
    tables: Mapping[str, Callable[[], TableDelivery]],
    files: S3WorkFiles,
    steps: Callable[[str], TableSteps],
) -> ArchiveDelivery:
    from penstock.delivery.archive import ArchiveLoader  # noqa: PLC0415  # few functions meet an archive
    from penstock.delivery.archive_delivery import ArchiveDelivery  # noqa: PLC0415  # as above

    loads = {store: _lazy_load(delivery) for store, delivery in tables.items()}
    begun = {store: _lazy_begun(delivery) for store, delivery in tables.items()}
    return ArchiveDelivery(ArchiveLoader(objects, deliveries, objects.budget, loads, begun), files, steps)


def _tables() -> ModuleType:
    from penstock.wiring import tables  # noqa: PLC0415  # parsers and psycopg: 15 MB that gunzip does not need

    return tables
