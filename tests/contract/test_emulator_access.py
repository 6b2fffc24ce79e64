"""The patches of the emulator for access control, on the running emulator."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from penstock_local.access import Decision, decisions
from penstock_local.account import Account, emulator_only

BUCKET = "held"
TRUST = {
    "Version": "2012-10-17",
    "Statement": [
        {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"},
    ],
}


@pytest.fixture(scope="module")
def account() -> Iterator[Account]:
    with emulator_only() as account:
        account.client("s3").create_bucket(Bucket=BUCKET)
        account.client("s3").put_object(Bucket=BUCKET, Key="there", Body=b"x")
        yield account


def under(account: Account, role: str, *statements: tuple[str, str], service: Any = "s3") -> Any:
    """A client, of S3 by default, under a role with these permissions."""
    iam = account.client("iam")
    arn = iam.create_role(RoleName=role, AssumeRolePolicyDocument=json.dumps(TRUST))["Role"]["Arn"]
    allowed = [{"Effect": "Allow", "Action": action, "Resource": resource} for action, resource in statements]
    document = json.dumps({"Version": "2012-10-17", "Statement": allowed})
    iam.put_role_policy(RoleName=role, PolicyName="all", PolicyDocument=document)
    given = account.client("sts").assume_role(RoleArn=arn, RoleSessionName="a-session")["Credentials"]
    return boto3.client(
        service,
        endpoint_url=account.endpoint,
        region_name=account.region,
        aws_access_key_id=given["AccessKeyId"],
        aws_secret_access_key=given["SecretAccessKey"],
        aws_session_token=given["SessionToken"],
    )


def status(call: Any, **arguments: Any) -> int:
    with pytest.raises(ClientError) as caught:
        call(Bucket=BUCKET, **arguments)
    return int(caught.value.response["ResponseMetadata"]["HTTPStatusCode"])


READ = ("s3:GetObject", f"arn:aws:s3:::{BUCKET}/*")


def test_without_list_permission_a_missing_object_is_access_denied(account: Account) -> None:
    s3 = under(account, "stranger", READ)
    assert s3.get_object(Bucket=BUCKET, Key="there")["Body"].read() == b"x"
    assert (status(s3.get_object, Key="missing"), status(s3.head_object, Key="missing")) == (403, 403)
    root = account.client("s3")
    assert (status(root.get_object, Key="missing"), status(root.head_object, Key="missing")) == (404, 404)


def test_a_wildcard_matches_a_key_with_a_line_end(account: Account) -> None:
    """https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_resource.html"""
    for key in ("two\nlines\n", "one\n"):
        account.client("s3").put_object(Bucket=BUCKET, Key=key, Body=b"x")
    reader = under(account, "lines", READ)
    assert reader.get_object(Bucket=BUCKET, Key="two\nlines\n")["Body"].read() == b"x"
    exact = under(account, "exact", ("s3:GetObject", f"arn:aws:s3:::{BUCKET}/one"))
    assert status(exact.get_object, Key="one\n") == 403


def test_with_list_permission_a_missing_object_is_not_found(account: Account) -> None:
    s3 = under(account, "lister", READ, ("s3:ListBucket", f"arn:aws:s3:::{BUCKET}"))
    assert (status(s3.get_object, Key="missing"), status(s3.head_object, Key="missing")) == (404, 404)


def test_decisions_are_logged_once_with_the_pattern_that_allowed_them(account: Account) -> None:
    s3 = under(account, "logged", READ)
    for _ in range(2):
        s3.get_object(Bucket=BUCKET, Key="there")
    assert status(s3.put_object, Key="new", Body=b"x") == 403
    logged = [decision for decision in decisions(account, "a-session") if decision.role == "logged"]
    assert logged == [
        Decision("logged", "a-session", "s3:GetObject", f"arn:aws:s3:::{BUCKET}/*", allowed=True),
        Decision("logged", "a-session", "s3:PutObject", f"arn:aws:s3:::{BUCKET}/new", allowed=False),
    ]
    assert not list(decisions(account, "another-session"))


def test_whoever_may_publish_may_publish_in_batches(account: Account) -> None:
    """https://docs.aws.amazon.com/sns/latest/dg/sns-access-policy-language-api-permissions-reference.html"""
    arn = account.client("sns").create_topic(Name="told")["TopicArn"]
    entries = [{"Id": "1", "Message": "x"}]
    publisher = under(account, "publisher", ("sns:Publish", arn), service="sns")
    assert len(publisher.publish_batch(TopicArn=arn, PublishBatchRequestEntries=entries)["Successful"]) == 1
    silent = under(account, "silent", ("sns:Subscribe", arn), service="sns")
    with pytest.raises(ClientError) as caught:
        silent.publish_batch(TopicArn=arn, PublishBatchRequestEntries=entries)
    assert caught.value.response["Error"]["Code"] == "AuthorizationError"


def test_the_initiator_of_an_upload_is_named(account: Account) -> None:
    s3 = under(account, "beginner", ("s3:PutObject", f"arn:aws:s3:::{BUCKET}/*"))
    ours = s3.create_multipart_upload(Bucket=BUCKET, Key="ours")["UploadId"]
    root = account.client("s3")
    theirs = root.create_multipart_upload(Bucket=BUCKET, Key="theirs")["UploadId"]
    found = {one["UploadId"]: one["Initiator"]["ID"] for one in root.list_multipart_uploads(Bucket=BUCKET)["Uploads"]}
    assert found[ours].endswith(":assumed-role/beginner/a-session")
    assert ":assumed-role/" not in found[theirs]


def test_whoever_may_send_may_send_in_batches(account: Account) -> None:
    """https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_AddPermission.html"""
    sqs = account.client("sqs")
    url = sqs.create_queue(QueueName="sent")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    entries = [{"Id": "1", "MessageBody": "x"}]
    sender = under(account, "sender", ("sqs:SendMessage", arn), service="sqs")
    assert len(sender.send_message_batch(QueueUrl=url, Entries=entries)["Successful"]) == 1
    reader = under(account, "reader", ("sqs:ReceiveMessage", arn), service="sqs")
    with pytest.raises(ClientError) as caught:
        reader.send_message_batch(QueueUrl=url, Entries=entries)
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403
