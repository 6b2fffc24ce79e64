"""Least privilege: what each function may do, in full. A new right must be added here as well, on purpose."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

Resources = dict[str, dict[str, Any]]
Statement = dict[str, Any]

SOURCE = {"Fn::GetAtt": ["SourceBucket", "Arn"]}
DESTINATION = {"Fn::GetAtt": ["DestinationBucket", "Arn"]}

GRANTED: dict[str, dict[str, tuple[set[str], Any]]] = {
    "IngestRole": {
        "ReadSource": ({"s3:GetObject", "s3:GetObjectVersion"}, {"Fn::Sub": "${SourceBucket.Arn}/*"}),
        "WriteDestination": (
            {"s3:AbortMultipartUpload", "s3:GetObject", "s3:PutObject"},
            {"Fn::Sub": "${DestinationBucket.Arn}/*"},
        ),
        "TellMissingFromForbidden": ({"s3:ListBucket"}, [SOURCE, DESTINATION]),
        "FindUnfinishedUploads": ({"s3:ListBucketMultipartUploads"}, DESTINATION),
        "ReadRoutes": ({"s3:GetObject"}, {"Fn::Sub": "${WorkBucket.Arn}/config/*"}),
        "KeepJobs": (
            {"dynamodb:BatchWriteItem", "dynamodb:GetItem", "dynamodb:UpdateItem"},
            {"Fn::GetAtt": ["JobsTable", "Arn"]},
        ),
        "KeepRejects": ({"s3:PutObject"}, {"Fn::Sub": "${WorkBucket.Arn}/jobs/*"}),
        "LoadRecords": (
            {"dynamodb:BatchWriteItem", "dynamodb:DescribeTable"},
            {"Fn::GetAtt": ["RecordsTable", "Arn"]},
        ),
        "TakeMessages": (
            {"sqs:ChangeMessageVisibility", "sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:ReceiveMessage"},
            {"Fn::GetAtt": ["IngestQueue", "Arn"]},
        ),
        "BuryFailedEvents": ({"sqs:SendMessage"}, {"Fn::GetAtt": ["DeadLetterQueue", "Arn"]}),
        "Log": ({"logs:CreateLogStream", "logs:PutLogEvents"}, {"Fn::GetAtt": ["IngestLogGroup", "Arn"]}),
        "Trace": ({"xray:PutTelemetryRecords", "xray:PutTraceSegments"}, "*"),
        "ReadDatabaseSecret": ({"secretsmanager:GetSecretValue"}, {"Ref": "PostgresSecretArn"}),
        "BecomeDatabaseUser": ({"rds-db:connect"}, {"Ref": "PostgresIamUserArn"}),
        "JoinVpc": (
            {
                "ec2:AssignPrivateIpAddresses",
                "ec2:CreateNetworkInterface",
                "ec2:DeleteNetworkInterface",
                "ec2:DescribeNetworkInterfaces",
                "ec2:DescribeSubnets",
                "ec2:UnassignPrivateIpAddresses",
            },
            "*",
        ),
        "UseKey": ({"kms:Decrypt", "kms:GenerateDataKey"}, {"Ref": "KmsKeyArn"}),
    }
}


def as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def statements_of(role: dict[str, Any]) -> Iterator[Statement]:
    """Of all inline policies, those under a condition included."""
    for policy in role["Properties"]["Policies"]:
        for statement in policy["PolicyDocument"]["Statement"]:
            yield statement["Fn::If"][1] if "Fn::If" in statement else statement


@pytest.mark.parametrize("role", GRANTED)
class TestEveryRole:
    def test_may_do_exactly_what_its_function_needs(self, resources: Resources, role: str) -> None:
        found = {
            statement["Sid"]: (set(as_list(statement["Action"])), statement["Resource"])
            for statement in statements_of(resources[role])
        }
        assert found == GRANTED[role]

    def test_has_no_wildcard_among_its_actions(self, resources: Resources, role: str) -> None:
        actions = [action for statement in statements_of(resources[role]) for action in as_list(statement["Action"])]
        assert not [action for action in actions if "*" in action]

    def test_reaches_all_resources_only_where_the_service_knows_none(self, resources: Resources, role: str) -> None:
        everywhere = [
            statement for statement in statements_of(resources[role]) if "*" in as_list(statement["Resource"])
        ]
        assert {statement["Sid"] for statement in everywhere} == {"JoinVpc", "Trace"}

    def test_only_allows(self, resources: Resources, role: str) -> None:
        for statement in statements_of(resources[role]):
            assert statement["Effect"] == "Allow"
            assert not {"NotAction", "NotResource", "NotPrincipal"} & set(statement)

    def test_takes_nothing_from_managed_policies(self, resources: Resources, role: str) -> None:
        assert "ManagedPolicyArns" not in resources[role]["Properties"]

    def test_is_for_lambda_alone(self, resources: Resources, role: str) -> None:
        assert resources[role]["Properties"]["AssumeRolePolicyDocument"]["Statement"] == [
            {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
        ]


def test_every_function_has_a_role_of_its_own_and_there_are_no_others(resources: Resources) -> None:
    roles = {name for name, resource in resources.items() if resource["Type"] == "AWS::IAM::Role"}
    functions = [resource for resource in resources.values() if resource["Type"] == "AWS::Serverless::Function"]
    used = [function["Properties"]["Role"]["Fn::GetAtt"][0] for function in functions]
    assert sorted(used) == sorted(roles) == sorted(GRANTED)


def test_sam_adds_no_policy_behind_our_back(resources: Resources) -> None:
    """With ``Role`` given, SAM writes no role; ``Policies`` beside it would be ignored without a word."""
    for resource in resources.values():
        if resource["Type"] == "AWS::Serverless::Function":
            assert "Policies" not in resource["Properties"]


def test_what_a_stack_may_do_without_is_granted_only_where_it_has_it(resources: Resources) -> None:
    (policy,) = resources["IngestRole"]["Properties"]["Policies"]
    conditional = [s["Fn::If"] for s in policy["PolicyDocument"]["Statement"] if "Fn::If" in s]
    assert {then["Sid"]: condition for condition, then, _ in conditional} == {
        "UseKey": "UseKmsKey",
        "ReadDatabaseSecret": "UsePostgresSecret",
        "BecomeDatabaseUser": "UsePostgresIam",
        "JoinVpc": "UseVpc",
    }
    assert all(otherwise == {"Ref": "AWS::NoValue"} for _, _, otherwise in conditional)
