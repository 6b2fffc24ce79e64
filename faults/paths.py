"""The named paths of a job: success, retry, takeover, failure, redrive; of every destination, small and large.

Together they make every request that the functions make. So what a role may do, and no path did under it, is a right
too many, and a path in which anything is refused tells of one that is missing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from faults import outcome
from faults.rights import Grant
from faults.run import LONG
from faults.schedule import Fault
from faults.script import Scripted, Step, Strike
from faults.sources import kinds
from faults.world import RESULTS, SOURCE, WORK, World
from penstock.events import notification


@dataclass(frozen=True, slots=True)
class Path:
    """How a job of a kind gets to its end. ``fresh``: nothing stands at its destination before. ``versioned``: the
    event names a version. ``first`` is done before the queue delivers its message, ``last`` at the end."""

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


@dataclass(frozen=True, slots=True)
class Walked:
    """What was done under the roles, and what is not as it must be."""

    used: frozenset[Grant]
    wrong: Sequence[str]


def _without_source(run: Scripted) -> None:
    """The source goes, with all its versions."""
    for version in run.place.versions(SOURCE):
        run.place.world.client("s3").delete_object(Bucket=SOURCE, Key=version["Key"], VersionId=version["VersionId"])


def _without_cut(run: Scripted) -> None:
    """The work files expire, but for the ticket."""
    for job in run.jobs():
        key = f"jobs/{job['pk'].removeprefix('job#')}/cut.json"
        run.place.world.client("s3").delete_object(Bucket=WORK, Key=key)


def _plan_twice(run: Scripted) -> None:
    """Another `plan` of the same execution does all of it meanwhile."""
    run.invoke_once("plan", run.last["plan"])


def _dies(run: Scripted) -> None:
    """A first attempt whose message does not come back: the reconciler, which has swept before, sees to the job."""
    run.invoke("reconcile", {})
    run.invoke("ingest", run.batch({"0": notification(run.sources[0])}, 1))
    _reconciled(run)


def _reconciled(run: Scripted) -> None:
    run.ahead += LONG
    run.invoke("reconcile", {})


def _buried(run: Scripted) -> None:
    """A message of the job, which has ended, lies among the dead letters."""
    queue = run.place.world.client("sqs")
    queue.send_message(QueueUrl=run.place.queue_url("ingest-dead"), MessageBody=notification(run.sources[0]))
    _reconciled(run)


PATHS: Mapping[str, Path] = {
    "a small object, the first of its name": Path("gzip", fresh=True),
    "a small object, tried again by the queue": Path("gzip", strikes=[Strike("PutObject /results", Fault.BUSY, 6)]),
    "a small object, taken over from a dead attempt": Path(
        "members", strikes=[Strike("CreateUpload", Fault.KILL_AFTER)]
    ),
    "a small object, failed and redriven": Path(
        "gzip", strikes=[Strike("GetObject /drops", Fault.FLIPPED_DOWN)], redrive=True
    ),
    "a small object whose source has gone": Path("gzip", "superseded", before={"ingest": _without_source}),
    "a small load into PostgreSQL": Path("append"),
    "a burst of small loads into PostgreSQL": Path("group"),
    "a small load into DynamoDB, taken over": Path(
        "dynamodb", strikes=[Strike("DynamoDB.BatchWriteItem", Fault.KILL_AFTER)]
    ),
    "a large object whose event names no version, planned twice and published unheard": Path(
        "large-gzip",
        strikes=[Strike("CompleteUpload", Fault.KILL_AFTER)],
        asides={"PutObject /work/jobs/.*/upload-": _plan_twice},
        fresh=True,
        versioned=False,
    ),
    "a large object, failed, aborted and redriven": Path(
        "large-gzip", strikes=[Strike("GetObject /drops", Fault.FLIPPED_DOWN, during="work")], redrive=True
    ),
    "a large object carried whole, its worker killed": Path(
        "large-whole", strikes=[Strike("CreateUpload", Fault.KILL_AFTER)], fresh=True
    ),
    "a large object whose source has gone before plan": Path(
        "large-gzip", "superseded", before={"plan": _without_source}, fresh=True
    ),
    "a large object whose source has gone before index": Path(
        "large-gzip", "superseded", before={"index": _without_source}
    ),
    "a small object whose attempt died, found by the reconciler": Path(
        "members", strikes=[Strike("CreateUpload", Fault.KILL_AFTER)], first=_dies, last=_buried
    ),
    "a large object whose execution died, found by the reconciler": Path("large-plain", first=_dies),
    "a large load into PostgreSQL": Path("large-append"),
    "a large load into PostgreSQL that may not be finished": Path(
        "large-append", "failed", before={"finish": _without_cut}
    ),
    "a large load into DynamoDB, its worker killed": Path(
        "large-dynamodb", strikes=[Strike("DynamoDB.BatchWriteItem", Fault.KILL_BEFORE)]
    ),
    "a large load into DynamoDB whose source has gone": Path(
        "large-dynamodb", "superseded", before={"work": _without_source}
    ),
    "a large load into DynamoDB whose cut has gone": Path("large-dynamodb", "failed", before={"work": _without_cut}),
}


def walk(world: World, name: str, without: Grant | None = None) -> Walked:
    """One path to its end; its functions lack the right ``without``."""
    path, number = PATHS[name], list(PATHS).index(name)
    kind = kinds()[path.kind]
    taken = str(abs(hash(without)) % 10**9) if without else "all"
    with world.place(f"path-{number}-{taken}", without) as place:
        outcome.prepare(place, kind)
        if path.fresh:
            for version in place.versions(RESULTS):
                world.client("s3").delete_object(Bucket=RESULTS, Key=version["Key"], VersionId=version["VersionId"])
        run = Scripted(place, kind, 0, 0.0, strikes=path.strikes, before=path.before, asides=path.asides)
        run.sources = [run.upload(file, data) for file, data in kind.files().items()]
        if not path.versioned:
            run.sources = [replace(source, version_id="") for source in run.sources]
        if path.first:
            path.first(run)
        run.deliver()
        if path.redrive:
            run.redrive()
        if path.last:
            path.last(run)
        wrong = list(run.problems)
        missing = sum(strike.times for strike in path.strikes) - len(run.schedule.happened)
        if missing:
            wrong.append(f"{missing} faults met no request")
        ends = {job["state"] for job in run.jobs()}
        if ends != {path.end}:
            wrong.append(f"ended {sorted(ends)}, not {path.end}: {[job.get('failure') for job in run.jobs()][:1]}")
        if path.end == "succeeded":
            wrong += outcome.problems(place, kind, run.jobs(), whole=True)
        decided = place.decisions()
    used = frozenset(Grant(one.role, one.action, one.resource) for one in decided if one.allowed)
    return Walked(used, [*wrong, *(str(one) for one in decided if not one.allowed)])
