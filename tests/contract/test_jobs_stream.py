"""The stream of the jobs table: which writes of the stores end a job, and what they tell of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pytest

from penstock.aws.backoff import Backoff
from penstock.aws.jobs_table.execution_store import DynamoExecutionStore
from penstock.aws.jobs_table.items import JobsTable
from penstock.aws.jobs_table.job_store import DynamoJobStore
from penstock.aws.jobs_table.span_progress import SpanProgress
from penstock.aws.jobs_table.stream import read_changes
from penstock.aws.jobs_table.time_index import table_schema
from penstock.errors import InvalidEventError
from penstock.jobs.announce.announcement import detail_of
from penstock.model.job import Claim, Failure, Job, Receipt
from penstock.model.job_change import JobChange
from penstock.model.job_status import JobState, JobStatus
from penstock.model.object import Source, Target
from penstock.model.route import Route
from penstock.model.span import SpanReceipt
from penstock_local.account import Account, emulator_only

SOURCE = Source("drops", "in/a.csv.gz", size=1000, etag="e1", version_id="v1", sequencer="0A00")
JOB = Job(SOURCE, Route("decompress", ("*.gz",), "s3://lake/{stem}"), Target("lake", "in/a.csv"))
FAILURE = Failure("TruncatedSourceError", "cut short", "send it again")
RECEIPT = Receipt(1000, 5000, crc32=0xBEEF, parts=2, codec="gzip", etag="x", version_id="v7", rows=3)
STREAM = {"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"}


@dataclass
class Table:
    """The jobs table with its stream."""

    client: Any
    streams: Any
    now: float = 1_795_249_800.0

    def __post_init__(self) -> None:
        schema: Any = table_schema()
        created = self.client.create_table(TableName="jobs", **schema, StreamSpecification=STREAM)
        self.arn = created["TableDescription"]["LatestStreamArn"]
        self.jobs = DynamoJobStore(self.client, "jobs", retention_days=90, clock=lambda: self.now)
        self.executions = DynamoExecutionStore(self.client, "jobs", retention_days=90, clock=lambda: self.now)

    def changes(self) -> Sequence[JobChange]:
        """All writes so far, as Lambda passes them."""
        (shard,) = self.streams.describe_stream(StreamArn=self.arn)["StreamDescription"]["Shards"]
        first = self.streams.get_shard_iterator(
            StreamArn=self.arn, ShardId=shard["ShardId"], ShardIteratorType="TRIM_HORIZON"
        )
        records = self.streams.get_records(ShardIterator=first["ShardIterator"])["Records"]
        return read_changes({"Records": [{**one, "eventSource": "aws:dynamodb"} for one in records]})

    def ended(self) -> list[JobStatus]:
        return [change.ended for change in self.changes() if change.ended]

    def claim(self) -> Claim:
        claim = self.jobs.claim(JOB, lease=60)
        assert isinstance(claim, Claim)
        return claim

    def hand_over(self, execution: str) -> None:
        self.executions.hand_over(self.claim(), execution, lease=60)
        self.executions.confirm(JOB.id, execution, lease=60)
        self.executions.record_totals(JOB.id, execution, spans=2, size=1000)


@pytest.fixture(scope="module")
def account() -> Iterator[Account]:
    with emulator_only() as account:
        yield account


@pytest.fixture
def table(account: Account) -> Iterator[Table]:
    client = account.client("dynamodb")
    yield Table(client, account.client("dynamodbstreams"))
    client.delete_table(TableName="jobs")


def test_a_job_ends_once_and_what_was_delivered_is_told(table: Table) -> None:
    table.jobs.close(table.claim(), JobState.SUCCEEDED, receipt=RECEIPT)
    (ended,) = table.ended()
    detail: Any = detail_of(ended)
    assert (detail["job"], detail["key"], detail["version_id"]) == (JOB.id, "in/a.csv.gz", "v1")
    assert detail["receipt"] == {
        "bytes_in": 1000, "bytes_out": 5000, "crc32": 0xBEEF, "parts": 2, "codec": "gzip", "etag": "x",
        "version_id": "v7", "warnings": [], "rows": 3, "rejects": 0, "dropped": 0,
    }  # fmt: skip


def test_small_objects_of_a_batch_end_with_their_first_write(table: Table) -> None:
    others = [replace(JOB, source=replace(SOURCE, key=f"in/{number}.gz")) for number in range(3)]
    table.jobs.record_many([(job, RECEIPT) for job in others], seconds=1.0)
    assert sorted(ended.source for ended in table.ended()) == [job.source.uri for job in others]


def test_neither_a_note_on_an_ended_job_nor_its_expiry_is_an_end(table: Table) -> None:
    table.jobs.close(table.claim(), JobState.SUCCEEDED, receipt=RECEIPT)
    key = {"pk": {"S": f"job#{JOB.id}"}}
    note = {":n": {"S": "archive/in/a.csv.gz"}}
    table.client.update_item(
        TableName="jobs", Key=key, UpdateExpression="SET moved = :n", ExpressionAttributeValues=note
    )
    table.client.delete_item(TableName="jobs", Key=key)
    assert len(table.ended()) == 1
    assert len(table.changes()) > 3


def test_a_job_that_is_redriven_ends_again_and_keeps_no_failure(table: Table) -> None:
    table.jobs.close(table.claim(), JobState.FAILED, failure=FAILURE)
    failed = table.jobs.get(JOB.id)
    assert failed
    assert table.jobs.reopen(failed)
    table.now += 100
    table.jobs.close(table.claim(), JobState.SUCCEEDED, receipt=RECEIPT)
    first, second = table.ended()
    assert (first.state, first.failure) == (JobState.FAILED, FAILURE)
    assert (second.state, second.redrives, second.attempts) == (JobState.SUCCEEDED, 1, 2)
    item = table.client.get_item(TableName="jobs", Key={"pk": {"S": f"job#{JOB.id}"}})["Item"]
    assert "failure" not in item


def test_an_execution_that_succeeds_keeps_no_failure_of_an_earlier_one(table: Table) -> None:
    table.hand_over(JOB.id)
    table.executions.end(JOB.id, JOB.id, JobState.FAILED, failure=FAILURE)
    failed = table.jobs.get(JOB.id)
    assert failed
    assert table.jobs.reopen(failed)
    table.hand_over("second")
    table.executions.end(JOB.id, "second", JobState.SUCCEEDED, receipt=RECEIPT)
    assert [ended.state for ended in table.ended()] == [JobState.FAILED, JobState.SUCCEEDED]
    item = table.client.get_item(TableName="jobs", Key={"pk": {"S": f"job#{JOB.id}"}})["Item"]
    assert "failure" not in item


def test_what_the_spans_of_a_failed_job_delivered_is_read_from_their_items(table: Table) -> None:
    table.hand_over(JOB.id)
    table.executions.record_receipt(JOB.id, JOB.id, SpanReceipt(1, 400, 900, rows=7, rejects=2))
    table.executions.end(JOB.id, JOB.id, JobState.FAILED, failure=FAILURE)
    (ended,) = table.ended()
    items = JobsTable(table.client, "jobs", retention_days=90)
    completed = SpanProgress(items, Backoff(), lambda _: None).added_to(ended)
    assert (ended.progress.rows, completed.progress.rows, completed.progress.rejects) == (0, 7, 2)


def test_a_source_without_a_route_and_other_items_are_no_ends(table: Table) -> None:
    table.jobs.skip(SOURCE)
    table.claim()
    assert table.ended() == []


@pytest.mark.parametrize("event", [{}, {"Records": [{"eventSource": "aws:s3"}]}, {"Records": "x"}])
def test_an_event_of_another_source_is_refused(event: Any) -> None:
    with pytest.raises(InvalidEventError):
        read_changes(event)


@pytest.mark.parametrize(
    "image", [{"state": {"S": "unheard of"}}, {"state": {"B": "eA=="}}, {"size": {"N": "1"}}, {"state": "succeeded"}]
)
def test_a_record_that_cannot_be_read_says_which(image: Any) -> None:
    key = {"pk": {"S": "job#1"}}
    record = {"eventSource": "aws:dynamodb", "dynamodb": {"SequenceNumber": "17", "Keys": key, "NewImage": image}}
    (change,) = read_changes({"Records": [record]})
    assert change.ended is None
    assert change.problem
    assert "record 17" in str(change.problem)
