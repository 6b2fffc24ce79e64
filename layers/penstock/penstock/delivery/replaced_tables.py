"""Tables that several members of an archive replace together."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from penstock.model.job import Failure, Job
from penstock.model.replacement import Replacement
from penstock.model.serialization import OMIT_DEFAULT
from penstock.model.table import Mode, Table
from penstock.tables import tables_of


@dataclass(frozen=True, slots=True)
class ReplacedTables:
    """``members`` members of an archive replace ``tables`` of the destination ``store`` together.

    ``is_swapped``: the attempt that the replacement names has already made the rows of all of them visible.
    ``failure``: why the tables cannot be replaced, so that all of the members fail.
    """

    store: str
    tables: tuple[Table, ...]
    members: int
    replacement: Replacement
    is_swapped: bool = field(default=False, metadata=OMIT_DEFAULT)
    failure: Failure | None = field(default=None, metadata=OMIT_DEFAULT)

    @property
    def is_open(self) -> bool:
        """Whether rows are staged for a swap that has not taken place."""
        return not self.is_swapped and self.failure is None

    def takes(self, job: Job) -> bool:
        """Whether a member is one of those."""
        if job.route.store != self.store or not replaces_tables(job):
            return False
        return tables_of(job.need_plan())[0].name in {table.name for table in self.tables}


def replaces_tables(job: Job) -> bool:
    """Whether a job replaces its tables. A route does so with all of its tables, or with none."""
    return job.route.plan is not None and any(table.mode is Mode.REPLACE for table in tables_of(job.route.plan))


def joined(job: Job, replaced: Iterable[ReplacedTables]) -> Job:
    """Return the job of a member as part of its replacement, if it has one."""
    found = next((tables for tables in replaced if tables.takes(job)), None)
    if found is None or job.source.member is None:
        return job
    member = replace(job.source.member, replacement=found.replacement)
    return replace(job, source=replace(job.source, member=member))


def is_staged(job: Job, replaced: Iterable[ReplacedTables]) -> bool:
    """Whether the rows of a member wait for a swap. What earlier attempts have staged is gone then."""
    return any(tables.replacement == job.replacement and not tables.is_swapped for tables in replaced)


def failure_of(job: Job, replaced: Iterable[ReplacedTables]) -> Failure | None:
    """Return why the tables of a member cannot be replaced; None if they can."""
    return next((tables.failure for tables in replaced if tables.replacement == job.replacement), None)
