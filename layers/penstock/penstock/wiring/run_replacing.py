"""Tables that several members of a run's archive replace together. Their results are known after the swap."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import TracebackType
from typing import Self

from penstock.aws.cli_hints import hint_for
from penstock.delivery.replaced_tables import ReplacedTables
from penstock.delivery.replacing import SwapOutcome, Swapper, unswapped
from penstock.errors import IncompleteJobError, PenstockError, TooManyRejectsError, noting
from penstock.model.load import Resume
from penstock.model.member import Member
from penstock.run.rejects_file import RejectsFile
from penstock.wiring.archive_result import MemberResult


@dataclass(slots=True)
class StagedMembers(AbstractContextManager["StagedMembers"]):
    """Keeps the results of staged members until their tables are swapped. What is not swapped is dropped at the end.

    ``rejects_path`` returns the file for the rejects of a member. Memory: the results, about 1 KB each.
    """

    swapper: Swapper
    replaced: tuple[ReplacedTables, ...]
    rejects_path: Callable[[Member], Path]
    held: list[tuple[Member, MemberResult]] = field(default_factory=list)
    left: tuple[ReplacedTables, ...] = ()

    def __enter__(self) -> Self:
        self.replaced = self.left = self.swapper.begin(self.replaced, again=True)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if isinstance(error, PenstockError):
            with noting(error, "the staged rows could not be dropped"):
                self.swapper.abort(self.left)
        else:
            self.swapper.abort(self.left)

    def hold(self, member: Member, result: MemberResult) -> Iterator[MemberResult]:
        """Yield the result of a member, unless its rows wait for a swap."""
        if member.replacement and result.result:
            self.held.append((member, result))
        else:
            yield result

    def swap(self) -> Iterator[MemberResult]:
        """Swap the tables whose members are all staged, and yield the results that were held."""
        outcomes = self.swapper.finish(self.replaced)
        self.left = unswapped(self.replaced, outcomes)
        for member, result in self.held:
            assert member.replacement  # noqa: S101  # for mypy: only such members are held
            yield self._settled(member, result, outcomes[member.replacement.id])

    def _settled(self, member: Member, result: MemberResult, outcome: SwapOutcome) -> MemberResult:
        assert result.result  # noqa: S101  # for mypy: only such results are held
        if outcome.swapped is None:
            message = outcome.error.message if outcome.error else ""
            hint = hint_for(outcome.error) if outcome.error else ""
            return replace(result, result=None, error=IncompleteJobError(f"staged, not visible: {message}", hint=hint))
        refused = outcome.swapped.refused.get(member.numbers, ())
        receipt, path = result.result.receipt, self.rejects_path(member)
        if refused:
            # The rejects of the load stay in the file.
            RejectsFile(path, Resume(chunk=1, row=sys.maxsize)).write("", "", refused)
        if outcome.swapped.over:
            own = f"the table refuses {len(refused):,} of its rows: see {path}" if refused else "the table is unchanged"
            return replace(result, result=None, error=TooManyRejectsError(f"staged, not visible: {own}"))
        if not refused:
            return result
        receipt = replace(receipt, rows=receipt.rows - len(refused), rejects=receipt.rejects + len(refused))
        return replace(result, result=replace(result.result, receipt=receipt, rejects=str(path)))
