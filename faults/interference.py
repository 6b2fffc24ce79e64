"""What happens to a run from outside: its source goes, its files expire, somebody else does something."""

from __future__ import annotations

from dataclasses import replace

from faults.script import Scripted
from faults.world import SOURCE, WORK
from penstock.jobs.events import notification

# From one delivery of a message to the next.
LATER = 1_000.0


def without_source(run: Scripted) -> None:
    """The source goes, with all its versions."""
    for version in run.place.versions(SOURCE):
        run.place.world.client("s3").delete_object(Bucket=SOURCE, Key=version["Key"], VersionId=version["VersionId"])


def without_cut(run: Scripted) -> None:
    """The work files expire, but for the ticket."""
    for job in run.jobs():
        key = f"jobs/{job['pk'].removeprefix('job#')}/cut.json"
        run.place.world.client("s3").delete_object(Bucket=WORK, Key=key)


def without_both(run: Scripted) -> None:
    """Both go."""
    without_cut(run)
    without_source(run)


def plan_twice(run: Scripted) -> None:
    """Another `plan` of the same execution does all of it meanwhile."""
    run.invoke_once("plan", run.last["plan"])


def first_attempt(run: Scripted) -> None:
    """The message is delivered for the first time, and time passes."""
    run.invoke("ingest", run.batch({"0": notification(run.sources[0])}, 1))
    run.ahead += LATER
    run.called.add("first attempt")


def then_without_source(run: Scripted) -> None:
    """The same; then the source goes."""
    first_attempt(run)
    without_source(run)


def dies(run: Scripted) -> None:
    """A first attempt whose message does not come back: the reconciler sees to the job."""
    first_attempt(run)
    run.reconcile_once()


def buried(run: Scripted) -> None:
    """A message of the job, which has ended, lies among the dead letters."""
    run.place.bury(notification(run.sources[0]))
    run.reconcile_once()


def written_by_another(run: Scripted) -> None:
    """Somebody writes the destination."""
    key = f"{run.place.name}/{next(iter(run.kind.files())).removesuffix('.gz')}"
    run.place.world.client("s3").put_object(Bucket=run.place.results, Key=key, Body=b"of another")


def sent_once_more(run: Scripted) -> None:
    """All was sent in a second round."""
    rounds = [int(job.get("round", 0)) for job in run.jobs()]
    if rounds != [1]:
        run.problems.append(f"rounds: {rounds}, not 1")


def ending(run: Scripted) -> None:
    """A load is about to enter its end."""
    run.called.add("the end of the load")


def bad_version_comes(run: Scripted) -> None:
    """A newer version of the source comes, which is cut off, and its job begins: the older one waits for that."""
    file, data = next(iter(run.kind.files().items()))
    newer = replace(run.upload(file, data[: len(data) // 2]), sequencer="0066F5D1B2C3A49D20")
    run.invoke("ingest", run.batch({"newer": notification(newer)}, 1))
    run.invoke("ingest", run.batch({"older": notification(run.sources[0])}, 1))
    if not any(job["state"] == "waiting" and job.get("yields_to") for job in run.jobs()):
        run.problems.append("the older version does not wait")
    run.play()


def good_version_stands(run: Scripted) -> None:
    """The older version was published, and nothing else."""
    keys = [(version["Key"], version["VersionId"]) for version in run.place.versions(run.place.results)]
    s3 = run.place.world.client("s3")
    stored = [s3.get_object(Bucket=run.place.results, Key=k, VersionId=v)["Body"].read() for k, v in keys]
    if stored != [run.kind.content()]:
        run.problems.append(f"{[len(data) for data in stored]} bytes stand there, not the {len(run.kind.content()):,}")
