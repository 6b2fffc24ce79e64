"""Jobs of Iceberg tables that are redriven, and objects that are repeats: each row is in the table once."""

from __future__ import annotations

import json
from contextlib import suppress

import pytest

from functional.test_iceberg_jobs import ERROR, TABLE, Lake, account, lake, planned, spans
from penstock.aws.jobs_table.job_store import DynamoJobStore
from release_backend import ROUTES, WORK, FunctionError, Functions, KilledError, items_of, run, work
from release_backend import planned as plan_steps

__all__ = ["account", "lake", "spans"]  # fixtures

pytestmark = pytest.mark.xdist_group("iceberg-jobs")


def redriven(lake: Lake, call: Functions) -> str:
    """Redrive the only job as `penstock redrive` does. Return its last step, or the state of a small job."""

    store = DynamoJobStore(lake.there.clients["dynamodb"], "jobs", retention_days=36500)
    (failed,) = store.search()
    assert store.reopen(failed)
    before = {execution["name"] for execution in lake.there.started()}
    (job,) = call("ingest", lake.there.event("in/1.csv", "0A0001"))["jobs"]
    if job["state"] != "executing":
        return str(job["state"])
    (execution,) = (one for one in lake.there.started() if one["name"] not in before)
    given = json.loads(execution["input"])
    return run(lake.there, call, {name: given[name] for name in ("job", "attempt")})


@pytest.mark.long
@pytest.mark.parametrize("cleaned_up", [True, False])
def test_a_large_job_that_was_aborted_before_its_commit_went_in_is_redriven(spans: Lake, *, cleaned_up: bool) -> None:
    with spans.there.functions() as call:
        job = planned(spans, call)
    with spans.there.functions("UpdateTable:1") as call, pytest.raises(KilledError):
        run(spans.there, call, job)
    with spans.there.functions() as call:
        spans.change("job#", commit_requested=1)
        assert call("abort", job | {"error": ERROR})["state"] == "failed"
        if cleaned_up:
            (failed,) = (item["pk"]["S"].removeprefix("job#") for item in spans.there.items("jobs") if "source" in item)
            spans.change("unused#", index_time=1)
            assert call("abort", {"unused": failed})
        assert redriven(spans, call) == "done"
    assert (spans.ids(), spans.snapshots(), spans.states()) == (list(range(400)), 1, ["succeeded"])


@pytest.mark.long
def test_a_large_job_whose_finish_failed_for_its_table_is_redriven(spans: Lake) -> None:
    glue = spans.there.account.client("glue")
    with spans.there.functions() as call:
        job = planned(spans, call)
        answer = plan_steps(spans.there, call, job)
        work(call, job, answer, items_of(spans.there, answer))
        glue.delete_table(DatabaseName=spans.database, Name="orders")
        with pytest.raises(FunctionError, match="does not exist"):
            call("finish", {**job, "round": 0})
        assert call("abort", job | {"error": ERROR})["state"] == "failed"
        assert redriven(spans, call) == "done"  # it creates the table
    assert (spans.ids(), spans.snapshots(), spans.states()) == (list(range(400)), 1, ["succeeded"])


@pytest.mark.long
def test_a_large_job_in_doubt_is_redriven_and_finds_its_commit(spans: Lake) -> None:
    glue = spans.there.account.client("glue")
    with spans.there.functions() as call:
        job = planned(spans, call)
    with spans.there.functions("UpdateTable:1:after") as call, pytest.raises(KilledError):
        run(spans.there, call, job)
    kept = glue.get_table(DatabaseName=spans.database, Name="orders")["Table"]
    glue.delete_table(DatabaseName=spans.database, Name="orders")
    given = {name: kept[name] for name in ("Name", "Parameters", "TableType", "StorageDescriptor") if name in kept}
    with spans.there.functions() as call:
        assert call("abort", job | {"error": ERROR})["state"] == "in_doubt"
        glue.create_table(DatabaseName=spans.database, TableInput=given)  # somebody brings the table back
        assert redriven(spans, call) == "done"
    assert (spans.ids(), spans.snapshots(), spans.states()) == (list(range(400)), 1, ["succeeded"])


# Objects that are repeats.


def once(lake: Lake) -> None:
    """Deliver objects of the same content once."""
    text = TABLE.format(database=lake.database, mode="append").replace(
        "[route.table]", 'once = "content"\n[route.table]'
    )
    lake.there.put(WORK, ROUTES, text.encode())


@pytest.mark.long
def test_a_repeat_by_content_is_delivered_once_also_while_the_first_waits(lake: Lake) -> None:
    once(lake)
    with lake.there.functions() as call:
        call("ingest", lake.upload(0, 2))
        first = lake.upload(0, 2)  # the same content under another key
        with suppress(FunctionError):
            call("ingest", first)
        assert lake.states().count("committing") == 1
        call("commit", lake.waiting())
        lake.change("job#", lease_until=0)
        (job,) = call("ingest", first)["jobs"]
        assert job["state"] == "succeeded"
        call("commit", lake.waiting())
    assert (lake.ids(), lake.states()) == ([0, 1], ["succeeded"] * 2)


@pytest.mark.long
def test_a_repeat_of_a_job_whose_commit_was_refused_is_delivered(lake: Lake) -> None:
    once(lake)
    with lake.there.functions() as call:
        call("ingest", lake.upload(0, 2))
        lake.there.account.client("glue").delete_table(DatabaseName=lake.database, Name="orders")
        call("commit", lake.waiting())
        assert lake.states() == ["failed"]
        (job,) = call("ingest", lake.upload(0, 2))["jobs"]
        assert job["state"] == "committing"
        call("commit", lake.waiting())
    assert (lake.ids(), lake.states()) == ([0, 1], ["failed", "succeeded"])


# Files of jobs whose table is gone.


@pytest.mark.long
def test_the_files_of_a_failed_job_are_deleted_though_its_table_was_dropped(lake: Lake) -> None:
    with lake.there.functions() as call:
        call("ingest", lake.upload(0, 2))
        lake.there.account.client("glue").delete_table(DatabaseName=lake.database, Name="orders")
        call("commit", lake.waiting())
        assert (lake.states(), lake.data_files(), looked_at(lake)) == (["failed"], 1, 1)
        assert call("abort", {"unused": job_id(lake)})["removed"]
    assert (lake.data_files(), looked_at(lake)) == (0, 0)


@pytest.mark.long
def test_the_files_of_a_commit_in_a_table_that_was_dropped_stay_and_the_sweep_ends(spans: Lake) -> None:
    with spans.there.functions() as call:
        job = planned(spans, call)
    with spans.there.functions("UpdateTable:1") as call, pytest.raises(KilledError):
        run(spans.there, call, job)
    with spans.there.functions() as call:
        assert call("abort", job | {"error": ERROR})["state"] == "executing"
        spans.there.account.client("glue").delete_table(DatabaseName=spans.database, Name="orders")
        files = spans.data_files()
        assert call("abort", job | {"error": ERROR})["state"] == "in_doubt"
        assert not call("abort", {"unused": job_id(spans)})["removed"]
    assert (spans.data_files(), looked_at(spans)) == (files, 0)


def job_id(lake: Lake) -> str:
    (found,) = (item["pk"]["S"].removeprefix("job#") for item in lake.there.items("jobs") if "source" in item)
    return str(found)


def looked_at(lake: Lake) -> int:
    """The number of jobs whose files the reconciler will look at."""
    items = lake.there.items("jobs")
    return sum(item["pk"]["S"].startswith("unused#") and "index_key" in item for item in items)
