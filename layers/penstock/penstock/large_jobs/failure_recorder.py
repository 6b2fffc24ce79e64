"""Why a job failed: each step notes its error before it raises it.

What reaches abort is little: after a Distributed Map, only that too many of its items failed. Of several errors the
first permanent one stays, for it is what ended the job; without one, the last.
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
    """A step, a function of job, execution and more, whose errors are noted with the job."""

    executions: ExecutionStore
    step: Callable[..., dict[str, object]]

    def __call__(self, job_id: str, execution: str, *request: object) -> dict[str, object]:
        """Do the step. Raises what it raises; that noting failed too becomes a note of the error."""
        try:
            return self.step(job_id, execution, *request)
        except PenstockError as error:
            with noting(error, "it could not be noted"):
                before = self.executions.recorded_failure(job_id, execution)
                if before is None or not is_permanent(before.error):
                    self.executions.record_failure(job_id, execution, Failure.of(error))
            raise


# What Step Functions says of functions that were ended before they could note an error.
_UNTOLD = {
    "Lambda.Unknown",
    "Runtime.ExitError",
    "Runtime.OutOfMemory",
    "Sandbox.Timedout",
    "States.ExceedToleratedFailureThreshold",
    "States.TaskFailed",
}

# Of an execution that was stopped, or timed out, or died of what is no error of ours.
_HINT = "Nothing is known to be wrong with the source. When the cause is gone, begin the job again: `penstock redrive`."

_UNTOLD_HINT = (
    "The logs of the functions index, work and finish tell which, at the time when the job ended. Deploy with more "
    "MemorySize if it was memory, then begin the job again: `penstock redrive`."
)


def failure_of_step(error: Mapping[str, object]) -> Failure:
    """What the machine was told of an error: ``Error``, its class, and ``Cause``, Lambda's JSON of it or a text."""
    name, cause = str(error.get("Error", "")), str(error.get("Cause", ""))
    try:
        message = str(json.loads(cause)["errorMessage"])
    except (ValueError, KeyError, TypeError):
        message = cause
    return Failure(name, message, getattr(_class_of(name), "default_hint", _HINT))


def explained(failure: Failure, source: str) -> Failure:
    """A failure of which the machine alone tells, in words; as it is where those of an error say enough."""
    if failure.error not in _UNTOLD:
        return failure
    told = (
        f"{source}: a step failed as often as it is tried, and its function was ended before it could say why: it was "
        f"killed, or ran out of memory or time ({failure.error}: {failure.message})"
    )
    return Failure(failure.error, told, _UNTOLD_HINT)


def is_permanent(name: str) -> bool:
    """Whether an error of this class is one of ours that no retry mends."""
    return issubclass(_class_of(name), PermanentError)


def is_superseded(name: str) -> bool:
    """Whether an error of this class says that a newer version stands."""
    return issubclass(_class_of(name), SupersededError)


def _class_of(name: str) -> type[BaseException]:
    found = getattr(errors, name, None)
    return found if isinstance(found, type) and issubclass(found, BaseException) else Exception
