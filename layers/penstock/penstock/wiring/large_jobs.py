"""The steps of the state machine, built from the settings of this environment."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache, cached_property, partial
from typing import TYPE_CHECKING

from penstock.aws.jobs_table.job_store import DynamoJobStore
from penstock.aws.lambda_quota import lambda_concurrency
from penstock.aws.s3.client import s3_client
from penstock.aws.s3.work_files import S3WorkFiles
from penstock.aws.session import dynamodb_client, lambda_client
from penstock.aws.text_files import UriTexts
from penstock.delivery.archive import ArchiveLoader
from penstock.delivery.archive_delivery import ArchiveDelivery
from penstock.delivery.archive_reader import ArchiveReader
from penstock.delivery.attempt import Attempt, Delivery
from penstock.delivery.bucket import BucketDelivery
from penstock.destinations import DESTINATIONS
from penstock.destinations.bucket.part_store import S3PartStore
from penstock.errors import ConfigurationError
from penstock.large_jobs.abort import Aborter
from penstock.large_jobs.children import Children
from penstock.large_jobs.finish import Finisher
from penstock.large_jobs.index import IndexStep
from penstock.large_jobs.plan import Planner, Sizes
from penstock.large_jobs.plan_members import MemberPlanner
from penstock.large_jobs.plan_tables import TableSpanPlanner
from penstock.large_jobs.replacements import ReplacementPlanner
from penstock.large_jobs.table_commits import CommitLook, TableCommits
from penstock.large_jobs.work import Worker
from penstock.large_jobs.work_members import MemberWorker
from penstock.limits import Budget, fair_workers
from penstock.model.job import Job, Receipt
from penstock.model.job_status import JobStatus
from penstock.model.route import BUCKET, MEMBERS
from penstock.settings import Settings
from penstock.wiring.handover import execution_store, handover
from penstock.wiring.objects import member_objects
from penstock.wiring.routes import routes_reader

if TYPE_CHECKING:
    from penstock.destinations.iceberg.ports import CommitFinder
    from penstock.jobs.reconcile.unused_files import UnusedFiles
    from penstock.large_jobs.table_steps import TableSteps


class Steps:
    """The parts of the steps of one environment. Expensive parts are created when a step first needs them."""

    def __init__(self, settings: Settings, on_end: Callable[[JobStatus], None] = lambda _: None) -> None:
        self.settings = settings
        self.budget = Budget.of(settings.memory)
        self.s3 = s3_client(self.budget)
        self.files = S3WorkFiles(self.s3, settings.work_bucket)
        routes = routes_reader(settings, UriTexts(lambda: self.s3))
        self.objects = member_objects(self.s3, self.budget, self.files, settings.index_spacing, routes)
        self.executions = execution_store(settings, dynamodb_client(), on_end)
        self.parts = S3PartStore(self.s3, self.budget)

    @cached_property
    def workers(self) -> int:
        """The number of spans processed at once. The account's quota is read once per execution environment."""
        return self.settings.map_concurrency or fair_workers(lambda_concurrency(lambda_client))

    def sizes(self, *, workers: int) -> Sizes:
        """Return the sizes that jobs are split by."""
        settings = self.settings
        return Sizes(self.budget, settings.memory, workers, settings.span_bytes, settings.index_spacing)

    def tables(self, store: str) -> TableSteps:
        """Build the table part of the steps, for one destination."""
        from penstock.wiring import tables  # noqa: PLC0415  # parsers and psycopg: 15 MB that gunzip does not need

        return tables.table_steps(self.settings, store, self.objects, self.s3, self.budget)

    def plan(self) -> Planner:
        """Build the planner."""
        routes = routes_reader(self.settings, UriTexts(lambda: self.s3))
        sizes = self.sizes(workers=self.workers)
        return Planner(
            self.objects,
            self.files,
            self.executions,
            self.parts,
            TableSpanPlanner(self.objects, self.files, self.tables, routes, sizes, self.settings.margin_seconds),
            MemberPlanner(
                ArchiveReader(self.objects, self.budget),
                routes,
                sizes,
                self.settings.margin_seconds,
                self.settings.large_bytes,
            ),
            routes,
            sizes,
            self.settings.margin_seconds,
            ReplacementPlanner(routes, self.tables),
        )

    def index(self) -> IndexStep:
        return IndexStep(self.objects, self.files, self.executions, self.sizes(workers=1), self.settings.margin_seconds)

    def work(self) -> Worker:
        return Worker(
            self.objects,
            self.files,
            self.executions,
            self.parts,
            self.tables,
            self._deliveries() | {MEMBERS: self._deliver_archive},
            self.members,
            routes_reader(self.settings, UriTexts(lambda: self.s3)),
            self.budget,
            self.settings.margin_seconds,
        )

    def members(self) -> MemberWorker:
        """Build the part of `work` for archives."""
        settings = self.settings
        dynamodb = dynamodb_client()
        jobs = DynamoJobStore(dynamodb, settings.jobs_table, retention_days=settings.job_retention_days)
        start = handover(settings, self.objects, self.s3, dynamodb)
        if start is None:
            raise ConfigurationError("environment variable PENSTOCK_STATE_MACHINE is not set")
        return MemberWorker(self.executions, self._loader(), Children(jobs, start), settings.margin_seconds)

    def finish(self) -> Finisher:
        return Finisher(self.files, self.executions, self.parts, self.tables, self.commits)

    def abort(self) -> Aborter:
        look = CommitLook(self._finder)
        return Aborter(self.objects, self.files, self.executions, self.parts, self.tables, look)

    def commits(self) -> TableCommits:
        """Build what makes the files of large jobs visible in tables."""
        from penstock.wiring.iceberg import committer_of_stack, job_files  # noqa: PLC0415  # few jobs need it

        committer = partial(committer_of_stack, self.settings, lambda: self.s3)
        return TableCommits(self.executions, job_files(self.settings, self.s3), committer)

    def unused(self) -> UnusedFiles:
        """Build what deletes the files of failed jobs."""
        from penstock.aws.jobs_table.open_jobs import DynamoOpenJobs  # noqa: PLC0415  # as above
        from penstock.destinations.iceberg.destination import NAME  # noqa: PLC0415  # as above
        from penstock.jobs.reconcile.unused_files import UnusedFiles  # noqa: PLC0415  # as above

        settings, steps = self.settings, self.tables(NAME)
        open_jobs = DynamoOpenJobs(dynamodb_client(), settings.jobs_table, retention_days=settings.job_retention_days)

        def remove(job_id: str) -> None:
            steps.fence(job_id, "")
            steps.abort(job_id)

        return UnusedFiles(open_jobs, self._finder, remove)

    def _finder(self) -> CommitFinder:
        from penstock.wiring.iceberg import finder_of_stack  # noqa: PLC0415  # as above

        return finder_of_stack(self.settings, lambda: self.s3)

    def _loader(self) -> ArchiveLoader:
        return ArchiveLoader(self.objects, self._deliveries(), self.budget, self._loads(), self._begun())

    def _deliver_archive(self, attempt: Attempt) -> Receipt:
        return ArchiveDelivery(self._loader(), self.files, self.tables)(attempt)

    def _loads(self) -> Mapping[str, Callable[[Job], Receipt | None]]:
        return {name: self._ended(name) for name, found in DESTINATIONS.items() if found.takes_rows}

    def _begun(self) -> Mapping[str, Callable[[Job], bool]]:
        return {name: self._has_begun(name) for name, found in DESTINATIONS.items() if found.takes_rows}

    def _has_begun(self, store: str) -> Callable[[Job], bool]:
        def look(job: Job) -> bool:
            return self.tables(store).delivery.begun(job)

        return look

    def _ended(self, store: str) -> Callable[[Job], Receipt | None]:
        def look(job: Job) -> Receipt | None:
            return self.tables(store).delivery.ended(job)

        return look

    def _deliveries(self) -> dict[str, Delivery]:
        return {
            BUCKET: BucketDelivery(self.objects, self.budget),
            **{name: self._rows_into(name) for name, found in DESTINATIONS.items() if found.takes_rows},
        }

    def _rows_into(self, store: str) -> Delivery:
        return lambda attempt: self.tables(store).delivery(attempt)


@cache
def steps(on_end: Callable[[JobStatus], None]) -> Steps:
    """Build the steps, once per execution environment."""
    return Steps(Settings.from_environment(), on_end)
