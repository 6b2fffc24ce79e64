"""The deployed template: uploaded objects, and the results of their jobs under the function's own role."""

from __future__ import annotations

import gzip
import time

import pytest
import yaml

from penstock_local.deploy import STACK_NAME
from penstock_local.stack import Stack
from stack_jobs import WAIT_SECONDS, keys, result, upload

ROW = b"A-1,Source2,3,2023-01-01 00:00:00,Right lane blocked due to accident.\n"


def test_an_uploaded_object_is_decoded(stack: Stack) -> None:
    job = upload(stack, "one.csv.gz", gzip.compress(ROW))
    assert job["state"]["S"] == "succeeded"
    assert result(stack, "one.csv") == ROW


def test_a_result_of_many_parts_has_the_checksum_that_the_sender_declared(stack: Stack) -> None:
    plain = ROW * 400_000
    job = upload(stack, "many.csv.gz", gzip.compress(plain, 1))
    head = stack.client("s3").head_object(Bucket=stack.destination_bucket, Key="many.csv", ChecksumMode="ENABLED")
    assert (job["state"]["S"], head["ChecksumType"]) == ("succeeded", "FULL_OBJECT")
    assert int(job["parts"]["N"]) > 1
    assert result(stack, "many.csv") == plain


@pytest.mark.parametrize("key", ["2026/50% of a+b in Zürich.csv.gz", "a%2Bb.csv.gz"])
def test_a_key_is_decoded_exactly_once(stack: Stack, key: str) -> None:
    assert upload(stack, key, gzip.compress(ROW))["state"]["S"] == "succeeded"
    assert result(stack, key.removesuffix(".gz")) == ROW


def test_a_truncated_object_fails_and_leaves_nothing_behind(stack: Stack) -> None:
    job = upload(stack, "cut.csv.gz", gzip.compress(ROW * 120_000, 0)[:-100])
    assert (job["state"]["S"], job["failure"]["M"]["error"]["S"]) == ("failed", "TruncatedSourceError")
    s3 = stack.client("s3")
    assert "Uploads" not in s3.list_multipart_uploads(Bucket=stack.destination_bucket, Prefix="cut.csv")
    assert "cut.csv" not in keys(stack, stack.destination_bucket)


def test_an_object_without_a_route_is_skipped(stack: Stack) -> None:
    assert upload(stack, "readme.txt", b"not for the pipe")["state"]["S"] == "skipped"


def test_a_destination_outside_the_policy_is_refused_by_iam(stack: Stack) -> None:
    s3 = stack.client("s3")
    s3.create_bucket(Bucket="not-in-the-policy")
    job = upload(stack, "forbidden/one.csv.gz", gzip.compress(ROW))
    assert (job["state"]["S"], job["failure"]["M"]["error"]["S"]) == ("failed", "AccessDeniedError")
    assert "not-in-the-policy" in job["failure"]["M"]["message"]["S"]
    assert keys(stack, "not-in-the-policy") == []


def test_no_message_is_left_after_its_job_has_ended(stack: Stack) -> None:
    upload(stack, "last.csv.gz", gzip.compress(ROW))
    sqs = stack.client("sqs")
    counts = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    deadline = time.monotonic() + WAIT_SECONDS
    while time.monotonic() < deadline:
        queues = (stack.queue_url, stack.dead_letter_queue_url)
        waiting = [sqs.get_queue_attributes(QueueUrl=url, AttributeNames=counts)["Attributes"] for url in queues]
        if all(set(numbers.values()) == {"0"} for numbers in waiting):
            break
        time.sleep(0.5)
    assert [set(numbers.values()) for numbers in waiting] == [{"0"}, {"0"}]


def test_cloudformation_gets_a_template_without_aliases_and_creates_the_included_resources(stack: Stack) -> None:
    cloudformation = stack.client("cloudformation")
    sent = cloudformation.get_template(StackName=STACK_NAME, TemplateStage="Original")["TemplateBody"]
    assert not [event for event in yaml.parse(sent, yaml.SafeLoader) if isinstance(event, yaml.AliasEvent)]
    made = cloudformation.describe_stack_resources(StackName=STACK_NAME)["StackResources"]
    types = [one["ResourceType"] for one in made]
    assert (types.count("AWS::CloudWatch::Alarm"), types.count("AWS::CloudWatch::Dashboard")) == (11, 1)
