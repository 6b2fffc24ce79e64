"""`penstock connect` for buckets that are not the user's: other regions and accounts, policies and keys that deny."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest

from connect_command import Command, finding, levels, notifications
from connect_stack import FUNCTIONS, STACK, deploy
from penstock_local.account import Account, emulator_only

REGION, ACCOUNT, OTHER = "us-east-1", "000000000000", "222222222222"
BUCKETS = ("drops", "western", "foreign", "sealed", "topical", "crowded")
READERS = [f"arn:aws:iam::{ACCOUNT}:role/{STACK}-{name}Role" for name in FUNCTIONS[:4]]


@pytest.fixture(scope="module")
def account() -> Iterator[Account]:
    with emulator_only() as account:
        s3 = account.client("s3")
        for bucket in ("drops", "sealed", "topical", "crowded"):
            s3.create_bucket(Bucket=bucket)
        western = client(account, "s3", region="eu-west-1")
        western.create_bucket(Bucket="western", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
        client(account, "s3", access_key=OTHER).create_bucket(Bucket="foreign")
        topic = f"arn:aws:sns:{REGION}:{OTHER}:foreign,arn:aws:sns:{REGION}:{ACCOUNT}:topical"
        deploy(account, SourceBucketNames=",".join(BUCKETS), SourceTopicArns=topic)
        yield account


@pytest.fixture
def connect(account: Account, tmp_path: Path) -> Command:
    (tmp_path / "config").write_text(
        f"[profile theirs]\naws_access_key_id = {OTHER}\naws_secret_access_key = test\nregion = {REGION}\n"
    )
    return Command(account, tmp_path, {"AWS_CONFIG_FILE": str(tmp_path / "config")})


def client(account: Account, service: str, *, access_key: str = "test", region: str = REGION) -> Any:
    return boto3.client(  # type: ignore[call-overload]  # the service is not a literal
        service,
        endpoint_url=account.endpoint,
        region_name=region,
        aws_access_key_id=access_key,
        aws_secret_access_key="test",
    )


def test_a_bucket_in_another_region(connect: Command, account: Account) -> None:
    by_queue = connect.json("s3://western", "--via", "sqs")
    assert "its own region" in finding(by_queue, "notification")["text"]

    by_rule = connect.json("s3://western", "--apply")
    forwarding = finding(by_rule, "forwarding")
    assert (forwarding["level"], by_rule["in_place"]) == ("blocked", False)
    assert levels(by_rule)["notification"] == "ok"

    # What the remedy says.
    events = client(account, "events", region="eu-west-1")
    events.put_rule(Name="forward", EventPattern=json.dumps(forwarding["document"]))
    bus = f"arn:aws:events:{REGION}:{ACCOUNT}:event-bus/default"
    role = f"arn:aws:iam::{ACCOUNT}:role/{STACK}-IngestRole"
    events.put_targets(Rule="forward", Targets=[{"Id": "stack", "Arn": bus, "RoleArn": role}])
    assert connect.json("s3://western")["in_place"]


def test_a_bucket_of_another_account_is_denied_without_its_credentials(connect: Command) -> None:
    answer = connect.json("s3://foreign")
    assert (levels(answer), answer["in_place"]) == ({"bucket": "denied"}, False)
    assert "--bucket-profile" in finding(answer, "bucket")["remedy"]


@pytest.mark.long
def test_a_bucket_of_another_account_is_connected_by_a_topic_of_that_account(
    connect: Command, account: Account
) -> None:
    theirs = client(account, "s3", access_key=OTHER)
    sns = client(account, "sns", access_key=OTHER)
    topic = sns.create_topic(Name="foreign")["TopicArn"]
    arguments = ("s3://foreign", "--bucket-profile", "theirs")
    assert levels(connect.json(*arguments, "--via", "sqs"))["notification"] == "blocked"
    by_topic = (*arguments, "--via", "sns", "--topic", topic)

    answer = connect.json(*by_topic, "--apply")

    assert answer["in_place"], answer
    statements = json.loads(theirs.get_bucket_policy(Bucket="foreign")["Policy"])["Statement"]
    assert [one["Principal"]["AWS"] for one in statements] == [READERS, READERS]
    theirs.put_object(Bucket="foreign", Key="in/a b.csv", Body=b"x")
    told = [json.loads(json.loads(body)["Message"]) for body in received(account)]
    assert [one["Records"][0]["s3"]["object"]["key"] for one in told if "Records" in one] == ["in/a+b.csv"]
    assert connect.json(*by_topic, "--apply")["applied"] == []

    assert len(connect.json(*by_topic, "--remove")["removed"]) == 4
    assert connect.json(*by_topic, "--remove")["removed"] == []
    with pytest.raises(theirs.exceptions.ClientError, match="NoSuchBucketPolicy"):
        theirs.get_bucket_policy(Bucket="foreign")
    assert sns.list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"] == []


def received(account: Account) -> list[str]:
    sqs = account.client("sqs")
    url = sqs.get_queue_url(QueueName=f"{STACK}-ingest")["QueueUrl"]
    answer = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=2)
    return [message["Body"] for message in answer.get("Messages", ())]


def test_a_policy_that_denies_is_shown_as_it_must_be(connect: Command, account: Account) -> None:
    s3 = account.client("s3")
    closed = {
        "Sid": "OnlyAdmins",
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:GetObject*",
        "Resource": "arn:aws:s3:::drops/*",
        "Condition": {"ArnNotLike": {"aws:PrincipalArn": f"arn:aws:iam::{ACCOUNT}:role/admin"}},
    }
    policy = json.dumps({"Version": "2012-10-17", "Statement": [closed]})
    s3.put_bucket_policy(Bucket="drops", Policy=policy)

    answer = connect.json("s3://drops", "--apply")

    denial = finding(answer, "bucket policy")
    assert (denial["level"], answer["in_place"]) == ("blocked", False)
    assert "OnlyAdmins" in denial["text"]
    assert s3.get_bucket_policy(Bucket="drops")["Policy"] == policy
    s3.put_bucket_policy(
        Bucket="drops", Policy=json.dumps({"Version": "2012-10-17", "Statement": [denial["document"]]})
    )
    assert connect.json("s3://drops")["in_place"]


@pytest.mark.long
def test_a_key_that_denies_and_one_that_needs_grants(connect: Command, account: Account) -> None:
    kms, s3 = account.client("kms"), account.client("s3")
    key = kms.create_key()["KeyMetadata"]["Arn"]
    admins = {"Sid": "Admins", "Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:role/admin"}}
    admins |= {"Action": "kms:*", "Resource": "*"}
    rule = {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": key}}
    s3.put_bucket_encryption(Bucket="sealed", ServerSideEncryptionConfiguration={"Rules": [rule]})

    def set_policy(*statements: dict[str, Any]) -> None:
        document = {"Version": "2012-10-17", "Statement": list(statements)}
        kms.put_key_policy(KeyId=key, PolicyName="default", Policy=json.dumps(document))

    denying = {"Sid": "Sealed", "Effect": "Deny", "Principal": "*", "Action": "kms:Decrypt", "Resource": "*"}
    set_policy(admins, denying)
    answer = connect.json("s3://sealed", "--apply")
    assert "Sealed" in finding(answer, "key")["text"]
    assert answer["deploy"].endswith(f"BucketKmsKeyArns={key}")
    assert kms.list_grants(KeyId=key)["Grants"] == []

    set_policy(admins)
    answer = connect.json("s3://sealed", "--apply")
    assert sorted(grant["GranteePrincipal"] for grant in kms.list_grants(KeyId=key)["Grants"]) == sorted(READERS)
    assert levels(answer)["key"] == "ok"
    assert json.loads(kms.get_key_policy(KeyId=key, PolicyName="default")["Policy"])["Statement"] == [admins]
    assert connect.json("s3://sealed", "--apply")["applied"] == []

    connect.json("s3://sealed", "--remove")
    assert kms.list_grants(KeyId=key)["Grants"] == []


def test_a_topic_of_the_bucket_is_found_and_raw_delivery_is_told(connect: Command, account: Account) -> None:
    sns = account.client("sns")
    topic = sns.create_topic(Name="topical")["TopicArn"]
    queue = f"arn:aws:sqs:{REGION}:{ACCOUNT}:{STACK}-ingest"
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=queue, Attributes={"RawMessageDelivery": "true"})
    missing = connect("s3://topical", "--via", "sns")
    assert (missing.exit_code, "no topic is given" in missing.output) == (1, True)

    assert connect("s3://topical", "--via", "sns", "--topic", topic, "--apply").exit_code == 0

    found = connect.json("s3://topical", "--via", "sns")
    assert finding(found, "subscription")["text"] == "the queue subscribes, with raw delivery"


def test_another_configuration_with_a_dead_destination_stops_the_change(connect: Command, account: Account) -> None:
    """S3 tries all destinations of a configuration, and refuses it whole."""
    sqs, s3 = account.client("sqs"), account.client("s3")
    url = sqs.create_queue(QueueName="gone")["QueueUrl"]
    arn = f"arn:aws:sqs:{REGION}:{ACCOUNT}:gone"
    allow = {"Effect": "Allow", "Principal": {"Service": "s3.amazonaws.com"}, "Action": "sqs:*", "Resource": arn}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [allow]})
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": policy})
    theirs = {"Id": "theirs", "QueueArn": arn, "Events": ["s3:ObjectRemoved:*"]}
    s3.put_bucket_notification_configuration(
        Bucket="crowded", NotificationConfiguration={"QueueConfigurations": [theirs]}
    )
    before = notifications(account, "crowded")
    sqs.delete_queue(QueueUrl=url)

    failed = connect("s3://crowded", "--apply")

    assert failed.exit_code == 1
    assert arn in failed.output
    assert "S3 tries the destinations of all configurations" in failed.output
    assert notifications(account, "crowded") == before
