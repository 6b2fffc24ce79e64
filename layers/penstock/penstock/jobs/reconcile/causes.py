"""Why a job is given up: what its record says of the attempts that have ended without a word."""

from __future__ import annotations

from dataclasses import replace

from penstock.errors import AttemptsExhaustedError
from penstock.limits import MIB
from penstock.model.job import Failure
from penstock.model.job_status import JobState, JobStatus

# A function that worked until so many seconds before its time-out was ended by it: it takes a margin of ten to stop by
# itself, and its heartbeats are seconds apart.
LAST_SECONDS = 20.0
# So much of its memory in use at the last heartbeat leaves little doubt about what came next.
FULL = 0.75


def cause_of(status: JobStatus) -> Failure:
    """What ends a job whose attempts are exhausted."""
    if status.state is JobState.WAITING and status.failure:
        told = f"{status.failure.message}; that was attempt {status.attempts}, the last"
        return replace(status.failure, message=told)
    if status.state is JobState.WAITING:
        return Failure.of(
            AttemptsExhaustedError(f"{status.source}: its event was sent {status.sends} times, and nothing came of it")
        )
    times = "once" if status.attempts == 1 else f"{status.attempts} times"
    at = f"at byte {status.progress.bytes_in:,} of {status.size:,}"
    return Failure.of(AttemptsExhaustedError(f"{status.source}: the function was killed {times}, {_how(status)}, {at}"))


def _how(status: JobStatus) -> str:
    if status.deadline_at - status.updated_at <= LAST_SECONDS:
        return "the last time by its time-out"
    if not status.memory_size or not status.memory_peak:
        return "the last time before its first heartbeat: by a crash, or out of memory"
    used = f"{status.memory_peak / MIB:,.0f} of {status.memory_size / MIB:,.0f} MB were in use at its last heartbeat"
    if status.memory_peak >= FULL * status.memory_size:
        return f"the last time most likely out of memory ({used})"
    return f"the last time by a crash, or out of memory ({used})"


def left_behind(status: JobStatus, failure: Failure, aborts: int) -> Failure:
    """The failure of a job that could not be cleaned up: it says what is left."""
    left = [f"multipart upload {upload_id} to {status.target}" for upload_id in status.uploads]
    if not status.object_target:
        left.append(f"staging tables named penstock_staging_{status.job_id}, if it had any")
    told = f"; `abort` failed {aborts} times, and may have left {', '.join(left) or 'nothing'}"
    return replace(failure, message=failure.message + told)
