"""One run of the pipeline from a terminal: from a file, a pipe or a URI, to an object, a table or a file."""

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

from penstock.aws.cli_errors import ANEW, telling
from penstock.delivery.attempt import Attempt
from penstock.delivery.bucket import ObjectCarrier
from penstock.delivery.decoding import pour
from penstock.delivery.row_loader import TableCarrier
from penstock.destinations.bucket.object_store import S3ObjectStore
from penstock.destinations.dynamodb.sink import DynamoRecordSink
from penstock.destinations.postgres.connect import by_dsn
from penstock.destinations.postgres.history import earlier_loads
from penstock.destinations.postgres.sink import PostgresSink
from penstock.errors import ConfigurationError, InvalidRouteError
from penstock.formats import WorkbookLimits, choose_format
from penstock.limits import Budget
from penstock.model.job import Job, Progress, Receipt
from penstock.model.load import Resume
from penstock.model.object import Source, Target
from penstock.model.parse_options import Format
from penstock.model.route import Route, Store
from penstock.routes import Routes
from penstock.run.file_sink import LocalFileSink
from penstock.run.loads import Endless, Everywhere, ForeignSource, Turn, load_ids, mode_of, turn
from penstock.run.local_source import PipeByteSource
from penstock.run.rejects_file import LocalRejectLog
from penstock.run.stdout_sink import PipeSink
from penstock.tables import Form, tables_of
from penstock.wiring.cli import PersonClients
from penstock.wiring.run_request import Choice, Errand, routed, typed
from penstock.wiring.source_resolver import PIPE, Inlet, Inlets

__all__ = ["Choice", "Errand", "PersonClients", "Ran", "Runner", "Wish", "routed", "typed"]


STDOUT = 1


@dataclass(frozen=True, slots=True)
class Wish:
    """What to do besides: ``again`` though it is in already; where to list ``rejects``."""

    again: bool = False
    rejects: Path | None = None


@dataclass(frozen=True, slots=True)
class Ran:
    """How it went. ``stood``: all of it was in already; ``before``: rows of it that were. ``rejects`` is the file that
    lists them, if there are any; ``target`` and ``source`` as a person knows them."""

    source: str
    target: str
    receipt: Receipt
    seconds: float
    stood: bool = False
    before: int = 0
    rejects: str = ""


