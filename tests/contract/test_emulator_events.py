"""Notifications of the emulator's buckets, by every way to a queue. Each name says how AWS behaves."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest

from penstock_local.account import Account, emulator_only

QUEUE = "arn:aws:sqs:us-east-1:000000000000:events"
RULE = "arn:aws:events:us-east-1:000000000000:rule/new-objects"
PATTERN = {"source": ["aws.s3"], "detail-type": ["Object Created"], "detail": {"bucket": {"name": ["heard"]}}}


@pytest.fixture(scope="module")
def account() -> Iterator[Account]:
    with emulator_only() as account:
        s3, events = account.client("s3"), account.client("events")
        s3.create_bucket(Bucket="heard")
        s3.put_bucket_versioning(Bucket="heard", VersioningConfiguration={"Status": "Enabled"})
        account.client("sqs").create_queue(QueueName="events")
        events.put_rule(Name="new-objects", EventPattern=json.dumps(PATTERN))
        events.put_targets(Rule="new-objects", Targets=[{"Id": "queue", "Arn": QUEUE}])
        notify(account, {"EventBridgeConfiguration": {}})
        yield account


def notify(account: Account, configuration: Any) -> None:
    account.client("s3").put_bucket_notification_configuration(Bucket="heard", NotificationConfiguration=configuration)


def allow(account: Account, service: str, source: str) -> None:
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": service},
        "Action": "sqs:SendMessage",
        "Resource": QUEUE,
        "Condition": {"ArnEquals": {"aws:SourceArn": source}},
    }
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    sqs = account.client("sqs")
    url = sqs.get_queue_url(QueueName="events")["QueueUrl"]
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": policy})


def received(account: Account, seconds: float = 5.0) -> list[Any]:
    sqs = account.client("sqs")
    url = sqs.get_queue_url(QueueName="events")["QueueUrl"]
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if messages := sqs.receive_message(QueueUrl=url).get("Messages"):
            for message in messages:
                sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
            return [json.loads(message["Body"]) for message in messages]
        time.sleep(0.1)
    return []


def test_an_event_for_eventbridge_names_the_version(account: Account) -> None:
    allow(account, "events.amazonaws.com", RULE)
    version = account.client("s3").put_object(Bucket="heard", Key="a+b c", Body=b"1")["VersionId"]
    (event,) = received(account)
    assert event["detail"]["object"]["version-id"] == version
    assert event["detail"]["object"]["key"] == "a+b c"


@pytest.mark.parametrize(("service", "source"), [("events.amazonaws.com", f"{RULE}-2"), ("sns.amazonaws.com", RULE)])
def test_a_rule_that_the_policy_of_the_queue_does_not_allow_sends_nothing(
    account: Account, service: str, source: str
) -> None:
    allow(account, service, source)
    account.client("s3").put_object(Bucket="heard", Key="k", Body=b"1")
    assert received(account, seconds=1.0) == []


def test_an_upload_has_the_same_version_etag_and_sequencer_by_every_way(account: Account) -> None:
    """https://docs.aws.amazon.com/AmazonS3/latest/userguide/ev-events.html"""
    allow(account, "events.amazonaws.com", RULE)
    s3, sqs = account.client("s3"), account.client("sqs")
    direct = sqs.create_queue(QueueName="direct")["QueueUrl"]
    arn = QUEUE.replace(":events", ":direct")
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": "s3.amazonaws.com"},
        "Action": "sqs:SendMessage",
        "Resource": arn,
        "Condition": {"ArnLike": {"aws:SourceArn": "arn:*:s3:::heard"}},
    }
    sqs.set_queue_attributes(
        QueueUrl=direct, Attributes={"Policy": json.dumps({"Version": "2012-10-17", "Statement": [statement]})}
    )
    queues = [{"QueueArn": arn, "Events": ["s3:ObjectCreated:*"]}]
    notify(account, {"EventBridgeConfiguration": {}, "QueueConfigurations": queues})
    sqs.receive_message(QueueUrl=direct)  # the test event
    s3.put_object(Bucket="heard", Key="k", Body=b"2")
    (message,) = sqs.receive_message(QueueUrl=direct, WaitTimeSeconds=5)["Messages"]
    ours = json.loads(message["Body"])["Records"][0]["s3"]["object"]
    (event,) = received(account)
    theirs = event["detail"]["object"]
    assert [ours[name] for name in ("versionId", "eTag", "sequencer", "size")] == [
        theirs[name] for name in ("version-id", "etag", "sequencer", "size")
    ]
