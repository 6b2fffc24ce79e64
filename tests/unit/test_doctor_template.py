"""The rights that a deployed template gives: references resolved as CloudFormation does, and nothing guessed."""

from __future__ import annotations

from typing import Any

import pytest

from penstock.aws.inspection.values import Resource, StackState
from penstock.doctor.template import Policy, Template
from penstock.errors import AccessDeniedError

STACK = StackState(
    "lake",
    "arn:aws:cloudformation:eu-west-1:111122223333:stack/lake/1",
    "CREATE_COMPLETE",
    "",
    {"Names": "a,b", "Create": "true", "Key": ""},
    {},
)
RESOURCES = {
    "Role": Resource("AWS::IAM::Role", "lake-Role-1", "CREATE_COMPLETE"),
    "Shared": Resource("AWS::IAM::ManagedPolicy", "arn:aws:iam::111122223333:policy/shared", "CREATE_COMPLETE"),
    "Bucket": Resource("AWS::S3::Bucket", "lake-source", "CREATE_COMPLETE"),
    "Queue": Resource(
        "AWS::SQS::Queue", "https://sqs.eu-west-1.amazonaws.com/111122223333/lake-ingest", "CREATE_COMPLETE"
    ),
    "Table": Resource("AWS::DynamoDB::Table", "lake-jobs", "CREATE_COMPLETE"),
    "Machine": Resource(
        "AWS::StepFunctions::StateMachine", "arn:aws:states:eu-west-1:111122223333:stateMachine:job", "CREATE_COMPLETE"
    ),
}
NAMES = {"Fn::Split": [",", {"Ref": "Names"}]}
# How the template makes ARNs of a list of names.
ARNS = {"Fn::Split": [",", {"Fn::Join": ["", ["arn:", {"Fn::Join": [",arn:", NAMES]}]]}]}
STREAM = "arn:aws:dynamodb:eu-west-1:111122223333:table/lake-jobs/stream/2026"


def template(*resources: Any, stream: str = STREAM) -> Template:
    """A template whose role has one statement for each of these resources, and a shared policy."""
    statements = [{"Effect": "Allow", "Action": "a:B", "Resource": one} for one in resources]
    role = {
        "ManagedPolicyArns": [
            {"Ref": "Shared"},
            {"Fn::If": ["UseKey", {"Ref": "Absent"}, {"Ref": "AWS::NoValue"}]},
            "arn:aws:iam::aws:policy/ReadOnlyAccess",
        ],
        "Policies": [{"PolicyName": "own", "PolicyDocument": {"Statement": statements}}],
    }
    shared = {"PolicyDocument": {"Statement": [{"Effect": "Allow", "Action": "c:D", "Resource": "*"}]}}

    def stream_of(table: str) -> str:
        if not stream:
            raise AccessDeniedError(f"dynamodb:DescribeTable on {table}")
        return stream

    document = {
        "Parameters": {
            "Names": {"Type": "String"},
            "Create": {"Type": "String"},
            "Key": {"Type": "CommaDelimitedList"},
        },
        "Conditions": {
            "Own": {"Fn::And": [{"Fn::Equals": [{"Ref": "Create"}, "true"]}, {"Fn::Not": [{"Condition": "UseKey"}]}]},
            "UseKey": {"Fn::Not": [{"Fn::Equals": [{"Fn::Join": ["", {"Ref": "Key"}]}, ""]}]},
        },
        "Resources": {
            "Role": {"Type": "AWS::IAM::Role", "Properties": role},
            "Shared": {"Type": "AWS::IAM::ManagedPolicy", "Properties": shared},
        },
    }
    return Template(document, STACK, RESOURCES, stream_of)


def resources_of(*resources: Any, stream: str = STREAM) -> list[Any]:
    own = next(one for one in template(*resources, stream=stream).policies("Role") if one.name)
    return [statement["Resource"] for statement in own.document["Statement"]]


@pytest.mark.parametrize(
    ("written", "resolved"),
    [
        ({"Fn::GetAtt": ["Bucket", "Arn"]}, "arn:aws:s3:::lake-source"),
        ({"Fn::GetAtt": "Queue.Arn"}, "arn:aws:sqs:eu-west-1:111122223333:lake-ingest"),
        ({"Fn::GetAtt": ["Table", "Arn"]}, "arn:aws:dynamodb:eu-west-1:111122223333:table/lake-jobs"),
        ({"Fn::GetAtt": ["Table", "StreamArn"]}, STREAM),
        ({"Ref": "Machine"}, "arn:aws:states:eu-west-1:111122223333:stateMachine:job"),
        ({"Fn::Sub": "${Bucket.Arn}/jobs/*"}, "arn:aws:s3:::lake-source/jobs/*"),
        ({"Fn::Sub": "arn:${AWS::Partition}:x:${AWS::Region}:${AWS::AccountId}:${AWS::StackName}-${!y}"},
         "arn:aws:x:eu-west-1:111122223333:lake-${y}"),
        ({"Fn::Sub": ["${One}/${Bucket}", {"One": {"Ref": "Create"}}]}, "true/lake-source"),
        ({"Fn::If": ["Own", "yes", "no"]}, "yes"),
        (ARNS, ["arn:a", "arn:b"]),
        ({"Fn::Select": [1, {"Fn::Split": [",", {"Ref": "Names"}]}]}, "b"),
    ],
)  # fmt: skip
def test_a_reference_is_resolved_by_the_values_of_the_stack(written: Any, resolved: Any) -> None:
    assert resources_of(written) == [resolved]


@pytest.mark.parametrize(
    "unknown", [{"Ref": "Elsewhere"}, {"Fn::ImportValue": "x"}, {"Fn::GetAtt": ["Bucket", "Domain"]}]
)
def test_a_statement_that_cannot_be_resolved_is_left_out(unknown: Any) -> None:
    assert resources_of(unknown, "*") == ["*"]


def test_a_stream_that_may_not_be_looked_up_is_left_out() -> None:
    assert resources_of({"Fn::GetAtt": ["Table", "StreamArn"]}, "*", stream="") == ["*"]


def test_a_role_has_its_own_policies_and_those_that_the_template_shares() -> None:
    own, shared = template("*").policies("Role")
    assert (own.name, own.arn) == ("own", "")
    assert shared == Policy(
        "",
        RESOURCES["Shared"].id,
        {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "c:D", "Resource": "*"}]},
    )
