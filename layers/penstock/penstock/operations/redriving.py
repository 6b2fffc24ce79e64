"""A failed job, once more: its item waits again, and the event of its upload is sent again, as S3 sent it.

It is the same job: same id, same order among the versions of its source, same ledger. What the ledger knows is not
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
    JobState.RUNNING: "is at work",
    JobState.EXECUTING: "is at work",
    JobState.SUCCEEDED: "has succeeded",
    JobState.SKIPPED: "was skipped: no route takes its source",
}

Abort = Callable[[str, str, Mapping[str, str]], None]
"""Calls the function `abort`, and waits for its end: job, who had it last, and the error."""


@dataclass(frozen=True, slots=True)
class Redriver:
    """Begins jobs again that have failed, or that nobody works on any more. ``clock`` gives Unix seconds."""

    jobs: JobStore
    queue: EventQueue
    machine: StateMachine
    abort: Abort
    clock: Callable[[], float] = time.time

    def __call__(self, status: JobStatus) -> Source:
        """Begin a job again; answers the source whose event was sent.

        One that waits is sent the event once more: the one that it waits for may be lost, and a copy does no harm. What
        an execution has left that ended without its job is cleaned up first.
        Raises JobStandsError where `check` does, and where somebody else was quicker.
        """
        upload = self.check(status)
        if _is_executions(status):
            status = self._aborted(status)
            upload = self.check(status)
        if status.state is not JobState.WAITING and not self.jobs.reopen(status):
            raise JobStandsError(f"job {status.job_id} was begun again by somebody else", hint="`penstock watch` it.")
        # A crash before this leaves a job that waits: redriven again, its event is sent.
        self.queue.send(notification(upload, job_id=status.job_id))
        return upload

    def check(self, status: JobStatus) -> Source:
        """The source of a job that can be begun again.

        Raises JobStandsError where somebody works on it or it has ended well, or where its item does not hold all that
        its event said.
        """
        if self._stands(status):
            raise JobStandsError(f"job {status.job_id} {_why_not(status)}", hint=_what_to_do(status))
        if status.upload is None:
            raise JobStandsError(
                f"job {status.job_id} is on record without its event: an earlier Penstock wrote it",
                hint="Upload the source again.",
            )
        return status.upload

    def _stands(self, status: JobStatus) -> bool:
        if status.state in (JobState.FAILED, JobState.WAITING):
            return False
        if status.state is JobState.RUNNING and status.lease_until > self.clock():
            return True
        if _is_executions(status):
            execution = self.machine.describe(status.execution)
            return execution is not None and not execution.ended
        return status.state is not JobState.RUNNING

    def _aborted(self, status: JobStatus) -> JobStatus:
        error = {"Error": "States.Timeout", "Cause": f"execution {status.execution} has ended without its job"}
        self.abort(status.job_id, status.execution, error)
        return self.jobs.get(status.job_id) or status


def _why_not(status: JobStatus) -> str:
    if status.state is JobState.SUPERSEDED:
        # By a newer version of its source, or by a job of another route.
        return f"was superseded: {status.failure.message}" if status.failure else "was superseded"
    return _WHY_NOT[status.state]


def _what_to_do(status: JobStatus) -> str:
    """What to do about a job that is at work; empty for the error's own hint.

    Nothing tells a function that was killed from one at work until its lease ends.
    """
    if status.state is not JobState.RUNNING or _is_executions(status):
        return ""
    until = datetime.fromtimestamp(status.lease_until, UTC)
    return f"Its lease ends at {until:%Y-%m-%d %H:%M:%S} UTC. If it is still running then, redrive it."


def _is_executions(status: JobStatus) -> bool:
    """Whether an execution had the job last, as far as its record tells."""
    held = status.holder.removesuffix("/abort") == status.execution != ""
    return held and status.state in (JobState.RUNNING, JobState.EXECUTING)
