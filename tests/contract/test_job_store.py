"""The contract of the jobs table: one attempt at a time, the newest version only, no job lost with a killed attempt."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from moto import mock_aws
from simulation.dynamodb import MemoryDynamoDB

from contract.object_backends import Endpoint
from penstock.aws.dynamodb_client import EncodedPuts
from penstock.aws.jobs_table.job_store import DynamoJobStore
from penstock.aws.jobs_table.time_index import table_schema
from penstock.errors import JobInProgressError, LeaseLostError, ServiceUnavailableError, SupersededError, YieldedError
from penstock.jobs.ports import JobStore
from penstock.model.column import Column
from penstock.model.job import MAX_ATTEMPTS, Claim, Failure, Job, Progress, Receipt
from penstock.model.job_status import JobState, JobStatus
from penstock.model.member import NO_MEMBERS, MemberCounts
from penstock.model.object import Source, Target
from penstock.model.parse_options import ParseOptions
from penstock.model.route import Route, TableTarget
from penstock.model.table import Table, TablePlan
from penstock.testing.jobs import MemoryJobStore

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.client import DynamoDBClient

SOURCE = Source("drops", "in/a.csv.gz", size=1000, etag="e1", version_id="v1", sequencer="0A00")
ROUTE = Route("decompress", ("*.gz",), "s3://lake/{stem}")
JOB = Job(SOURCE, ROUTE, Target("lake", "in/a.csv"))
FAILURE = Failure("TruncatedSourceError", "cut short", "send it again")
RECEIPT = Receipt(
    bytes_in=1000, bytes_out=5000, crc32=0xDEADBEEF, parts=2, codec="gzip", etag="x", warnings=("trailing zeros",)
)


class Clock:
    def __init__(self) -> None:
        self.now = 1_795_249_800.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def memory(clock: Clock) -> Iterator[JobStore]:
    yield MemoryJobStore(clock)


def create_table(client: DynamoDBClient) -> None:
    schema: Any = table_schema()
    client.create_table(TableName="jobs", **schema)


@contextmanager
def table_on(endpoint: Endpoint) -> Iterator[DynamoDBClient]:
    """The jobs table on a server that tests share."""
    client: DynamoDBClient = endpoint.client("dynamodb")
    create_table(client)
    try:
        yield client
    finally:
        client.delete_table(TableName="jobs")


def dynamodb(clock: Clock) -> Iterator[JobStore]:
    with mock_aws():
        client = boto3.client("dynamodb")
        create_table(client)
        yield DynamoJobStore(client, "jobs", retention_days=90, clock=clock)


def simulated(clock: Clock) -> Iterator[JobStore]:
    """The adapter on DynamoDB in memory, as the simulator runs it."""
    client: Any = MemoryDynamoDB(clock)
    create_table(client)
    yield DynamoJobStore(client, "jobs", retention_days=90, clock=clock)


@pytest.fixture(params=[memory, dynamodb, simulated], ids=lambda backend: str(backend.__name__))
def store(request: pytest.FixtureRequest, clock: Clock) -> Iterator[JobStore]:
    backend: Callable[[Clock], Iterator[JobStore]] = request.param
    yield from backend(clock)


def claimed(store: JobStore, job: Job = JOB, *, lease: float = 60) -> Claim:
    claim = store.claim(job, lease=lease)
    assert isinstance(claim, Claim)
    return claim


def reopen(store: JobStore, job: Job = JOB) -> bool:
    return store.reopen(status(store, job))


def status(store: JobStore, job: Job = JOB) -> JobStatus:
    found = store.get(job.id)
    assert found
    return found


def test_an_unknown_job_has_no_status(store: JobStore) -> None:
    assert store.get("nothing") is None


def test_a_claimed_job_is_running(store: JobStore, clock: Clock) -> None:
    claim = claimed(store)
    found = status(store)
    assert (claim.number, found.state, found.attempts) == (1, JobState.RUNNING, 1)
    assert (found.source, found.route, found.target, found.size) == (
        "s3://drops/in/a.csv.gz",
        "decompress",
        "s3://lake/in/a.csv",
        1000,
    )
    assert found.started_at == clock.now


def test_a_second_claim_gets_the_time_to_wait(store: JobStore, clock: Clock) -> None:
    claimed(store, lease=60)
    clock.now += 20
    with pytest.raises(JobInProgressError) as caught:
        store.claim(JOB, lease=60)
    assert caught.value.retry_after == pytest.approx(40)


def test_a_dead_attempt_is_taken_over_when_its_lease_ends(store: JobStore, clock: Clock) -> None:
    dead = claimed(store, lease=60)
    began = clock.now
    clock.now += 60
    living = claimed(store)
    assert living.number == 2
    with pytest.raises(LeaseLostError):
        store.heartbeat(dead, Progress(1, 1), lease=60)
    with pytest.raises(LeaseLostError):
        store.close(dead, JobState.SUCCEEDED, receipt=RECEIPT)
    with pytest.raises(LeaseLostError):
        store.release(dead, FAILURE)
    assert status(store).started_at == began


def test_a_beat_records_progress_and_renews_the_lease(store: JobStore, clock: Clock) -> None:
    claim = claimed(store, lease=60)
    clock.now += 59
    store.heartbeat(claim, Progress(250, 900), lease=60)
    clock.now += 59
    with pytest.raises(JobInProgressError):
        store.claim(JOB, lease=60)
    assert status(store).percent == 25.0
    assert status(store).progress == Progress(250, 900)


def test_a_success_keeps_what_was_delivered(store: JobStore, clock: Clock) -> None:
    claim = claimed(store)
    clock.now += 4
    store.close(claim, JobState.SUCCEEDED, receipt=RECEIPT)
    done = status(store)
    assert (done.state, done.codec, done.parts, done.crc32) == (JobState.SUCCEEDED, "gzip", 2, "deadbeef")
    assert (done.seconds, done.throughput, done.percent) == (4.0, 1250.0, 100.0)
    assert done.warnings == ("trailing zeros",)
    assert done.failure is None


def test_a_failure_keeps_error_and_hint(store: JobStore) -> None:
    store.close(claimed(store), JobState.FAILED, failure=FAILURE)
    assert status(store).failure == FAILURE


@pytest.mark.parametrize("state", [JobState.SUCCEEDED, JobState.FAILED, JobState.SUPERSEDED])
def test_a_job_that_has_ended_is_never_claimed_again(store: JobStore, clock: Clock, state: JobState) -> None:
    store.close(claimed(store), state)
    clock.now += 10_000
    again = store.claim(JOB, lease=60)
    assert isinstance(again, JobStatus)
    assert again.state is state


def test_a_claim_that_has_closed_its_job_writes_no_more(store: JobStore) -> None:
    claim = claimed(store)
    store.close(claim, JobState.SUCCEEDED, receipt=RECEIPT)
    with pytest.raises(LeaseLostError):
        store.close(claim, JobState.FAILED, failure=FAILURE)


def test_a_released_job_waits_and_can_be_claimed_immediately(store: JobStore) -> None:
    store.release(claimed(store), FAILURE)
    waiting = status(store)
    assert (waiting.state, waiting.failure) == (JobState.WAITING, FAILURE)
    claim = claimed(store)
    assert claim.number == 2
    store.close(claim, JobState.SUCCEEDED, receipt=RECEIPT)
    assert status(store).failure is None


def newer(job: Job) -> Job:
    return replace(job, source=replace(job.source, version_id="v2", etag="e2", sequencer="0A0001"))


def test_an_older_version_is_superseded_once_a_newer_one_has_succeeded(store: JobStore) -> None:
    store.close(claimed(store, newer(JOB)), JobState.SUCCEEDED, receipt=RECEIPT)
    with pytest.raises(SupersededError):
        store.claim(JOB, lease=60)
    assert status(store).state is JobState.SUPERSEDED
    assert status(store).failure
    repeat = store.claim(JOB, lease=60)
    assert isinstance(repeat, JobStatus)
    assert repeat.state is JobState.SUPERSEDED


def test_an_older_version_for_a_table_is_superseded_once_a_newer_one_was_claimed(store: JobStore) -> None:
    job = replace(JOB, route=replace(ROUTE, store="postgresql"))
    claimed(store, newer(job))
    with pytest.raises(SupersededError):
        store.claim(job, lease=60)
    assert status(store, job).state is JobState.SUPERSEDED


def test_an_older_version_waits_while_the_newer_one_is_unfinished(store: JobStore, clock: Clock) -> None:
    """In an earlier release it was superseded immediately, even if the newer one failed later."""
    newest = claimed(store, newer(JOB))
    for attempts in (1, 2):
        with pytest.raises(YieldedError) as caught:
            store.claim(JOB, lease=60)
        assert caught.value.newer == newer(JOB).id
        waiting = status(store)
        assert (waiting.state, waiting.yields_to, waiting.attempts) == (JobState.WAITING, newer(JOB).id, attempts)
        assert waiting.attempts_limit - attempts == MAX_ATTEMPTS
    store.close(newest, JobState.FAILED, failure=FAILURE)
    assert claimed(store).number == 3
    assert (status(store).state, status(store).yields_to) == (JobState.RUNNING, "")


def test_an_older_version_that_is_being_delivered_learns_of_a_newer_one(store: JobStore) -> None:
    older = claimed(store)
    store.check_order(JOB)
    newest = claimed(store, newer(JOB))
    store.check_order(newer(JOB))
    with pytest.raises(YieldedError) as caught:
        store.check_order(JOB)
    store.yield_to(older, caught.value)
    with pytest.raises(LeaseLostError):
        store.heartbeat(older, Progress(1, 1), lease=60)
    assert (status(store).state, status(store).yields_to) == (JobState.WAITING, newer(JOB).id)
    store.close(newest, JobState.SUCCEEDED, receipt=RECEIPT)
    with pytest.raises(SupersededError):
        store.check_order(JOB)


def test_for_tables_only_the_newest_claimed_version_goes_on(store: JobStore) -> None:
    older = replace(JOB, route=replace(JOB.route, store="postgresql"))
    claimed(store, older)
    store.check_order(older)
    claimed(store, newer(older))
    store.check_order(newer(older))
    with pytest.raises(SupersededError):
        store.check_order(older)


def test_a_version_that_another_waits_for_waits_for_no_other(store: JobStore) -> None:
    second = newer(JOB)
    third = replace(JOB, source=replace(SOURCE, version_id="v3", etag="e3", sequencer="0A0002"))
    claimed(store, second)
    with pytest.raises(YieldedError):
        store.claim(JOB, lease=60)
    claimed(store, third)
    store.check_order(second)
    with pytest.raises(YieldedError) as caught:
        store.check_order(JOB)
    assert caught.value.newer == third.id


def test_a_newer_version_is_claimed_while_an_older_one_runs(store: JobStore) -> None:
    claimed(store)
    assert claimed(store, newer(JOB)).number == 1


def test_an_older_version_that_had_succeeded_stays_so(store: JobStore) -> None:
    store.close(claimed(store), JobState.SUCCEEDED, receipt=RECEIPT)
    claimed(store, newer(JOB))
    repeat = store.claim(JOB, lease=60)
    assert isinstance(repeat, JobStatus)
    assert repeat.state is JobState.SUCCEEDED


def test_another_route_of_the_same_source_is_another_job(store: JobStore) -> None:
    claimed(store, newer(JOB))
    other = replace(JOB, route=replace(ROUTE, name="other"))
    assert claimed(store, other).number == 1


def test_events_without_a_sequencer_are_never_superseded(store: JobStore) -> None:
    claimed(store, newer(JOB))
    assert claimed(store, replace(JOB, source=replace(SOURCE, sequencer=""))).number == 1


def several(count: int) -> list[Job]:
    return [
        replace(JOB, source=replace(SOURCE, key=f"in/ü {number}.csv", etag=f"e{number}")) for number in range(count)
    ]


def test_many_jobs_that_succeeded_without_a_claim_are_on_record(store: JobStore, clock: Clock) -> None:
    jobs = several(60)
    rows = [replace(RECEIPT, rows=number, rejects=1) for number in range(60)]
    store.record_many(list(zip(jobs, rows, strict=True)), seconds=5)
    found = [status(store, job) for job in jobs]
    assert [one.progress for one in found] == [Progress(1000, 5000, number, 1) for number in range(60)]
    assert {(one.state, one.attempts, one.codec, one.crc32, one.parts, one.warnings) for one in found} == {
        (JobState.SUCCEEDED, 1, "gzip", "deadbeef", 2, ("trailing zeros",))
    }
    assert [(one.source, one.route, one.target, one.size) for one in found] == [
        (job.source.uri, "decompress", "s3://lake/in/a.csv", 1000) for job in jobs
    ]
    assert {(one.started_at, one.finished_at, one.seconds) for one in found} == {(clock.now - 5, clock.now, 5)}


def test_a_claim_of_a_recorded_job_returns_the_job(store: JobStore) -> None:
    store.record_many([(JOB, RECEIPT)], seconds=0)
    repeat = store.claim(JOB, lease=60)
    assert isinstance(repeat, JobStatus)
    assert repeat.state is JobState.SUCCEEDED


def test_an_attempt_whose_job_was_recorded_meanwhile_has_lost_it(store: JobStore) -> None:
    claim = claimed(store)
    store.record_many([(JOB, RECEIPT)], seconds=0)
    with pytest.raises(LeaseLostError):
        store.close(claim, JobState.FAILED, failure=FAILURE)
    assert status(store).state is JobState.SUCCEEDED


def test_to_record_no_jobs_is_nothing(store: JobStore) -> None:
    store.record_many([], seconds=0)
    assert store.get(JOB.id) is None


@contextmanager
def throttled(clock: Clock, most: int) -> Iterator[tuple[JobStore, list[float]]]:
    """A store whose DynamoDB handles only ``most`` items of a request, and the pauses between its requests."""
    pauses: list[float] = []
    with mock_aws():
        client: Any = boto3.client("dynamodb")
        create_table(client)
        put = client.batch_write_item

        def take_some(RequestItems: EncodedPuts) -> Any:  # noqa: N803  # boto3's name
            table, puts = RequestItems.table, RequestItems.puts
            if puts[:most]:
                put(RequestItems=EncodedPuts(table, puts[:most]))
            return {"UnprocessedItems": {table: list(map(json.loads, puts[most:]))} if puts[most:] else {}}

        client.batch_write_item = take_some
        yield DynamoJobStore(client, "jobs", retention_days=90, clock=clock, sleep=pauses.append), pauses


def test_what_dynamodb_leaves_out_is_sent_again_after_a_pause(clock: Clock) -> None:
    with throttled(clock, most=10) as (store, pauses):
        jobs = several(25)
        store.record_many([(job, RECEIPT) for job in jobs], seconds=0)
        assert all(status(store, job).state is JobState.SUCCEEDED for job in jobs)
        assert len(pauses) == 2


def test_when_dynamodb_keeps_leaving_out_the_record_must_be_tried_again(clock: Clock) -> None:
    with throttled(clock, most=0) as (store, pauses), pytest.raises(ServiceUnavailableError):
        store.record_many([(JOB, RECEIPT)], seconds=0)
    assert len(pauses) == 5


def test_a_skipped_source_is_on_record(store: JobStore) -> None:
    store.skip(SOURCE)
    from penstock.model.identity import digest

    skipped = store.get(digest(*SOURCE.identity))
    assert skipped
    assert (skipped.state, skipped.source) == (JobState.SKIPPED, SOURCE.uri)


def failed(store: JobStore, job: Job = JOB) -> None:
    store.close(claimed(store, job), JobState.FAILED, failure=FAILURE)


def test_the_record_has_the_source_of_the_event(store: JobStore) -> None:
    source = replace(SOURCE, key="in/50% of a+b/ü.csv.gz", event_time="2026-11-22T02:00:00.000Z")
    claimed(store, replace(JOB, source=source))
    assert status(store, replace(JOB, source=source)).upload == source


def test_a_record_has_what_became_of_the_members_of_an_archive(store: JobStore, clock: Clock) -> None:
    claim = claimed(store)
    store.heartbeat(claim, Progress(250, 900, members=MemberCounts(1, 2, 3, 4, 10)), lease=60)
    store.close(claim, JobState.FAILED, failure=FAILURE)
    assert status(store).members == MemberCounts(1, 2, 3, 4, 10)
    clock.now += 1000
    assert reopen(store)
    assert status(store).members == NO_MEMBERS
    receipt = Receipt(1000, 5000, 0, 0, "zip", members=MemberCounts(10, total=10))
    store.close(claimed(store), JobState.SUCCEEDED, receipt=receipt)
    assert status(store).progress == receipt.progress


def test_a_failed_job_is_reopened_without_progress(store: JobStore, clock: Clock) -> None:
    claim = claimed(store)
    store.heartbeat(claim, Progress(250, 900, 3, 1), lease=60)
    store.close(claim, JobState.FAILED, failure=FAILURE)
    clock.now += 1000
    assert reopen(store)
    waiting = status(store)
    assert (waiting.state, waiting.redrives, waiting.progress) == (JobState.WAITING, 1, Progress())
    assert (waiting.started_at, waiting.finished_at, waiting.seconds) == (clock.now, 0, 0)
    assert (waiting.failure, waiting.upload) == (FAILURE, SOURCE)


def test_a_reopened_job_is_claimed_immediately_and_the_claim_says_so(store: JobStore) -> None:
    for redrives in range(3):
        claim = claimed(store)
        assert (claim.redrives, claim.number) == (redrives, redrives + 1)
        store.close(claim, JobState.FAILED, failure=FAILURE)
        assert reopen(store)


def test_an_interrupted_attempt_of_a_redrive_is_taken_over_as_the_same_redrive(store: JobStore, clock: Clock) -> None:
    failed(store)
    reopen(store)
    claimed(store, lease=60)
    clock.now += 60
    assert claimed(store).redrives == 1


def test_each_claim_says_when_the_job_was_first_claimed(store: JobStore, clock: Clock) -> None:
    begun = clock.now
    first = claimed(store)
    clock.now += 61
    taken_over = claimed(store)
    store.close(taken_over, JobState.FAILED, failure=FAILURE)
    clock.now += 500
    assert reopen(store)
    assert [first.begun, taken_over.begun, claimed(store).begun] == [begun] * 3


def test_a_job_whose_rows_tell_its_begin_is_delivered_without_a_claim_if_it_was_never_claimed(store: JobStore) -> None:
    columns = (Column("at", metadata="loaded_at"),)
    route = Route("t", ("*",), "postgresql:t", plan=TablePlan(ParseOptions(), Table("t", columns)))
    tried, new = (Job(replace(SOURCE, version_id=version), route, TableTarget("postgresql", "t")) for version in "ab")
    store.release(claimed(store, tried), FAILURE)
    assert store.unclaimed([tried, new]) == {new.id}


def test_the_attempt_of_the_failed_job_has_lost_it(store: JobStore) -> None:
    claim = claimed(store)
    store.close(claim, JobState.FAILED, failure=FAILURE)
    reopen(store)
    with pytest.raises(LeaseLostError):
        store.close(claim, JobState.SUCCEEDED, receipt=RECEIPT)


@pytest.mark.parametrize("state", [JobState.SUCCEEDED, JobState.SUPERSEDED])
def test_a_job_that_did_not_fail_is_not_reopened(store: JobStore, state: JobState) -> None:
    store.close(claimed(store), state)
    assert not reopen(store)
    assert status(store).state is state


def test_a_running_waiting_or_unknown_job_is_not_reopened(store: JobStore) -> None:
    assert not store.reopen(JobStatus(JOB.id, JobState.FAILED, SOURCE.uri))
    assert store.get(JOB.id) is None
    failed(store)
    assert reopen(store)
    assert not reopen(store)
    claimed(store)
    assert not reopen(store)
    assert status(store).redrives == 1


def test_a_newer_version_that_was_claimed_meanwhile_comes_before_the_redrive(store: JobStore) -> None:
    failed(store)
    newest = claimed(store, newer(JOB))
    reopen(store)
    with pytest.raises(YieldedError):
        store.claim(JOB, lease=60)
    assert status(store).state is JobState.WAITING
    store.close(newest, JobState.SUCCEEDED, receipt=RECEIPT)
    # Not ended yet: an earlier attempt may have done all of the job.
    again = claimed(store)
    assert isinstance(again.refusal, SupersededError)
    store.close(again, JobState.SUPERSEDED, failure=Failure.of(again.refusal))
    assert status(store).state is JobState.SUPERSEDED


def test_an_older_version_for_a_table_may_have_been_loaded_by_an_attempt_before(store: JobStore, clock: Clock) -> None:
    job = replace(JOB, route=replace(ROUTE, store="postgresql"))
    claimed(store, job)
    claimed(store, newer(job))
    clock.now += 60
    again = claimed(store, job)
    assert (again.number, again.is_first) == (2, False)
    assert isinstance(again.refusal, SupersededError)
    assert status(store, job).state is JobState.RUNNING


def test_jobs_are_found_by_the_beginning_of_their_id_by_source_and_by_state(store: JobStore) -> None:
    jobs = several(5)
    for job in jobs[:3]:
        failed(store, job)
    for job in jobs[3:]:
        claimed(store, job)

    def found(**wanted: Any) -> set[str]:
        return {one.job_id for one in store.search(**wanted)}

    assert found() == {job.id for job in jobs}
    assert found(states=[JobState.FAILED]) == {job.id for job in jobs[:3]}
    assert found(states=[JobState.FAILED, JobState.RUNNING]) == {job.id for job in jobs}
    assert found(source=jobs[1].source.uri) == {jobs[1].id}
    assert found(source=jobs[1].source.uri, states=[JobState.RUNNING]) == set()
    assert found(prefix=jobs[4].id[:20]) == {jobs[4].id}
    assert next(store.search(prefix=jobs[4].id)) == status(store, jobs[4])


def test_a_search_goes_through_all_pages_of_a_table(clock: Clock) -> None:
    with mock_aws():
        client = boto3.client("dynamodb")
        create_table(client)
        store = DynamoJobStore(client, "jobs", retention_days=90, clock=clock)
        warned = replace(RECEIPT, warnings=("x" * 30_000,))
        store.record_many([(job, warned) for job in several(60)], seconds=0)  # a page of DynamoDB is 1 MB
        assert len({one.job_id for one in store.search()}) == 60


def test_an_item_that_an_earlier_penstock_wrote_has_no_upload(clock: Clock) -> None:
    with mock_aws():
        client = boto3.client("dynamodb")
        create_table(client)
        store = DynamoJobStore(client, "jobs", retention_days=90, clock=clock)
        claimed(store)
        client.update_item(TableName="jobs", Key={"pk": {"S": f"job#{JOB.id}"}}, UpdateExpression="REMOVE sequencer")
        assert status(store).upload is None


def test_a_record_says_who_holds_the_job_how_long_and_in_how_much_memory(store: JobStore, clock: Clock) -> None:
    claim = store.claim(JOB, lease=60, seconds=900, memory=128)
    assert isinstance(claim, Claim)
    found = status(store)
    assert (found.holder, found.lease_until, found.deadline_at) == (claim.attempt, clock.now + 60, clock.now + 900)
    assert (found.memory_size, found.memory_peak, found.attempts_limit) == (128, 0, MAX_ATTEMPTS)
    clock.now += 50
    store.heartbeat(claim, Progress(1, 1), lease=60, memory=100)
    assert (status(store).memory_peak, status(store).lease_until) == (100, clock.now + 60)
    assert status(store).deadline_at == clock.now + 850


def test_a_reopened_job_has_its_full_number_of_attempts(store: JobStore) -> None:
    store.release(claimed(store), FAILURE)
    failed(store)
    assert reopen(store)
    assert (status(store).attempts, status(store).attempts_limit) == (2, 2 + MAX_ATTEMPTS)


def test_a_job_is_reopened_after_the_end_of_its_lease(store: JobStore, clock: Clock) -> None:
    dead = claimed(store, lease=60)
    assert not reopen(store)
    clock.now += 60
    assert reopen(store)
    with pytest.raises(LeaseLostError):
        store.close(dead, JobState.SUCCEEDED, receipt=RECEIPT)


def test_a_job_that_was_claimed_since_it_was_read_is_not_reopened(store: JobStore, clock: Clock) -> None:
    claimed(store, lease=60)
    clock.now += 60
    seen = status(store)
    claimed(store, lease=60)
    clock.now += 60
    assert not store.reopen(seen)
    assert status(store).state is JobState.RUNNING


def test_uploads_of_attempts_are_on_record(store: JobStore) -> None:
    claim = claimed(store)
    for upload_id in ("u2", "u1", "u1"):
        store.record_upload(claim, upload_id)
    store.release(claim, FAILURE)
    claimed(store)
    assert status(store).uploads == ("u1", "u2")


def test_an_attempt_that_lost_the_job_records_no_upload(store: JobStore, clock: Clock) -> None:
    dead = claimed(store, lease=60)
    clock.now += 60
    claimed(store)
    with pytest.raises(LeaseLostError):
        store.record_upload(dead, "u1")
    assert status(store).uploads == ()
