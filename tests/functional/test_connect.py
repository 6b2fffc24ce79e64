"""`penstock connect` on the emulator, whose IAM is enforced: what it shows, what it sets, and what it leaves."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from connect_command import Command, levels, notifications
from connect_stack import STACK, deploy
from penstock_local.account import Account, emulator_only

REGION = "us-east-1"
BUCKETS = ("drops", "clashing", "topical", "elsewhere", "sealed", "denying", "lake")
THEIRS = {
    "Id": "their-thumbnails",
    "LambdaFunctionArn": f"arn:aws:lambda:{REGION}:000000000000:function:thumbnails",
    "Events": ["s3:ObjectCreated:Put"],
    "Filter": {"Key": {"FilterRules": [{"Name": "prefix", "Value": "images/"}, {"Name": "suffix", "Value": ".png"}]}},
}


@pytest.fixture(scope="module")
def account() -> Iterator[Account]:
    with emulator_only() as account:
        s3 = account.client("s3")
        for bucket in BUCKETS:
            s3.create_bucket(Bucket=bucket)
        deploy(account, SourceBucketNames=",".join(BUCKETS), DestinationBucketNames="lake")
        yield account


@pytest.fixture
def connect(account: Account, tmp_path: Path) -> Command:
    return Command(account, tmp_path)


def test_it_shows_what_is_missing_and_changes_nothing(connect: Command, account: Account) -> None:
    shown = connect("s3://drops")

    assert shown.exit_code == 1
    assert "the bucket sends no events to EventBridge" in shown.output
    assert notifications(account, "drops") == {}
    assert not list(connect.data.rglob("*.json"))


def test_apply_sets_it_once_and_remove_undoes_it(connect: Command, account: Account) -> None:
    assert "done: turn on EventBridge" in connect("s3://drops", "--apply").output
    again = connect("s3://drops", "--apply")
    assert (again.exit_code, "done:" in again.output) == (0, False)
    assert "Everything is in place." in again.output
    assert notifications(account, "drops") == {"EventBridgeConfiguration": {}}

    assert "turned EventBridge off" in connect("s3://drops", "--remove").output
    assert "Nothing to remove" in connect("s3://drops", "--remove").output
    assert notifications(account, "drops") == {}


def test_a_notification_is_added_to_those_that_stand(connect: Command, account: Account) -> None:
    before = {"LambdaFunctionConfigurations": [THEIRS], "EventBridgeConfiguration": {}}
    account.client("s3").put_bucket_notification_configuration(Bucket="drops", NotificationConfiguration=before)
    before = notifications(account, "drops")

    assert connect("s3://drops/in coming/", "--via", "sqs", "--apply").exit_code == 0

    after = notifications(account, "drops")
    (added,) = after.pop("QueueConfigurations")
    assert after == before
    assert added["QueueArn"] == f"arn:aws:sqs:{REGION}:000000000000:{STACK}-ingest"
    assert added["Filter"]["Key"]["FilterRules"][0]["Value"] == "in+coming/"
    (record,) = connect.data.rglob("*.json")
    assert json.loads(record.read_text())["before"][0]["value"] == before

    assert connect("s3://drops/in coming/", "--via", "sqs", "--remove").exit_code == 0
    assert notifications(account, "drops") == before


def test_a_clash_names_the_other_configuration_and_the_way_out(connect: Command, account: Account) -> None:
    standing = {"LambdaFunctionConfigurations": [THEIRS]}
    account.client("s3").put_bucket_notification_configuration(Bucket="clashing", NotificationConfiguration=standing)

    clash = connect("s3://clashing", "--via", "sqs", "--apply")

    assert clash.exit_code == 1
    assert "their-thumbnails" in clash.output
    assert "--via eventbridge" in clash.output
    assert connect("s3://clashing", "--apply").exit_code == 0
    assert notifications(account, "clashing")["LambdaFunctionConfigurations"] == [THEIRS]


def test_a_bucket_that_the_stack_does_not_list_is_shown_with_the_deployment(connect: Command, account: Account) -> None:
    account.client("s3").create_bucket(Bucket="unlisted")

    answer = connect.json("s3://unlisted", "--via", "sqs")

    assert levels(answer)["stack"] == levels(answer)["queue policy"] == levels(answer)["notification"] == "blocked"
    listed = ",".join((*BUCKETS, "unlisted"))
    assert answer["deploy"] == (
        f"sam deploy --stack-name {STACK} --region {REGION} --parameter-overrides SourceBucketNames={listed}"
    )


def test_a_bucket_that_does_not_exist(connect: Command) -> None:
    missing = connect("s3://no-such-bucket")
    assert missing.exit_code == 1
    assert "s3://no-such-bucket does not exist" in missing.output


@pytest.mark.parametrize(
    "arguments",
    [
        ("s3://drops", "--apply", "--remove"),
        ("s3://drops", "--as", "destination", "--via", "sqs"),
        ("s3://drops", "--topic", "arn:aws:sns:us-east-1:000000000000:drops"),
        ("s3://drops", "--via", "sns", "--topic", "drops"),
    ],
    ids=" ".join,
)
def test_options_that_contradict_each_other(connect: Command, arguments: tuple[str, ...]) -> None:
    assert connect(*arguments).exit_code == 2
