"""The contract of jobs that wait for the commit of their table, and of the batches that commit them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import boto3
import pytest
from moto import mock_aws
from simulation.dynamodb import MemoryDynamoDB

from committed_jobs import RECEIPT, job_of
from contract.test_job_store import FAILURE, Clock, create_table
from lengths import long
from penstock.aws.jobs_table.commit_store import DynamoCommitStore
from penstock.aws.jobs_table.job_store import DynamoJobStore
from penstock.aws.jobs_table.open_jobs import DynamoOpenJobs
from penstock.errors import LeaseLostError
from penstock.jobs.commit.ports import CommitStore
from penstock.jobs.ports import JobStore, OpenJobs
from penstock.limits import COMMITTING_SECONDS, UNUSED_SECONDS
from penstock.model.commit import CommitBatch, CommitNote
from penstock.model.identity import digest
from penstock.model.job import Claim, Job, Progress
from penstock.model.job_status import JobState, JobStatus
from penstock.model.table import Mode
from penstock.testing import MemoryJobStore, MemoryOpenJobs
from penstock.testing.commits import MemoryCommitStore

BASE = 7_000_000_000_000_000_001  # numbers of snapshots have up to 63 bits
JOB = job_of("a")


@dataclass
class Stores:
    jobs: JobStore
    commits: CommitStore
    open_jobs: OpenJobs
    clock: Clock

    def held(self, job: Job = JOB, note: CommitNote | None = None) -> Claim:
        claim = self.jobs.claim(job, lease=60)
        assert isinstance(claim, Claim)
        self.jobs.hold(claim, RECEIPT, note or CommitNote())
        return claim

    def status(self, job: Job = JOB) -> JobStatus:
        found = self.jobs.get(job.id)
        assert found
        return found

    def unused(self) -> list[str]:
        return list(self.open_jobs.unused(10))

    def in_doubt(self) -> JobStatus:
        self.held()
        self.commits.take(JOB.id, "c1")
        assert self.commits.close(self.status(), CommitBatch("c1", "t", (JOB.id,)), JobState.IN_DOUBT, FAILURE)
        return self.status()


def memory(clock: Clock) -> Iterator[Stores]:
    jobs = MemoryJobStore(clock)
    yield Stores(jobs, MemoryCommitStore(jobs), MemoryOpenJobs(jobs), clock)


def dynamodb(clock: Clock) -> Iterator[Stores]:
    with mock_aws():
        client = boto3.client("dynamodb")
        create_table(client)
        jobs = DynamoJobStore(client, "jobs", retention_days=90, clock=clock)
        commits = DynamoCommitStore(client, "jobs", retention_days=90, clock=clock)
        yield Stores(jobs, commits, DynamoOpenJobs(client, "jobs", retention_days=90, clock=clock), clock)


def simulated(clock: Clock) -> Iterator[Stores]:
    """The adapters on DynamoDB in memory, as the simulator runs them."""
    client: Any = MemoryDynamoDB(clock)
    create_table(client)
    jobs = DynamoJobStore(client, "jobs", retention_days=90, clock=clock)
    commits = DynamoCommitStore(client, "jobs", retention_days=90, clock=clock)
    yield Stores(jobs, commits, DynamoOpenJobs(client, "jobs", retention_days=90, clock=clock), clock)


@pytest.fixture(params=[memory, long(dynamodb, id="dynamodb"), simulated], ids=lambda backend: str(backend.__name__))
def stores(request: pytest.FixtureRequest) -> Iterator[Stores]:
    backend: Callable[[Clock], Iterator[Stores]] = request.param
    yield from backend(Clock())


# A job that waits.


def test_a_job_that_waits_has_its_receipt_and_no_lease(stores: Stores) -> None:
    stores.held()
    found = stores.status()
    assert (found.state, found.state.final, found.lease_until) == (JobState.COMMITTING, False, stores.clock.now)
    assert (found.progress, found.percent, found.codec) == (RECEIPT.progress, 100.0, "gzip")


def test_nobody_claims_a_job_that_waits_and_its_attempt_writes_nothing_more(stores: Stores) -> None:
    claim = stores.held()
    stores.clock.now += 1_000_000
    again = stores.jobs.claim(JOB, lease=60)
    assert isinstance(again, JobStatus)
    assert again.state is JobState.COMMITTING
    with pytest.raises(LeaseLostError):
        stores.jobs.heartbeat(claim, Progress(1, 1), lease=60)
    with pytest.raises(LeaseLostError):
        stores.jobs.close(claim, JobState.FAILED, failure=FAILURE)


def test_a_job_that_waits_cannot_be_redriven(stores: Stores) -> None:
    stores.held()
    assert not stores.jobs.reopen(stores.status())


def test_jobs_are_found_by_these_states_and_not_by_those_that_are_stored(stores: Stores) -> None:
    stores.in_doubt()
    waiting = job_of("b")
    stores.held(waiting)
    expected = {JobState.COMMITTING: [waiting.id], JobState.IN_DOUBT: [JOB.id]}
    for state in (*expected, JobState.EXECUTING, JobState.FAILED):
        assert [found.job_id for found in stores.jobs.search(states=[state])] == expected.get(state, [])


def test_the_reconciler_finds_a_job_that_waits_too_long_and_announces_it_again(stores: Stores) -> None:
    stores.held()
    assert stores.open_jobs.due(10) == []
    stores.clock.now += COMMITTING_SECONDS
    (found,) = stores.open_jobs.due(10)
    assert stores.open_jobs.send_again(found, stores.clock.now + 60)
    assert (stores.status().sends, stores.open_jobs.due(10)) == (1, [])


def test_the_reconciler_ends_a_job_that_waits_for_ever(stores: Stores) -> None:
    stores.held()
    assert stores.open_jobs.end(stores.status(), JobState.IN_DOUBT, FAILURE)
    assert (stores.status().state, stores.status().failure) == (JobState.IN_DOUBT, FAILURE)


# A batch.


def test_a_job_is_taken_by_one_commit_and_handed_on_from_it(stores: Stores) -> None:
    stores.held()
    assert stores.commits.take(JOB.id, "c1")
    assert not stores.commits.take(JOB.id, "c2")
    assert stores.commits.take(JOB.id, "c2", instead_of="c1")
    assert not stores.commits.take(JOB.id, "c3", instead_of="c1")
    (found,) = stores.commits.jobs([JOB.id, "unknown"])
    assert found.commit.id == "c2"


def test_a_job_that_does_not_wait_is_not_taken(stores: Stores) -> None:
    stores.jobs.claim(JOB, lease=60)
    assert not stores.commits.take(JOB.id, "c1")


def test_a_batch_is_written_once(stores: Stores) -> None:
    assert stores.commits.batch("c1") is None
    first = stores.commits.begin(CommitBatch("c1", "sales.orders", ("a", "b"), until=5.0))
    assert stores.commits.begin(CommitBatch("c1", "sales.orders", ())) == first
    assert stores.commits.batch("c1") == CommitBatch("c1", "sales.orders", ("a", "b"), until=5.0)


def test_one_function_at_a_time_works_on_a_batch(stores: Stores) -> None:
    stores.commits.begin(CommitBatch("c1", "sales.orders", ("a",), until=stores.clock.now + 60))
    assert not stores.commits.lease("c1", stores.clock.now + 120)
    stores.clock.now += 60
    assert stores.commits.lease("c1", stores.clock.now + 60)
    assert not stores.commits.lease("c1", stores.clock.now + 60)
    stores.commits.release("c1", doubt=True)
    assert stores.commits.lease("c1", stores.clock.now + 60)
    assert _batch(stores).doubts == 1


@pytest.mark.parametrize("base", [None, BASE])
def test_the_first_base_of_a_batch_stays(base: int | None, stores: Stores) -> None:
    stores.commits.begin(CommitBatch("c1", "sales.orders", ("a",)))
    assert (_batch(stores).requested, _batch(stores).is_done) == (0, False)
    stores.commits.record_base("c1", base)
    stores.commits.record_base("c1", BASE + 1)
    stores.commits.record_snapshot("c1", BASE + 2)
    assert replace(_batch(stores), requested=1.0) == CommitBatch(
        "c1", "sales.orders", ("a",), base=base, requested=1.0, snapshot=BASE + 2, is_done=True
    )


def _batch(stores: Stores) -> CommitBatch:
    found = stores.commits.batch("c1")
    assert found
    return found


# The end.


def test_a_job_that_is_committed_has_succeeded(stores: Stores) -> None:
    stores.held()
    stores.commits.take(JOB.id, "c1")
    batch = CommitBatch("c1", "sales.orders", (JOB.id,), base=BASE, requested=3.0, snapshot=BASE + 1)
    assert stores.commits.close(stores.status(), batch, JobState.SUCCEEDED)
    assert not stores.commits.close(stores.status(), batch, JobState.SUCCEEDED)
    found = stores.status()
    assert (found.state, found.progress, found.finished_at) == (JobState.SUCCEEDED, RECEIPT.progress, stores.clock.now)
    assert found.commit == CommitNote("c1", BASE, 3.0, snapshot=BASE + 1)
    assert (stores.open_jobs.due(10), stores.unused()) == ([], [])


def test_another_commit_does_not_end_a_job(stores: Stores) -> None:
    stores.held()
    stores.commits.take(JOB.id, "c1")
    assert not stores.commits.close(stores.status(), CommitBatch("c2", "sales.orders", ()), JobState.SUCCEEDED)
    assert stores.status().state is JobState.COMMITTING


def test_a_job_that_fails_leaves_unused_files_for_later(stores: Stores) -> None:
    stores.held()
    stores.commits.take(JOB.id, "c1")
    stores.commits.close(stores.status(), CommitBatch("c1", "sales.orders", ()), JobState.FAILED, FAILURE)
    assert (stores.status().state, stores.unused()) == (JobState.FAILED, [])
    stores.clock.now += UNUSED_SECONDS
    assert stores.unused() == [JOB.id]
    assert stores.open_jobs.delete_unused(stores.status(), stores.clock.now + 900)
    assert not stores.jobs.reopen(stores.status())  # not while its files are being deleted
    stores.open_jobs.forget_unused(JOB.id)
    assert stores.unused() == []
    stores.clock.now += 900
    assert stores.jobs.reopen(stores.status())


def test_a_job_in_doubt_keeps_its_files_and_is_redriven_with_its_commit(stores: Stores) -> None:
    found = stores.in_doubt()
    assert (found.state, found.state.final, found.failure) == (JobState.IN_DOUBT, True, FAILURE)
    stores.clock.now += UNUSED_SECONDS
    assert stores.unused() == []
    assert stores.jobs.reopen(found)
    assert stores.status().state is JobState.WAITING
    stores.held()
    assert (stores.status().state, stores.status().commit.id) == (JobState.COMMITTING, "c1")


def test_a_job_that_was_in_doubt_may_fail(stores: Stores) -> None:
    stores.jobs.reopen(stores.in_doubt())
    claim = stores.jobs.claim(JOB, lease=60)
    assert isinstance(claim, Claim)
    stores.jobs.close(claim, JobState.FAILED, failure=FAILURE)
    assert stores.status().state is JobState.FAILED


def test_a_job_that_replaces_rows_is_overtaken_once_a_newer_version_is_claimed(stores: Stores) -> None:
    older, newer = (job_of("x", mode=Mode.REPLACE, sequencer=place, version=place) for place in ("0A", "0B"))
    note = CommitNote(replaces="table", series=digest(*older.series), order=older.order)
    stores.held(older, note)
    assert not stores.commits.is_overtaken(stores.status(older))
    stores.jobs.claim(newer, lease=60)
    assert stores.commits.is_overtaken(stores.status(older))
