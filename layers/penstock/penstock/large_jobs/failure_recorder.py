"""Records why a job failed: each step records its error before it raises it.

The state machine passes little to abort: after a Distributed Map, only that too many of its items failed. Of several
errors, the first permanent one is kept, because it ended the job; without one, the last.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from penstock import errors
from penstock.errors import PenstockError, PermanentError, SupersededError, noting
from penstock.large_jobs.ports import ExecutionStore
from penstock.model.job import Failure


@dataclass(frozen=True, slots=True)
class FailureRecorder:
    """A step, called with job, execution and more, whose errors are recorded with the job."""

    executions: ExecutionStore
    step: Callable[..., dict[str, object]]

    def __call__(self, job_id: str, execution: str, *request: object) -> dict[str, object]:
        """Run the step. Raises its errors; a failure to record one is added as a note."""
        try:
            return self.step(job_id, execution, *request)
        except PenstockError as error:
            with noting(error, "the error could not be recorded"):
                before = self.executions.recorded_failure(job_id, execution)
                if before is None or not is_permanent(before.error):
                    self.executions.record_failure(job_id, execution, Failure.of(error))
            raise


# Errors of Step Functions for a function that was ended before it could record an error.
_UNEXPLAINED = {
    "Lambda.Unknown",
    "Runtime.ExitError",
    "Runtime.OutOfMemory",
    "Sandbox.Timedout",
    "States.ExceedToleratedFailureThreshold",
    "States.TaskFailed",
}

# For an execution that was stopped, timed out, or failed with an error that is not Penstock's.
_HINT = "No error of the source is known. Fix the cause, then retry the job with `penstock redrive`."

_UNEXPLAINED_HINT = (
    "The logs of the functions index, work and finish show the cause, at the time when the job ended. If it is memory, "
    "increase MemorySize and deploy. Then retry the job with `penstock redrive`."
)


def failure_of_step(error: Mapping[str, object]) -> Failure:
    """Convert an error of the machine: ``Error`` is its class, ``Cause`` is Lambda's JSON or a text."""
    name, cause = str(error.get("Error", "")), str(error.get("Cause", ""))
    try:
        message = str(json.loads(cause)["errorMessage"])
    except (ValueError, KeyError, TypeError):
        message = cause
    return Failure(name, message, getattr(_class_of(name), "default_hint", _HINT))


def explained(failure: Failure, source: str) -> Failure:
    """Explain a failure that only the machine reported. Any other failure is returned unchanged."""
    if failure.error not in _UNEXPLAINED:
        return failure
    message = (
        f"{source}: a step failed in all attempts, and its function was ended before it could record an error: it was "
        f"killed, or ran out of memory or time ({failure.error}: {failure.message})"
    )
    return Failure(failure.error, message, _UNEXPLAINED_HINT)


def is_permanent(name: str) -> bool:
    """Whether this is a Penstock error that a retry cannot fix."""
    return issubclass(_class_of(name), PermanentError)


def is_superseded(name: str) -> bool:
    """Whether this is an error that reports a newer version."""
    return issubclass(_class_of(name), SupersededError)


def _class_of(name: str) -> type[BaseException]:
    found = getattr(errors, name, None)
    return found if isinstance(found, type) and issubclass(found, BaseException) else Exception
