"""The contract of executions in the jobs table: one at a time, every span counted once, no change after the end."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from moto import mock_aws
from simulation.dynamodb import MemoryDynamoDB

from contract.object_backends import Endpoint
from contract.test_job_store import FAILURE, JOB, RECEIPT, Clock, create_table, table_on
from lengths import long
from penstock.aws.jobs_table.execution_store import COUNT_ATTEMPTS, DynamoExecutionStore
from penstock.aws.jobs_table.job_store import DynamoJobStore
from penstock.aws.jobs_table.span_progress import ATTEMPTS
from penstock.errors import JobInProgressError, LeaseLostError, ServiceUnavailableError, YieldedError
from penstock.jobs.ports import JobStore
from penstock.large_jobs.ports import ExecutionStore
from penstock.model.job import MAX_ATTEMPTS, Claim, Failure, Progress, Receipt
from penstock.model.job_status import JobState, JobStatus, Phase, Stage
from penstock.model.member import NO_MEMBERS, MemberCounts
from penstock.model.span import SpanReceipt
from penstock.testing import MemoryExecutionStore, MemoryJobStore

DAY = 86_400.0
EXECUTION = JOB.id


@dataclass
class Stores:
    """The jobs table, with the stores of ingest and of executions."""

    jobs: JobStore
    executions: ExecutionStore

    def claim(self) -> Claim:
        claim = self.jobs.claim(JOB, lease=60)
        assert isinstance(claim, Claim)
        return claim

    def begin(self, execution: str = EXECUTION) -> None:
        """A job that was handed to an execution."""
        self.executions.hand_over(self.claim(), execution, lease=60)
        self.executions.confirm(JOB.id, execution, lease=DAY)

    @property
    def status(self) -> JobStatus:
        found = self.jobs.get(JOB.id)
        assert found
        return found


def memory(clock: Clock) -> Iterator[Stores]:
    jobs = MemoryJobStore(clock)
    yield Stores(jobs, MemoryExecutionStore(jobs))


def dynamodb(clock: Clock) -> Iterator[Stores]:
    with mock_aws():
        client = boto3.client("dynamodb")
        create_table(client)
        yield Stores(
            DynamoJobStore(client, "jobs", retention_days=90, clock=clock),
            DynamoExecutionStore(client, "jobs", retention_days=90, clock=clock, sleep=lambda _: None),
        )


def simulated(clock: Clock) -> Iterator[Stores]:
    """The adapter on DynamoDB in memory, as the simulator runs it."""
    client: Any = MemoryDynamoDB(clock)
    create_table(client)
    yield Stores(
        DynamoJobStore(client, "jobs", retention_days=90, clock=clock),
        DynamoExecutionStore(client, "jobs", retention_days=90, clock=clock, sleep=lambda _: None),
    )


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(params=[memory, long(dynamodb, id="dynamodb"), simulated], ids=lambda backend: str(backend.__name__))
def stores(request: pytest.FixtureRequest, clock: Clock) -> Iterator[Stores]:
    backend: Callable[[Clock], Iterator[Stores]] = request.param
    yield from backend(clock)


def receipt(span: int) -> SpanReceipt:
    return SpanReceipt(span, 10, 100, 0xABCD, rows=7, rejects=1, chunks=2, seconds=0.5, warnings=("slow",))


def test_a_job_that_was_handed_over_runs_until_it_is_confirmed(stores: Stores) -> None:
    stores.executions.hand_over(stores.claim(), EXECUTION, lease=60)
    assert (stores.status.state, stores.status.execution) == (JobState.RUNNING, EXECUTION)
    stores.executions.confirm(JOB.id, EXECUTION, lease=DAY)
    assert stores.status.state is JobState.EXECUTING


def test_an_attempt_that_handed_over_has_lost_the_job(stores: Stores) -> None:
    claim = stores.claim()
    stores.executions.hand_over(claim, EXECUTION, lease=60)
    with pytest.raises(LeaseLostError):
        stores.jobs.heartbeat(claim, Progress(1, 1), lease=60)
    with pytest.raises(LeaseLostError):
        stores.jobs.close(claim, JobState.FAILED, failure=FAILURE)
    with pytest.raises(LeaseLostError):
        stores.executions.hand_over(claim, EXECUTION, lease=60)


def test_a_claim_that_was_handed_back_is_good_again(stores: Stores, clock: Clock) -> None:
    claim = stores.claim()
    stores.executions.hand_over(claim, EXECUTION, lease=60)
    clock.now += 59
    stores.executions.hand_back(claim, EXECUTION, lease=60)
    clock.now += 59
    with pytest.raises(LeaseLostError):
        stores.executions.confirm(JOB.id, EXECUTION, lease=DAY)
    stores.jobs.close(claim, JobState.FAILED, failure=FAILURE)
    assert stores.status.failure == FAILURE


def test_what_an_execution_has_lost_it_cannot_hand_back(stores: Stores, clock: Clock) -> None:
    claim = stores.claim()
    stores.executions.hand_over(claim, EXECUTION, lease=60)
    clock.now += 60
    stores.claim()
    with pytest.raises(LeaseLostError):
        stores.executions.hand_back(claim, EXECUTION, lease=60)


def test_an_attempt_that_lost_the_job_cannot_hand_over(stores: Stores, clock: Clock) -> None:
    dead = stores.claim()
    clock.now += 60
    stores.claim()
    with pytest.raises(LeaseLostError):
        stores.executions.hand_over(dead, EXECUTION, lease=60)


def test_a_claim_of_a_confirmed_job_returns_the_job(stores: Stores) -> None:
    stores.begin()
    repeat = stores.jobs.claim(JOB, lease=60)
    assert isinstance(repeat, JobStatus)
    assert repeat.state is JobState.EXECUTING


def test_to_confirm_again_does_no_harm(stores: Stores, clock: Clock) -> None:
    stores.begin()
    clock.now += DAY / 2
    stores.executions.confirm(JOB.id, EXECUTION, lease=DAY)
    clock.now += DAY - 1
    assert isinstance(stores.jobs.claim(JOB, lease=60), JobStatus)


def test_an_execution_without_a_heartbeat_during_its_lease_loses_the_job(stores: Stores, clock: Clock) -> None:
    stores.begin()
    clock.now += DAY
    assert stores.claim().number == 2
    with pytest.raises(LeaseLostError):
        stores.executions.record_totals(JOB.id, EXECUTION, spans=1, size=1)


def test_a_hand_over_that_was_not_confirmed_is_made_good_by_the_next_attempt(stores: Stores, clock: Clock) -> None:
    stores.executions.hand_over(stores.claim(), EXECUTION, lease=60)
    with pytest.raises(JobInProgressError):
        stores.jobs.claim(JOB, lease=60)
    clock.now += 60
    second = stores.claim()
    assert second.number == 2
    with pytest.raises(LeaseLostError):
        stores.executions.confirm(JOB.id, EXECUTION, lease=DAY)
    stores.executions.hand_over(second, EXECUTION, lease=60)
    stores.executions.confirm(JOB.id, EXECUTION, lease=DAY)
    assert stores.status.state is JobState.EXECUTING


def test_a_hand_over_under_the_same_name_keeps_what_is_counted(stores: Stores, clock: Clock) -> None:
    stores.begin()
    stores.executions.record_totals(JOB.id, EXECUTION, spans=2, size=20)
    stores.executions.record_receipt(JOB.id, EXECUTION, receipt(1))
    clock.now += DAY
    stores.begin()
    assert stores.executions.record_receipt(JOB.id, EXECUTION, receipt(1)) is False
    assert stores.executions.record_receipt(JOB.id, EXECUTION, receipt(2)) is True
    assert (stores.status.spans, stores.status.spans_done) == (2, 2)
    assert stores.status.progress == Progress(20, 200, 14, 2)


def test_another_execution_of_a_job_counts_from_zero(stores: Stores, clock: Clock) -> None:
    stores.begin("first")
    stores.executions.record_totals(JOB.id, "first", spans=3, size=30)
    stores.executions.record_receipt(JOB.id, "first", receipt(1))
    clock.now += DAY
    stores.begin("second")
    assert (stores.status.spans, stores.status.spans_done, stores.status.progress) == (0, 0, Progress())
    assert stores.executions.receipts(JOB.id, "second", [1]) == {}
    stores.executions.record_totals(JOB.id, "second", spans=3, size=30)
    assert stores.executions.record_receipt(JOB.id, "second", receipt(1)) is True
    assert stores.status.progress == Progress(10, 100, 7, 1)


def test_what_is_expected_is_on_record(stores: Stores) -> None:
    stores.begin()
    stores.executions.record_totals(JOB.id, EXECUTION, spans=12, size=4000)
    assert (stores.status.spans, stores.status.size) == (12, 4000)


def test_a_span_counts_once(stores: Stores) -> None:
    stores.begin()
    stores.executions.record_totals(JOB.id, EXECUTION, spans=1, size=10)
    assert stores.executions.record_receipt(JOB.id, EXECUTION, receipt(1)) is True
    assert stores.executions.record_receipt(JOB.id, EXECUTION, replace(receipt(1), seconds=9.0)) is False
    assert stores.status.progress == Progress(10, 100, 7, 1)
    assert stores.status.spans_done == 1


def test_how_far_a_span_is_counts_until_its_receipt_does(stores: Stores) -> None:
    stores.begin()
    stores.executions.record_totals(JOB.id, EXECUTION, spans=2, size=20)
    stores.executions.record_progress(EXECUTION, Stage.DELIVER, 1, Progress(3, 30))
    stores.executions.record_progress(EXECUTION, Stage.DELIVER, 1, Progress(6, 60))
    stores.executions.record_progress(EXECUTION, Stage.DELIVER, 2, Progress(1, 10, 5, 0))
    assert (stores.status.progress, stores.status.spans_done) == (Progress(7, 70, 5), 0)
    stores.executions.record_receipt(JOB.id, EXECUTION, receipt(1))
    # The heartbeat of an attempt that resumes late.
    stores.executions.record_progress(EXECUTION, Stage.DELIVER, 1, Progress(2, 20))
    assert (stores.status.progress, stores.status.spans_done) == (Progress(11, 110, 12, 1), 1)


def test_the_members_of_an_archive_are_counted_while_batches_run_and_at_their_end(stores: Stores) -> None:
    stores.begin()
    stores.executions.record_totals(JOB.id, EXECUTION, spans=2, size=20, members=9)
    assert stores.status.members == MemberCounts(total=9)
    stores.executions.record_progress(EXECUTION, Stage.DELIVER, 1, Progress(3, 30, members=MemberCounts(2, 1)))
    assert stores.status.progress == Progress(3, 30, members=MemberCounts(2, 1, total=9))
    done = SpanReceipt(1, 10, 100, members=3, failed=1, skipped=2, superseded=1)
    stores.executions.record_receipt(JOB.id, EXECUTION, done)
    stores.executions.record_progress(EXECUTION, Stage.DELIVER, 2, Progress(1, 1))
    assert stores.status.progress == Progress(11, 101, members=MemberCounts(3, 1, 2, 1, 9))
    stores.executions.end(JOB.id, EXECUTION, JobState.FAILED, failure=FAILURE)
    assert stores.status.members == MemberCounts(3, 1, 2, 1, 9)
    assert stores.jobs.reopen(stores.status)
    assert stores.status.members == NO_MEMBERS


def test_the_receipt_of_an_archive_has_all_its_members(stores: Stores) -> None:
    stores.begin()
    stores.executions.record_totals(JOB.id, EXECUTION, spans=1, size=20, members=4)
    stores.executions.record_receipt(JOB.id, EXECUTION, SpanReceipt(1, 10, 100, members=4))
    total = Receipt(20, 100, 0, 0, "zip", members=MemberCounts(4, total=4))
    stores.executions.end(JOB.id, EXECUTION, JobState.SUCCEEDED, receipt=total)
    assert stores.status.progress == total.progress


def test_progress_and_receipts_of_workers_are_heartbeats_of_the_job(stores: Stores, clock: Clock) -> None:
    stores.begin()
    stores.executions.record_totals(JOB.id, EXECUTION, spans=2, size=20)
    clock.now += 7
    stores.executions.record_progress(EXECUTION, Stage.DELIVER, 1, Progress(3, 30))
    assert stores.status.updated_at == clock.now
    clock.now += 7
    stores.executions.record_receipt(JOB.id, EXECUTION, receipt(1))
    assert stores.status.updated_at == clock.now


def test_phases_have_their_start_times_and_the_bytes_that_the_index_has_read(stores: Stores, clock: Clock) -> None:
    stores.begin()
    began = clock.now
    stores.executions.start_phase(JOB.id, EXECUTION, Phase.PLAN)
    clock.now += 2
    stores.executions.start_phase(JOB.id, EXECUTION, Phase.SURVEY, units=40)
    clock.now += 3
    stores.executions.start_phase(JOB.id, EXECUTION, Phase.PLAN)
    stores.executions.record_progress(EXECUTION, Stage.READ, 1, Progress(500))
    stores.executions.record_progress(EXECUTION, Stage.READ, 39, Progress(70))
    status = stores.status
    assert (status.phases, status.phase) == (((Phase.PLAN, began), (Phase.SURVEY, began + 2)), Phase.SURVEY)
    assert status.indexed == 570
    # Each byte is read twice, by the survey and by the spans.
    assert status.percent == 100 * 570 / (2 * status.size)


def test_another_execution_has_phases_of_its_own(stores: Stores, clock: Clock) -> None:
    stores.begin("first")
    stores.executions.start_phase(JOB.id, "first", Phase.PLAN)
    stores.executions.start_phase(JOB.id, "first", Phase.INDEX, units=1)
    stores.executions.record_progress("first", Stage.READ, 0, Progress(500))
    clock.now += DAY
    stores.begin("second")
    assert (stores.status.phases, stores.status.indexed) == ((), 0)
    stores.executions.start_phase(JOB.id, "first", Phase.FINISH)
    assert stores.status.phases == ()


def test_a_receipt_comes_back_as_it_was_first_counted(stores: Stores) -> None:
    stores.begin()
    stores.executions.record_receipt(JOB.id, EXECUTION, receipt(3))
    stores.executions.record_receipt(JOB.id, EXECUTION, replace(receipt(3), seconds=9.0))
    assert stores.executions.receipts(JOB.id, EXECUTION, [1, 2, 3]) == {3: receipt(3)}


@pytest.mark.long
def test_receipts_of_any_number_of_spans_are_found(stores: Stores) -> None:
    stores.begin()
    for span in range(1, 231):
        stores.executions.record_receipt(JOB.id, EXECUTION, receipt(span))
    found = stores.executions.receipts(JOB.id, EXECUTION, range(1, 240))
    assert found == {span: receipt(span) for span in range(1, 231)}
    assert stores.executions.receipts(JOB.id, EXECUTION, []) == {}


def test_each_round_sends_every_span_and_counts_from_zero(stores: Stores) -> None:
    stores.begin()
    stores.executions.record_totals(JOB.id, EXECUTION, spans=2, size=20)
    stores.executions.record_receipt(JOB.id, EXECUTION, receipt(1))
    for _ in range(2):
        stores.executions.start_round(JOB.id, EXECUTION, 1)
    assert (stores.status.round, stores.status.spans_done, stores.status.progress) == (1, 0, Progress())
    assert stores.executions.confirm(JOB.id, EXECUTION, lease=DAY) == 1
    assert stores.executions.receipts(JOB.id, EXECUTION, [1, 2], round_=1) == {}
    assert stores.executions.record_receipt(JOB.id, EXECUTION, receipt(1), round_=1) is True
    assert stores.executions.record_receipt(JOB.id, EXECUTION, receipt(1), round_=1) is False
    assert stores.executions.receipts(JOB.id, EXECUTION, [1, 2], round_=1) == {1: receipt(1)}
    stores.executions.start_round(JOB.id, EXECUTION, 1)
    assert stores.status.spans_done == 1


def test_only_the_execution_that_holds_the_job_begins_a_round(stores: Stores) -> None:
    stores.begin()
    with pytest.raises(LeaseLostError):
        stores.executions.start_round(JOB.id, "another", 1)
    stores.executions.revoke(JOB.id, EXECUTION)
    with pytest.raises(LeaseLostError):
        stores.executions.start_round(JOB.id, EXECUTION, 1)


def test_an_execution_that_has_yielded_holds_the_job_no_more(stores: Stores) -> None:
    stores.begin()
    newer = replace(JOB, source=replace(JOB.source, version_id="v2", etag="e2", sequencer="0A0001"))
    stores.jobs.claim(newer, lease=60)
    with pytest.raises(YieldedError) as caught:
        stores.executions.check_order(JOB)
    stores.executions.yield_to(JOB.id, EXECUTION, caught.value)
    assert (stores.status.state, stores.status.yields_to) == (JobState.WAITING, newer.id)
    assert stores.status.attempts_limit - stores.status.attempts == MAX_ATTEMPTS
    assert stores.executions.job_state(JOB.id, EXECUTION) is JobState.WAITING
    with pytest.raises(LeaseLostError):
        stores.executions.confirm(JOB.id, EXECUTION, lease=DAY)
    with pytest.raises(LeaseLostError):
        stores.executions.revoke(JOB.id, EXECUTION)
    with pytest.raises(YieldedError):
        stores.claim()


def test_spans_that_end_at_the_same_time_are_each_counted_once(emulator: Endpoint, clock: Clock) -> None:
    # moto does not check conditions atomically between threads.
    with table_on(emulator) as client:
        store = DynamoExecutionStore(client, "jobs", retention_days=90, clock=clock)
        stores = Stores(DynamoJobStore(client, "jobs", retention_days=90, clock=clock), store)
        stores.begin()
        stores.executions.record_totals(JOB.id, EXECUTION, spans=20, size=200)

        def count(span: int) -> bool:
            return store.record_receipt(JOB.id, EXECUTION, receipt(span))

        with ThreadPoolExecutor(8) as threads:
            counted = list(threads.map(count, [*range(20), *range(20)]))
        assert sum(counted) == 20
        assert stores.status.progress == Progress(200, 2000, 140, 20)
        assert stores.status.spans_done == 20


def test_a_job_is_counted_only_for_the_execution_that_has_it(stores: Stores) -> None:
    stores.begin()
    for call in (
        lambda: stores.executions.confirm(JOB.id, "another", lease=DAY),
        lambda: stores.executions.record_totals(JOB.id, "another", spans=1, size=1),
        lambda: stores.executions.end(JOB.id, "another", JobState.FAILED, failure=FAILURE),
        lambda: stores.executions.job_state(JOB.id, "another"),
        lambda: stores.executions.revoke(JOB.id, "another"),
    ):
        with pytest.raises(LeaseLostError):
            call()
    assert stores.executions.receipts(JOB.id, EXECUTION, [1]) == {}
    assert stores.status.progress == Progress()


def test_a_success_keeps_what_was_delivered(stores: Stores, clock: Clock) -> None:
    stores.begin()
    clock.now += 4
    assert stores.executions.end(JOB.id, EXECUTION, JobState.SUCCEEDED, receipt=RECEIPT) is True
    done = stores.status
    assert (done.state, done.codec, done.parts, done.crc32) == (JobState.SUCCEEDED, "gzip", 2, "deadbeef")
    assert (done.seconds, done.progress.bytes_out, done.failure) == (4.0, 5000, None)


def test_a_job_ends_once(stores: Stores) -> None:
    stores.begin()
    assert stores.executions.end(JOB.id, EXECUTION, JobState.SUCCEEDED, receipt=RECEIPT) is True
    assert stores.executions.end(JOB.id, EXECUTION, JobState.SUCCEEDED, receipt=RECEIPT) is False
    assert stores.executions.end(JOB.id, EXECUTION, JobState.FAILED, failure=FAILURE) is False
    assert stores.status.state is JobState.SUCCEEDED


def test_nothing_of_the_job_changes_after_the_end(stores: Stores) -> None:
    stores.begin()
    stores.executions.record_receipt(JOB.id, EXECUTION, receipt(1))
    stores.executions.end(JOB.id, EXECUTION, JobState.FAILED, failure=FAILURE)
    with pytest.raises(LeaseLostError):
        stores.executions.record_totals(JOB.id, EXECUTION, spans=2, size=20)
    with pytest.raises(LeaseLostError):
        stores.executions.confirm(JOB.id, EXECUTION, lease=DAY)
    assert (stores.status.state, stores.status.failure) == (JobState.FAILED, FAILURE)


def test_a_job_that_an_execution_has_ended_is_never_claimed_again(stores: Stores, clock: Clock) -> None:
    stores.begin()
    stores.executions.end(JOB.id, EXECUTION, JobState.SUPERSEDED, failure=FAILURE)
    clock.now += 10 * DAY
    repeat = stores.jobs.claim(JOB, lease=60)
    assert isinstance(repeat, JobStatus)
    assert repeat.state is JobState.SUPERSEDED


def test_a_job_is_executing_until_it_ends(stores: Stores) -> None:
    stores.begin()
    assert stores.executions.job_state(JOB.id, EXECUTION) is JobState.EXECUTING
    stores.executions.end(JOB.id, EXECUTION, JobState.SUCCEEDED, receipt=RECEIPT)
    assert stores.executions.job_state(JOB.id, EXECUTION) is JobState.SUCCEEDED


def test_a_revoked_job_can_only_be_ended(stores: Stores) -> None:
    stores.begin()
    assert stores.executions.revoke(JOB.id, EXECUTION) is JobState.EXECUTING
    assert stores.executions.job_state(JOB.id, EXECUTION) is JobState.FAILED
    assert stores.status.state is JobState.EXECUTING
    with pytest.raises(LeaseLostError):
        stores.executions.record_totals(JOB.id, EXECUTION, spans=1, size=1)
    with pytest.raises(LeaseLostError):
        stores.executions.confirm(JOB.id, EXECUTION, lease=DAY)
    assert stores.executions.revoke(JOB.id, EXECUTION) is JobState.EXECUTING
    assert stores.executions.end(JOB.id, EXECUTION, JobState.FAILED, failure=FAILURE) is True
    assert stores.executions.end(JOB.id, EXECUTION, JobState.FAILED, failure=FAILURE) is False
    assert stores.executions.revoke(JOB.id, EXECUTION) is JobState.FAILED


def test_to_revoke_a_job_that_has_succeeded_changes_nothing(stores: Stores) -> None:
    stores.begin()
    stores.executions.end(JOB.id, EXECUTION, JobState.SUCCEEDED, receipt=RECEIPT)
    assert stores.executions.revoke(JOB.id, EXECUTION) is JobState.SUCCEEDED
    assert stores.executions.job_state(JOB.id, EXECUTION) is JobState.SUCCEEDED


def test_what_a_step_was_blamed_for_is_kept_with_its_execution(stores: Stores, clock: Clock) -> None:
    stores.begin("first")
    assert stores.executions.recorded_failure(JOB.id, "first") is None
    stores.executions.record_failure(JOB.id, "first", FAILURE)
    assert stores.executions.recorded_failure(JOB.id, "first") == FAILURE
    stores.executions.record_failure(JOB.id, "first", Failure("Later", "m", ""))
    assert stores.executions.recorded_failure(JOB.id, "first") == Failure("Later", "m", "")
    clock.now += DAY
    stores.begin("second")
    assert stores.executions.recorded_failure(JOB.id, "second") is None


class Throttled:
    """A client whose first writes of receipts are refused, and whose batch reads omit items."""

    def __init__(self, client: Any, refusals: int) -> None:
        self._client = client
        self._refusals = refusals

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    def update_item(self, **request: Any) -> Any:
        if request["Key"]["pk"]["S"].startswith("span#"):
            self._refusals -= 1
            if self._refusals >= 0:
                answer: Any = {"Error": {"Code": "ProvisionedThroughputExceededException"}}
                raise ClientError(answer, "UpdateItem")
        return self._client.update_item(**request)

    def batch_get_item(self, RequestItems: Any) -> Any:  # noqa: N803  # boto3's name
        ((table, wanted),) = RequestItems.items()
        some = {table: wanted | {"Keys": wanted["Keys"][:7]}}
        answer = self._client.batch_get_item(RequestItems=some)
        rest = wanted["Keys"][7:]
        return answer | {"UnprocessedKeys": {table: wanted | {"Keys": rest}} if rest else {}}


@pytest.fixture
def met(clock: Clock) -> Iterator[Callable[[int], Stores]]:
    def throttled(refusals: int) -> Stores:
        client: Any = Throttled(boto3.client("dynamodb"), refusals)
        create_table(client)
        store = DynamoExecutionStore(client, "jobs", retention_days=90, clock=clock, sleep=lambda _: None)
        return Stores(DynamoJobStore(client, "jobs", retention_days=90, clock=clock), store)

    with mock_aws():
        yield throttled


def test_a_receipt_that_is_throttled_is_written_all_the_same(met: Callable[[int], Stores]) -> None:
    stores = met(COUNT_ATTEMPTS - 1)
    stores.begin()
    stores.executions.record_totals(JOB.id, EXECUTION, spans=1, size=10)
    assert stores.executions.record_receipt(JOB.id, EXECUTION, receipt(1)) is True
    assert stores.status.spans_done == 1


def test_a_receipt_that_is_throttled_for_too_long_must_be_tried_again(met: Callable[[int], Stores]) -> None:
    stores = met(COUNT_ATTEMPTS)
    stores.begin()
    with pytest.raises(ServiceUnavailableError, match="UpdateItem"):
        stores.executions.record_receipt(JOB.id, EXECUTION, receipt(1))
    assert stores.executions.receipts(JOB.id, EXECUTION, [1]) == {}


def test_receipts_that_dynamodb_omits_are_requested_again(met: Callable[[int], Stores]) -> None:
    stores = met(0)
    stores.begin()
    for span in range(20):
        stores.executions.record_receipt(JOB.id, EXECUTION, receipt(span))
    assert len(stores.executions.receipts(JOB.id, EXECUTION, range(20))) == 20


def test_if_dynamodb_keeps_omitting_receipts_the_error_is_retryable(met: Callable[[int], Stores]) -> None:
    stores = met(0)
    stores.begin()
    with pytest.raises(ServiceUnavailableError, match="items are missing"):
        stores.executions.receipts(JOB.id, EXECUTION, range(7 * ATTEMPTS + 1))


def test_uploads_of_an_execution_are_on_the_record_of_its_job(stores: Stores) -> None:
    stores.begin()
    stores.executions.record_upload(JOB.id, EXECUTION, "u1")
    stores.executions.record_upload(JOB.id, EXECUTION, "u1")
    assert stores.status.uploads == ("u1",)
    with pytest.raises(LeaseLostError):
        stores.executions.record_upload(JOB.id, "another", "u2")
    stores.executions.revoke(JOB.id, EXECUTION)
    with pytest.raises(LeaseLostError):
        stores.executions.record_upload(JOB.id, EXECUTION, "u3")
    assert stores.status.uploads == ("u1",)


def test_an_upload_that_has_ended_is_off_the_record_also_after_the_end(stores: Stores) -> None:
    stores.begin()
    for upload_id in ("u1", "u2"):
        stores.executions.record_upload(JOB.id, EXECUTION, upload_id)
    stores.executions.forget_upload(JOB.id, "u1")
    stores.executions.forget_upload(JOB.id, "unknown")
    stores.executions.end(JOB.id, EXECUTION, JobState.FAILED, failure=FAILURE)
    assert list(stores.status.uploads) == ["u2"]
    stores.executions.forget_upload(JOB.id, "u2")
    assert list(stores.status.uploads) == []


def test_an_upload_of_a_job_without_a_record_makes_none(stores: Stores) -> None:
    stores.executions.forget_upload(JOB.id, "u1")
    assert stores.executions.get(JOB.id) is None


def test_the_attempt_of_a_waiting_job_can_only_end_it(stores: Stores) -> None:
    claim = stores.claim()
    stores.jobs.release(claim, FAILURE)
    with pytest.raises(LeaseLostError):
        stores.executions.record_totals(JOB.id, claim.attempt, spans=1, size=1)
    assert stores.executions.revoke(JOB.id, claim.attempt) is JobState.WAITING
    assert stores.executions.end(JOB.id, claim.attempt, JobState.FAILED, failure=FAILURE)
    assert stores.status.state is JobState.FAILED
