"""The contract of the jobs table for sources that a listing has found: their order, and who delivers their bytes."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import boto3
import pytest
from moto import mock_aws

from contract.test_job_store import Clock, clock, create_table, status, store
from lengths import long
from penstock.aws.jobs_table.job_store import DynamoJobStore
from penstock.aws.jobs_table.listed_jobs import ListedJobs
from penstock.errors import JobInProgressError, SupersededError, YieldedError
from penstock.jobs.ports import JobStore
from penstock.model.job import Claim, Failure, Job, Receipt
from penstock.model.job_status import JobState, JobStatus
from penstock.model.object import Source, Target
from penstock.model.parse_options import ParseOptions
from penstock.model.route import Route, TableTarget
from penstock.model.table import Mode, Table, TablePlan

__all__ = ["clock", "store"]

COPY = Route("copy", ("*",), "s3://lake/{key}")


def rows(mode: Mode) -> Route:
    table = Table("orders", mode=mode, key=("id",))
    return Route("rows", ("*",), "postgresql:orders", store="postgresql", plan=TablePlan(ParseOptions(), table))


APPEND = rows(Mode.APPEND)
RECEIPT = Receipt(10, 10, 0, 1, "identity", rows=3)
LISTED = Source("drops", "a.csv", 10, "e1", listed=True)
EVENT = Source("drops", "a.csv", 10, "e1", sequencer="0A01")


def job_of(source: Source, route: Route = APPEND) -> Job:
    return Job(source, route, TableTarget("postgresql", "orders") if route.plan else Target("lake", source.key))


def placed(store: JobStore, source: Source = LISTED, route: Route = APPEND) -> Job:
    job = job_of(source, route)
    return job_of(replace(source, after=store.known_order(job)), route)


def run(store: JobStore, job: Job, state: JobState = JobState.SUCCEEDED) -> None:
    claim = store.claim(job, lease=60)
    assert isinstance(claim, Claim)
    failure = None if state is JobState.SUCCEEDED else Failure("RowError", "bad", "")
    store.close(claim, state, receipt=None if failure else RECEIPT, failure=failure)


def held_by(store: JobStore, job: Job) -> str:
    """The id of the job whose status a claim returns."""
    found = store.claim(job, lease=60)
    assert isinstance(found, JobStatus), found
    return found.job_id


# Order


def test_a_listed_source_is_newer_than_what_was_known_and_older_than_later_uploads(store: JobStore) -> None:
    run(store, job_of(replace(EVENT, etag="e0", sequencer="0A00"), COPY))
    listed = placed(store, route=COPY)
    assert isinstance(store.claim(listed, lease=60), Claim)
    later = job_of(replace(EVENT, etag="e2", sequencer="0A02"), COPY)
    run(store, later)
    with pytest.raises(SupersededError):
        store.check_order(listed)


def test_an_older_event_yields_to_a_listed_source(store: JobStore) -> None:
    older = job_of(replace(EVENT, etag="e0", sequencer="0A00"), COPY)
    assert isinstance(store.claim(older, lease=60), Claim)
    assert isinstance(store.claim(placed(store, route=COPY), lease=60), Claim)
    with pytest.raises(YieldedError):
        store.check_order(older)


def test_a_version_that_was_claimed_meanwhile_makes_a_listed_source_look_again(store: JobStore) -> None:
    listed = placed(store, route=COPY)
    run(store, job_of(replace(EVENT, etag="e2", sequencer="0A02"), COPY))
    with pytest.raises(JobInProgressError):
        store.claim(listed, lease=60)


def test_of_two_listed_sources_that_know_the_same_one_looks_again(store: JobStore) -> None:
    first, second = placed(store, route=COPY), placed(store, replace(LISTED, etag="e2"), COPY)
    run(store, second)
    with pytest.raises(JobInProgressError):
        store.claim(first, lease=60)
    again = placed(store, replace(LISTED, etag="e2"), COPY)
    assert held_by(store, again) == second.id


def test_a_killed_attempt_on_a_listed_source_is_taken_over(store: JobStore, clock: Clock) -> None:
    store.claim(placed(store), lease=60)
    clock.now += 61
    claim = store.claim(placed(store), lease=60)
    assert isinstance(claim, Claim)
    assert claim.number == 2


@pytest.mark.parametrize("route", [COPY, rows(Mode.REPLACE)], ids=["bucket", "table"])
def test_a_job_is_not_overtaken_by_the_event_of_its_own_version(store: JobStore, clock: Clock, route: Route) -> None:
    event = job_of(replace(EVENT, version_id="v1"), route)
    listed = placed(store, replace(LISTED, version_id="v1"), route)
    assert isinstance(store.claim(listed, lease=60), Claim)
    with pytest.raises(JobInProgressError):
        store.claim(event, lease=60)
    store.check_order(listed)
    # The attempt is killed; the next one is placed above the event, and is killed too.
    clock.now += 61
    assert isinstance(store.claim(placed(store, replace(LISTED, version_id="v1"), route), lease=60), Claim)
    clock.now += 61
    claim = store.claim(event, lease=60)
    assert isinstance(claim, Claim)
    assert claim.refusal is None
    store.check_order(event)


# The bytes of unversioned buckets

ROUTES = [COPY, APPEND, rows(Mode.UPSERT), rows(Mode.REPLACE), Route("zips", ("*",), "", archive="members")]


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.name)
def test_bytes_that_an_event_has_delivered_are_done(store: JobStore, route: Route) -> None:
    run(store, job_of(EVENT, route))
    assert held_by(store, placed(store, route=route)) == job_of(EVENT, route).id


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.name)
def test_other_bytes_are_not(store: JobStore, route: Route) -> None:
    run(store, job_of(EVENT, route))
    assert isinstance(store.claim(placed(store, replace(LISTED, etag="e2"), route), lease=60), Claim)


def test_a_route_of_another_meaning_delivers_the_bytes_again(store: JobStore) -> None:
    run(store, job_of(EVENT))
    other = replace(APPEND, plan=TablePlan(ParseOptions(), Table("orders"), max_rejects=5))
    assert isinstance(store.claim(placed(store, route=other), lease=60), Claim)


@pytest.mark.parametrize("state", [JobState.SUCCEEDED, JobState.FAILED])
def test_a_late_event_of_listed_bytes_is_done(store: JobStore, state: JobState) -> None:
    listed = placed(store)
    run(store, listed, state)
    assert held_by(store, job_of(EVENT)) == listed.id


def test_an_event_waits_for_no_listed_job_that_is_on_record(store: JobStore) -> None:
    listed = placed(store)
    store.claim(listed, lease=60)
    assert held_by(store, job_of(EVENT)) == listed.id


def test_a_late_event_of_listed_bytes_replaces_what_can_be_replaced(store: JobStore) -> None:
    run(store, placed(store, route=COPY))
    assert isinstance(store.claim(job_of(EVENT, COPY), lease=60), Claim)


def test_an_upload_after_the_listed_job_began_is_a_new_one(store: JobStore, clock: Clock) -> None:
    run(store, placed(store))
    later = datetime.fromtimestamp(clock.now + 120, UTC).isoformat()
    assert isinstance(store.claim(job_of(replace(EVENT, event_time=later)), lease=60), Claim)


def test_two_events_of_the_same_bytes_are_two_uploads(store: JobStore) -> None:
    run(store, job_of(EVENT))
    assert isinstance(store.claim(job_of(replace(EVENT, sequencer="0A02")), lease=60), Claim)


def test_again_delivers_the_bytes_again_once(store: JobStore) -> None:
    run(store, job_of(EVENT))
    again = placed(store, replace(LISTED, again="n1"))
    run(store, again)
    assert held_by(store, placed(store, replace(LISTED, again="n1"))) == again.id
    assert isinstance(store.claim(placed(store, replace(LISTED, again="n2")), lease=60), Claim)


# Small batches claim bytes without a record


def test_bytes_that_a_batch_loads_make_a_listed_source_wait(store: JobStore, clock: Clock) -> None:
    batched = job_of(EVENT)
    assert store.unclaimed([batched]) == {batched.id}
    clock.now += 100
    with pytest.raises(JobInProgressError) as waiting:
        store.claim(placed(store), lease=60)
    assert waiting.value.retry_after >= 30
    store.record_many([(batched, RECEIPT)], seconds=1)
    assert held_by(store, placed(store)) == batched.id


def test_a_function_that_is_killed_after_it_claimed_bytes_leaves_them_to_its_next_attempt(store: JobStore) -> None:
    listed = placed(store)
    assert store.unclaimed([listed]) == {listed.id}
    with pytest.raises(JobInProgressError):
        store.claim(job_of(EVENT), lease=60)
    run(store, listed)
    assert held_by(store, job_of(EVENT)) == listed.id


def test_bytes_of_a_killed_batch_are_awaited_longer_than_its_message_is_hidden(clock: Clock) -> None:
    """Of five receives, the fifth finds the batch done: the visibility timeout is 90 minutes at most."""
    with mock_aws():
        client = boto3.client("dynamodb")
        create_table(client)
        jobs = DynamoJobStore(client, "jobs", retention_days=90, clock=clock)
        jobs.unclaimed([job_of(EVENT)])
        began = clock.now
        clock.now += 1
        for _ in range(4):
            with pytest.raises(JobInProgressError) as waiting:
                jobs.claim(placed(jobs), lease=60)
            clock.now += waiting.value.retry_after + 1
        assert clock.now - began > 5400


def test_a_batch_leaves_bytes_of_another_job(store: JobStore) -> None:
    run(store, placed(store))
    assert store.unclaimed([job_of(EVENT)]) == set()
    assert store.unclaimed([job_of(replace(EVENT, etag="e2"))]) == {job_of(replace(EVENT, etag="e2")).id}


def test_a_large_batch_leaves_those_bytes_alone_that_another_job_has(store: JobStore) -> None:
    jobs = [job_of(replace(EVENT, key=f"{number}.csv")) for number in range(120)]
    taken = job_of(replace(jobs[7].source, sequencer="0A00"))
    store.unclaimed([taken])
    assert store.unclaimed(jobs) == {job.id for job in jobs} - {jobs[7].id}
    assert store.unclaimed(jobs) == {job.id for job in jobs} - {jobs[7].id}


def test_of_two_events_of_the_same_bytes_in_a_batch_the_first_has_them(store: JobStore) -> None:
    first, second, other = job_of(EVENT), job_of(replace(EVENT, sequencer="0A02")), job_of(replace(EVENT, etag="e2"))
    assert store.unclaimed([first, second, other]) == {first.id, other.id}


def test_a_batch_leaves_listed_sources_whose_job_has_ended(store: JobStore) -> None:
    done, new = (job_of(Source("drops", key, 1, "e", "v1", listed=True)) for key in "ab")
    store.record_many([(done, RECEIPT)], seconds=1)
    assert store.unclaimed([done, new]) == {new.id}


def test_a_versioned_source_claims_no_bytes(store: JobStore) -> None:
    versioned = job_of(replace(EVENT, version_id="v1"))
    assert store.unclaimed([versioned]) == {versioned.id}
    listed = placed(store, replace(LISTED, version_id="v1"))
    assert listed.id == versioned.id
    assert isinstance(store.claim(listed, lease=60), Claim)


# What a backfill finds before it sends


@pytest.mark.parametrize(
    ("route", "version"),
    [
        *[pytest.param(route, "v1", id=f"{route.name}, versions") for route in ROUTES],
        pytest.param(ROUTES[0], "", id=f"{ROUTES[0].name}, none"),
        *[long(route, "", id=f"{route.name}, none") for route in ROUTES[1:]],
    ],
)
def test_many_records_are_found_at_once(clock: Clock, route: Route, version: str) -> None:
    with mock_aws():
        client = boto3.client("dynamodb")
        create_table(client)
        jobs = DynamoJobStore(client, "jobs", retention_days=90, clock=clock)
        found = ListedJobs(client, "jobs")
        sources = [replace(EVENT, key=f"{number}.csv", version_id=version) for number in range(130)]
        events = [job_of(source, route) for source in sources]
        listings = [job_of(replace(source, sequencer="", listed=True), route) for source in sources]
        for event in events[:3]:
            run(jobs, event)
        if route.adds_rows:
            jobs.unclaimed(events[3:6])
            jobs.record_many([(event, RECEIPT) for event in events[3:6]], seconds=1)
        run(jobs, job_of(replace(listings[6].source, after=""), route), JobState.FAILED)
        known = [status.job_id if status else "" for status in found.find(listings)]
        done = 6 if route.adds_rows else 3
        assert known[:done] == [event.id for event in events[:done]]
        assert known[6] == listings[6].id
        assert set(known[done:6] + known[7:]) == {""}
        again = [job_of(replace(listing.source, again="n1"), route) for listing in listings]
        assert found.find(again) == [None] * 130
        changed = [
            job_of(replace(listing.source, etag="e2", version_id=version and "v2"), route) for listing in listings
        ]
        assert found.find(changed) == [None] * 130


def test_the_record_keeps_what_a_redrive_sends(store: JobStore) -> None:
    listed = placed(store, replace(LISTED, again="n1"))
    run(store, listed, JobState.FAILED)
    assert (upload := status(store, listed).upload)
    assert (upload.listed, upload.again) == (True, "n1")
    assert job_of(upload).id == listed.id
