"""Write the rejects of one load to the log, and compare their number with the route's limit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from penstock.delivery.ports import RejectLog
from penstock.errors import TooManyRejectsError
from penstock.model.job import Job
from penstock.model.record import Reject
from penstock.model.table import TablePlan
from penstock.model.wording import rejected
from penstock.tables import Allowance


@dataclass(slots=True)
class RejectWriter:
    """Writes the rejects of one span of a job; span 0 is the whole source. ``folder`` is the URI of the job's rejects.

    The name of a file contains span and chunk, so an attempt that loads a chunk again replaces its file.
    """

    log: RejectLog
    job: Job
    plan: TablePlan
    span: int = 0
    folder: str = ""

    def __post_init__(self) -> None:
        self.folder = self.log.folder(self.job.id)

    def write(self, name: str, rejects: Sequence[Reject]) -> None:
        """Write rejects to the file of a chunk. Without rejects there is no file."""
        if rejects:
            self.log.write(
                self.job.id, f"{self.span:05d}-{name}", [replace(reject, span=self.span) for reject in rejects]
            )

    def spare(self, rejects: int, records: int | None = None) -> int | None:
        """Return how many more rejects the route allows; None while that is not known."""
        return Allowance(self.plan.max_rejects).spare(rejects, records)

    def check(self, rejects: int, records: int | None = None) -> None:
        """Raises TooManyRejectsError if the route does not allow so many rejects.

        A share is checked only against all ``records`` of the source.
        """
        if Allowance(self.plan.max_rejects).passed(rejects, records):
            raise self.too_many(rejects, records)

    def too_many(self, rejects: int, records: int | None = None) -> TooManyRejectsError:
        """Return the error for too many rejects."""
        limit = Allowance(self.plan.max_rejects).passed(rejects, records)
        return TooManyRejectsError(
            f"{self.job.source.uri}: {rejected(rejects)}, but the limit is {limit}; they are listed in {self.folder}"
        )
