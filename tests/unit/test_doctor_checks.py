"""The doctor's checks on what the local stack cannot show, or shows slowly."""

from __future__ import annotations

import time
from typing import Any

import pytest

from doctor_fakes import BY_RULE, BY_SNS, NO_NOTIFICATIONS, QUEUE, TOPIC, Fake, rule
from penstock.aws.inspection.values import Alarm, Concurrency, Decision, Resource
from penstock.doctor import alarms, buckets, inside, jobs, queue, quotas, rights, routes, stack
from penstock.doctor.finding import Finding, Level
from penstock.errors import ConfigurationError
from penstock.model.release import VERSION

KEY = "arn:aws:kms:us-east-1:111122223333:key/1"


def levels(findings: list[Finding]) -> list[Level]:
    return [one.level for one in findings]


@pytest.mark.parametrize(
    ("status", "level"),
    [
        ("UPDATE_COMPLETE", Level.OK),
        ("UPDATE_IN_PROGRESS", Level.WARNING),
        ("UPDATE_ROLLBACK_COMPLETE", Level.WARNING),
        ("ROLLBACK_COMPLETE", Level.FAILED),
        ("UPDATE_ROLLBACK_FAILED", Level.FAILED),
    ],
)
def test_a_deployment_that_did_not_end_well_is_seen(status: str, level: Level) -> None:
    assert levels(Fake(status=status).examine(stack.status)) == [level]


def test_a_stack_of_an_earlier_release_is_to_be_deployed() -> None:
    fake = Fake()
    del fake.outputs["CheckFunctionName"]
    (found,) = fake.examine(stack.outputs)
    assert (found.level, found.found) == (Level.FAILED, "of another release: CheckFunctionName missing")


def test_a_routes_file_that_is_gone_is_one_failure_with_its_remedy() -> None:
    fake = Fake(routes_error=ConfigurationError("s3://work/config/routes.toml does not exist", hint="Write the file."))
    (file,) = fake.examine(routes.readable)
    assert (file.level, file.found) == (Level.FAILED, "s3://work/config/routes.toml does not exist")
    assert file.remedy.startswith("Write the file.\nCorrect the routes, check the file")
    assert levels([*fake.examine(routes.destinations), *fake.examine(routes.after)]) == [Level.NOT_CHECKED] * 2


@pytest.mark.parametrize("destination", ["parquet:s3://{destination_bucket}/orders/{year}/", "iceberg:lake.orders"])
def test_routes_to_a_lake_need_no_table_of_the_stack(destination: str) -> None:
    text = f'[[route]]\nname = "lake"\nmatch = "*.csv"\ndestination = "{destination}"\n'
    assert levels(Fake(routes=text).examine(routes.destinations)) == [Level.OK]


def test_a_resource_that_was_not_made_is_named() -> None:
    fake = Fake()
    fake.resources["JobsTable"] = Resource("AWS::DynamoDB::Table", "jobs", "UPDATE_FAILED", "no right")
    (found,) = fake.examine(stack.resources)
    assert (found.name, found.level, found.found) == ("resource JobsTable", Level.FAILED, "UPDATE_FAILED: no right")


@pytest.mark.parametrize(("deployed", "level"), [(VERSION, Level.OK), ("0.0.1", Level.WARNING)])
def test_command_and_layer_are_of_one_release(deployed: str, level: Level) -> None:
    assert levels(Fake(answer={"version": deployed}).examine(inside.version)) == [level]


@pytest.mark.parametrize(
    ("fake", "level", "words"),
    [
        (Fake(notifications=NO_NOTIFICATIONS), Level.FAILED, "no upload"),
        (Fake(notifications=BY_SNS), Level.FAILED, "no upload"),
        (Fake(notifications=BY_SNS, subscriptions=[("sqs", QUEUE, False)]), Level.FAILED, "no upload"),
        (Fake(notifications=BY_SNS, subscriptions=[("sqs", QUEUE, True)]), Level.OK, "by topic drops"),
        (Fake(notifications=BY_RULE), Level.FAILED, "no upload"),
        (Fake(notifications=BY_RULE, rules=[rule("other")]), Level.FAILED, "no upload"),
        (Fake(notifications=BY_RULE, rules=[rule("drops", enabled=False)]), Level.FAILED, "no upload"),
        (Fake(notifications=BY_RULE, rules=[rule("other", "drops")]), Level.OK, "rule lake-SourceRule"),
        (Fake(notifications=BY_RULE, rules=[rule({"prefix": "dro"})]), Level.OK, "rule lake-SourceRule"),
    ],
)
def test_each_way_of_events_is_known(fake: Fake, level: Level, words: str) -> None:
    found = fake.examine(buckets.notify)[0]
    assert found.level is level
    assert words in found.found


def test_the_policy_of_the_queue_must_name_the_bucket_or_the_topic() -> None:
    fake = Fake(notifications=BY_SNS, subscriptions=[("sqs", QUEUE, True)])
    assert levels(fake.examine(buckets.notify)) == [Level.OK, Level.OK]
    statement = fake.policy["Statement"][0]
    statement["Condition"] = {"ArnLike": {"aws:SourceArn": "arn:aws:s3:::other"}}
    missing = fake.examine(buckets.notify)[1]
    assert missing.level is Level.FAILED
    assert TOPIC in missing.remedy
    assert "arn:aws:s3:::other" in missing.remedy  # what is there stays


