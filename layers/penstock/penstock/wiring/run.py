"""One run of the pipeline without Lambda: from a file, a pipe or a URI, to an object, a table or a file."""

from __future__ import annotations

import posixpath
import secrets
import shutil
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from penstock.aws.cli_errors import RUN_AGAIN, cli_errors
from penstock.delivery.attempt import Attempt
from penstock.delivery.bucket import BucketDelivery
from penstock.delivery.decoding import pour
from penstock.delivery.table import TableDelivery
from penstock.delivery.walked_members import StreamedMember
from penstock.destinations import destination_named, open_tables
from penstock.destinations.bucket.object_store import S3ObjectStore
from penstock.destinations.environment import Environment
from penstock.destinations.ports import TableStore
from penstock.formats import ReadLimits
from penstock.limits import Budget
from penstock.model.identity import digest
from penstock.model.job import Job, Progress, Receipt
from penstock.model.load import Resume
from penstock.model.object import Source, Target
from penstock.model.route import Route
from penstock.routes import Routes
from penstock.run.file_sink import FileSink
from penstock.run.loads import (
    ExternalSource,
    LoadResumption,
    NoDeadline,
    RoutedObjectStore,
    load_ids,
    mode_of,
    resume_load,
)
from penstock.run.local_source import PipeSource
from penstock.run.rejects_file import RejectsFile
from penstock.run.stdout_sink import StdoutSink
from penstock.tables import tables_of
from penstock.wiring.cli import CliClients
from penstock.wiring.run_request import (
    RouteChoice,
    RunRequest,
    need_format,
    request_by_destination,
    request_by_route,
)
from penstock.wiring.source_resolver import STANDARD_INPUT, ResolvedSource, SourceResolver

__all__ = [
    "CliClients",
    "PreparedRun",
    "RouteChoice",
    "RunOptions",
    "RunRequest",
    "RunResult",
    "Runner",
    "request_by_destination",
    "request_by_route",
]


if TYPE_CHECKING:
    from penstock.destinations.iceberg.ports import IcebergAccess

STDOUT = 1


@dataclass(frozen=True, slots=True)
class RunOptions:
    """``again``: repeat a complete load. ``rejects``: the file for rejects; None: next to the source.

    ``members``: patterns of members of an archive (`takes_member`). ``fail_fast``: begin no member after a failed one.
    """

    again: bool = False
    rejects: Path | None = None
    members: tuple[str, ...] = ()
    fail_fast: bool = False


@dataclass(frozen=True, slots=True)
class RunResult:
    """The result of a run. ``already``: the load was complete before; ``before``: rows loaded by earlier runs.
    ``rejects`` is the file that lists the rejects, if there are any; ``source`` and ``target`` are names to show."""

    source: str
    target: str
    receipt: Receipt
    seconds: float
    already: bool = False
    before: int = 0
    rejects: str = ""


