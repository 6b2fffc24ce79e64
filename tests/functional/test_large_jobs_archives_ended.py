"""The end of an archive's job ends what it has begun: its batches and the jobs of its large members."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from archive_plant import people
from machine import Plant, redriven
from machine_sources import in_tar
from penstock.delivery import archive_checks
from penstock.destinations.ports import BucketSink
from penstock.errors import AccessDeniedError, MembersFailedError
from penstock.large_jobs import member_batches
from penstock.model.job import Failure
from penstock.model.job_status import JobState, JobStatus
from penstock.testing import FaultyObjectStore
from postgres_database import Database
from table_machine import add_tables

pytest_plugins = ["postgres_fixtures"]

ROUTES = """
[[route]]
name = "archives"
match = "*.tar"
archive = "members"
on_member_failure = "fail"

[[route]]
name = "people"
match = "*.tar/*.csv"
destination = "postgresql:people"
[route.table]
create = true
mode = "replace"
columns = [{ name = "id", type = "integer" }, { name = "name" }]

[[route]]
name = "members"
match = "*.tar/*"
destination = "s3://out/{member}"
"""
SMALL = {f"small/{number}.txt": b"%d" % number * 50 for number in range(25)}
LARGE = b"0123456789abcdef" * 4_000


@pytest.fixture(autouse=True)
def _looks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(member_batches, "MOST_ENTRIES", 10)
    monkeypatch.setattr(archive_checks, "LOOK_SECONDS", 0.0)


def plant() -> Plant:
    return Plant(ROUTES, span_bytes=4_000, member_bytes=8_000)


def delivered(made: Plant) -> dict[str, bytes]:
    found = {key: made.store.get("out", key) for key in made.store.keys("out")}
    return {key: stored.data for key, stored in found.items() if stored}


def child_of(made: Plant, archive: str) -> JobStatus:
    (child,) = [job for job in made.jobs.jobs.values() if job.job_id != archive]
    return child


@pytest.mark.parametrize("step", ["plan", "work", "finish"])
@pytest.mark.parametrize("content", [{"large.bin": LARGE}, {"large.csv": people(0, 1_000)}], ids=["bucket", "table"])
def test_the_job_of_a_large_member_ends_with_that_of_its_archive(
    step: str, content: dict[str, bytes], database: Database
) -> None:
    made = plant()
    add_tables(made, database)
    source = made.upload("a.tar", in_tar({"small.txt": b"small"} | content))
    job_id = made.ingest(source).job_id

    def stop(called: str) -> None:
        if called == step and len(made.ran) == 2:
            made.fail = lambda step: None
            made.abort(job_id, AccessDeniedError("a user stopped the execution"))

    made.fail = stop
    made.execute(job_id)
    assert made.jobs.jobs[job_id].state is JobState.FAILED
    child = child_of(made, job_id)
    assert child.failure
    assert (child.state, child.failure.error) == (JobState.FAILED, "AccessDeniedError")
    assert "the job of its archive has ended: access denied: a user stopped" in child.failure.message
    assert (delivered(made), made.store.uploads) == ({"small.txt": b"small"}, {})
    assert not database.execute("SELECT relname FROM pg_class WHERE relname LIKE 'penstock_staging%'")
    made.now += 100
    assert redriven(made, source, job_id).state is JobState.SUCCEEDED
    assert (len(made.jobs.jobs), made.store.uploads) == (2, {})
    if "large.bin" in content:
        assert delivered(made) == {"small.txt": b"small"} | content
    else:
        assert database.execute("SELECT count(*) FROM people") == [(1_000,)]


@pytest.mark.parametrize("at", ["claim", "write", "hand_over"])
def test_a_large_member_whose_archive_ends_at_that_moment_is_not_started(
    at: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`abort` of the archive runs right before a request of the start."""
    made = plant()
    source = made.upload("a.tar", in_tar({"large.bin": LARGE}))
    job_id = made.ingest(source).job_id
    owner: Any = {"claim": made.jobs, "write": made.files, "hand_over": made.executions}[at]
    good: Callable[..., Any] = getattr(owner, at)

    def aborted_before(*args: Any, **options: Any) -> Any:
        if at != "write" or "/members/" in args[0]:
            monkeypatch.undo()
            made.abort(job_id, AccessDeniedError("stopped"))
        return good(*args, **options)

    monkeypatch.setattr(owner, at, aborted_before)
    made.execute(job_id)
    assert list(made.machine.started) == [job_id]
    assert made.jobs.jobs[job_id].state is JobState.FAILED
    assert child_of(made, job_id).state is JobState.FAILED
    made.now += 100
    assert redriven(made, source, job_id).state is JobState.SUCCEEDED
    assert delivered(made) == {"large.bin": LARGE}


def test_a_batch_begins_no_member_after_a_failure_in_another_one() -> None:
    made = plant()
    source = made.upload("a.tar", in_tar(SMALL))
    job_id = made.ingest(source).job_id

    def fail_elsewhere(good: BucketSink) -> BucketSink:
        made.executions.record_failure(job_id, job_id, Failure.of(MembersFailedError("b.txt: bad")))
        return good

    made.objects = FaultyObjectStore(made.store, sink=fail_elsewhere)
    made.execute(job_id)
    status = made.jobs.jobs[job_id]
    assert status.failure
    assert (status.state, status.failure.message) == (JobState.FAILED, "b.txt: bad")
    # Those that were begun, side by side, are delivered and listed.
    begun = delivered(made)
    assert 1 <= len(begun) <= made.archive_loader.threads
    listed = b"".join(data for key, data in made.files.files.items() if "/members/" in key)
    assert listed.count(b'"succeeded"') == len(begun)
    made.objects = made.store
    made.now += 100
    assert redriven(made, source, job_id).state is JobState.SUCCEEDED
    assert delivered(made) == SMALL