@pytest.mark.parametrize(("bucket", "level"), [("drops", Level.FAILED), ("results", Level.WARNING)])
def test_a_bucket_of_another_region_sends_no_event_and_costs(bucket: str, level: Level) -> None:
    found = {one.name: one.level for one in Fake(regions={bucket: "eu-west-1"}).examine(buckets.exist)}
    assert found.pop(f"bucket {bucket}") is level
    assert set(found.values()) == {Level.OK}


@pytest.mark.parametrize(
    ("state", "level"), [("Enabled", Level.OK), ("Disabled", Level.FAILED), ("PendingDeletion", Level.FAILED)]
)
def test_a_key_that_cannot_be_used_is_seen(state: str, level: Level) -> None:
    fake = Fake(parameters={"BucketKmsKeyArns": KEY}, keys={KEY: state}, bucket_key=KEY)
    assert [one.level for one in fake.examine(buckets.keys) if one.name == f"key {KEY}"] == [level]


@pytest.mark.parametrize(
    ("waiting", "oldest", "level"),
    [(0, None, Level.OK), (3, None, Level.OK), (3, 60.0, Level.OK), (3, 7200.0, Level.WARNING)],
)
def test_messages_may_wait_but_not_for_hours(waiting: int, oldest: float | None, level: Level) -> None:
    assert levels(Fake(waiting=waiting, oldest=oldest).examine(queue.backlog)) == [level]


@pytest.mark.parametrize(
    ("due", "created", "level"),
    [
        (400.0, -9e9, Level.OK),
        (-200.0, -9e9, Level.OK),
        (-2000.0, -9e9, Level.FAILED),
        (None, -9e9, Level.FAILED),
        (None, -60.0, Level.WARNING),
    ],
)
def test_a_reconciler_that_is_late_is_seen(due: float | None, created: float, level: Level) -> None:
    now = time.time()
    fake = Fake(due=due and now + due, created=now + created, rules=[rule(schedule="rate(1 minute)")])
    assert levels(fake.examine(jobs.last_run)) == [level]


def test_an_alarm_that_is_on_or_gone_is_seen() -> None:
    fake = Fake(alarms=[Alarm("lake-Errors", "ALARM", enabled=True, description="See the log.", actions=())])
    for name in ("Errors", "Backlog"):
        fake.resources[name] = Resource("AWS::CloudWatch::Alarm", f"lake-{name}", "CREATE_COMPLETE")
    gone, on = fake.examine(alarms.states)
    assert (gone.name, gone.level) == ("alarm lake-Backlog", Level.FAILED)
    assert (on.level, on.remedy) == (Level.WARNING, "See the log.")


@pytest.mark.parametrize(
    ("parameters", "subscriptions", "level"),
    [
        ({}, (), Level.WARNING),
        ({"AlarmTopicArn": TOPIC}, (), Level.FAILED),
        ({"AlarmTopicArn": TOPIC}, [("email", "a@b", False)], Level.FAILED),
        ({"AlarmTopicArn": TOPIC}, [("email", "a@b", True)], Level.OK),
    ],
)
def test_a_topic_needs_a_subscriber_who_has_confirmed(
    parameters: dict[str, str], subscriptions: list[tuple[str, str, bool]], level: Level
) -> None:
    assert levels(Fake(parameters=parameters, subscriptions=subscriptions).examine(alarms.topics)) == [level]


@pytest.mark.parametrize(
    ("unreserved", "large", "level"),
    [(10, "0", Level.OK), (10, "40", Level.WARNING), (5, "1", Level.FAILED), (1000, "40", Level.OK)],
)
def test_concurrency_is_compared_with_what_the_stack_may_use(unreserved: int, large: str, level: Level) -> None:
    fake = Fake(concurrency=Concurrency(1000, unreserved), parameters={"MapConcurrency": large})
    assert levels(fake.examine(quotas.concurrency)) == [level]


def test_what_an_organization_denies_is_for_its_owner() -> None:
    class Roles:
        def simulate(self, role: str, actions: list[str], resources: list[str]) -> list[Decision]:
            assert role == "arn:aws:iam::111122223333:role/lake-Role"
            by = "a policy of the organization (SCP)"
            return [Decision(action, one, allowed=False, by=by) for action in actions for one in resources]

    fake = Fake()
    fake.resources = {"Role": Resource("AWS::IAM::Role", "lake-Role", "CREATE_COMPLETE")}
    statement = {"Effect": "Allow", "Action": ["s3:GetObject"], "Resource": "arn:*:s3:::drops/*"}
    policy = {"PolicyName": "own", "PolicyDocument": {"Statement": [statement]}}
    deployment: Any = fake.deployment()
    deployment.services.roles = Roles()
    template = {"Resources": {"Role": {"Type": "AWS::IAM::Role", "Properties": {"Policies": [policy]}}}}
    deployment.services.stacks.template = lambda _: template
    (found,) = rights.roles(deployment)
    assert (found.level, found.found) == (Level.FAILED, "may not s3:GetObject on arn:aws:s3:::drops/*")
    assert found.remedy.startswith("A policy of the organization (SCP) does not allow it.")
