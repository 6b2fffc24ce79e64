"""Asks again for actions after jobs that were not done: the stream has lost the end of the job, or an attempt failed.

Every job with an action has an item until the action has ended. This finds the items, and changes the record of the
job, so that its stream invokes the function `after` once more. It has no right to touch an object.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from penstock.errors import PenstockError
from penstock.jobs.after.ports import DueActions
from penstock.model.after import AfterState
from penstock.model.job_status import JobStatus
from penstock.model.source import Deadline

# One run looks at most at so many jobs, and stops after ERRORS errors.
PAGE = 200
ERRORS = 10
# While a job runs, it is checked at this interval.
RUNNING_SECONDS = 900.0
# After so many times without success, the action has failed. The wait doubles each time, up to LONGEST_WAIT_SECONDS.
SENDS = 10
FIRST_WAIT_SECONDS, LONGEST_WAIT_SECONDS = 300.0, 4 * 3600.0


@dataclass(frozen=True, slots=True)
class ActionCheck:
    """Checks the jobs whose action is due. ``clock`` returns Unix seconds; ``margin`` seconds are kept in reserve."""

    actions: DueActions
    clock: Callable[[], float]
    margin: float = 10.0

    def __call__(self, deadline: Deadline, done: dict[str, int]) -> list[PenstockError]:
        """Count in ``done`` how many actions were ``asked`` for again, and how many have ``after_failed``."""
        done |= dict.fromkeys(("asked", "after_failed"), 0)
        errors: list[PenstockError] = []
        try:
            due = self.actions.due(PAGE)
        except PenstockError as error:
            return [error]
        for job_id in due:
            if deadline.remaining() < self.margin or len(errors) >= ERRORS:
                break
            try:
                if found := self._check(job_id):
                    done[found] += 1
            except PenstockError as error:
                errors.append(error)
        return errors

    def _check(self, job_id: str) -> str:
        status, now = self.actions.get(job_id), self.clock()
        if status and not status.state.final:
            self.actions.postpone(job_id, now + RUNNING_SECONDS)
            return ""
        after = status.after if status else None
        if status is None or after is None or not _is_open(status):
            self.actions.forget(job_id)
            return ""
        if after.state is AfterState.ACTING and after.until > now:
            self.actions.postpone(job_id, after.until)
            return ""
        if after.sends >= SENDS:
            why = after.message or "the function `after` was invoked, and did not record what it did: see its log"
            failed = self.actions.give_up(status, f"given up after {after.sends} requests: {why}")
            return "after_failed" if failed else ""
        self.actions.postpone(job_id, now + min(FIRST_WAIT_SECONDS * 2**after.sends, LONGEST_WAIT_SECONDS))
        return "asked" if self.actions.ask_again(status) else ""


def _is_open(status: JobStatus) -> bool:
    after = status.after
    return bool(after and after.state in (AfterState.PENDING, AfterState.ACTING) and after.plan.action(status.state))
