"""Subscribers of a deployed stack see one event of each job that ends, and each end of a job that is redriven."""

from __future__ import annotations

import gzip
import io
import json
import random
import time
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from penstock_local.access import decisions
from penstock_local.deploy import STACK_NAME
from penstock_local.stack import Stack
from stack_jobs import command, job_of, upload

WAIT_SECONDS = 60.0
TOPIC = "arn:aws:sns:us-east-1:000000000000:ended-jobs"
ROLE = "AnnounceRole"


@dataclass
class Subscriber:
    """A queue, and what has arrived in it."""

    stack: Stack
    name: str
    found: list[dict[str, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.sqs = self.stack.client("sqs")
        self.url = self.sqs.create_queue(QueueName=self.name)["QueueUrl"]
        self.arn = f"arn:aws:sqs:us-east-1:000000000000:{self.name}"

    def allow(self, service: str, source: str) -> None:
        """Let a rule or a topic send to the queue."""
        statement = {
            "Effect": "Allow", "Principal": {"Service": service}, "Action": "sqs:SendMessage", "Resource": self.arn,
            "Condition": {"ArnEquals": {"aws:SourceArn": source}},
        }  # fmt: skip
        policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        self.sqs.set_queue_attributes(QueueUrl=self.url, Attributes={"Policy": policy})

    def of(self, job: str, count: int = 1) -> Sequence[dict[str, Any]]:
        """What arrived about a job: so many, and no more."""
        mine = self.at_least(job, count)
        assert len(mine) == count, (job, mine)
        return mine

    def at_least(self, job: str, count: int = 1) -> Sequence[dict[str, Any]]:
        """What arrived about a job, once there are so many, and a moment later."""
        deadline = time.monotonic() + WAIT_SECONDS
        while len(self._about(job)) < count and time.monotonic() < deadline:
            self._receive(1)
        self._receive(0)
        return self._about(job)

    def _about(self, job: str) -> list[dict[str, Any]]:
        return [one for one in self.found if detail_of(one)["job"] == job]

    def _receive(self, seconds: int) -> None:
        answer = self.sqs.receive_message(QueueUrl=self.url, MaxNumberOfMessages=10, WaitTimeSeconds=seconds)
        for message in answer.get("Messages", ()):
            self.sqs.delete_message(QueueUrl=self.url, ReceiptHandle=message["ReceiptHandle"])
            self.found.append(json.loads(message["Body"]))


def detail_of(message: dict[str, Any]) -> dict[str, Any]:
    """The detail of an event, or of a topic's message."""
    detail: dict[str, Any] = message["detail"] if "detail" in message else json.loads(message["Message"])
    return detail


@pytest.fixture(scope="module")
def bus(stack: Stack) -> Subscriber:
    """A queue behind a rule of EventBridge."""
    subscriber = Subscriber(stack, "told-by-rule")
    events = stack.client("events")
    rule = events.put_rule(Name="ended-jobs", EventPattern=json.dumps({"source": ["penstock"]}))["RuleArn"]
    subscriber.allow("events.amazonaws.com", rule)
    events.put_targets(Rule="ended-jobs", Targets=[{"Id": "queue", "Arn": subscriber.arn}])
    return subscriber


@pytest.fixture(scope="module")
def topic(stack: Stack) -> Subscriber:
    """A queue that is subscribed to failures on the topic."""
    subscriber = Subscriber(stack, "told-by-topic")
    subscriber.allow("sns.amazonaws.com", TOPIC)
    stack.client("sns").subscribe(
        TopicArn=TOPIC, Protocol="sqs", Endpoint=subscriber.arn,
        Attributes={"FilterPolicy": json.dumps({"state": ["failed"], "route": [{"anything-but": "copy"}]})},
    )  # fmt: skip
    return subscriber


def id_of(item: dict[str, Any]) -> str:
    return str(item["pk"]["S"].removeprefix("job#"))


def test_a_small_object_is_announced_once(stack: Stack, bus: Subscriber, topic: Subscriber) -> None:
    item = upload(stack, "told.csv", b"id\n1\n")
    (event,) = bus.of(id_of(item))
    detail = event["detail"]
    assert (event["source"], event["detail-type"]) == ("penstock", "Penstock Job Succeeded")
    assert detail["stack"] == STACK_NAME
    assert (detail["key"], detail["route"], detail["state"], detail["attempt"]) == ("told.csv", "copy", "succeeded", 1)
    head = stack.client("s3").head_object(Bucket=stack.destination_bucket, Key="told.csv")
    assert (f'"{detail["receipt"]["etag"]}"', detail["receipt"]["bytes_out"]) == (head["ETag"], 5)
    assert topic.of(id_of(item), 0) == []


@pytest.mark.long
def test_a_burst_is_announced_object_by_object(stack: Stack, bus: Subscriber) -> None:
    keys = [f"told-burst-{number}.csv" for number in range(15)]
    for key in keys:
        stack.client("s3").put_object(Bucket=stack.source_bucket, Key=key, Body=key.encode())
    for key in keys:
        (event,) = bus.of(id_of(job_of(stack, key)))
        assert event["detail"]["key"] == key


@pytest.mark.long
def test_a_large_object_is_announced_by_no_step_of_its_execution(stack: Stack, bus: Subscriber) -> None:
    draw = random.Random(5)
    text = b"".join(b"%d,%x\n" % (number, draw.getrandbits(800)) for number in range(70_000))
    stack.client("s3").put_object(Bucket=stack.source_bucket, Key="told-large.csv.gz", Body=gzip.compress(text, 1))
    item = job_of(stack, "told-large.csv.gz")
    (event,) = bus.of(id_of(item))
    assert event["detail-type"] == "Penstock Job Succeeded"
    assert event["detail"]["execution"] == id_of(item)
    assert event["detail"]["receipt"]["bytes_out"] == len(text)


def test_a_failed_job_is_announced_with_its_reason_at_each_end(
    stack: Stack, bus: Subscriber, topic: Subscriber
) -> None:
    item = upload(stack, "forbidden/told.csv", b"id\n1\n")
    (event,), (message,) = bus.of(id_of(item)), topic.of(id_of(item))
    assert event["detail-type"] == "Penstock Job Failed"
    assert event["detail"]["failure"]["error"] == "DestinationMissingError"
    assert (message["Subject"], json.loads(message["Message"])) == (
        f"Penstock job failed: s3://{stack.source_bucket}/forbidden/told.csv"[:99],
        event["detail"],
    )
    assert message["MessageAttributes"]["route"]["Value"] == "forbidden"
    command(stack, "redrive", id_of(item))
    first, second = bus.of(id_of(item), 2)
    assert [one["detail"]["redrives"] for one in (first, second)] == [0, 1]
    assert first["detail"]["finished_at"] < second["detail"]["finished_at"]
    assert len(topic.of(id_of(item), 2)) == 2


def test_an_archive_is_announced_once_with_counts_of_its_members(stack: Stack, bus: Subscriber) -> None:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as packed:
        for number in range(3):
            packed.writestr(f"{number}.txt", b"x" * 100)
    item = upload(stack, "told.zip", file.getvalue())
    (event,) = bus.of(id_of(item))
    assert event["detail"]["members"] == {"delivered": 3, "failed": 0, "skipped": 0, "superseded": 0, "total": 3}
    assert not [one for one in bus.found if "/told.zip/" in one["detail"]["source"]]


@pytest.mark.long
def test_a_topic_that_is_gone_for_a_while_loses_no_message_and_what_is_repeated_can_be_told(
    stack: Stack, bus: Subscriber
) -> None:
    """The emulator starts a new environment after an error, which does not know what the first one has sent."""
    sns = stack.client("sns")
    sns.delete_topic(TopicArn=TOPIC)
    item = upload(stack, "forbidden/untold.csv", b"id\n3\n")
    deadline = time.monotonic() + WAIT_SECONDS
    while last_result(stack) != "FAILED" and time.monotonic() < deadline:
        time.sleep(0.1)
    assert last_result(stack) == "FAILED"
    again = Subscriber(stack, "told-again")
    again.allow("sns.amazonaws.com", TOPIC)
    sns.create_topic(Name="ended-jobs")
    sns.subscribe(TopicArn=TOPIC, Protocol="sqs", Endpoint=again.arn)
    (message,) = again.of(id_of(item))
    (once,) = {identity(one) for one in bus.at_least(id_of(item))}
    assert once == identity(message)
    dead = stack.client("sqs").receive_message(QueueUrl=stack.dead_letter_queue_url, MaxNumberOfMessages=10)
    assert not [one for one in dead.get("Messages", ()) if "DDBStreamBatchInfo" in one["Body"]]


def identity(message: dict[str, Any]) -> tuple[Any, ...]:
    """What two announcements of one end have in common, and those of two ends have not."""
    detail = detail_of(message)
    return detail["job"], detail["attempt"], detail["finished_at"]


def last_result(stack: Stack) -> str:
    """What became of the last batch of `announce`."""
    found = stack.client("lambda").list_event_source_mappings()["EventSourceMappings"]
    (mapping,) = [one for one in found if one["FunctionArn"].endswith("-announce")]
    return str(mapping["LastProcessingResult"])


def test_the_role_was_refused_nothing_and_read_the_stream(stack: Stack, bus: Subscriber) -> None:
    upload(stack, "told-last.csv", b"id\n2\n")
    mine = [one for one in decisions(stack) if ROLE in one.role]
    assert [str(one) for one in mine if not one.allowed] == []
    assert {one.action for one in mine} >= {
        "dynamodb:DescribeStream", "dynamodb:GetRecords", "dynamodb:GetShardIterator", "dynamodb:ListStreams",
        "events:PutEvents", "sns:Publish",
    }  # fmt: skip
