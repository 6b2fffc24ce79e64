"""Buckets that exist already, by every way in which their events reach the queue, under the roles of the stack."""

from __future__ import annotations

import gzip
import json
from dataclasses import replace
from typing import Any

import pytest

from penstock.jobs.events import notification
from penstock.model.object import Source
from penstock_local.deploy import STACK_NAME
from penstock_local.polling import poll
from penstock_local.stack import Stack, function_logs
from stack_jobs import WAIT_SECONDS, job_of, upload

ROW = b"A-1,Source2,3,2023-01-01 00:00:00,Right lane blocked due to accident.\n"
CREATED = ["s3:ObjectCreated:*"]
DESTINATION = "existing-lake"


def queue_arn(stack: Stack) -> str:
    (described,) = stack.client("cloudformation").describe_stacks(StackName=STACK_NAME)["Stacks"]
    return str(next(one["OutputValue"] for one in described["Outputs"] if one["OutputKey"] == "QueueArn"))


def notify(stack: Stack, bucket: str, configuration: dict[str, Any]) -> Stack:
    """Configure the notifications of a bucket, and return the stack with that bucket as its source."""
    stack.client("s3").put_bucket_notification_configuration(Bucket=bucket, NotificationConfiguration=configuration)
    return replace(stack, source_bucket=bucket)


def by_queue(stack: Stack, bucket: str) -> dict[str, Any]:
    return {"QueueConfigurations": [{"QueueArn": queue_arn(stack), "Events": CREATED}]}


def by_topic(stack: Stack, bucket: str) -> dict[str, Any]:
    sns, name = stack.client("sns"), "existing-raw" if bucket == "existing-raw" else "existing"
    topic = sns.create_topic(Name=name)["TopicArn"]
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": "s3.amazonaws.com"},
        "Action": "sns:Publish",
        "Resource": topic,
        "Condition": {"ArnLike": {"aws:SourceArn": f"arn:aws:s3:::{bucket}"}},
    }
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    sns.set_topic_attributes(TopicArn=topic, AttributeName="Policy", AttributeValue=policy)
    raw = {"RawMessageDelivery": "true"} if name == "existing-raw" else {}
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=queue_arn(stack), Attributes=raw)
    return {"TopicConfigurations": [{"TopicArn": topic, "Events": CREATED}]}


def by_rule(stack: Stack, bucket: str) -> dict[str, Any]:  # as the others
    return {"EventBridgeConfiguration": {}}


def delivered(stack: Stack, key: str) -> bytes:
    body: bytes = stack.client("s3").get_object(Bucket=DESTINATION, Key=key)["Body"].read()
    return body


@pytest.mark.parametrize(
    ("bucket", "way"),
    [
        ("existing-queue", by_queue),
        ("existing-topic", by_topic),
        ("existing-raw", by_topic),
        ("existing-rule", by_rule),
    ],
)
def test_an_object_of_an_existing_bucket_is_delivered_into_an_existing_bucket(
    stack: Stack, bucket: str, way: Any
) -> None:
    existing = notify(stack, bucket, way(stack, bucket))
    job = upload(existing, f"existing/a+b of {bucket}.csv.gz", gzip.compress(ROW))
    assert (job["state"]["S"], job["target"]["S"]) == ("succeeded", f"s3://{DESTINATION}/existing/a+b of {bucket}.csv")
    assert delivered(stack, f"existing/a+b of {bucket}.csv") == ROW


def invocations_about(stack: Stack, key: str) -> set[str]:
    """The ids of the invocations of `ingest` that have written about an object."""
    lines = [line.text for line in function_logs(stack) if line.function == "ingest" and key in line.text]
    return {json.loads(line)["function_request_id"] for line in lines if line.startswith("{")}


def test_an_upload_that_is_heard_twice_is_one_job(stack: Stack) -> None:
    s3 = stack.client("s3")
    s3.put_bucket_versioning(Bucket="existing-twice", VersioningConfiguration={"Status": "Enabled"})
    ways = {**by_queue(stack, "existing-twice"), **by_rule(stack, "existing-twice")}
    existing = notify(stack, "existing-twice", ways)
    job = upload(existing, "existing/twice.csv.gz", gzip.compress(ROW))
    # The second event finds the job done, or at work: then its message returns to the queue for a minute.
    assert poll(lambda: len(invocations_about(stack, "existing/twice.csv.gz")) > 1, seconds=WAIT_SECONDS, every=0.2)
    jobs = [
        one
        for one in stack.client("dynamodb").scan(TableName=stack.jobs_table)["Items"]
        if one.get("source", {}).get("S") == "s3://existing-twice/existing/twice.csv.gz"
    ]
    assert [one["pk"] for one in jobs] == [job["pk"]]
    assert job["state"]["S"] == "succeeded"


@pytest.mark.long
def test_a_large_object_passes_between_existing_buckets(stack: Stack) -> None:
    existing = notify(stack, "existing-queue", by_queue(stack, "existing-queue"))
    plain = ROW * 400_000
    job = upload(existing, "existing/large.csv.gz", gzip.compress(plain, 0))
    assert (job["state"]["S"], "execution" in job) == ("succeeded", True)
    assert delivered(stack, "existing/large.csv") == plain


def test_an_event_of_a_bucket_that_the_stack_does_not_list_fails_and_names_the_parameter(stack: Stack) -> None:
    s3 = stack.client("s3")
    s3.create_bucket(Bucket="not-listed")
    etag = s3.put_object(Bucket="not-listed", Key="existing/a.csv", Body=ROW)["ETag"].strip('"')
    message = notification(Source("not-listed", "existing/a.csv", len(ROW), etag))
    stack.client("sqs").send_message(QueueUrl=stack.queue_url, MessageBody=message)
    job = job_of(replace(stack, source_bucket="not-listed"), "existing/a.csv")
    failure = {name: value["S"] for name, value in job["failure"]["M"].items()}
    assert (job["state"]["S"], failure["error"]) == ("failed", "AccessDeniedError")
    assert failure["hint"] == "Add not-listed to the parameter SourceBucketNames of the stack, and deploy it."


def test_a_bucket_that_the_stack_does_not_list_cannot_notify_the_queue(stack: Stack) -> None:
    s3 = stack.client("s3")
    s3.create_bucket(Bucket="not-heard")
    with pytest.raises(s3.exceptions.ClientError) as refused:
        notify(stack, "not-heard", by_queue(stack, "not-heard"))
    assert refused.value.response["Error"]["Code"] == "InvalidArgument"
