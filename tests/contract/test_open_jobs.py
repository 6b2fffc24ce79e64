"""The contract of stores of unfinished jobs: the due jobs, and no write to a job that another attempt has."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import boto3
import pytest
from moto import mock_aws
from simulation.dynamodb import MemoryDynamoDB

from contract.object_backends import MOTO
from contract.test_job_store import FAILURE, JOB, RECEIPT, SOURCE, Clock, create_table, several, table_on
from penstock.aws.jobs_table.execution_store import DynamoExecutionStore
from penstock.aws.jobs_table.job_records import DynamoJobRecords
from penstock.aws.jobs_table.job_store import DynamoJobStore
from penstock.aws.jobs_table.job_times import DynamoJobTimes
from penstock.aws.jobs_table.open_jobs import DynamoOpenJobs
from penstock.errors import JobInProgressError, LeaseLostError
from penstock.jobs.ports import JobStore, OpenJobs
from penstock.large_jobs.ports import ExecutionStore
from penstock.limits import EXECUTING_SECONDS, WAITING_SECONDS
from penstock.model.job import Claim, Job, Progress
from penstock.model.job_status import JobState, JobStatus
from penstock.operations.ports import JobRecords, JobTimes
from penstock.testing import MemoryExecutionStore, MemoryJobRecords, MemoryJobStore, MemoryJobTimes, MemoryOpenJobs


@dataclass
class Stores:
    jobs: JobStore
    executions: ExecutionStore
    open_jobs: OpenJobs
    times: JobTimes
    records: JobRecords

    def claim(self, job: Job = JOB) -> Claim:
        claim = self.jobs.claim(job, lease=60)
        assert isinstance(claim, Claim)
        return claim

    def status(self, job: Job = JOB) -> JobStatus:
        found = self.jobs.get(job.id)
        assert found
        return found

    def due(self, limit: int = 10) -> list[str]:
        return [status.job_id for status in self.open_jobs.due(limit)]


def memory(clock: Clock) -> Iterator[Stores]:
    jobs = MemoryJobStore(clock)
    yield Stores(jobs, MemoryExecutionStore(jobs), MemoryOpenJobs(jobs), MemoryJobTimes(jobs), MemoryJobRecords(jobs))


def dynamodb(clock: Clock) -> Iterator[Stores]:
    with mock_aws():
        client = boto3.client("dynamodb")
        create_table(client)
        yield stores_of(client, clock)


def simulated(clock: Clock) -> Iterator[Stores]:
    """The adapters on DynamoDB in memory, as the simulator runs them."""
    client: Any = MemoryDynamoDB(clock)
    create_table(client)
    yield stores_of(client, clock)


def stores_of(client: object, clock: Clock) -> Stores:
    given = {"retention_days": 90, "clock": clock}
    return Stores(
        DynamoJobStore(client, "jobs", **given),  # type: ignore[arg-type]  # boto3's, of whichever server
        DynamoExecutionStore(client, "jobs", **given),  # type: ignore[arg-type]  # the same
        DynamoOpenJobs(client, "jobs", **given),  # type: ignore[arg-type]  # the same
        DynamoJobTimes(client, "jobs", clock=clock),  # type: ignore[arg-type]  # the same
        DynamoJobRecords(client, "jobs"),  # type: ignore[arg-type]  # the same
    )


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(params=["memory", MOTO, "emulator", "simulated"])
def stores(request: pytest.FixtureRequest, clock: Clock) -> Iterator[Stores]:
    if request.param == "emulator":
        with table_on(request.getfixturevalue("emulator")) as client:
            yield stores_of(client, clock)
        return
    backend: Callable[[Clock], Iterator[Stores]] = {
        "memory": memory,
        "moto": dynamodb,
        "simulated": simulated,
    }[request.param]
    yield from backend(clock)


def test_a_claimed_job_is_due_when_its_lease_is_over_whatever_its_heartbeats(stores: Stores, clock: Clock) -> None:
    claim = stores.claim()
    clock.now += 59
    assert stores.due() == []
    stores.jobs.heartbeat(claim, Progress(1, 1), lease=60)
    clock.now += 1
    (status,) = stores.open_jobs.due(10)
    assert (status, status.lease_until > clock.now) == (stores.status(), True)


def test_a_waiting_job_is_due_after_the_longest_backoff(stores: Stores, clock: Clock) -> None:
    stores.jobs.release(stores.claim(), FAILURE)
    clock.now += WAITING_SECONDS - 1
    assert stores.due() == []
    clock.now += 1
    assert stores.due() == [JOB.id]


def test_a_job_of_an_execution_is_due_now_and_then(stores: Stores, clock: Clock) -> None:
    stores.executions.hand_over(stores.claim(), JOB.id, lease=60)
    clock.now += 60
    assert stores.due() == [JOB.id]
    stores.executions.confirm(JOB.id, JOB.id, lease=1e6)
    assert stores.due() == []
    clock.now += EXECUTING_SECONDS
    assert stores.due() == [JOB.id]


@pytest.mark.parametrize("state", [JobState.SUCCEEDED, JobState.FAILED, JobState.SUPERSEDED])
def test_a_job_that_has_ended_is_never_due(stores: Stores, clock: Clock, state: JobState) -> None:
    stores.jobs.close(stores.claim(), state)
    clock.now += 1e6
    assert stores.due() == []


def test_the_longest_overdue_come_first_up_to_the_requested_number(stores: Stores, clock: Clock) -> None:
    jobs = several(30)
    for job in jobs:
        stores.claim(job)
        clock.now += 1
    clock.now += 60
    assert stores.due(100) == [job.id for job in jobs]
    assert stores.due(7) == [job.id for job in jobs[:7]]


def test_a_postponed_job_is_not_due_until_then(stores: Stores, clock: Clock) -> None:
    stores.claim()
    clock.now += 60
    assert stores.open_jobs.look_again(stores.status(), clock.now + 30)
    assert stores.due() == []
    clock.now += 30
    assert stores.due() == [JOB.id]


def test_a_restarted_job_waits_and_its_attempt_has_lost_it(stores: Stores, clock: Clock) -> None:
    claim = stores.claim()
    clock.now += 60
    assert stores.open_jobs.restart(stores.status(), clock.now + 900)
    assert (stores.status().state, stores.status().sends, stores.due()) == (JobState.WAITING, 1, [])
    with pytest.raises(LeaseLostError):
        stores.jobs.heartbeat(claim, Progress(1, 1), lease=60)
    assert stores.claim().number == 2
    assert stores.status().sends == 0


def test_only_one_of_two_concurrent_restarts_succeeds(stores: Stores, clock: Clock) -> None:
    stores.claim()
    clock.now += 60
    seen = stores.status()
    assert stores.open_jobs.restart(seen, clock.now + 900)
    assert not stores.open_jobs.restart(seen, clock.now + 900)
    assert stores.status().sends == 1


def test_nothing_is_written_to_a_job_that_another_attempt_has(stores: Stores, clock: Clock) -> None:
    claim = stores.claim()
    clock.now += 60
    seen = stores.status()
    stores.jobs.heartbeat(claim, Progress(1, 1), lease=60)
    assert not stores.open_jobs.restart(seen, clock.now)
    assert not stores.open_jobs.look_again(seen, clock.now)
    assert not stores.open_jobs.begin_abort(seen, clock.now, FAILURE)
    assert not stores.open_jobs.end(seen, JobState.FAILED, FAILURE)
    stores.jobs.close(claim, JobState.SUCCEEDED, receipt=RECEIPT)
    assert not stores.open_jobs.end(seen, JobState.FAILED, FAILURE)
    assert stores.status().state is JobState.SUCCEEDED


def test_a_job_that_is_being_aborted_cannot_be_claimed(stores: Stores, clock: Clock) -> None:
    stores.claim()
    clock.now += 60
    assert stores.open_jobs.begin_abort(stores.status(), clock.now + 120, FAILURE)
    assert (stores.status().aborts, stores.status().failure) == (1, FAILURE)
    with pytest.raises(JobInProgressError):
        stores.jobs.claim(JOB, lease=60)
    clock.now += 120
    assert stores.due() == [JOB.id]


def test_an_ended_job_keeps_why(stores: Stores, clock: Clock) -> None:
    stores.claim()
    clock.now += 60
    assert stores.open_jobs.end(stores.status(), JobState.FAILED, FAILURE)
    assert (stores.status().state, stores.status().failure) == (JobState.FAILED, FAILURE)
    clock.now += 1e6
    assert stores.due() == []


def test_a_job_without_a_record_gets_a_failed_record_that_can_be_reopened(stores: Stores) -> None:
    assert stores.open_jobs.fail_unrecorded(JOB, FAILURE)
    found = stores.status()
    assert (found.state, found.failure, found.upload, found.route) == (JobState.FAILED, FAILURE, SOURCE, "decompress")
    assert not stores.open_jobs.fail_unrecorded(JOB, FAILURE)
    assert stores.jobs.reopen(found)
    assert stores.claim().redrives == 1


def test_an_upload_of_an_execution_leads_to_its_job(stores: Stores) -> None:
    """Uploads of attempts are not listed: the sweep only aborts uploads that are older than any invocation."""
    claim = stores.claim()
    stores.jobs.record_upload(claim, "u2")
    stores.executions.hand_over(claim, "run", lease=60)
    stores.executions.record_upload(JOB.id, "run", "u1")
    owner = stores.open_jobs.owner("u1")
    assert owner == stores.status()
    assert owner.uploads == ("u1", "u2")
    assert stores.open_jobs.owner("u2") is None


def test_whoever_ends_a_job_hears_of_it_once(clock: Clock) -> None:
    ended: list[JobStatus] = []
    with mock_aws():
        client = boto3.client("dynamodb")
        create_table(client)
        jobs = DynamoJobStore(client, "jobs", retention_days=90, clock=clock)
        executions = DynamoExecutionStore(client, "jobs", retention_days=90, clock=clock, on_end=ended.append)
        reconciler = DynamoOpenJobs(client, "jobs", retention_days=90, clock=clock, on_end=ended.append)
        large, lost, unknown = several(3)
        for job in (large, lost):
            claim = jobs.claim(job, lease=60, seconds=900)
            assert isinstance(claim, Claim)
            executions.hand_over(claim, f"run-{job.id}", lease=60)
        for _ in range(2):
            executions.end(large.id, f"run-{large.id}", JobState.SUCCEEDED, receipt=RECEIPT)
        seen = reconciler.get(lost.id)
        assert seen
        for _ in range(2):
            reconciler.end(seen, JobState.FAILED, FAILURE)
            reconciler.fail_unrecorded(unknown, FAILURE)
        assert [(one.job_id, one.state, one.finished_at) for one in ended] == [
            (large.id, JobState.SUCCEEDED, clock.now),
            (lost.id, JobState.FAILED, clock.now),
            (unknown.id, JobState.FAILED, clock.now),
        ]
        assert ended == [reconciler.get(job.id) for job in (large, lost, unknown)]


def test_a_task_is_done_once_in_its_time(stores: Stores, clock: Clock) -> None:
    first = clock.now
    assert stores.open_jobs.lock("sweep", 3600) == first
    assert stores.open_jobs.lock("sweep", 3600) is None
    assert stores.open_jobs.lock("another", 3600) == first
    clock.now += 3600
    assert stores.open_jobs.lock("sweep", 3600) == first


def test_a_job_that_waits_is_superseded_by_the_one_its_event_now_makes(stores: Stores, clock: Clock) -> None:
    claim = stores.claim()
    assert not stores.jobs.supersede(JOB.id, "new")
    stores.jobs.release(claim, FAILURE)
    assert stores.jobs.supersede(JOB.id, "new")
    failure = stores.status().failure
    assert failure
    assert (stores.status().state, "job new" in failure.message) == (JobState.SUPERSEDED, True)
    assert not stores.jobs.supersede(JOB.id, "another")
    clock.now += 1e6
    assert stores.due() == []


def test_a_record_that_was_deleted_is_not_due(stores: Stores, clock: Clock) -> None:
    job = replace(JOB, source=replace(SOURCE, key="in/gone.csv"))
    stores.claim(job)
    clock.now += 60
    if isinstance(stores.jobs, MemoryJobStore):
        del stores.jobs.jobs[job.id]
    else:
        stores.jobs._client.delete_item(TableName="jobs", Key={"pk": {"S": f"job#{job.id}"}})  # type: ignore[attr-defined]
    assert stores.due() == []


def test_unfinished_jobs_and_those_that_have_ended_are_listed_without_a_scan(stores: Stores, clock: Clock) -> None:
    jobs = several(20)
    claims = [stores.claim(job) for job in jobs]
    assert sorted(stores.times.unfinished()) == sorted(job.id for job in jobs)
    assert stores.times.ended_since(clock.now - 60) == {}
    for claim, state in zip(claims[:3], (JobState.SUCCEEDED, JobState.FAILED, JobState.SUPERSEDED), strict=True):
        clock.now += 10
        stores.jobs.close(claim, state)
    ends = {job.id: stores.status(job).finished_at for job in jobs[:3]}
    assert stores.times.ended_since(clock.now - 60) == ends
    assert set(stores.times.ended_since(clock.now - 10)) == {jobs[1].id, jobs[2].id}
    assert sorted(stores.times.unfinished()) == sorted(job.id for job in jobs[3:])


def test_jobs_that_ended_before_midnight_are_listed_after_it(stores: Stores, clock: Clock) -> None:
    clock.now = 86_400 * (clock.now // 86_400 + 1) - 5
    stores.jobs.close(stores.claim(), JobState.FAILED)
    clock.now += 10
    assert list(stores.times.ended_since(clock.now - 60)) == [JOB.id]


def test_jobs_that_ended_between_two_times_come_newest_first_over_all_shards_and_days(
    stores: Stores, clock: Clock
) -> None:
    clock.now = 86_400 * (clock.now // 86_400 + 1) - 55
    jobs = several(12)
    for job in jobs:
        stores.jobs.close(stores.claim(job), JobState.SUCCEEDED)
        clock.now += 10
    ends = [stores.status(job).finished_at for job in jobs]
    assert list(stores.times.ended_between(ends[0], clock.now)) == [job.id for job in reversed(jobs)]
    assert list(stores.times.ended_between(ends[2], ends[9])) == [job.id for job in reversed(jobs[2:9])]
    assert list(stores.times.ended_between(clock.now, clock.now + 86_400)) == []


def test_many_records_are_read_in_the_order_asked_for(stores: Stores) -> None:
    jobs = several(105)
    for job in jobs:
        stores.claim(job)
    ids = [job.id for job in jobs]
    assert [status.job_id for status in stores.records.read([*ids, "f" * 32])] == ids
    assert stores.records.read([]) == []
    assert [status.source for status in stores.records.read(ids[:1])] == [stores.status(jobs[0]).source]
