"""Begins or ends each job that nobody works on any more.

Leases that are over are begun again, or failed once the attempts are exhausted; executions that have ended without
their job are aborted; a job that has yielded goes on if the newer one has failed. Every write is conditional on the
record as it was read, so that two of these at once, a message that comes back, or a slow attempt that is still alive do
no harm.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from penstock.errors import PenstockError, ServiceUnavailableError
from penstock.jobs.events import notification
from penstock.jobs.ports import EventQueue, OpenJobs
from penstock.jobs.reconcile.causes import cause_of, left_behind
from penstock.large_jobs.failure_recorder import failure_of_step
from penstock.large_jobs.ports import StateMachine
from penstock.limits import EXECUTING_SECONDS, WAITING_SECONDS, YIELDING_SECONDS
from penstock.model.job import Failure
from penstock.model.job_status import Execution, JobState, JobStatus
from penstock.model.source import Deadline

# Jobs that one run begins again or aborts, at most, how many it reads at once, and after how many errors it stops.
RESTARTS = 100
PAGE = 200
ERRORS = 10
# Calls of `abort`, after which a job fails with what is left; seconds until the next look after each of them.
ABORTS = 5
ABORT_SECONDS = (120.0, 240.0, 480.0, 960.0, 960.0)
# Events sent without a claim, after which a job fails; the wait doubles with each, up to this.
SENDS = 10
LONGEST_WAIT_SECONDS = 4 * 3600.0

Abort = Callable[[str, str, Mapping[str, str]], None]
"""Asks for the function `abort`: job, who had it last, and the error. It does not wait for the answer."""


@dataclass(frozen=True, slots=True)
class Reconciler:
    """Looks at the jobs that are due. ``clock`` gives Unix seconds, ``margin`` seconds are left of a run's time."""

    open_jobs: OpenJobs
    queue: EventQueue
    machine: StateMachine
    abort: Abort
    clock: Callable[[], float]
    margin: float = 10.0

    def __call__(self, deadline: Deadline, done: dict[str, int]) -> list[PenstockError]:
        """Counts in ``done`` how many jobs were ``restarted``, ``aborted``, ``ended``, and are at work (``left``).

        Answers what went wrong: one job must not keep the others from their turn.
        """
        done |= dict.fromkeys(("restarted", "aborted", "ended", "left"), 0)
        errors: list[PenstockError] = []
        seen: set[str] = set()
        while len(errors) < ERRORS:
            try:
                page = [status for status in self.open_jobs.due(PAGE) if status.job_id not in seen]
            except PenstockError as error:
                return [*errors, error]
            if not page:
                break
            for status in page:
                if deadline.remaining() < self.margin or done["restarted"] + done["aborted"] >= RESTARTS:
                    return errors
                seen.add(status.job_id)
                try:
                    done[self._look(status)] += 1
                except PenstockError as error:
                    errors.append(error)
        return errors

    def _look(self, status: JobStatus) -> str:
        if status.state is JobState.WAITING and status.yields_to:
            return self._yielding(status)
        if status.state is JobState.RUNNING and status.lease_until > self.clock():
            return self._later(status, status.lease_until)
        if status.execution and status.state is not JobState.WAITING and _holds(status):
            return self._executing(status)
        if status.aborts:
            return self._abort(status, status.failure or cause_of(status))
        return self._unattended(status)

    def _unattended(self, status: JobStatus) -> str:
        """No attempt has the job: another one, if there may be one."""
        if status.attempts < status.attempts_limit and status.sends < SENDS and status.upload:
            return self._restart(status)
        if status.state is JobState.RUNNING and status.deadline_at > self.clock():
            # It has lost its lease, and may yet publish.
            return self._later(status, status.deadline_at)
        return self._abort(status, cause_of(status))

    def _executing(self, status: JobStatus) -> str:
        execution = self.machine.describe(status.execution)
        if execution and not execution.ended:
            return self._later(status, self.clock() + EXECUTING_SECONDS)
        if execution is None and status.state is JobState.RUNNING and not status.aborts:
            # Handed over by an attempt that died before it could start the execution.
            return self._unattended(status)
        return self._abort(status, _failure_of(status, execution))

    def _yielding(self, status: JobStatus) -> str:
        newer = self.open_jobs.get(status.yields_to)
        if newer and newer.state is JobState.SUCCEEDED:
            told = f"{status.source}: a newer version of it was delivered by job {newer.job_id}"
            self.open_jobs.end(status, JobState.SUPERSEDED, Failure("SupersededError", told, ""))
            return "ended"
        if newer and not newer.state.final:
            return self._later(status, self.clock() + YIELDING_SECONDS)
        return self._restart(status)

    def _restart(self, status: JobStatus) -> str:
        wait = min(WAITING_SECONDS * 2**status.sends, LONGEST_WAIT_SECONDS)
        if status.upload and self.open_jobs.restart(status, self.clock() + wait):
            # A crash before this leaves a job that waits: its event is sent when it is due again.
            self.queue.send(notification(status.upload, job_id=status.job_id))
            return "restarted"
        return "left"

    def _abort(self, status: JobStatus, failure: Failure) -> str:
        if status.aborts >= ABORTS:
            self.open_jobs.end(status, JobState.FAILED, left_behind(status, failure, ABORTS))
            return "ended"
        if not self.open_jobs.begin_abort(status, self.clock() + ABORT_SECONDS[status.aborts], failure):
            return "left"
        cause = json.dumps({"errorMessage": failure.message})
        self.abort(status.job_id, _holder(status), {"Error": failure.error, "Cause": cause})
        return "aborted"

    def _later(self, status: JobStatus, at: float) -> str:
        self.open_jobs.look_again(status, at)
        return "left"


def _holder(status: JobStatus) -> str:
    """Whoever had the job, before an `abort` took it over that did not come to its end."""
    return status.holder.removesuffix("/abort")


def _holds(status: JobStatus) -> bool:
    """Whether the execution on record is what has the job, not an attempt after it."""
    return _holder(status) == status.execution


def _failure_of(status: JobStatus, execution: Execution | None) -> Failure:
    if execution is None:
        told = f"execution {status.execution} is not known to Step Functions any more"
        return Failure.of(ServiceUnavailableError(told))
    ended = "was stopped by somebody" if execution.status == "ABORTED" else f"ended as {execution.status}"
    told = execution.cause or f"execution {status.execution} {ended}"
    return failure_of_step({"Error": execution.error or execution.status, "Cause": told})
