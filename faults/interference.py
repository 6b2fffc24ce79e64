"""Changes to a run from outside: its source is deleted, its files expire, another writer changes the destination."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from faults.after_kinds import DONE
from faults.scripted_run import ScriptedRun
from faults.servers import WORK
from faults.sources import SOURCE
from faults.subscriber import told
from penstock.jobs.events import notification

# Seconds from one delivery of a message to the next.
NEXT_DELIVERY = 1_000.0
# Attempts to announce: some more than a scenario has faults.
ANNOUNCEMENTS = 6


def delete_source(run: ScriptedRun) -> None:
    """Delete the source with all its versions."""
    for version in run.resources.versions(SOURCE):
        run.resources.servers.client("s3").delete_object(
            Bucket=SOURCE, Key=version["Key"], VersionId=version["VersionId"]
        )


def upload_same_bytes(run: ScriptedRun) -> None:
    """Upload the source once more, right before its older version is deleted."""
    for name, data in run.kind.files().items():
        run.upload(name, data)


def take_target(run: ScriptedRun) -> None:
    """Put another object where a source is being moved to."""
    for source in run.sources:
        run.resources.servers.client("s3").put_object(Bucket=source.bucket, Key=DONE + source.key, Body=b"of another")


def delete_plan(run: ScriptedRun) -> None:
    """Delete the span plan (cut.json); the job specification stays."""
    for job in run.jobs():
        key = f"jobs/{job['pk'].removeprefix('job#')}/cut.json"
        run.resources.servers.client("s3").delete_object(Bucket=WORK, Key=key)


def delete_plan_and_records(run: ScriptedRun) -> None:
    """Delete the span plan, and the records of the spans' files."""
    delete_plan(run)
    s3 = run.resources.servers.client("s3")
    for job in run.jobs():
        prefix = f"jobs/{job['pk'].removeprefix('job#')}/lake/"
        for file in s3.list_objects_v2(Bucket=WORK, Prefix=prefix).get("Contents", ()):
            s3.delete_object(Bucket=WORK, Key=file["Key"])


def delete_source_and_plan(run: ScriptedRun) -> None:
    """Delete the source and the span plan."""
    delete_plan(run)
    delete_source(run)


def plan_twice(run: ScriptedRun) -> None:
    """Run `plan` a second time for the same execution, while the first one runs."""
    run.invoke_once("plan", run.last["plan"])


def first_attempt(run: ScriptedRun) -> None:
    """Deliver the message for the first time, and let time pass until the next delivery."""
    run.invoke("ingest", run.batch({"0": notification(run.sources[0])}, 1))
    run.clock_offset += NEXT_DELIVERY
    run.called.add("first attempt")


def first_attempt_then_delete_source(run: ScriptedRun) -> None:
    """Deliver the message for the first time, then delete the source."""
    first_attempt(run)
    delete_source(run)


def first_attempt_then_reconcile(run: ScriptedRun) -> None:
    """Deliver the message once only: the reconciler has to end the job."""
    first_attempt(run)
    run.reconcile_once()


def dead_letter_message(run: ScriptedRun) -> None:
    """Put a message of a finished job into the dead-letter queue."""
    run.resources.dead_letter(notification(run.sources[0]))
    run.reconcile_once()


def announce(run: ScriptedRun) -> None:
    """Announce the jobs that ended, by all writes to the jobs table."""
    failed = run.invoke("announce", {"Records": run.resources.writes()}).value
    if failed != []:
        run.problems.append(f"not announced: {failed}")


def announce_through_faults(run: ScriptedRun) -> None:
    """Announce the jobs that ended as often as Lambda does, and check that a subscriber was told of each."""
    with told(run.resources) as take:
        run.schedule.fault_free = False
        event = {"Records": run.resources.writes()}
        if not any(run.invoke("announce", event).value == [] for _ in range(ANNOUNCEMENTS)):
            run.problems.append(f"not announced in {ANNOUNCEMENTS} attempts")
        run.schedule.fault_free = True
        found = Counter(take())
    ended = {job["pk"].removeprefix("job#") for job in run.jobs()}
    if set(found) != ended:
        run.problems.append(f"{len(ended - set(found))} of {len(ended)} jobs were not announced")


def overwrite_destination(run: ScriptedRun) -> None:
    """Write the destination object as another writer."""
    key = f"{run.resources.name}/{next(iter(run.kind.files())).removesuffix('.gz')}"
    run.resources.servers.client("s3").put_object(Bucket=run.resources.results, Key=key, Body=b"of another")


def check_second_round(run: ScriptedRun) -> None:
    """Check that all spans were sent in a second round."""
    rounds = [int(job.get("round", 0)) for job in run.jobs()]
    if rounds != [1]:
        run.problems.append(f"rounds: {rounds}, not 1")


def mark_load_end(run: ScriptedRun) -> None:
    """Note that a load is about to commit."""
    run.called.add("the end of the load")


def upload_bad_version(run: ScriptedRun) -> None:
    """Upload a newer, truncated version of the source and start its job: the older version must wait for it."""
    file, data = next(iter(run.kind.files().items()))
    newer = replace(run.upload(file, data[: len(data) // 2]), sequencer="0066F5D1B2C3A49D20")
    run.invoke("ingest", run.batch({"newer": notification(newer)}, 1))
    run.invoke("ingest", run.batch({"older": notification(run.sources[0])}, 1))
    if not any(job["state"] == "waiting" and job.get("yields_to") for job in run.jobs()):
        run.problems.append("the older version does not wait")
    run.run_executions()


def check_good_version(run: ScriptedRun) -> None:
    """Check that the older version was published, and nothing else."""
    keys = [(version["Key"], version["VersionId"]) for version in run.resources.versions(run.resources.results)]
    s3 = run.resources.servers.client("s3")
    stored = [s3.get_object(Bucket=run.resources.results, Key=k, VersionId=v)["Body"].read() for k, v in keys]
    if stored != [run.kind.content()]:
        run.problems.append(
            f"{[len(data) for data in stored]} bytes are at the destination, expected {len(run.kind.content()):,}"
        )
