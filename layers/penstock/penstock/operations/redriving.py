"""Retries a failed job: the job waits again, and the event of its upload is resent, as S3 sent it.

It is the same job: same id, same order among the versions of its source, same ledger. Spans in the ledger are not
loaded again.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from penstock.errors import JobStandsError
from penstock.jobs.events import notification
from penstock.jobs.ports import EventQueue, JobStore
from penstock.large_jobs.ports import StateMachine
from penstock.model.job_status import JobState, JobStatus
from penstock.model.object import Source

_WHY_NOT = {
    JobState.RUNNING: "is running",
    JobState.EXECUTING: "is running",
    JobState.COMMITTING: "waits for the commit of its table",
    JobState.SUCCEEDED: "has succeeded",
    JobState.SKIPPED: "was skipped: its source matches no route",
}

Abort = Callable[[str, str, Mapping[str, str]], None]
"""Calls the function `abort` with the job, its last holder and the error, and waits for the result."""


@dataclass(frozen=True, slots=True)
class Redriver:
    """Retries jobs that have failed, or that no attempt works on. ``clock`` returns Unix seconds."""

    jobs: JobStore
    queue: EventQueue
    machine: StateMachine
    abort: Abort
    clock: Callable[[], float] = time.time

    def __call__(self, status: JobStatus) -> Source:
        """Retry a job, and return the source whose event was sent.

        A waiting job is sent its event once more: the first event may be lost, and a copy does no harm. If an execution
        ended without ending its job, its leftovers are cleaned up first.
        Raises JobStandsError as `check` does, and if another user redrove the job first.
        """
        upload = self.check(status)
        if _is_executions(status):
            status = self._aborted(status)
            upload = self.check(status)
        if status.state is not JobState.WAITING and not self.jobs.reopen(status):
            raise JobStandsError(
                f"job {status.job_id} was redriven by another user", hint="Follow it with `penstock watch`."
            )
        # After a crash here, the job waits. Redriving it again sends its event.
        self.queue.send(notification(upload, job_id=status.job_id))
        return upload

    def check(self, status: JobStatus) -> Source:
        """Return the source of a job that can be redriven.

        Raises JobStandsError if an attempt works on the job, if it has succeeded, was superseded or skipped, or if its
        record lacks fields of its event.
        """
        if status.state is JobState.FAILED and status.after and status.after.has_begun:
            raise JobStandsError(
                f"job {status.job_id}: its object is being moved or tagged ({status.after.plan.failure})",
                hint="Redrive it when `penstock status` shows that this has ended.",
            )
        if self._cannot_redrive(status):
            raise JobStandsError(f"job {status.job_id} {_why_not(status)}", hint=_what_to_do(status))
        if status.upload is None:
            raise JobStandsError(
                f"the record of job {status.job_id} lacks its event: an earlier release wrote it",
                hint="Upload the source again.",
            )
        return status.upload

    def _cannot_redrive(self, status: JobStatus) -> bool:
        if status.state in (JobState.WAITING, JobState.IN_DOUBT):
            return False
        if status.state is JobState.FAILED:
            return status.lease_until > self.clock()
        if status.state is JobState.RUNNING and status.lease_until > self.clock():
            return True
        if _is_executions(status):
            execution = self.machine.describe(status.execution)
            return execution is not None and not execution.ended
        return status.state is not JobState.RUNNING

    def _aborted(self, status: JobStatus) -> JobStatus:
        error = {"Error": "States.Timeout", "Cause": f"execution {status.execution} ended without ending its job"}
        self.abort(status.job_id, status.execution, error)
        return self.jobs.get(status.job_id) or status


def _why_not(status: JobStatus) -> str:
    if status.state is JobState.SUPERSEDED:
        # By a newer version of its source, or by a job of another route.
        return f"was superseded: {status.failure.message}" if status.failure else "was superseded"
    if status.state is JobState.FAILED:
        return "has failed, and its files are being deleted"
    return _WHY_NOT[status.state]


def _what_to_do(status: JobStatus) -> str:
    """Return the hint for a running job; empty for the default hint of the error.

    Until its lease ends, a killed function cannot be told from a running one.
    """
    if status.state not in (JobState.RUNNING, JobState.FAILED) or _is_executions(status):
        return ""
    until = datetime.fromtimestamp(status.lease_until, UTC)
    if status.state is JobState.FAILED:
        return f"This ends at {until:%Y-%m-%d %H:%M:%S} UTC at the latest. Redrive it then."
    return f"Its lease ends at {until:%Y-%m-%d %H:%M:%S} UTC. If the job is still running then, redrive it."


def _is_executions(status: JobStatus) -> bool:
    """Whether an execution was the last holder of the job, by its record."""
    held = status.holder.removesuffix("/abort") == status.execution != ""
    return held and status.state in (JobState.RUNNING, JobState.EXECUTING)
