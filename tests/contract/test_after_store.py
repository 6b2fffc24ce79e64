"""The contract of actions after jobs in the jobs table: one acts at a time, none is forgotten, and a redrive waits."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any, Protocol

import boto3
import pytest
from moto import mock_aws
from simulation.dynamodb import MemoryDynamoDB

from contract.test_job_store import FAILURE, JOB, RECEIPT, ROUTE, SOURCE, Clock, create_table
from lengths import long
from penstock.aws.jobs_table.after_items import FIRST_CHECK_SECONDS, after_key
from penstock.aws.jobs_table.after_store import DynamoAfterStore
from penstock.aws.jobs_table.job_store import DynamoJobStore
from penstock.aws.jobs_table.open_jobs import DynamoOpenJobs
from penstock.errors import LeaseLostError
from penstock.jobs.after.ports import AfterStore, DueActions
from penstock.jobs.ports import JobStore, OpenJobs
from penstock.model.after import After, AfterState, AfterStatus
from penstock.model.job import Claim, Job
from penstock.model.job_status import JobState, JobStatus
from penstock.model.member import Member
from penstock.model.object import Location, member_source
from penstock.testing import MemoryAfterStore, MemoryJobStore, MemoryOpenJobs

PLAN = After("move:done/", "move:quarantine/")
ACTING = replace(JOB, route=replace(ROUTE, after=PLAN))
PLACE = Location("done/in/a.csv.gz", "e2", "v2")


class Actions(AfterStore, DueActions, Protocol):
    pass


@dataclass
class Stores:
    jobs: JobStore
    actions: Actions
    open_jobs: OpenJobs

    def claimed(self, job: Job = ACTING) -> Claim:
        claim = self.jobs.claim(job, lease=60)
        assert isinstance(claim, Claim)
        return claim

    def ended(self, state: JobState = JobState.FAILED, job: Job = ACTING) -> JobStatus:
        receipt, failure = (None, FAILURE) if state is JobState.FAILED else (RECEIPT, None)
        self.jobs.close(self.claimed(job), state, receipt=receipt, failure=failure)
        return self.status(job)

    def status(self, job: Job = ACTING) -> JobStatus:
        found = self.actions.get(job.id)
        assert found
        return found

    def after(self) -> AfterStatus:
        found = self.status().after
        assert found
        return found

    def taken(self, clock: Clock, holder: str = "one", seconds: float = 900) -> JobStatus:
        found = self.actions.take(self.status(), holder, clock.now + seconds)
        assert found
        return found


def memory(clock: Clock) -> Iterator[Stores]:
    jobs = MemoryJobStore(clock)
    yield Stores(jobs, MemoryAfterStore(jobs), MemoryOpenJobs(jobs))


def dynamodb(clock: Clock) -> Iterator[Stores]:
    with mock_aws():
        client = boto3.client("dynamodb")
        create_table(client)
        given: dict[str, Any] = {"retention_days": 90, "clock": clock}
        yield Stores(
            DynamoJobStore(client, "jobs", **given),
            DynamoAfterStore(client, "jobs", **given),
            DynamoOpenJobs(client, "jobs", **given),
        )


def simulated(clock: Clock) -> Iterator[Stores]:
    """The adapters on DynamoDB in memory, as the simulator runs them."""
    client: Any = MemoryDynamoDB(clock)
    create_table(client)
    given: dict[str, Any] = {"retention_days": 90, "clock": clock}
    yield Stores(
        DynamoJobStore(client, "jobs", **given),
        DynamoAfterStore(client, "jobs", **given),
        DynamoOpenJobs(client, "jobs", **given),
    )


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(params=[memory, long(dynamodb, id="dynamodb"), simulated], ids=lambda backend: str(backend.__name__))
def stores(request: pytest.FixtureRequest, clock: Clock) -> Iterator[Stores]:
    backend: Callable[[Clock], Iterator[Stores]] = request.param
    yield from backend(clock)


def test_a_claim_says_what_is_to_be_done_and_its_job_is_found_later(stores: Stores, clock: Clock) -> None:
    stores.claimed()
    assert stores.after() == AfterStatus(PLAN)
    assert stores.actions.due(10) == []
    clock.now += FIRST_CHECK_SECONDS
    assert stores.actions.due(10) == [ACTING.id]
    stores.actions.postpone(ACTING.id, clock.now + 1)
    assert stores.actions.due(10) == []
    clock.now += 1
    stores.actions.forget(ACTING.id)
    stores.actions.forget(ACTING.id)
    assert stores.actions.due(10) == []


def test_a_job_without_an_action_and_a_member_have_none(stores: Stores, clock: Clock) -> None:
    member = member_source(replace(SOURCE, key="in/a.zip"), Member("a.csv"))
    for job in (JOB, replace(ACTING, source=member)):
        stores.claimed(job)
        assert stores.status(job).after is None
    clock.now += FIRST_CHECK_SECONDS
    assert stores.actions.due(10) == []


def test_jobs_recorded_together_and_jobs_without_an_attempt_have_their_actions(stores: Stores, clock: Clock) -> None:
    other = replace(ACTING, source=replace(SOURCE, version_id="v9"))
    stores.jobs.record_many(
        [(ACTING, RECEIPT), (replace(JOB, source=replace(SOURCE, version_id="v8")), RECEIPT)], seconds=1
    )
    stores.open_jobs.fail_unrecorded(other, FAILURE)
    clock.now += FIRST_CHECK_SECONDS
    assert set(stores.actions.due(10)) == {ACTING.id, other.id}
    for job in (ACTING, other):
        assert stores.actions.take(stores.status(job), "one", clock.now + 1)


def test_a_job_that_the_reconciler_ends_is_found_even_if_its_claim_died_first(stores: Stores, clock: Clock) -> None:
    stores.claimed()
    stores.actions.forget(ACTING.id)
    clock.now += 61
    assert stores.open_jobs.end(stores.status(), JobState.FAILED, FAILURE)
    clock.now += FIRST_CHECK_SECONDS
    assert stores.actions.due(10) == [ACTING.id]


def test_one_acts_at_a_time_until_its_time_is_over(stores: Stores, clock: Clock) -> None:
    before = stores.ended()
    taken = stores.taken(clock, seconds=100)
    assert taken.after == AfterStatus(PLAN, AfterState.ACTING, holder="one", until=clock.now + 100, tries=1)
    assert stores.actions.take(before, "two", clock.now + 100) is None
    assert not stores.actions.ask_again(before)
    clock.now += 100
    second = stores.taken(clock, "two")
    assert second.after
    assert (second.after.holder, second.after.tries) == ("two", 2)
    with pytest.raises(LeaseLostError):
        stores.actions.finish(taken, AfterState.DONE, "")
    with pytest.raises(LeaseLostError):
        stores.actions.note_copy(taken, PLACE)


def test_what_an_attempt_has_done_is_there_for_the_next(stores: Stores, clock: Clock) -> None:
    stores.ended()
    taken = stores.taken(clock)
    stores.actions.note_upload(taken, "upload")
    assert stores.after().upload == "upload"
    stores.actions.note_copy(taken, PLACE)
    stores.actions.release(taken, "SlowDown", clock.now + 60)
    found = stores.after()
    assert (found.copied, found.upload, found.message, found.state) == (PLACE, "", "SlowDown", AfterState.ACTING)
    assert stores.status().location is None
    clock.now += 60
    assert stores.actions.due(10) == [ACTING.id]
    assert stores.actions.ask_again(stores.status())
    assert (stores.after().state, stores.after().sends, stores.after().tries) == (AfterState.PENDING, 1, 1)


def test_the_end_of_an_action_is_on_record_and_nobody_looks_again(stores: Stores, clock: Clock) -> None:
    stores.ended()
    stores.actions.finish(stores.taken(clock), AfterState.DONE, "as asked", PLACE)
    found = stores.status()
    assert found.after
    assert (found.after.state, found.after.message, found.location) == (AfterState.DONE, "as asked", PLACE)
    assert stores.actions.take(found, "two", clock.now + 1) is None
    assert not stores.actions.ask_again(found)
    clock.now += FIRST_CHECK_SECONDS
    assert stores.actions.due(10) == []


def test_an_action_is_given_up_only_if_nobody_acts(stores: Stores, clock: Clock) -> None:
    stores.ended()
    stores.taken(clock, seconds=10)
    assert not stores.actions.give_up(stores.status(), "too often")
    clock.now += 10
    assert stores.actions.give_up(stores.status(), "too often")
    assert (stores.after().state, stores.after().message) == (AfterState.FAILED, "too often")


def test_a_redrive_waits_for_an_action_that_has_begun(stores: Stores, clock: Clock) -> None:
    before = stores.ended()
    taken = stores.taken(clock)
    assert not stores.jobs.reopen(before)
    assert not stores.jobs.reopen(stores.status())
    stores.actions.release(taken, "SlowDown", clock.now)
    stores.actions.ask_again(stores.status())
    assert not stores.jobs.reopen(stores.status())
    stores.actions.finish(stores.taken(clock), AfterState.DONE, "", PLACE)
    assert stores.jobs.reopen(stores.status())


def test_a_redrive_before_the_action_wins(stores: Stores, clock: Clock) -> None:
    before = stores.ended()
    assert stores.jobs.reopen(before)
    assert stores.actions.take(before, "one", clock.now + 1) is None
    assert not stores.actions.ask_again(before)


def test_a_redriven_job_reads_the_object_where_it_is_and_follows_the_route_of_now(stores: Stores, clock: Clock) -> None:
    stores.ended()
    stores.actions.finish(stores.taken(clock), AfterState.DONE, "", PLACE)
    assert stores.jobs.reopen(stores.status())
    claim = stores.claimed(replace(ACTING, route=replace(ROUTE, after=After(success="tag"))))
    assert claim.location == PLACE
    assert stores.after() == AfterStatus(After(success="tag"))
    stores.jobs.release(claim, FAILURE)
    assert stores.claimed(JOB).location == PLACE
    assert stores.status().after is None


def test_a_member_that_is_redriven_alone_reads_where_its_archive_is(stores: Stores, clock: Clock) -> None:
    archive = replace(ACTING, source=replace(SOURCE, key="in/a.zip"))
    member = replace(JOB, source=member_source(archive.source, Member("a.csv")))
    first = stores.jobs.claim(member, lease=60, archive_job=archive.id)
    assert isinstance(first, Claim)
    assert first.location is None
    stores.jobs.close(first, JobState.FAILED, failure=FAILURE)
    status = stores.ended(job=archive)
    taken = stores.actions.take(status, "one", clock.now + 1)
    assert taken
    stores.actions.finish(taken, AfterState.DONE, "", PLACE)
    assert stores.jobs.reopen(stores.status(member))
    assert stores.claimed(member).location == PLACE


def test_the_item_of_an_action_that_has_ended_expires_at_once(clock: Clock) -> None:
    with mock_aws():
        client = boto3.client("dynamodb")
        create_table(client)
        actions = DynamoAfterStore(client, "jobs", retention_days=90, clock=clock)
        actions.postpone("0" * 32, clock.now)
        actions.forget("0" * 32)
        item = client.get_item(TableName="jobs", Key={"pk": {"S": after_key("0" * 32)}})["Item"]
        assert item == {"pk": {"S": after_key("0" * 32)}, "expires_at": {"N": str(int(clock.now))}}
        actions.forget("1" * 32)
        assert client.scan(TableName="jobs")["Count"] == 1
