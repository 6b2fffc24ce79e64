"""What the members of a large archive replace together: prepared by `plan`, swapped by `finish`, dropped by `abort`.

jobs/<job>/replaced.json   `Replacements`: the tables, and the execution that stages their rows
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import reduce

from penstock.delivery.member_jobs import MemberResult, MemberRouter
from penstock.delivery.member_targets import refuse_double_targets
from penstock.delivery.replaced_tables import ReplacedTables
from penstock.delivery.replacing import (
    REPLACEMENTS,
    Replacements,
    ReplacementSurvey,
    SwapOutcome,
    Swapper,
    SwapResults,
    SwapStore,
    swap_warnings,
)
from penstock.delivery.route_history import routes_of_run
from penstock.errors import LeaseLostError, SupersededError
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
        run = routes_of_run(folder.files, spec.job, spec.redrives, self.routes)
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
    *,
    check_order: Callable[[], None],
) -> tuple[Receipt, Unswapped]:
    """Swap the tables whose members are all staged, and correct the results of these members.

    Returns the receipt after the swap, and the members whose tables are unchanged. What a
    newer version of the archive supersedes is dropped. Can be repeated.
    ``check_order``: see `Swapper.finish`. Raises the retryable errors of the database, and LeaseLostError.
    """
    replaced = replaced_in(folder, execution)
    swapper = Swapper.of(stores)
    outcomes = swapper.finish(replaced, check_order)
    settled = SwapResults(stores, outcomes)
    members, reasons, counts = 0, dict[str, None](), total.members
    for receipt in (receipt for receipt in receipts if receipt.waiting):
        results = settled.of(read_results(folder, receipt.span))
        write_results(folder, receipt.span, results)
        now = reduce(MemberCounts.plus, (result.counts for result in results), NO_MEMBERS)
        # The receipt of the batch counts what did not wait for a swap.
        total = _with_rows(total, receipt, results)
        counts = counts.plus(
            MemberCounts(now.delivered - receipt.members, superseded=now.superseded - receipt.superseded)
        )
        left = [result for result in results if result.state is JobState.WAITING]
        members += len(left) + now.failed - receipt.failed
        reasons |= {one.failure.message: None for one in left if one.failure}
    swapper.abort(tables for tables in replaced if _is_superseded(tables, outcomes))
    warnings = (*total.warnings, *swap_warnings(outcomes))
    return replace(total, warnings=warnings, members=counts), Unswapped(members, tuple(reasons))


def _with_rows(total: Receipt, batch: SpanReceipt, results: Iterable[MemberResult]) -> Receipt:
    """Return the receipt of an archive, with what is visible of a batch instead of what it has staged."""
    now = [result.receipt for result in results if result.receipt]
    return replace(
        total,
        bytes_out=total.bytes_out - batch.bytes_out + sum(one.bytes_out for one in now),
        parts=total.parts - batch.chunks + sum(one.parts for one in now),
        rows=total.rows - batch.rows + sum(one.rows for one in now),
        rejects=total.rejects - batch.rejects + sum(one.rejects for one in now),
        dropped=total.dropped - batch.dropped + sum(one.dropped for one in now),
    )


def _is_superseded(tables: ReplacedTables, outcomes: Mapping[str, SwapOutcome]) -> bool:
    outcome = outcomes.get(tables.replacement.id)
    return outcome is not None and isinstance(outcome.error, SupersededError)


def abort_replacements(stores: Callable[[str], SwapStore], folder: JobFolder) -> None:
    """Drop what executions and attempts have staged and not swapped. None of them is running any more."""
    if found := folder.find(Replacements, REPLACEMENTS):
        Swapper.of(stores).abort(found.tables, earlier=True)
