"""One write to the record of a job."""

from __future__ import annotations

from dataclasses import dataclass

from penstock.errors import PenstockError
from penstock.model.job_status import JobState, JobStatus

# A source without a route is skipped: no job ran.
ENDS = frozenset({JobState.SUCCEEDED, JobState.FAILED, JobState.SUPERSEDED, JobState.IN_DOUBT})


@dataclass(frozen=True, slots=True)
class JobChange:
    """The record of a job before and after a write; None where there was none. ``number`` is that of the write.

    ``problem``: why the records cannot be read.
    """

    number: str
    before: JobStatus | None = None
    after: JobStatus | None = None
    problem: PenstockError | None = None

    @property
    def ended(self) -> JobStatus | None:
        """The job, if this write ended it. None for a write to the record of a job that had ended before."""
        if self.after is None or self.after.state not in ENDS:
            return None
        return None if self.before and self.before.state is self.after.state else self.after
