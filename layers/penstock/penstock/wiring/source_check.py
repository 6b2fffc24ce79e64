"""Check a source without loading anything: `penstock check`."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace

from penstock.aws.cli_errors import RUN_AGAIN, cli_errors
from penstock.delivery.attempt import Attempt
from penstock.delivery.table import TableDelivery
from penstock.destinations import destination_named
from penstock.errors import InvalidRouteError
from penstock.formats import ReadLimits, resolve
from penstock.model.job import Job, Progress
from penstock.model.route import TableTarget
from penstock.routes import Routes
from penstock.run.loads import NoDeadline, RoutedObjectStore
from penstock.source_check.dry_run_sink import DryRunSink
from penstock.source_check.reject_summary import FOLDER, RejectSummary
from penstock.source_check.report import SourceCheck
from penstock.tables import Allowance, Form
from penstock.wiring.run import PreparedRun
from penstock.wiring.run_archive import PreparedArchive
from penstock.wiring.run_request import need_format

# A check reads on however many rejects there are.
ANY_REJECTS = float(2**53)


def check_source(
    prepared: PreparedRun | PreparedArchive, heartbeat: Callable[[Progress], None], *, listed: int
) -> SourceCheck:
    """Parse and check all records of a prepared run as its route would. Keeps the first ``listed`` rejects.

    With a DSN, the existing tables are looked at. Raises what a run would raise before its first row, the errors of
    reading the source, and InvalidRouteError for a route that does not lead to a table.
    """
    began = time.monotonic()
    if isinstance(prepared, PreparedArchive):
        raise InvalidRouteError(
            "an archive is not checked as a whole", hint="Take it apart with --to FOLDER/ of `penstock run` first."
        )
    runner, request = prepared.runner, prepared.request
    resolved, route, target = request.resolved, request.route, request.target
    plan = route.plan
    if plan is None or not isinstance(target, TableTarget):
        raise InvalidRouteError(
            f"route {route.name!r} does not lead to a table: there are no records to check",
            hint="Choose a route to a table with --route, or leave --routes out.",
        )
    need_format(route, resolved.source)
    kind = destination_named(route.store)
    has_tables = kind.takes_dsn and bool(runner.dsn)
    inspection = runner.tables(route.store).open_inspection() if has_tables or kind.has_places else None
    sink = DryRunSink(inspection, repeats=not kind.has_ledger)
    log = RejectSummary(listed)
    delivery = TableDelivery(
        RoutedObjectStore(lambda: runner.objects, resolved.content),
        log,
        lambda _: sink,
        Form.VALUE,
        runner.budget,
        ReadLimits.within(runner.memory, shutil.disk_usage(tempfile.gettempdir()).free),
    )
    job = Job(resolved.source, replace(route, plan=replace(plan, max_rejects=ANY_REJECTS)), target)
    job = replace(job, begun=time.time(), modified=resolved.head.modified)
    routes = request.routes or Routes((route,), "")
    with cli_errors(f"checking {resolved.source.uri}", again=RUN_AGAIN, by_route=request.routes is not None):
        receipt = delivery(Attempt(job, resolved.head, 1, routes, heartbeat, NoDeadline(), 0.0))
    records = receipt.rows + receipt.rejects
    return SourceCheck(
        source=resolved.source.uri,
        target=target.uri,
        parse=resolve(resolved.source.key, plan.parse),
        receipt=receipt,
        tables=tuple(sink.profiles.values()),
        rejects=log,
        passed_limit=Allowance(plan.max_rejects).passed(receipt.rejects, records),
        added=[f"{table}.{name}" for table, names in sink.added.items() for name in names],
        has_tables=has_tables,
        seconds=time.monotonic() - began,
        warnings=[warning for warning in receipt.warnings if not warning.endswith(f": see {FOLDER}")],
    )
