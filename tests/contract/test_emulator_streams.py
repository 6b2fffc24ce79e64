"""The patch of the emulator for event source mappings of DynamoDB streams, on the running emulator."""

from __future__ import annotations

import io
import json
import time
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from penstock_local.account import Account, emulator_only

TRUST = {
    "Version": "2012-10-17",
    "Statement": [
        {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"},
    ],
}
# Sends the keys of each batch to a queue. An item says what becomes of its batch.
CODE = """
import boto3, json, os

def handler(event, context):
    changes = [one["dynamodb"] for one in event["Records"]]
    items = [(one["Keys"]["pk"]["S"], one.get("NewImage", {}), one["SequenceNumber"]) for one in changes]
    boto3.client("sqs").send_message(QueueUrl=os.environ["SEEN"], MessageBody=json.dumps([key for key, _, _ in items]))
    if any("raises" in item for _, item, _ in items):
        raise ValueError("bad item")
    return {"batchItemFailures": [{"itemIdentifier": number} for _, item, number in items if "fails" in item]}
"""
READS = ["dynamodb:DescribeStream", "dynamodb:GetRecords", "dynamodb:GetShardIterator", "dynamodb:ListStreams"]
FILTER = {"Filters": [{"Pattern": json.dumps({"dynamodb": {"NewImage": {"seen": {"S": ["yes"]}}}})}]}


@pytest.fixture(scope="module")
def account() -> Iterator[Account]:
    with emulator_only() as account:
        yield account


@dataclass(frozen=True)
class Mapped:
    """A table with a stream, a function that reads it, and two queues: batches that it saw, and discarded ones."""

    account: Account
    name: str

    def make(self, *, without: str = "", **settings: Any) -> None:
        dynamodb = self.account.client("dynamodb")
        table = dynamodb.create_table(
            TableName=self.name, BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
            KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
            StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"},
        )["TableDescription"]  # fmt: skip
        seen, dead = (self._queue(kind) for kind in ("seen", "dead"))
        rights = [
            {
                "Effect": "Allow",
                "Action": [one for one in READS if one != without],
                "Resource": table["LatestStreamArn"],
            },
            {
                "Effect": "Allow",
                "Action": "sqs:SendMessage",
                "Resource": [seen, *([] if without == "bury" else [dead])],
            },
        ]
        iam, functions = self.account.client("iam"), self.account.client("lambda")
        role = iam.create_role(RoleName=self.name, AssumeRolePolicyDocument=json.dumps(TRUST))["Role"]["Arn"]
        policy = json.dumps({"Version": "2012-10-17", "Statement": rights})
        iam.put_role_policy(RoleName=self.name, PolicyName="all", PolicyDocument=policy)
        archive = io.BytesIO()
        with zipfile.ZipFile(archive, "w") as file:
            file.writestr("app.py", CODE)
        functions.create_function(
            FunctionName=self.name, Runtime="python3.11", Handler="app.handler", Role=role, Timeout=10,
            Code={"ZipFile": archive.getvalue()}, Environment={"Variables": {"SEEN": self.url("seen")}},
        )  # fmt: skip
        functions.create_event_source_mapping(
            FunctionName=self.name, EventSourceArn=table["LatestStreamArn"], StartingPosition="TRIM_HORIZON",
            FunctionResponseTypes=["ReportBatchItemFailures"], FilterCriteria=FILTER,
            DestinationConfig={"OnFailure": {"Destination": dead}}, **settings,
        )  # fmt: skip

    def write(self, *items: dict[str, str]) -> None:
        """In one transaction, so that they are in one batch."""
        puts = [
            {
                "Put": {
                    "TableName": self.name,
                    "Item": {name: {"S": text} for name, text in ({"seen": "yes"} | item).items()},
                }
            }
            for item in items
        ]
        self.account.client("dynamodb").transact_write_items(TransactItems=puts)

    def take(self, kind: str, enough: Callable[[list[Any]], bool], seconds: float = 20.0) -> list[Any]:
        """The messages of a queue, once they are enough."""
        found: list[Any] = []
        deadline = time.monotonic() + seconds
        while not enough(found) and time.monotonic() < deadline:
            answer = self.account.client("sqs").receive_message(
                QueueUrl=self.url(kind), MaxNumberOfMessages=10, WaitTimeSeconds=1
            )
            for message in answer.get("Messages", ()):
                self.account.client("sqs").delete_message(
                    QueueUrl=self.url(kind), ReceiptHandle=message["ReceiptHandle"]
                )
                found.append(json.loads(message["Body"]))
        return found

    def url(self, kind: str) -> str:
        return f"{self.account.endpoint}/000000000000/{self.name}-{kind}"

    def result(self) -> str:
        (mapping,) = self.account.client("lambda").list_event_source_mappings(FunctionName=self.name)[
            "EventSourceMappings"
        ]
        return str(mapping["LastProcessingResult"])

    def _queue(self, kind: str) -> str:
        self.account.client("sqs").create_queue(QueueName=f"{self.name}-{kind}")
        return f"arn:aws:sqs:us-east-1:000000000000:{self.name}-{kind}"


def test_what_a_filter_lets_through_arrives_and_the_rest_does_not(account: Account) -> None:
    mapped = Mapped(account, "filtered")
    mapped.make()
    mapped.write({"pk": "a"}, {"pk": "b", "seen": "no"}, {"pk": "c"})
    assert mapped.take("seen", lambda found: sum(map(len, found)) >= 2) in ([["a", "c"]], [["a"], ["c"]])


@pytest.mark.parametrize("right", READS)
def test_without_a_right_on_the_stream_nothing_is_read(account: Account, right: str) -> None:
    mapped = Mapped(account, f"without-{right.partition(':')[2].lower()}")
    mapped.make(without=right)
    mapped.write({"pk": "a"})
    deadline = time.monotonic() + 20
    while right not in mapped.result() and time.monotonic() < deadline:
        time.sleep(0.1)
    assert mapped.result().startswith("PROBLEM")
    assert mapped.take("seen", bool, seconds=0.1) == []


def test_a_partial_response_retries_from_its_first_record_and_then_the_shard_moves_on(account: Account) -> None:
    mapped = Mapped(account, "partial")
    mapped.make(MaximumRetryAttempts=1)
    mapped.write({"pk": "a"}, {"pk": "b", "fails": "always"})
    (letter,) = mapped.take("dead", bool)
    assert letter["requestContext"]["condition"] == "RetryAttemptsExhausted"
    assert letter["DDBStreamBatchInfo"]["batchSize"] == 1
    assert set(letter) >= {"version", "timestamp", "responseContext"}
    assert "Records" not in letter
    mapped.write({"pk": "c"})
    seen = mapped.take("seen", lambda found: ["c"] in found)
    assert seen.count(["c"]) == 1
    assert sum("a" in batch for batch in seen) == 1
    assert sum("b" in batch for batch in seen) >= 2


def test_an_error_splits_a_batch_and_the_good_half_arrives(account: Account) -> None:
    mapped = Mapped(account, "split")
    mapped.make(MaximumRetryAttempts=0, BisectBatchOnFunctionError=True)
    mapped.write({"pk": "a"}, {"pk": "b", "raises": "always"})
    (letter,) = mapped.take("dead", bool)
    assert letter["DDBStreamBatchInfo"]["batchSize"] == 1
    assert ["a"] in mapped.take("seen", lambda found: ["a"] in found)


def test_without_the_right_to_send_nothing_is_buried(account: Account) -> None:
    mapped = Mapped(account, "unburied")
    mapped.make(without="bury", MaximumRetryAttempts=0)
    mapped.write({"pk": "a", "raises": "always"})
    mapped.write({"pk": "b"})
    assert mapped.take("seen", lambda found: ["b"] in found)
    assert mapped.take("dead", bool, seconds=0.1) == []
