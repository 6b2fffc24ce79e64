"""Why a job fails whose attempts ended without an error: what its record shows."""

from __future__ import annotations

from dataclasses import replace

from penstock.destinations import DESTINATIONS
from penstock.errors import AttemptsExhaustedError
from penstock.limits import MIB
from penstock.model.job import Failure
from penstock.model.job_status import JobState, JobStatus

# A function whose last heartbeat came within so many seconds of its timeout was ended by the timeout: a function stops
# itself ten seconds before, and heartbeats are seconds apart.
LAST_SECONDS = 20.0
# A function that used this share of its memory at its last heartbeat most likely ran out of memory.
FULL = 0.75


def cause_of(status: JobStatus) -> Failure:
    """Return the failure of a job whose attempts are exhausted."""
    if status.state is JobState.WAITING and status.failure:
        message = f"{status.failure.message}; this was attempt {status.attempts}, the last"
        return replace(status.failure, message=message)
    if status.state is JobState.WAITING:
        return Failure.of(
            AttemptsExhaustedError(f"{status.source}: its event was sent {status.sends} times, but no attempt started")
        )
    times = "once" if status.attempts == 1 else f"{status.attempts} times"
    at = f"at byte {status.progress.bytes_in:,} of {status.size:,}"
    return Failure.of(AttemptsExhaustedError(f"{status.source}: the function was killed {times}, {_how(status)}, {at}"))


def _how(status: JobStatus) -> str:
    if status.deadline_at - status.updated_at <= LAST_SECONDS:
        return "the last time by its timeout"
    if not status.memory_size or not status.memory_peak:
        return "the last time before its first heartbeat: by a crash, or out of memory"
    used = f"{status.memory_peak / MIB:,.0f} of {status.memory_size / MIB:,.0f} MB were in use at its last heartbeat"
    if status.memory_peak >= FULL * status.memory_size:
        return f"the last time most likely out of memory ({used})"
    return f"the last time by a crash, or out of memory ({used})"


def not_committed(status: JobStatus) -> Failure:
    """Return the failure of a job whose files were not committed, however often it was announced."""
    error = AttemptsExhaustedError(
        f"{status.source}: its files wait for a commit of {status.target}, which was asked for {status.sends} times",
        hint="The log of the function commit says why. Fix the cause, then redrive the job.",
    )
    return Failure.of(error)


def left_behind(status: JobStatus, failure: Failure, aborts: int) -> Failure:
    """Return the failure of a job that could not be cleaned up. Its message lists what may be left."""
    left = [f"multipart upload {upload_id} to {status.target}" for upload_id in status.uploads]
    # Members of an archive may go to several destinations.
    stores = [status.store] if status.store in DESTINATIONS else list(DESTINATIONS)
    found = [DESTINATIONS[name].leaves.format(job=status.job_id) for name in stores]
    left += [f"{what}, if any exist" for what in found if what]
    message = f"{failure.message}; `abort` failed {aborts} times and may have left {', '.join(left) or 'nothing'}"
    return replace(failure, message=message)
