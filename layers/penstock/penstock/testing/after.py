"""The actions after jobs of an in-memory jobs table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from penstock.errors import LeaseLostError
from penstock.model.after import After, AfterState, AfterStatus
from penstock.model.job_status import JobStatus
from penstock.model.object import Location
from penstock.testing.jobs import MemoryJobStore


@dataclass
class MemoryAfterStore:
    """Implements ``AfterStore`` and ``DueActions`` on top of a `MemoryJobStore`."""

    jobs: MemoryJobStore

    def get(self, job_id: str) -> JobStatus | None:
        return self.jobs.jobs.get(job_id)

    def take(self, status: JobStatus, holder: str, until: float) -> JobStatus | None:
        there = self.jobs.jobs.get(status.job_id)
        if there is None or (there.holder, there.state) != (status.holder, status.state) or not self._is_free(there):
            return None
        tries = _after(there).tries + 1
        self._set(there.job_id, state=AfterState.ACTING, holder=holder, until=until, tries=tries)
        self.jobs.change(there.job_id, lease_until=until)
        return self.jobs.jobs[there.job_id]

    def note_copy(self, status: JobStatus, copied: Location) -> None:
        self._write(status, copied=copied, upload="")

    def note_upload(self, status: JobStatus, upload_id: str) -> None:
        self._write(status, upload=upload_id)

    def finish(self, status: JobStatus, state: AfterState, message: str, location: Location | None = None) -> None:
        self._write(status, state=state, message=message, until=self.jobs.clock())
        self.jobs.change(status.job_id, lease_until=self.jobs.clock())
        if location:
            self.jobs.change(status.job_id, location=location)
        self.forget(status.job_id)

    def release(self, status: JobStatus, message: str, due: float) -> None:
        self._write(status, message=message, until=self.jobs.clock())
        self.postpone(status.job_id, due)

    def forget(self, job_id: str) -> None:
        self.jobs.afters.pop(job_id, None)

    def due(self, limit: int) -> Sequence[str]:
        dues = sorted((at, job_id) for job_id, at in self.jobs.afters.items() if at <= self.jobs.clock())
        return [job_id for _, job_id in dues[:limit]]

    def postpone(self, job_id: str, at: float) -> None:
        self.jobs.afters[job_id] = at

    def ask_again(self, status: JobStatus) -> bool:
        return self._change(status, state=AfterState.PENDING, sends=_after(status).sends + 1)

    def give_up(self, status: JobStatus, message: str) -> bool:
        return self._change(status, state=AfterState.FAILED, message=message)

    def _write(self, status: JobStatus, **fields: Any) -> None:
        there = self.jobs.jobs[status.job_id].after
        if there is None or there.state is not AfterState.ACTING or there.holder != _after(status).holder:
            raise LeaseLostError(f"job {status.job_id}: another invocation acts on its object")
        self._set(status.job_id, **fields)

    def _change(self, status: JobStatus, **fields: Any) -> bool:
        there = self.jobs.jobs.get(status.job_id)
        if there is None or (there.holder, there.state) != (status.holder, status.state) or not self._is_free(there):
            return False
        self._set(status.job_id, **fields)
        return True

    def _is_free(self, there: JobStatus) -> bool:
        """Whether there is an action to be done that nobody does now."""
        after = there.after
        if after is None or after.state not in (AfterState.PENDING, AfterState.ACTING):
            return False
        return after.state is AfterState.PENDING or after.until <= self.jobs.clock()

    def _set(self, job_id: str, **fields: Any) -> None:
        self.jobs.change(job_id, after=replace(_after(self.jobs.jobs[job_id]), **fields))


def _after(status: JobStatus) -> AfterStatus:
    return status.after or AfterStatus(After())
