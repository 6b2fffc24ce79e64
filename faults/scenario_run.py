"""A named path of a job, walked to its end under the roles of the template."""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from faults import outcome
from faults.machine import ALL_RETRIES
from faults.rights import Grant
from faults.script import Scripted, Step, Strike
from faults.sources import kinds
from faults.world import World


@dataclass(frozen=True, slots=True)
class Path:
    """How a job of a kind gets to its end, or several to theirs: ``end`` has their states.

    ``fresh``: nothing stands at its destination before. ``versioned``: the event names a version. ``first`` is done
    before the queue delivers its message, ``last`` at the end. ``alone``: the queue delivers no message but those that
    the reconciler sends. ``retries`` are the most that the machine has of anything.
    """

    kind: str
    end: str = "succeeded"
    strikes: Sequence[Strike] = ()
    before: Mapping[str, Step] = field(default_factory=dict)
    asides: Mapping[str, Step] = field(default_factory=dict)
    fresh: bool = False
    versioned: bool = True
    redrive: bool = False
    first: Step | None = None
    last: Step | None = None
    alone: bool = False
    retries: int = ALL_RETRIES


@dataclass(frozen=True, slots=True)
class Walked:
    """What was done under the roles, and what is not as it must be."""

    used: frozenset[Grant]
    wrong: Sequence[str]


def walk(world: World, name: str, path: Path, without: Grant | None = None) -> Walked:
    """One path to its end; its functions lack the right ``without``."""
    kind = kinds()[path.kind]
    label = zlib.crc32(f"{name} {without}".encode())
    with world.place(f"path-{label}", without) as place:
        outcome.prepare(place, kind)
        if path.fresh:
            for version in place.versions(place.results):
                key, version_id = version["Key"], version["VersionId"]
                world.client("s3").delete_object(Bucket=place.results, Key=key, VersionId=version_id)
        run = Scripted(place, kind, 0, 0.0, strikes=path.strikes, before=path.before, asides=path.asides)
        run.retries = path.retries
        run.sources = [run.upload(file, data) for file, data in kind.files().items()]
        if not path.versioned:
            run.sources = [replace(source, version_id="") for source in run.sources]
        _take(run, path)
        wrong = [*run.problems, *_not_met(run, path)]
        if path.end == "succeeded":
            wrong += outcome.problems(place, kind, run.jobs(), whole=True)
        decided = place.decisions()
    used = frozenset(Grant(one.role, one.action, one.resource) for one in decided if one.allowed)
    return Walked(used, [*wrong, *(str(one) for one in decided if not one.allowed)])


def _take(run: Scripted, path: Path) -> None:
    if path.first:
        path.first(run)
    if not path.alone:
        run.deliver()
    if path.redrive:
        run.redrive()
    run.settle()
    if path.last:
        path.last(run)


def _not_met(run: Scripted, path: Path) -> Sequence[str]:
    """What the path was to meet, and how it was to end, and was not."""
    wrong = []
    missing = sum(strike.times for strike in path.strikes) - len(run.schedule.happened)
    if missing:
        wrong.append(f"{missing} faults met no request")
    ends = {job["state"] for job in run.jobs()}
    if ends != set(path.end.split()):
        wrong.append(f"ended {sorted(ends)}, not {path.end}: {[job.get('failure') for job in run.jobs()][:1]}")
    return wrong
