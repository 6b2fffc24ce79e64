"""The routes of an archive's job, as its runs found them.

A member's job has the digest of its route. If an attempt used routes that were edited after an earlier attempt was
killed, a member would get another job, and its rows would be added again. So all attempts of a run use the same routes,
and a redrive ends what an earlier run has begun with the routes of that run.

jobs/<job>/routes-<n>.json   the routes of the n-th redrive; 0: those of the first run
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from penstock.delivery.member_jobs import Entry, MemberResult, MemberRouter
from penstock.delivery.ports import ResultFiles
from penstock.delivery.replaced_tables import ReplacedTables
from penstock.model.job import Job
from penstock.model.serialization import from_json, to_json
from penstock.routes import Routes

# Earlier runs that count: each may cost a look at the destination for each member.
MOST_RUNS = 10


@dataclass(frozen=True, slots=True)
class RunRoutes:
    """The routes of a run; ``earlier``: those of the runs before that differ, the latest first. ``replaced``: what
    members replace together."""

    routes: Routes
    earlier: Sequence[Routes] = ()
    replaced: tuple[ReplacedTables, ...] = ()

    def job_of(self, archive: Job, entry: Entry, has_begun: Callable[[Job], bool]) -> Job | MemberResult:
        """Return the job of an entry: one that an earlier run has begun, or that of this run's routes."""
        now = MemberRouter(archive, self.routes, self.replaced).job_of(entry)
        if now.replacement if isinstance(now, Job) else now.replaces:
            return now  # one of those that are swapped together, by the routes of this run
        for routes in self.earlier:
            before = MemberRouter(archive, routes).job_of(entry)
            if isinstance(before, Job) and not _is_same(before, now) and has_begun(before):
                return before
        return now

    def stages(self, archive: Job, entry: Entry) -> bool:
        """Whether the rows of a member wait for a swap: whatever an earlier attempt has staged is gone."""
        return bool(self.replaced) and MemberRouter(archive, self.routes, self.replaced).stages(entry)


def routes_of_run(files: ResultFiles, job_id: str, redrives: int, read: Callable[[], Routes]) -> RunRoutes:
    """Return the routes of a run. Its first attempt reads them, and writes them for all others."""
    routes = _stored(files, job_id, redrives)
    if routes is None:
        routes = from_json(Routes, files.write_once(_key(job_id, redrives), to_json(read()).encode()))
    earlier: list[Routes] = []
    for run in reversed(range(max(0, redrives - MOST_RUNS), redrives)):
        before = _stored(files, job_id, run)
        if before and before not in (routes, *earlier):
            earlier.append(before)
    return RunRoutes(routes, earlier)


def _stored(files: ResultFiles, job_id: str, run: int) -> Routes | None:
    text = files.read(_key(job_id, run))
    return from_json(Routes, text) if text is not None else None


def _key(job_id: str, run: int) -> str:
    return f"jobs/{job_id}/routes-{run}.json"


def _is_same(job: Job, other: Job | MemberResult) -> bool:
    return isinstance(other, Job) and job.id == other.id
