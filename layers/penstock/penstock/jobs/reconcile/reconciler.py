"""One run of the reconciler: due jobs in each run, uploads and dead letters at intervals."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from penstock.errors import PenstockError
from penstock.jobs.ports import OpenJobs
from penstock.jobs.reconcile import dead_letters, unused_files, uploads
from penstock.jobs.reconcile.dead_letters import DeadLetters
from penstock.jobs.reconcile.due_actions import ActionCheck
from penstock.jobs.reconcile.due_jobs import Reconciler
from penstock.jobs.reconcile.unused_files import UnusedLook
from penstock.jobs.reconcile.uploads import UploadSweep
from penstock.model.source import Deadline


@dataclass(frozen=True, slots=True)
class Reconciliation:
    """The work of the function `reconcile`. A failed part does not stop the others."""

    open_jobs: OpenJobs
    reconciler: Reconciler
    sweep: UploadSweep
    letters: DeadLetters
    unused: UnusedLook
    actions: ActionCheck

    def __call__(self, deadline: Deadline) -> Mapping[str, int]:
        """Return the counts of what was done. Raises the first error after all parts have run."""
        done: dict[str, int] = {}
        errors = self.reconciler(deadline, done)
        errors += self.actions(deadline, done)
        errors += self._at_intervals("uploads", uploads.EVERY_SECONDS, lambda since: self._sweep(deadline, done, since))
        errors += self._at_intervals("dead-letters", dead_letters.EVERY_SECONDS, lambda _: self._read(deadline, done))
        if self.unused.is_on:
            errors += self._at_intervals("unused", unused_files.EVERY_SECONDS, lambda _: self._ask(deadline, done))
        if errors:
            raise errors[0]
        return done

    def _at_intervals(self, task: str, seconds: float, work: Callable[[float], None]) -> list[PenstockError]:
        try:
            since = self.open_jobs.lock(task, seconds)
            if since is not None:
                work(since)
        except PenstockError as error:
            return [error]
        return []

    def _sweep(self, deadline: Deadline, done: dict[str, int], since: float) -> None:
        done["uploads"] = self.sweep(deadline, since)

    def _ask(self, deadline: Deadline, done: dict[str, int]) -> None:
        done["unused"] = self.unused(deadline)

    def _read(self, deadline: Deadline, done: dict[str, int]) -> None:
        done["recorded"], done["deleted"] = self.letters(deadline)