@dataclass(frozen=True)
class Runner:
    """Runs jobs within ``memory`` bytes. ``dsn`` names the database of PostgreSQL routes; ``password`` is that of
    encrypted members. ``catalog`` is that of Iceberg tables, and ``warehouse`` where new ones lie.

    Raises PenstockError, with hints for the user of a command.
    """

    clients: CliClients
    memory: int
    dsn: str = ""
    password: bytes = field(default=b"", repr=False)
    catalog: str = ""
    warehouse: str = ""
    budget: Budget = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "budget", Budget.of(self.memory))

    @cached_property
    def objects(self) -> S3ObjectStore:
        """The objects of S3, opened when needed."""
        return S3ObjectStore(self.clients.s3(self.budget), self.budget)

    @property
    def resolver(self) -> SourceResolver:
        """Finds sources."""
        return SourceResolver(lambda: self.objects)

    def run(self, request: RunRequest, options: RunOptions, heartbeat: Callable[[Progress], None]) -> RunResult:
        """Deliver a source completely or not at all; rows of a table are committed in chunks.

        ``heartbeat`` is called with the progress.
        """
        began = time.monotonic()
        target = request.target
        by_route = request.routes is not None
        with cli_errors(f"running {request.resolved.source.uri}", again=RUN_AGAIN, by_route=by_route):
            if isinstance(target, Path):
                result = self._into_file(request.resolved, request.route, target, heartbeat)
            elif isinstance(target, Target):
                result = self._into_bucket(request, target, heartbeat)
            else:
                result = self._into_table(
                    request.resolved, Job(request.resolved.source, request.route, target), options, heartbeat
                )
        return replace(result, seconds=time.monotonic() - began)

    def _into_file(
        self, resolved: ResolvedSource, route: Route, path: Path, heartbeat: Callable[[Progress], None]
    ) -> RunResult:
        content = resolved.content or self.objects.open_source(resolved.source)
        with StdoutSink(STDOUT) if route.destination == STANDARD_INPUT else FileSink(path) as sink:
            receipt = pour(
                resolved.source,
                content,
                route,
                sink,
                budget=self.budget,
                heartbeat=heartbeat,
                deadline=NoDeadline(),
                margin=0.0,
                stored=resolved.head.crc32,
            )
        return RunResult(
            resolved.source.uri, "standard output" if route.destination == STANDARD_INPUT else str(path), receipt, 0.0
        )

    def _into_bucket(self, request: RunRequest, target: Target, heartbeat: Callable[[Progress], None]) -> RunResult:
        resolved, route = request.resolved, request.route
        # A file may change while its size and time stay the same: only this run's own result counts as a duplicate.
        source = replace(resolved.source, etag=secrets.token_hex(16)) if resolved.content else resolved.source
        delivery = BucketDelivery(RoutedObjectStore(lambda: self.objects, resolved.content), self.budget)
        attempt = _attempt(resolved, Job(source, route, target), heartbeat, request.routes)
        return RunResult(source.uri, target.uri, delivery(attempt), 0.0)

    def _into_table(
        self, resolved: ResolvedSource, job: Job, options: RunOptions, heartbeat: Callable[[Progress], None]
    ) -> RunResult:
        need_format(job.route, job.source)
        resumption = self._resumption(job, again=options.again)
        target = job.target.uri
        if resumption.ended:
            size, resume = resolved.size or 0, resumption.resume
            receipt = Receipt(size, resume.offset, 0, resume.chunk, "", rows=resume.rows, rejects=resume.rejects)
            receipt = replace(receipt, dropped=resume.dropped)
            return RunResult(job.source.uri, target, receipt, 0.0, already=True, before=resume.rows)
        job = replace(job, begun=resumption.resume.begun or time.time(), modified=resolved.head.modified)
        log = RejectsFile(options.rejects or _default_rejects_file(resolved.source), resumption.resume)
        last = Progress()

        def keep_last(progress: Progress) -> None:
            nonlocal last
            last = progress
            heartbeat(progress)

        receipt = self._table_delivery(resolved, job, resumption, log)(_attempt(resolved, job, keep_last, None))
        receipt = receipt if resolved.size is not None else replace(receipt, bytes_in=last.bytes_in)
        rejects = str(log.path) if receipt.rejects else ""
        return RunResult(job.source.uri, target, receipt, 0.0, before=resumption.resume.rows, rejects=rejects)

    def _resumption(self, job: Job, *, again: bool) -> LoadResumption:
        """Return where a load resumes: at the start if the destination has no ledger, or if the rows are staged with
        those of other members."""
        if job.replacement:
            return LoadResumption(digest(next(load_ids(job)), job.replacement.load_id), Resume())
        plan = job.route.plan
        if plan is None or not destination_named(job.route.store).has_ledger:
            return LoadResumption(job.id, Resume())
        exists, earlier = self.tables(job.route.store).earlier_loads(tables_of(plan)[0].name, load_ids(job))
        return resume_load(load_ids(job), earlier, again=again, exists=exists, mode=mode_of(plan))

    def _table_delivery(
        self, resolved: ResolvedSource, job: Job, resumption: LoadResumption, log: RejectsFile
    ) -> TableDelivery:
        limits = ReadLimits.within(self.memory, shutil.disk_usage(tempfile.gettempdir()).free)
        tables, kind = self.tables(job.route.store), destination_named(job.route.store)
        return TableDelivery(
            RoutedObjectStore(lambda: self.objects, resolved.content),
            log,
            lambda _: tables.open_sink(resumption.load_id),
            kind.row_form,
            self.budget,
            limits,
            load_id=resumption.load_id,
        )

    def _iceberg(self) -> IcebergAccess:
        from penstock.wiring.iceberg_command import access_of_command  # noqa: PLC0415  # only for Iceberg tables

        return access_of_command(self.clients, self.catalog, self.warehouse, lambda: self.clients.s3(self.budget))

    def tables(self, store: str) -> TableStore:
        """Open a destination of rows."""
        environment = Environment(
            self.budget,
            self.clients.dynamodb,
            dsn=self.dsn,
            s3_client=lambda: self.clients.s3(self.budget),
            no_database=("no database is given", "Give --dsn, or set PENSTOCK_POSTGRES_DSN."),
            iceberg=self._iceberg if self.catalog else None,
            no_catalog=("no Iceberg catalog is given", "Give --catalog, or set PENSTOCK_ICEBERG_CATALOG."),
        )
        return open_tables(destination_named(store), environment)


@dataclass(frozen=True, slots=True)
class PreparedRun:
    """A run whose source and destination were found."""

    runner: Runner
    request: RunRequest
    options: RunOptions

    def run(self, on_progress: Callable[[Progress], None] | None = None) -> RunResult:
        """Deliver the source: `Runner.run`."""
        return self.runner.run(self.request, self.options, on_progress or ignore_progress)


def ignore_progress(progress: Progress) -> None:
    """Do nothing."""


def _attempt(
    resolved: ResolvedSource, job: Job, heartbeat: Callable[[Progress], None], routes: Routes | None
) -> Attempt:
    rereadable = not isinstance(resolved.content, PipeSource | StreamedMember)
    return Attempt(
        job, resolved.head, 1, routes or Routes((job.route,), ""), heartbeat, NoDeadline(), 0.0, rereadable=rereadable
    )


def _default_rejects_file(source: Source) -> Path:
    """Next to a local file; otherwise in the current folder."""
    if isinstance(source, ExternalSource) and source.location.startswith("/"):
        return Path(f"{source.location}.rejects.jsonl")
    return Path(f"{posixpath.basename(source.key) or 'stdin'}.rejects.jsonl")
