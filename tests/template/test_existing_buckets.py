"""Buckets that exist already: rights, events and names for exactly those, within the limits of AWS."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

import pytest

from deployed_template import ACCOUNT, deployed

OWN_SOURCE = "penstock-source-123456789012-eu-west-1"
OWN_DESTINATION = "penstock-destination-123456789012-eu-west-1"
GIVEN = {"SourceBucketNames": "orders,clicks.example", "DestinationBucketNames": "lake"}
FOREIGN_ONLY = {**GIVEN, "CreateBuckets": "false"}
KEY = "arn:aws:kms:eu-west-1:210987654321:key/0a1b2c3d-0000-4000-8000-000000000000"
TOPIC = "arn:aws:sns:us-east-1:123456789012:uploads"
# What IAM allows: inline policies of a role together, a managed policy, without white space.
# https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
MOST_INLINE, MOST_MANAGED = 10_240, 6_144
# https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
MOST_ENVIRONMENT = 4096
# https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-quota.html
MOST_PATTERN = 2048
READERS = ("IngestRole", "PlanRole", "IndexRole", "WorkRole")
WRITERS = ("IngestRole", "PlanRole", "WorkRole", "FinishRole", "AbortRole", "ReconcileRole")


def statements(stack: dict[str, Any], name: str) -> list[dict[str, Any]]:
    """Every statement of a role, with those of the policies that it shares, or of one policy."""
    properties = stack["Resources"][name]["Properties"]
    found = [
        one for policy in properties.get("Policies", [properties]) for one in policy["PolicyDocument"]["Statement"]
    ]
    for shared in properties.get("ManagedPolicyArns", ()):
        found += statements(stack, shared)
    return found


def at_s3(stack: dict[str, Any], role: str) -> set[str]:
    """The names of the buckets that a role may use in any way."""
    granted = [one for one in statements(stack, role) if "s3:" in str(one["Action"])]
    resources = [
        arn for one in granted for arn in ([one["Resource"]] if isinstance(one["Resource"], str) else one["Resource"])
    ]
    assert all(re.fullmatch(r"arn:(aws|\*):s3:::[a-z0-9.-]+(/.+)?", arn) for arn in resources), resources
    return {arn.split(":::")[1].partition("/")[0] for arn in resources}


def characters(document: object) -> int:
    return len(json.dumps(document, separators=(",", ":")))


@pytest.mark.parametrize(
    ("parameters", "sources", "destinations"),
    [
        ({}, {OWN_SOURCE}, {OWN_DESTINATION}),
        (GIVEN, {OWN_SOURCE, "orders", "clicks.example"}, {OWN_DESTINATION, "lake"}),
        (FOREIGN_ONLY, {"orders", "clicks.example"}, {"lake"}),
        ({"SourceBucketNames": "orders", "CreateBuckets": "false"}, {"orders"}, set()),
    ],
)
def test_every_role_may_use_the_listed_buckets_and_no_others(
    template: dict[str, Any], parameters: Mapping[str, str], sources: set[str], destinations: set[str]
) -> None:
    stack = deployed(template, parameters)
    work = {"penstock-work-123456789012-eu-west-1"}
    for role in {*READERS, *WRITERS}:
        allowed = (sources if role in READERS else set()) | (destinations if role in WRITERS else set())
        assert at_s3(stack, role) - work == allowed, role


def test_the_rights_on_an_existing_bucket_are_those_on_a_bucket_of_the_stack(template: dict[str, Any]) -> None:
    stack = deployed(template, {"SourceBucketNames": "orders", "DestinationBucketNames": "lake"})
    for role in {*READERS, *WRITERS}:
        for statement in statements(stack, role):
            text = json.dumps(statement["Resource"])
            for own, existing in ((OWN_SOURCE, "orders"), (OWN_DESTINATION, "lake")):
                ours = [end for _, end in re.findall(rf"(:::{own})(/\*)?\"", text)]
                theirs = [end for _, end in re.findall(rf"(:::{existing})(/\*)?\"", text)]
                assert ours == theirs, statement


def test_without_buckets_of_its_own_a_stack_has_the_work_bucket_only(template: dict[str, Any]) -> None:
    stack = deployed(template, FOREIGN_ONLY)
    kinds = {name for name, one in stack["Resources"].items() if one["Type"].startswith("AWS::S3::")}
    assert kinds == {"WorkBucket", "WorkBucketPolicy"}
    assert not {"SourceBucketName", "DestinationBucketName"} & set(stack["Outputs"])
    assert "SourceBucket." not in str(stack)


def test_without_buckets_of_its_own_a_stack_must_have_a_source(template: dict[str, Any]) -> None:
    assert template["Rules"]["SomeSourceBucket"] == {
        "RuleCondition": {"Fn::Not": [{"Fn::Equals": [{"Ref": "CreateBuckets"}, "true"]}]},
        "Assertions": [
            {
                "Assert": {"Fn::Not": [{"Fn::Equals": [{"Ref": "SourceBucketNames"}, ""]}]},
                "AssertDescription": "With CreateBuckets=false, SourceBucketNames must name the buckets to read",
            }
        ],
    }


@pytest.mark.parametrize(
    ("parameters", "sources", "destinations"),
    [
        ({}, OWN_SOURCE, OWN_DESTINATION),
        (GIVEN, f"{OWN_SOURCE},orders,clicks.example", f"{OWN_DESTINATION},lake"),
        (FOREIGN_ONLY, "orders,clicks.example", "lake"),
    ],
)
def test_functions_and_outputs_name_all_buckets_with_those_of_the_stack_first(
    template: dict[str, Any], parameters: Mapping[str, str], sources: str, destinations: str
) -> None:
    stack = deployed(template, parameters)
    variables, outputs = stack["Variables"], stack["Outputs"]
    assert variables["PENSTOCK_SOURCE_BUCKETS"] == outputs["AllSourceBucketNames"]["Value"] == sources
    assert variables["PENSTOCK_DESTINATION_BUCKETS"] == outputs["AllDestinationBucketNames"]["Value"] == destinations


def test_an_output_that_would_be_empty_does_not_exist(template: dict[str, Any]) -> None:
    stack = deployed(template, {"SourceBucketNames": "orders", "CreateBuckets": "false"})
    assert "AllDestinationBucketNames" not in stack["Outputs"]
    assert all(output["Value"] for output in stack["Outputs"].values())


def test_keys_of_existing_buckets_are_used_by_s3_only(template: dict[str, Any]) -> None:
    stack = deployed(template, {"BucketKmsKeyArns": f"{KEY},{KEY}-2"})
    (statement,) = [one for one in statements(stack, "FunctionPolicy") if one["Sid"] == "UseBucketKeys"]
    assert statement["Action"] == ["kms:Decrypt", "kms:GenerateDataKey"]
    assert statement["Resource"] == [KEY, f"{KEY}-2"]
    # https://docs.aws.amazon.com/kms/latest/developerguide/conditions-kms.html#conditions-kms-via-service
    assert statement["Condition"] == {"StringLike": {"kms:ViaService": "s3.*.amazonaws.com"}}


class TestTheQueue:
    def senders(self, template: dict[str, Any], parameters: Mapping[str, str]) -> dict[str, Any]:
        policy = deployed(template, parameters)["Resources"]["IngestQueuePolicy"]["Properties"]["PolicyDocument"]
        return {one["Sid"]: one for one in policy["Statement"] if one["Effect"] == "Allow"}

    def test_takes_notifications_of_the_listed_buckets_of_this_account(self, template: dict[str, Any]) -> None:
        sender = self.senders(template, GIVEN)["SourceBucketsNotify"]
        assert sender["Principal"] == {"Service": "s3.amazonaws.com"}
        assert sender["Condition"] == {
            "ArnLike": {
                "aws:SourceArn": [
                    f"arn:aws:s3:::{OWN_SOURCE}",
                    "arn:*:s3:::orders",
                    "arn:*:s3:::clicks.example",
                ]
            },
            "StringEquals": {"aws:SourceAccount": ACCOUNT},
        }

    def test_takes_events_of_the_rule_alone(self, template: dict[str, Any]) -> None:
        sender = self.senders(template, GIVEN)["SourceRuleNotifies"]
        assert sender["Principal"] == {"Service": "events.amazonaws.com"}
        assert sender["Condition"] == {"ArnEquals": {"aws:SourceArn": "SourceRule.Arn"}}

    def test_takes_messages_of_the_listed_topics(self, template: dict[str, Any]) -> None:
        sender = self.senders(template, {"SourceTopicArns": f"{TOPIC},{TOPIC}-2"})["SourceTopicsNotify"]
        assert sender["Principal"] == {"Service": "sns.amazonaws.com"}
        assert sender["Condition"] == {"ArnEquals": {"aws:SourceArn": [TOPIC, f"{TOPIC}-2"]}}

    def test_takes_nothing_else(self, template: dict[str, Any]) -> None:
        assert set(self.senders(template, {})) == {"SourceBucketsNotify"}


def test_the_rule_hears_of_new_objects_in_existing_buckets_only(template: dict[str, Any]) -> None:
    rule = deployed(template, GIVEN)["Resources"]["SourceRule"]["Properties"]
    assert rule["EventPattern"] == {
        "source": ["aws.s3"],
        "detail-type": ["Object Created"],
        "detail": {"bucket": {"name": ["orders", "clicks.example"]}},
    }
    assert rule["Targets"] == [{"Id": "queue", "Arn": "IngestQueue.Arn"}]
    assert "SourceRule" not in deployed(template, {})["Resources"]


class TestTheMaximum:
    """Lists as long as their parameters allow."""

    @staticmethod
    def longest(parameter: dict[str, Any], one: str) -> str:
        """As many values as the pattern allows, padded to the length that it allows."""
        most = int(re.findall(r"\{0,(\d+)\}\$$", parameter["AllowedPattern"])[0]) + 1
        each = (parameter["MaxLength"] + 1) // most - 1
        found = ",".join([one.ljust(each, "0")] * most)
        assert len(found) <= parameter["MaxLength"] < len(found) + most
        assert re.fullmatch(parameter["AllowedPattern"], found)
        assert not re.fullmatch(parameter["AllowedPattern"], f"{found},{one}")
        return found

    @pytest.fixture
    def stack(self, template: dict[str, Any]) -> dict[str, Any]:
        parameters = template["Parameters"]
        shortest = {
            "SourceBucketNames": "orders",
            "DestinationBucketNames": "lake",
            "BucketKmsKeyArns": KEY,
            "SourceTopicArns": TOPIC,
        }
        return deployed(template, {name: self.longest(parameters[name], value) for name, value in shortest.items()})

    def test_fits_the_policies_of_every_role(self, stack: dict[str, Any]) -> None:
        for name, resource in stack["Resources"].items():
            if resource["Type"] == "AWS::IAM::Role":
                documents = [policy["PolicyDocument"] for policy in resource["Properties"]["Policies"]]
                assert sum(map(characters, documents)) < 0.9 * MOST_INLINE, name
            elif resource["Type"] == "AWS::IAM::ManagedPolicy":
                assert characters(resource["Properties"]["PolicyDocument"]) < 0.9 * MOST_MANAGED, name

    def test_fits_the_environment_of_a_function(self, stack: dict[str, Any]) -> None:
        variables = stack["Variables"]
        # Values that are longer than the names that stand for them here.
        rest = {"PENSTOCK_POSTGRES_SECRET", "PENSTOCK_ROUTES_URI", "PENSTOCK_JOBS_TABLE", "PENSTOCK_STATE_MACHINE"}
        length = sum(len(name) + len(str(value)) for name, value in variables.items())
        assert length + 128 * len(rest) + len("postgresql://") + 256 < MOST_ENVIRONMENT

    def test_fits_the_pattern_of_the_rule(self, stack: dict[str, Any]) -> None:
        assert characters(stack["Resources"]["SourceRule"]["Properties"]["EventPattern"]) < MOST_PATTERN