@dataclass(frozen=True)
class Runner:
    """Runs jobs within so many bytes of memory. ``dsn`` names the database of PostgreSQL routes.

    Raises PenstockError, with hints for a person.
    """

    clients: PersonClients
    memory: int
    dsn: str = ""
    budget: Budget = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "budget", Budget.of(self.memory))

    @cached_property
    def objects(self) -> S3ObjectStore:
        """S3, once something of it is needed."""
        return S3ObjectStore(self.clients.s3(self.budget), self.budget)

    @property
    def inlets(self) -> Inlets:
        """Where sources are found."""
        return Inlets(lambda: self.objects)

    def run(self, errand: Errand, wish: Wish, beat: Callable[[Progress], None]) -> Ran:
        """Carry a source to its destination, whole or not at all; rows of a table in chunks that stay.

        ``beat`` hears of progress.
        """
        began = time.monotonic()
        target = errand.target
        with telling(f"running {errand.inlet.source.uri}", again=ANEW):
            if isinstance(target, Path):
                ran = self._into_file(errand.inlet, errand.route, target, beat)
            elif isinstance(target, Target):
                ran = self._into_bucket(errand, target, beat)
            else:
                ran = self._into_table(errand.inlet, Job(errand.inlet.source, errand.route, target), wish, beat)
        return replace(ran, seconds=time.monotonic() - began)

    def _into_file(self, inlet: Inlet, route: Route, path: Path, beat: Callable[[Progress], None]) -> Ran:
        content = inlet.content or self.objects.open_source(inlet.source)
        with PipeSink(STDOUT) if route.destination == PIPE else LocalFileSink(path) as sink:
            receipt = pour(
                inlet.source, content, route, sink, budget=self.budget, beat=beat, deadline=Endless(), margin=0.0
            )
        return Ran(inlet.source.uri, "standard output" if route.destination == PIPE else str(path), receipt, 0.0)

    def _into_bucket(self, errand: Errand, target: Target, beat: Callable[[Progress], None]) -> Ran:
        inlet, route = errand.inlet, errand.route
        # A file may change though its size and time do not: only its own result is taken for a duplicate.
        source = replace(inlet.source, etag=secrets.token_hex(16)) if inlet.content else inlet.source
        carrier = ObjectCarrier(Everywhere(lambda: self.objects, inlet.content), self.budget)
        attempt = _attempt(inlet, Job(source, route, target), beat, errand.routes)
        return Ran(source.uri, target.uri, carrier(attempt), 0.0)

    def _into_table(self, inlet: Inlet, job: Job, wish: Wish, beat: Callable[[Progress], None]) -> Ran:
        _need_format(job)
        mine = self._turn(job, again=wish.again)
        target = job.target.uri
        if mine.ended:
            size, resume = inlet.size or 0, mine.resume
            receipt = Receipt(size, resume.offset, 0, resume.chunk, "", rows=resume.rows, rejects=resume.rejects)
            receipt = replace(receipt, dropped=resume.dropped)
            return Ran(job.source.uri, target, receipt, 0.0, stood=True, before=resume.rows)
        log = LocalRejectLog(wish.rejects or _rejects_beside(inlet.source), mine.resume)
        last = Progress()

        def noted(progress: Progress) -> None:
            nonlocal last
            last = progress
            beat(progress)

        receipt = self._table_carrier(inlet, job, mine, log)(_attempt(inlet, job, noted, None))
        receipt = receipt if inlet.size is not None else replace(receipt, bytes_in=last.bytes_in)
        rejects = str(log.path) if receipt.rejects else ""
        return Ran(job.source.uri, target, receipt, 0.0, before=mine.resume.rows, rejects=rejects)

    def _turn(self, job: Job, *, again: bool) -> Turn:
        """DynamoDB has no ledger: items carry their keys, and a load that is done again changes nothing."""
        plan = job.route.plan
        if job.route.store is not Store.POSTGRESQL or plan is None:
            return Turn(job.id, Resume())
        exists, earlier = earlier_loads(by_dsn(self._dsn()), tables_of(plan)[0].name, load_ids(job))
        return turn(load_ids(job), earlier, again=again, exists=exists, mode=mode_of(plan))

    def _table_carrier(self, inlet: Inlet, job: Job, mine: Turn, log: LocalRejectLog) -> TableCarrier:
        objects = Everywhere(lambda: self.objects, inlet.content)
        workbook = WorkbookLimits.within(self.memory, shutil.disk_usage(tempfile.gettempdir()).free)
        if job.route.store is Store.POSTGRESQL:
            connect = by_dsn(self._dsn())
            return TableCarrier(
                objects, log, lambda _: PostgresSink(connect, mine.load_id), Form.TEXT, self.budget, workbook
            )
        client, budget = self.clients.dynamodb(self.budget.uploads), self.budget
        return TableCarrier(
            objects,
            log,
            lambda _: DynamoRecordSink(client, budget_bytes=budget.buffer_bytes, workers=budget.uploads),
            Form.VALUE,
            budget,
            workbook,
        )

    def _dsn(self) -> str:
        if not self.dsn:
            raise ConfigurationError("no database is named", hint="Give --dsn, or set PENSTOCK_POSTGRES_DSN.")
        return self.dsn


def _attempt(inlet: Inlet, job: Job, beat: Callable[[Progress], None], routes: Routes | None) -> Attempt:
    once = isinstance(inlet.content, PipeByteSource)
    return Attempt(job, inlet.head, 1, routes or Routes((job.route,), ""), beat, Endless(), 0.0, rereadable=not once)


def _need_format(job: Job) -> None:
    if job.route.plan and job.route.plan.parse.format is Format.AUTO:
        try:
            choose_format(job.source.key, job.route.plan.parse)
        except InvalidRouteError as error:
            error.hint = "Give --format csv, jsonl, json or xlsx."
            raise


def _rejects_beside(source: Source) -> Path:
    """Beside a file of this machine; else where the command is run."""
    local = isinstance(source, ForeignSource) and source.place.startswith("/")
    beside = source.place if local and isinstance(source, ForeignSource) else posixpath.basename(source.key) or "stdin"
    return Path(f"{beside}.rejects.jsonl")
