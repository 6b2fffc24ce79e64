"""Retries or ends each job that no attempt works on.

A job whose lease has expired is retried, or fails once its attempts are exhausted. A job whose execution ended without
ending it is aborted. A job that has yielded is retried if the newer job has failed. Every write is conditional on the
record as it was read, so that two reconcilers at once, a repeated message or a slow attempt that still runs do no harm.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from penstock.errors import PenstockError, ServiceUnavailableError
from penstock.jobs.commit.ports import CommitQueue
from penstock.jobs.events import notification
from penstock.jobs.ports import EventQueue, OpenJobs
from penstock.jobs.reconcile.causes import cause_of, left_behind, not_committed
from penstock.large_jobs.failure_recorder import failure_of_step
from penstock.large_jobs.ports import StateMachine
from penstock.limits import COMMITTING_SECONDS, EXECUTING_SECONDS, WAITING_SECONDS, YIELDING_SECONDS
from penstock.model.job import Failure
from penstock.model.job_status import Execution, JobState, JobStatus
from penstock.model.source import Deadline

# One run retries or aborts at most RESTARTS jobs, reads PAGE jobs at once, and stops after ERRORS errors.
RESTARTS = 100
PAGE = 200
ERRORS = 10
# After so many calls of `abort`, a job fails and its leftovers stay; seconds until the next check after each call.
ABORTS = 5
ABORT_SECONDS = (120.0, 240.0, 480.0, 960.0, 960.0)
# After so many events without a claim, a job fails. The wait doubles with each event, up to LONGEST_WAIT_SECONDS.
SENDS = 10
LONGEST_WAIT_SECONDS = 4 * 3600.0

Abort = Callable[[str, str, Mapping[str, str]], None]
"""Calls the function `abort` with the job, its last holder and the error. Does not wait for the result."""


@dataclass(frozen=True, slots=True)
class Reconciler:
    """Checks the jobs that are due. ``clock`` returns Unix seconds. A run keeps ``margin`` seconds in reserve."""

    open_jobs: OpenJobs
    queue: EventQueue
    machine: StateMachine
    abort: Abort
    commits: CommitQueue
    clock: Callable[[], float]
    margin: float = 10.0

    def __call__(self, deadline: Deadline, done: dict[str, int]) -> list[PenstockError]:
        """Count in ``done`` how many jobs were ``restarted``, ``aborted`` and ``ended``, and how many were ``left``.

        Errors are returned, not raised: an error of one job must not stop the check of the others.
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
        if status.state is JobState.COMMITTING:
            return self._committing(status)
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
        """Handle a job without an attempt: start another attempt, if one is allowed."""
        if status.attempts < status.attempts_limit and status.sends < SENDS and status.upload:
            return self._restart(status)
        if status.state is JobState.RUNNING and status.deadline_at > self.clock():
            # The attempt has lost its lease, but may still publish.
            return self._later(status, status.deadline_at)
        return self._abort(status, cause_of(status))

    def _executing(self, status: JobStatus) -> str:
        execution = self.machine.describe(status.execution)
        if execution and not execution.ended:
            return self._later(status, self.clock() + EXECUTING_SECONDS)
        if execution is None and status.state is JobState.RUNNING and not status.aborts:
            # The attempt that handed the job over died before it started the execution.
            return self._unattended(status)
        return self._abort(status, _failure_of(status, execution))

    def _yielding(self, status: JobStatus) -> str:
        newer = self.open_jobs.get(status.yields_to)
        if newer and newer.state is JobState.SUCCEEDED:
            message = f"{status.source}: job {newer.job_id} delivered a newer version"
            self.open_jobs.end(status, JobState.SUPERSEDED, Failure("SupersededError", message, ""))
            return "ended"
        if newer and not newer.state.final:
            return self._later(status, self.clock() + YIELDING_SECONDS)
        return self._restart(status)

    def _committing(self, status: JobStatus) -> str:
        """Announce a job once more whose files wait for their commit. After many times, it ends."""
        if status.sends >= SENDS:
            state = JobState.IN_DOUBT if status.commit.id else JobState.FAILED
            self.open_jobs.end(status, state, not_committed(status))
            return "ended"
        wait = min(COMMITTING_SECONDS * 2**status.sends, LONGEST_WAIT_SECONDS)
        if self.open_jobs.send_again(status, self.clock() + wait):
            self.commits.send(status.target.partition(":")[2], status.job_id)
            return "restarted"
        return "left"

    def _restart(self, status: JobStatus) -> str:
        wait = min(WAITING_SECONDS * 2**status.sends, LONGEST_WAIT_SECONDS)
        if status.upload and self.open_jobs.restart(status, self.clock() + wait):
            # After a crash here, the job waits: its event is sent when the job is due again.
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
    """Return the holder of the job, before an unfinished `abort` took it over."""
    return status.holder.removesuffix("/abort")


def _holds(status: JobStatus) -> bool:
    """Whether the recorded execution holds the job, not a later attempt."""
    return _holder(status) == status.execution


def _failure_of(status: JobStatus, execution: Execution | None) -> Failure:
    if execution is None:
        message = f"execution {status.execution} no longer exists in Step Functions"
        return Failure.of(ServiceUnavailableError(message))
    ended = "was stopped by a user" if execution.status == "ABORTED" else f"ended with status {execution.status}"
    cause = execution.cause or f"execution {status.execution} {ended}"
    return failure_of_step({"Error": execution.error or execution.status, "Cause": cause})
