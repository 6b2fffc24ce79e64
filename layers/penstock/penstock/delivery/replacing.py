"""Tables that several members of an archive replace: which they are, and the swap that makes all members visible.

Each member is staged by a load of its own. The swap follows once all are: until then the old rows are visible, and if
one member fails, they stay.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from hashlib import blake2b
from typing import Protocol, Self

from penstock.delivery.member_jobs import MemberResult
from penstock.delivery.ports import RejectLog
from penstock.delivery.replaced_tables import ReplacedTables, replaces_tables
from penstock.destinations.ports import Swapped, TableSwap
from penstock.errors import ConfigurationError, PermanentError, SupersededError, TooManyRejectsError
from penstock.model.identity import digest
from penstock.model.job import Failure, Job
from penstock.model.job_status import JobState
from penstock.model.replacement import Replacement
from penstock.model.table import Table
from penstock.tables import dropped_warning, tables_of

# The file of an archive's job with its `Replacements`.
REPLACEMENTS = "replaced.json"


@dataclass(frozen=True, slots=True)
class Replacements:
    """What the members of an archive replace together, in this attempt at its job."""

    attempt: str
    tables: tuple[ReplacedTables, ...] = ()


@dataclass(slots=True)
class _Routed:
    """The members whose routes have the same tables."""

    tables: tuple[Table, ...]
    members: int = 0
    jobs: blake2b = field(default_factory=lambda: blake2b(digest_size=16))


@dataclass(slots=True)
class ReplacementSurvey:
    """Finds the tables that several members replace. Memory: the tables of the routes."""

    archive: Job
    _routed: dict[tuple[str, tuple[str, ...]], _Routed] = field(default_factory=dict)

    def add(self, job: Job) -> None:
        """Note the job of a member."""
        if not replaces_tables(job):
            return
        tables = tables_of(job.need_plan())
        names = tuple(sorted({table.name for table in tables}))
        found = self._routed.setdefault((job.route.store, names), _Routed(tuple(tables)))
        found.members += 1
        found.jobs.update(job.id.encode())

    def clear(self) -> None:
        """Forget all jobs."""
        self._routed.clear()

    def found(self, attempt: str) -> tuple[ReplacedTables, ...]:
        """Return the tables that several members replace. Routes that share a table are swapped together."""
        groups: list[tuple[str, set[str], list[_Routed]]] = []
        for (store, names), routed in sorted(self._routed.items()):
            joined = (store, set(names), [routed])
            others = []
            for group in groups:
                if group[0] == store and group[1] & joined[1]:
                    joined = (store, group[1] | joined[1], group[2] + joined[2])
                else:
                    others.append(group)
            groups = [*others, joined]
        all_found = (self._replaced(*group, attempt) for group in groups)
        return tuple(found for found in all_found if found.members > 1)

    def _replaced(self, store: str, names: set[str], routed: list[_Routed], attempt: str) -> ReplacedTables:
        source, listed = self.archive.source, (store, *sorted(names))
        tables = {table.name: table for one in reversed(routed) for table in one.tables}
        replacement = Replacement(
            digest(self.archive.id, *listed, *sorted(one.jobs.hexdigest() for one in routed)),
            self.archive.id,
            attempt,
            min(names),
            digest("replaced", *source.series, *listed),
            source.order,
        )
        members = sum(one.members for one in routed)
        return ReplacedTables(store, tuple(tables[name] for name in sorted(names)), members, replacement)


class SwapStore(Protocol):
    """A destination whose tables can be replaced, and the log of rejects."""

    @property
    def open_swap(self) -> Callable[[Replacement, tuple[Table, ...]], TableSwap]: ...

    @property
    def rejects(self) -> RejectLog: ...


def no_stores(store: str) -> SwapStore:
    """Raises ConfigurationError: no table can be replaced here."""
    raise ConfigurationError(f"no table of {store} can be replaced here")


@dataclass(frozen=True, slots=True)
class SwapOutcome:
    """What became of a replacement: it was swapped, or ``error`` is why not."""

    swapped: Swapped | None = None
    error: PermanentError | None = None

    @property
    def is_visible(self) -> bool:
        return self.swapped is not None and not self.swapped.over


@dataclass(frozen=True, slots=True)
class Swapper:
    """Begins and ends replacements. ``open_swap`` opens a destination."""

    open_swap: Callable[[ReplacedTables], TableSwap]

    @classmethod
    def of(cls, stores: Callable[[str], SwapStore]) -> Self:
        """Return the swapper for these destinations, which have names."""
        return cls(lambda tables: stores(tables.store).open_swap(tables.replacement, tables.tables))

    def begin(self, replaced: Iterable[ReplacedTables], *, again: bool = False) -> tuple[ReplacedTables, ...]:
        """Take the tables over from earlier attempts. Tables that one has swapped are marked, unless they are to be
        swapped ``again``.

        Raises LeaseLostError if another attempt has taken over, and the errors of the database.
        """
        return tuple(self._begun(tables, again=again) for tables in replaced)

    def begin_each(self, replaced: Iterable[ReplacedTables]) -> tuple[ReplacedTables, ...]:
        """Begin as `begin` does. Tables that cannot be replaced are marked: the members of others go on."""
        return tuple(map(self._begun_or_failed, replaced))

    def _begun_or_failed(self, tables: ReplacedTables) -> ReplacedTables:
        try:
            return self._begun(tables, again=False)
        except PermanentError as error:
            return replace(tables, failure=Failure.of(error))

    def _begun(self, tables: ReplacedTables, *, again: bool) -> ReplacedTables:
        with self.open_swap(tables) as swap:
            swapped = swap.begin(again=again)
        if not swapped:
            return tables
        return replace(tables, is_swapped=True, replacement=replace(tables.replacement, attempt=swapped))

    def finish(
        self, replaced: Iterable[ReplacedTables], check_order: Callable[[], None] = lambda: None
    ) -> dict[str, SwapOutcome]:
        """Swap all tables whose members are all staged. Returns what became of each replacement, by its id.

        ``check_order`` raises SupersededError if a newer version of the archive was begun: in that one, a single member
        may have replaced a table, which is no swap. Raises the retryable errors of the database, and LeaseLostError.
        """
        return {tables.replacement.id: self._finished(tables, check_order) for tables in replaced if tables.is_open}

    def _finished(self, tables: ReplacedTables, check_order: Callable[[], None]) -> SwapOutcome:
        try:
            with self.open_swap(tables) as swap:
                return SwapOutcome(swap.finish(tables.members, check_order))
        except PermanentError as error:
            return SwapOutcome(error=error)

    def abort(self, replaced: Iterable[ReplacedTables], *, earlier: bool = False) -> None:
        """Drop what is staged and not swapped; also that of ``earlier`` attempts (see `TableSwap`). Idempotent."""
        for tables in replaced:
            if tables.is_open:
                with self.open_swap(tables) as swap:
                    swap.abort(earlier=earlier)


@dataclass(frozen=True, slots=True)
class SwapResults:
    """Says of members what became of them after the ``outcomes`` of their swaps, by the ids of replacements."""

    stores: Callable[[str], SwapStore]
    outcomes: Mapping[str, SwapOutcome]

    def of(self, results: Iterable[MemberResult]) -> list[MemberResult]:
        """Return the results, corrected where they waited for a swap, and write the rejects that it has found."""
        return [
            self._settled(result, self.outcomes[result.replaces])
            if result.state is JobState.WAITING and result.replaces in self.outcomes
            else result
            for result in results
        ]

    def _settled(self, result: MemberResult, outcome: SwapOutcome) -> MemberResult:
        if outcome.error:
            is_older = isinstance(outcome.error, SupersededError)
            return replace(
                result,
                state=JobState.SUPERSEDED if is_older else JobState.WAITING,
                receipt=None if is_older else result.receipt,
                failure=Failure.of(outcome.error),
            )
        assert outcome.swapped  # noqa: S101  # for mypy: there is no error
        refused = outcome.swapped.refused.get(result.numbers, ())
        if refused:
            self._rejects(result).write(result.job_id, "00000-moved", refused)
        if result.numbers in outcome.swapped.over:
            error = TooManyRejectsError(
                f"{result.name}: {result.target} itself refuses {len(refused):,} rows; they are listed in "
                f"{self._rejects(result).folder(result.job_id)}"
            )
            return replace(result, state=JobState.FAILED, receipt=None, failure=Failure.of(error))
        if outcome.swapped.over:
            too_many = f"{result.target} is unchanged: members have more rejects than their routes allow"
            return replace(result, failure=Failure(TooManyRejectsError.__name__, too_many, ""))
        receipt = result.receipt
        if receipt and refused:
            receipt = replace(receipt, rows=receipt.rows - len(refused), rejects=receipt.rejects + len(refused))
        return replace(result, state=JobState.SUCCEEDED, receipt=receipt)

    def _rejects(self, result: MemberResult) -> RejectLog:
        return self.stores(result.target.partition(":")[0]).rejects


def unswapped(replaced: Iterable[ReplacedTables], outcomes: Mapping[str, SwapOutcome]) -> tuple[ReplacedTables, ...]:
    """Return the tables that neither these swaps nor earlier attempts have swapped."""
    return tuple(
        tables
        for tables in replaced
        if tables.is_open and not (tables.replacement.id in outcomes and outcomes[tables.replacement.id].is_visible)
    )


def swap_warnings(outcomes: Mapping[str, SwapOutcome]) -> tuple[str, ...]:
    """Return the warnings for the receipt of the archive. Which members the dropped rows are from is not known."""
    dropped = sum(one.swapped.dropped for one in outcomes.values() if one.swapped and one.is_visible)
    newer = [one.error.message for one in outcomes.values() if isinstance(one.error, SupersededError)]
    return (*newer, *((dropped_warning(dropped),) if dropped else ()))
