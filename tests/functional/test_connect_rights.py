"""The rights that docs/connect.md lists are enough for `penstock connect`, and each of them is needed."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from connect_command import Command
from connect_stack import STACK, deploy
from penstock_local.account import Account, emulator_only

REGION, ACCOUNT = "us-east-1", "000000000000"
QUEUE = f"arn:aws:sqs:{REGION}:{ACCOUNT}:{STACK}-ingest"
TOPIC = f"arn:aws:sns:{REGION}:{ACCOUNT}:drops"
PAGE = (Path(__file__).parents[2] / "docs/connect.md").read_text()
SHOWING, SETTING = (json.loads(block) for block in re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL))
# Without these, a setting is a note.
INFORMING = {
    "s3:GetBucketObjectLockConfiguration",
    "s3:GetBucketOwnershipControls",
    "s3:GetBucketRequestPayment",
    "s3:GetBucketVersioning",
    "s3:GetLifecycleConfiguration",
}
# Needed only for a rule that forwards events from elsewhere, and for what is removed or in another account.
ELSEWHERE = {"events:ListTargetsByRule", "s3:DeleteBucketPolicy", "s3:PutBucketPolicy"}


@pytest.fixture(scope="module")
def account() -> Iterator[Account]:
    with emulator_only() as account:
        account.client("s3").create_bucket(Bucket="drops")
        account.client("sns").create_topic(Name="drops")
        deploy(account, SourceBucketNames="drops", DestinationBucketNames="drops", SourceTopicArns=TOPIC)
        yield account


@pytest.fixture(scope="module")
def key(account: Account) -> str:
    """The key of the bucket, which lets administrators use it, and this user look and grant."""
    kms = account.client("kms")
    arn = str(kms.create_key()["KeyMetadata"]["Arn"])
    operations = ["kms:DescribeKey", "kms:GetKeyPolicy", "kms:ListGrants", "kms:CreateGrant", "kms:RevokeGrant"]
    root = f"arn:aws:iam::{ACCOUNT}:root"
    allowing = {"Effect": "Allow", "Principal": {"AWS": root}, "Action": operations, "Resource": "*"}
    policy = {"Version": "2012-10-17", "Statement": [allowing]}
    kms.put_key_policy(KeyId=arn, PolicyName="default", Policy=json.dumps(policy))
    rule = {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": arn}}
    account.client("s3").put_bucket_encryption(Bucket="drops", ServerSideEncryptionConfiguration={"Rules": [rule]})
    deploy(
        account,
        SourceBucketNames="drops",
        DestinationBucketNames="drops",
        SourceTopicArns=TOPIC,
        BucketKmsKeyArns=arn,
    )
    return arn


class User:
    """A user of the account. ``may`` replaces the policy."""

    def __init__(self, account: Account, key: str) -> None:
        self._iam = account.client("iam")
        self._key = key
        self._iam.create_user(UserName="somebody")
        created = self._iam.create_access_key(UserName="somebody")["AccessKey"]
        self.environment = {
            "AWS_ACCESS_KEY_ID": created["AccessKeyId"],
            "AWS_SECRET_ACCESS_KEY": created["SecretAccessKey"],
        }

    def may(self, *policies: dict[str, Any], without: str = "") -> None:
        statements = copy.deepcopy([one for policy in policies for one in policy["Statement"]])
        for one in statements:
            listed = one["Action"] if isinstance(one["Action"], list) else [one["Action"]]
            one["Action"] = [action for action in listed if action != without]
        text = json.dumps({"Version": "2012-10-17", "Statement": [one for one in statements if one["Action"]]})
        for name, value in (
            ("BUCKET", "drops"),
            ("STACK", STACK),
            ("QUEUE", QUEUE),
            ("TOPIC", TOPIC),
            ("KEY", self._key),
        ):
            text = re.sub(rf"\b{name}\b", value, text)
        self._iam.put_user_policy(UserName="somebody", PolicyName="all", PolicyDocument=text)


@pytest.fixture(scope="module")
def user(account: Account, key: str) -> User:
    return User(account, key)


@pytest.fixture(scope="module")
def connect(account: Account, user: User, tmp_path_factory: pytest.TempPathFactory) -> Command:
    return Command(account, tmp_path_factory.mktemp("data"), user.environment)


def actions(policy: dict[str, Any]) -> list[str]:
    listed = (one["Action"] for one in policy["Statement"])
    return [action for one in listed for action in (one if isinstance(one, list) else [one])]


BY_TOPIC = ("--via", "sns", "--topic", TOPIC)
WAYS = (("--via", "sqs"), BY_TOPIC, ("--via", "eventbridge"), ("--as", "destination"))


def way_of(action: str) -> tuple[str, ...]:
    """The options with which the command makes a call."""
    if action.startswith("sns:"):
        return BY_TOPIC
    if action.startswith("sqs:"):
        return ("--via", "sqs")
    return ("--as", "destination") if action == "s3:GetLifecycleConfiguration" else ()


def denials(output: str, action: str) -> list[str]:
    return [line for line in output.splitlines() if f"denied: {action} on" in line]


def test_with_these_rights_nothing_is_denied_and_nothing_can_be_set(connect: Command, user: User) -> None:
    user.may(SHOWING)
    for way in WAYS:
        answer = connect.json("s3://drops", *way)
        assert not [one for one in answer["findings"] if "denied" in one["text"]]
    refused = connect("s3://drops", "--apply")
    assert refused.exit_code == 1
    assert denials(refused.output, "kms:CreateGrant")


def test_with_both_everything_is_set_and_removed(connect: Command, user: User) -> None:
    user.may(SHOWING, SETTING)
    for way in WAYS:
        answer = connect.json("s3://drops", *way, "--apply")
        assert answer["in_place"], json.dumps(answer, indent=1)
        connect.json("s3://drops", *way, "--remove")
        assert not connect.json("s3://drops", *way)["in_place"], way


@pytest.mark.parametrize("action", sorted(set(actions(SHOWING)) - ELSEWHERE))
@pytest.mark.long
def test_each_right_to_show_is_needed(connect: Command, user: User, action: str) -> None:
    way = way_of(action)
    if action == "sns:GetSubscriptionAttributes":
        user.may(SHOWING, SETTING)
        connect("s3://drops", *way, "--apply")
    user.may(SHOWING, without=action)
    shown = connect("s3://drops", *way)
    lines = denials(shown.output, action)
    assert lines
    assert shown.exit_code == 1 or action in INFORMING
    assert all(("note" in line) == (action in INFORMING) for line in lines)


@pytest.mark.parametrize("action", sorted(set(actions(SETTING)) - ELSEWHERE))
@pytest.mark.long
def test_each_right_to_set_is_needed(connect: Command, user: User, action: str) -> None:
    removes = action in {"sns:Unsubscribe", "kms:RevokeGrant"}
    user.may(SHOWING, SETTING)
    connect("s3://drops", *BY_TOPIC, "--apply" if removes else "--remove")
    user.may(SHOWING, SETTING, without=action)
    failed = connect("s3://drops", *BY_TOPIC, "--remove" if removes else "--apply")
    assert failed.exit_code == 1
    assert denials(failed.output, action)
