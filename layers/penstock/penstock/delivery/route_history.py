"""The routes of an archive's job, as its runs found them.

A member's job has the digest of its route. If an attempt used routes that were edited after an earlier attempt was
killed, a member would get another job, and its rows would be added again. So all attempts of a run use the same routes,
and a later run ends what an earlier one has begun with the routes of that run. The route of the archive may be edited
too: then the next run is that of another job, so the runs are kept by the version of the archive.

jobs/routes-<digest>/<n>.json   the job and the routes of the n-th run on a version of an archive, from 0
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import count

from penstock.delivery.member_jobs import Entry, MemberResult, MemberRouter
from penstock.delivery.ports import ResultFiles
from penstock.delivery.replaced_tables import ReplacedTables
from penstock.model.identity import digest
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


@dataclass(frozen=True, slots=True)
class StoredRun:
    """The routes of a run: of the first of a job, or of its n-th redrive."""

    job: str
    redrives: int
    routes: Routes


def routes_of_run(files: ResultFiles, archive: Job, redrives: int, read: Callable[[], Routes]) -> RunRoutes:
    """Return the routes of a run. Its first attempt reads them, and writes them for all others.

    It reads one file for each run so far. ``earlier`` has at most `MOST_RUNS` routes.
    """
    folder = f"jobs/routes-{digest(*archive.source.identity)}"
    earlier: deque[Routes] = deque(maxlen=MOST_RUNS)
    numbers = count()
    while True:
        run = _run(files, f"{folder}/{next(numbers)}.json", lambda: StoredRun(archive.id, redrives, read()))
        if (run.job, run.redrives) == (archive.id, redrives):
            return RunRoutes(run.routes, [routes for routes in reversed(earlier) if routes != run.routes])
        if run.routes in earlier:
            earlier.remove(run.routes)
        earlier.append(run.routes)


def _run(files: ResultFiles, key: str, new: Callable[[], StoredRun]) -> StoredRun:
    """Return the run of a file; ``new`` if there is none yet."""
    text = files.read(key)
    return from_json(StoredRun, files.write_once(key, to_json(new()).encode()) if text is None else text)


def _is_same(job: Job, other: Job | MemberResult) -> bool:
    return isinstance(other, Job) and job.id == other.id
