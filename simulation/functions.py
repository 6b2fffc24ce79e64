"""The functions of a stack: what `penstock.wiring` builds of an environment, with clocks and clients of a history."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from penstock.aws.abort_function import AbortFunction
from penstock.aws.backoff import Backoff
from penstock.aws.commit_queue import SqsCommits
from penstock.aws.jobs_table.after_store import DynamoAfterStore
from penstock.aws.jobs_table.execution_store import DynamoExecutionStore
from penstock.aws.jobs_table.job_store import DynamoJobStore
from penstock.aws.jobs_table.open_jobs import DynamoOpenJobs
from penstock.aws.queue import SqsDeadLetters, SqsEvents, SqsQueue
from penstock.aws.s3.own_uploads import S3OwnUploads
from penstock.aws.s3.reject_log import S3RejectLog
from penstock.aws.s3.source_objects import S3SourceObjects
from penstock.aws.s3.work_files import S3WorkFiles
from penstock.aws.state_machine import StepFunctionsStateMachine
from penstock.delivery.archive import ArchiveLoader
from penstock.delivery.archive_delivery import ArchiveDelivery
from penstock.delivery.archive_reader import ArchiveReader
from penstock.delivery.attempt import Attempt, Delivery
from penstock.delivery.bucket import BucketDelivery
from penstock.delivery.member_store import MemberObjects
from penstock.delivery.table import TableDelivery
from penstock.destinations import destination_named
from penstock.destinations.bucket.object_store import S3ObjectStore
from penstock.destinations.bucket.part_store import S3PartStore
from penstock.destinations.dynamodb.bookmark import DynamoBookmark
from penstock.destinations.dynamodb.sink import DynamoRecordSink
from penstock.destinations.parquet.sink import LakeSink
from penstock.destinations.parquet.tables import ParquetLake, RoutedFiles
from penstock.destinations.parquet.versioned_files import S3VersionedFiles
from penstock.destinations.ports import TableSink, TableSwap
from penstock.errors import PenstockError
from penstock.jobs.after.actor import AfterActor
from penstock.jobs.after.records import AfterRecords
from penstock.jobs.commit.waiting import CommitWaiting
from penstock.jobs.ingest import Ingest, summarise
from penstock.jobs.reconcile.dead_letters import DeadLetters
from penstock.jobs.reconcile.due_actions import ActionCheck
from penstock.jobs.reconcile.due_jobs import Reconciler
from penstock.jobs.reconcile.reconciler import Reconciliation
from penstock.jobs.reconcile.unused_files import UnusedLook
from penstock.jobs.reconcile.uploads import UploadSweep
from penstock.jobs.runner import JobRunner
from penstock.large_jobs.abort import Aborter
from penstock.large_jobs.children import Children
from penstock.large_jobs.decoded_ranges import DecodedArchives
from penstock.large_jobs.failure_recorder import FailureRecorder
from penstock.large_jobs.finish import Finisher
from penstock.large_jobs.handover import Handover
from penstock.large_jobs.index import IndexStep
from penstock.large_jobs.plan import Planner, Sizes
from penstock.large_jobs.plan_members import MemberPlanner
from penstock.large_jobs.plan_tables import TableSpanPlanner
from penstock.large_jobs.replacements import ReplacementPlanner
from penstock.large_jobs.table_commits import CommitLook, TableCommits
from penstock.large_jobs.table_steps import TableSteps
from penstock.large_jobs.work import Worker
from penstock.large_jobs.work_members import MemberWorker
from penstock.limits import KIB, MIB, Budget, PartPlan, S3Limits
from penstock.model.after import AfterLevel
from penstock.model.job import Job, Receipt
from penstock.model.replacement import Replacement
from penstock.model.route import MEMBERS
from penstock.model.table import Table
from penstock.routes import Routes
from simulation.environment import Clients, Configuration
from simulation.queues import queue_url
from simulation.rights import JOBS, MACHINE, RESULTS, WORK, roles

MEMORY = 128 * MIB
PART = 2 * KIB
LIMITS = S3Limits(min_part=PART)
PLAN = PartPlan(first=PART, largest=MIB, s3=LIMITS)
BUDGET = replace(Budget.of(MEMORY), read_chunk=1 * KIB, step=1 * KIB, batch=1 * KIB, buffer_bytes=64 * KIB)
TABLES = ("dynamodb", "parquet")
LEASE, HEARTBEAT, MARGIN = 60.0, 2.0, 10.0
RETENTION = 90
AT_ONCE = Backoff(base=0.0, draw=lambda: 0.0)


class Functions:
    """The functions as one invocation builds them. ``clock`` is that of its machine, ``new_id`` names its attempts."""

    def __init__(
        self,
        clients: Clients,
        configuration: Configuration,
        routes: Callable[[], Routes],
        *,
        clock: Callable[[], float],
        sleep: Callable[[float], None],
        new_id: Callable[[], str],
        jitter: Callable[[], float],
    ) -> None:
        self._clients = clients
        self._routes = routes
        self._clock = clock
        self._sleep = sleep
        self._jitter = jitter
        self._new_id = new_id
        self._configuration = configuration
        given: Any = {"retention_days": RETENTION, "clock": clock}
        database, s3 = clients.dynamodb, clients.s3
        self.jobs = DynamoJobStore(database, JOBS, new_attempt=new_id, backoff=AT_ONCE, sleep=sleep, **given)
        self.executions = DynamoExecutionStore(database, JOBS, backoff=AT_ONCE, sleep=sleep, **given)
        self.open_jobs = DynamoOpenJobs(database, JOBS, new_attempt=new_id, **given)
        self.actions = DynamoAfterStore(database, JOBS, **given)
        self.files = S3WorkFiles(s3, WORK)
        self.store = S3ObjectStore(s3, BUDGET, plan=PLAN, backoff=AT_ONCE)
        decoded = DecodedArchives(self.store, self.files, BUDGET, configuration.index_spacing)
        self.objects = MemberObjects(self.store, BUDGET, decoded, lambda _: b"")
        self.parts = S3PartStore(s3, BUDGET)
        self.machine = StepFunctionsStateMachine(lambda: clients.stepfunctions, MACHINE)

    @property
    def handover(self) -> Handover:
        return Handover(
            self.objects,
            self.files,
            self.executions,
            self.machine,
            MEMORY,
            self._configuration.large_bytes,
        )

    @property
    def commit_queue(self) -> SqsCommits:
        return SqsCommits(lambda: self._clients.sqs, queue_url("commits"))

    def ingest(self, event: Any, deadline: Any) -> Any:
        runner = JobRunner(
            objects=self.objects,
            jobs=self.jobs,
            deliveries=self.deliveries,
            lease=LEASE,
            heartbeat_every=HEARTBEAT,
            margin=MARGIN,
            clock=self._clock,
            handover=self.handover,
            memory=MEMORY,
            loads=self.loads,
            failures=self.failures,
            waiting=CommitWaiting(self.jobs, self.commit_queue),
        )
        ingest = Ingest(runner, SqsQueue(lambda: self._clients.sqs), self._routes, jitter=self._jitter)
        return summarise(ingest.handle(event, deadline))

    def plan(self, event: Any, deadline: Any) -> Any:
        planner = Planner(
            self.objects,
            self.files,
            self.executions,
            self.parts,
            TableSpanPlanner(self.objects, self.files, self.tables, self._routes, self.sizes, MARGIN),
            MemberPlanner(
                ArchiveReader(self.objects, BUDGET), self._routes, self.sizes, MARGIN, self._configuration.large_bytes
            ),
            self._routes,
            self.sizes,
            MARGIN,
            ReplacementPlanner(self._routes, self.tables),
        )
        return FailureRecorder(self.executions, planner)(event["job"], event["attempt"], deadline)

    def index(self, event: Any, deadline: Any) -> Any:
        step = IndexStep(self.objects, self.files, self.executions, self.sizes, MARGIN, clock=self._clock)
        recorder = FailureRecorder(self.executions, step)
        return recorder(event["job"], event["attempt"], event.get("piece"), deadline)

    def work(self, event: Any, deadline: Any) -> Any:
        worker = Worker(
            self.objects,
            self.files,
            self.executions,
            self.parts,
            self.tables,
            self.deliveries,
            self._members,
            self._routes,
            BUDGET,
            MARGIN,
            clock=self._clock,
            now=self._clock,
        )
        recorder = FailureRecorder(self.executions, worker)
        return recorder(event["job"], event["attempt"], event["span"], deadline, event.get("round", 0))

    def finish(self, event: Any, deadline: Any) -> Any:  # noqa: ARG002  # as all functions
        finisher = Finisher(self.files, self.executions, self.parts, self.tables, self._commits)
        recorder = FailureRecorder(self.executions, finisher)
        return recorder(event["job"], event["attempt"], event.get("round", 0))

    def abort(self, event: Any, deadline: Any) -> Any:  # noqa: ARG002  # as all functions
        look = CommitLook(self._no_catalog, self._clock)
        aborter = Aborter(self.objects, self.files, self.executions, self.parts, self.tables, look)
        return aborter(event["job"], event["attempt"], event["error"])

    def reconcile(self, event: Any, deadline: Any) -> Any:  # noqa: ARG002  # as all functions
        sqs = self._clients.sqs
        abort = AbortFunction(lambda: self._clients.functions, "abort")
        uploads = S3OwnUploads(self._clients.s3, (RESULTS,), tuple(roles().values()), clock=self._clock)
        reconciliation = Reconciliation(
            self.open_jobs,
            Reconciler(
                self.open_jobs,
                SqsEvents(sqs, queue_url("ingest")),
                self.machine,
                abort,
                self.commit_queue,
                self._clock,
            ),
            UploadSweep(self.open_jobs, uploads, self._clock),
            DeadLetters(self.open_jobs, SqsDeadLetters(lambda: sqs, queue_url("dead")), self._routes),
            UnusedLook(self.open_jobs, abort.delete_unused),
            ActionCheck(self.actions, self._clock),
        )
        return dict(reconciliation(deadline))

    def after(self, event: Any, deadline: Any) -> Any:
        objects = S3SourceObjects(self._clients.s3)
        actor = AfterActor(self.actions, objects, AfterLevel.DELETE, self._clock, self._new_id)
        return AfterRecords(actor)(event, deadline).response

    @property
    def sizes(self) -> Sizes:
        configuration = self._configuration
        return Sizes(
            BUDGET,
            MEMORY,
            workers=4,
            span_bytes=configuration.span_bytes,
            index_spacing=configuration.index_spacing,
            part_bytes=PART,
        )

    @property
    def deliveries(self) -> Mapping[str, Delivery]:
        own = self._own_deliveries
        return {**own, MEMBERS: ArchiveDelivery(self._archives(own), self.files, self.tables)}

    @property
    def loads(self) -> Mapping[str, Callable[[Job], Receipt | None]]:
        return {store: lambda job: self.tables(job.route.store).delivery.ended(job) for store in TABLES}

    @property
    def failures(self) -> Mapping[str, Callable[[Job, PenstockError, int, int], None]]:
        return dict.fromkeys(TABLES, self._report_failure)

    def tables(self, store: str) -> TableSteps:
        """Build the table part of the steps of a destination."""
        open_sink = {"dynamodb": self._open_items, "parquet": self._open_files}[store]
        rejects, form = S3RejectLog(self._clients.s3, WORK), destination_named(store).row_form
        delivery = TableDelivery(self.objects, rejects, lambda job: open_sink(job.id, 0), form, BUDGET)
        return TableSteps(delivery, open_sink, rejects, form, BUDGET, _no_swap)

    def _report_failure(self, job: Job, error: PenstockError, attempt: int, redrives: int) -> None:
        self.tables(job.route.store).delivery.report_failure(job, error, attempt, redrives)

    def _open_items(self, job_id: str, span: int) -> TableSink:
        bookmark = DynamoBookmark(self._clients.dynamodb, JOBS, job_id, span, clock=self._clock)
        return DynamoRecordSink(
            self._clients.items,
            budget_bytes=BUDGET.buffer_bytes,
            workers=2,
            bookmark=bookmark,
            backoff=AT_ONCE,
            sleep=self._sleep,
            clock=self._clock,
        )

    def _open_files(self, job_id: str, span: int) -> TableSink:
        s3 = self._clients.s3
        files, records = RoutedFiles(lambda: s3, BUDGET), S3VersionedFiles(s3, WORK)
        return LakeSink(
            ParquetLake(), files, records, job_id, span, limit=8 * MIB, new_token=self._new_id, clock=self._clock
        )

    @property
    def _own_deliveries(self) -> dict[str, Delivery]:
        own: dict[str, Delivery] = {"bucket": BucketDelivery(self.objects, BUDGET)}
        return own | dict.fromkeys(TABLES, self._deliver_rows)

    def _deliver_rows(self, attempt: Attempt) -> Receipt:
        return self.tables(attempt.job.route.store).delivery(attempt)

    def _has_begun(self, job: Job) -> bool:
        return self.tables(job.route.store).delivery.begun(job)

    def _archives(self, own: Mapping[str, Delivery]) -> ArchiveLoader:
        return ArchiveLoader(self.objects, own, BUDGET, self.loads, dict.fromkeys(TABLES, self._has_begun), self._clock)

    def _members(self) -> MemberWorker:
        own = self._own_deliveries
        children = Children(self.jobs, self.handover)
        return MemberWorker(self.executions, self._archives(own), children, MARGIN, clock=self._clock, now=self._clock)

    def _commits(self) -> TableCommits:
        raise AssertionError("no route leads to a catalog")

    def _no_catalog(self) -> Any:
        raise AssertionError("no route leads to a catalog")


def _no_swap(replacement: Replacement, tables: Sequence[Table]) -> TableSwap:  # noqa: ARG001  # nothing is replaced
    raise AssertionError(replacement.table)
