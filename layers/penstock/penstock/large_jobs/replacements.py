"""What the members of a large archive replace together: prepared by `plan`, swapped by `finish`, dropped by `abort`.

jobs/<job>/replaced.json   `Replacements`: the tables, and the execution that stages their rows
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import reduce

from penstock.delivery.member_jobs import MemberRouter
from penstock.delivery.member_targets import refuse_double_targets
from penstock.delivery.replaced_tables import ReplacedTables
from penstock.delivery.replacing import (
    REPLACEMENTS,
    Replacements,
    ReplacementSurvey,
    Swapper,
    SwapResults,
    SwapStore,
    swap_warnings,
)
from penstock.delivery.route_history import routes_of_run
from penstock.errors import LeaseLostError
from penstock.large_jobs.job_files import JobFolder, JobSpec
from penstock.large_jobs.member_batches import batches_of, read_entries, read_results, write_results
from penstock.large_jobs.member_results import Unswapped
from penstock.model.job import Job, Receipt
from penstock.model.job_status import JobState
from penstock.model.member import NO_MEMBERS, MemberCounts
from penstock.model.span import SpanReceipt
from penstock.model.table import Mode
from penstock.routes import Routes
from penstock.tables import tables_of


@dataclass(frozen=True, slots=True)
class ReplacementPlanner:
    """Prepares the tables that several members replace, anew for each execution."""

    routes: Callable[[], Routes]
    stores: Callable[[str], SwapStore]

    def __call__(self, spec: JobSpec, folder: JobFolder, execution: str) -> None:
        """Find the tables by the entries of all batches, if a route replaces any, and take them over from earlier
        executions.

        Raises InvalidRouteError if another member adds rows to such a table, and the errors of `Swapper.begin`.
        """
        found = folder.find(Replacements, REPLACEMENTS)
        if found is None or found.attempt != execution:
            tables = self._found(spec, folder, execution)
            if found is None and not tables:
                return
            # It is written first, so that `abort` finds what is staged.
            found = Replacements(execution, tables)
            folder.put(REPLACEMENTS, found)
        begun = Swapper.of(self.stores).begin_each(found.tables)
        if begun != found.tables:
            folder.put(REPLACEMENTS, replace(found, tables=begun))

    def _found(self, spec: JobSpec, folder: JobFolder, execution: str) -> tuple[ReplacedTables, ...]:
        run = routes_of_run(folder.files, spec.job.id, spec.redrives, self.routes)
        if not _replaces(run.routes):
            return ()
        router = MemberRouter(spec.job, run.routes)
        survey = ReplacementSurvey(spec.job)

        def jobs() -> Iterator[Job]:
            survey.clear()
            for batch in batches_of(folder):
                for job in router.jobs(read_entries(folder, batch.number)):
                    survey.add(job)
                    yield job

        refuse_double_targets(spec.job.source.uri, jobs)
        return survey.found(execution)


def _replaces(routes: Routes) -> bool:
    plans = (route.plan for route in routes.routes if route.plan)
    return any(table.mode is Mode.REPLACE for plan in plans for table in tables_of(plan))


def replaced_in(folder: JobFolder, execution: str) -> tuple[ReplacedTables, ...]:
    """Return what members replace together. Raises LeaseLostError if another execution stages the rows."""
    found = folder.find(Replacements, REPLACEMENTS)
    if found and found.attempt != execution:
        raise LeaseLostError(f"execution {found.attempt} replaces the tables of job {folder.job_id}")
    return found.tables if found else ()


def swap_members(
    stores: Callable[[str], SwapStore],
    folder: JobFolder,
    execution: str,
    receipts: Sequence[SpanReceipt],
    total: Receipt,
) -> tuple[Receipt, Unswapped]:
    """Swap the tables whose members are all staged, and correct the results of these members.

    Returns the receipt after the swap, and the members whose tables are unchanged. Can be repeated. Raises the
    retryable errors of the database, and LeaseLostError.
    """
    replaced = replaced_in(folder, execution)
    outcomes = Swapper.of(stores).finish(replaced)
    settled = SwapResults(stores, outcomes)
    members, reasons, counts = 0, dict[str, None](), total.members
    for receipt in (receipt for receipt in receipts if receipt.waiting):
        results = settled.of(read_results(folder, receipt.span))
        write_results(folder, receipt.span, results)
        now = reduce(MemberCounts.plus, (result.counts for result in results), NO_MEMBERS)
        # The receipt of the batch counts what did not wait for a swap.
        counts = counts.plus(
            MemberCounts(now.delivered - receipt.members, superseded=now.superseded - receipt.superseded)
        )
        left = [result for result in results if result.state is JobState.WAITING]
        members += len(left) + now.failed - receipt.failed
        reasons |= {one.failure.message: None for one in left if one.failure}
    warnings = (*total.warnings, *swap_warnings(outcomes))
    return replace(total, warnings=warnings, members=counts), Unswapped(members, tuple(reasons))


def abort_replacements(stores: Callable[[str], SwapStore], folder: JobFolder) -> None:
    """Drop what executions and attempts have staged and not swapped. None of them is running any more."""
    if found := folder.find(Replacements, REPLACEMENTS):
        Swapper.of(stores).abort(found.tables, earlier=True)
