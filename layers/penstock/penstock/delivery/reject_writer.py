"""The rejects of one load: written to the log, and counted against what the route allows."""

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

    The name of a file says the span and the chunk, so an attempt that loads a chunk again replaces its file.
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
        """How many more rejects the route allows; None while that is not known."""
        return Allowance(self.plan.max_rejects).spare(rejects, records)

    def check(self, rejects: int, records: int | None = None) -> None:
        """Raises TooManyRejectsError when the route does not allow so many rejects.

        A share is checked only against all ``records`` of the source.
        """
        if Allowance(self.plan.max_rejects).passed(rejects, records):
            raise self.too_many(rejects, records)

    def too_many(self, rejects: int, records: int | None = None) -> TooManyRejectsError:
        """The error for so many rejects."""
        limit = Allowance(self.plan.max_rejects).passed(rejects, records)
        return TooManyRejectsError(
            f"{self.job.source.uri}: {rejected(rejects)}, at most {limit} may be; they are listed in {self.folder}"
        )
