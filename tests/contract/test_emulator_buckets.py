"""The patches of the emulator for settings of buckets, and what `penstock connect` relies on."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from penstock_local.account import Account, emulator_only

BUCKET, FOREIGN, WESTERN = "told", "foreign", "western"
OTHER_ACCOUNT = "222222222222"
FUNCTION = "arn:aws:lambda:us-east-1:000000000000:function"


@pytest.fixture(scope="module")
def account() -> Iterator[Account]:
    with emulator_only() as account:
        account.client("s3").create_bucket(Bucket=BUCKET)
        client(account, access_key=OTHER_ACCOUNT).create_bucket(Bucket=FOREIGN)
        western = client(account, region="eu-west-1")
        western.create_bucket(Bucket=WESTERN, CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
        yield account


def client(account: Account, *, access_key: str = "test", region: str = "us-east-1") -> Any:
    return boto3.client(
        "s3",
        endpoint_url=account.endpoint,
        region_name=region,
        aws_access_key_id=access_key,
        aws_secret_access_key="test",
    )


def entry(name: str, prefix: str = "", suffix: str = "", event: str = "s3:ObjectCreated:*") -> dict[str, Any]:
    rules = [{"Name": "prefix", "Value": prefix}, {"Name": "suffix", "Value": suffix}]
    return {
        "Id": name,
        "LambdaFunctionArn": f"{FUNCTION}:{name}",
        "Events": [event],
        "Filter": {"Key": {"FilterRules": [rule for rule in rules if rule["Value"]]}},
    }


def put(account: Account, *entries: dict[str, Any]) -> None:
    account.client("s3").put_bucket_notification_configuration(
        Bucket=BUCKET, NotificationConfiguration={"LambdaFunctionConfigurations": list(entries)}
    )


# The examples of https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-how-to-filtering.html
@pytest.mark.parametrize(
    ("one", "other"),
    [
        (entry("one"), entry("other")),
        (entry("one", "images/"), entry("other", "images/new/")),
        (entry("one"), entry("other", "images/", event="s3:ObjectCreated:Put")),
        (entry("one", "images/", ".jpg"), entry("other", "images/", "g")),
        (entry("one", suffix="jpg"), entry("other", suffix=".jpg")),
    ],
    ids=["all", "prefixes", "a type of a family", "both", "suffixes"],
)
def test_overlapping_notifications_are_refused(account: Account, one: dict[str, Any], other: dict[str, Any]) -> None:
    with pytest.raises(ClientError, match="ambiguously defined") as caught:
        put(account, one, other)
    assert caught.value.response["Error"]["Code"] == "InvalidArgument"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (entry("one", "images/"), entry("other", "logs/")),
        (entry("one", suffix=".jpg"), entry("other", suffix=".png")),
        (entry("one", "images/", ".jpg"), entry("other", "images/", ".png")),
        (entry("one"), entry("other", event="s3:ObjectRemoved:*")),
    ],
    ids=["prefixes", "suffixes", "one prefix", "events"],
)
def test_notifications_that_do_not_overlap_are_accepted(
    account: Account, one: dict[str, Any], other: dict[str, Any]
) -> None:
    put(account, one, other)
    stored = account.client("s3").get_bucket_notification_configuration(Bucket=BUCKET)
    assert [found["Id"] for found in stored["LambdaFunctionConfigurations"]] == ["one", "other"]


def test_the_expected_owner_of_a_bucket_is_checked(account: Account) -> None:
    s3 = account.client("s3")
    s3.head_bucket(Bucket=BUCKET, ExpectedBucketOwner="000000000000")
    with pytest.raises(ClientError, match="403"):
        s3.head_bucket(Bucket=BUCKET, ExpectedBucketOwner=OTHER_ACCOUNT)
    with pytest.raises(ClientError, match="AccessDenied"):
        s3.get_bucket_notification_configuration(Bucket=BUCKET, ExpectedBucketOwner=OTHER_ACCOUNT)


def test_a_region_is_told_also_where_access_is_denied(account: Account) -> None:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/API_HeadBucket.html"""
    with pytest.raises(ClientError, match="403") as caught:
        account.client("s3").head_bucket(Bucket=FOREIGN)
    assert caught.value.response["ResponseMetadata"]["HTTPHeaders"]["x-amz-bucket-region"] == "us-east-1"
    # botocore follows the redirect.
    assert account.client("s3").head_bucket(Bucket=WESTERN)["BucketRegion"] == "eu-west-1"


def test_a_put_replaces_the_whole_configuration(account: Account) -> None:
    put(account, entry("one", "a/"))
    put(account, entry("two", "b/"))
    stored = account.client("s3").get_bucket_notification_configuration(Bucket=BUCKET)
    assert [found["Id"] for found in stored["LambdaFunctionConfigurations"]] == ["two"]


def test_a_queue_that_does_not_let_the_bucket_send_is_refused(account: Account) -> None:
    sqs = account.client("sqs")
    url = sqs.create_queue(QueueName="closed")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    with pytest.raises(ClientError, match="Unable to validate the following destination") as caught:
        account.client("s3").put_bucket_notification_configuration(
            Bucket=BUCKET,
            NotificationConfiguration={"QueueConfigurations": [{"QueueArn": arn, "Events": ["s3:ObjectCreated:*"]}]},
        )
    assert caught.value.response["Error"]["Code"] == "InvalidArgument"


def test_a_grant_of_the_same_name_is_created_once(account: Account) -> None:
    """https://docs.aws.amazon.com/kms/latest/APIReference/API_CreateGrant.html"""
    kms = account.client("kms")
    key = kms.create_key()["KeyMetadata"]["Arn"]
    role = "arn:aws:iam::000000000000:role/reader"
    grant = {"KeyId": key, "Name": "penstock/one", "GranteePrincipal": role, "Operations": ["Decrypt"]}
    assert kms.create_grant(**grant)["GrantId"] == kms.create_grant(**grant)["GrantId"]
    assert len(kms.list_grants(KeyId=key)["Grants"]) == 1
