"""What `penstock doctor` reads of the emulator is as AWS has it: settings of a template, and simulations of IAM."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber

from penstock.aws.inspection.roles import BOUNDARY, RoleReader
from penstock.aws.inspection.values import Decision
from penstock_local.account import Account, emulator_only

TEMPLATE = {
    "Resources": {
        "Bucket": {
            "Type": "AWS::S3::Bucket",
            "Properties": {
                "BucketName": "inspected",
                "LifecycleConfiguration": {
                    "Rules": [
                        {
                            "Id": "abort",
                            "Status": "Enabled",
                            "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": "7"},
                        },
                        {"Id": "expire", "Status": "Enabled", "Prefix": "jobs/", "ExpirationInDays": 3},
                    ]
                },
            },
        },
        "Table": {
            "Type": "AWS::DynamoDB::Table",
            "Properties": {
                "TableName": "inspected",
                "BillingMode": "PAY_PER_REQUEST",
                "AttributeDefinitions": [{"AttributeName": "pk", "AttributeType": "S"}],
                "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}],
                "TimeToLiveSpecification": {"AttributeName": "expires_at", "Enabled": True},
            },
        },
    }
}
ROLE = "arn:aws:iam::000000000000:role/inspected"
TRUST = {"Version": "2012-10-17", "Statement": []}
READ = ["s3:GetObject", "s3:PutObject"]
MINE, THEIRS = "arn:aws:s3:::mine/*", "arn:aws:s3:::theirs/*"


@pytest.fixture(scope="module")
def account() -> Iterator[Account]:
    with emulator_only() as account:
        account.client("cloudformation").create_stack(StackName="inspected", TemplateBody=json.dumps(TEMPLATE))
        yield account


def policy(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": statements})


def test_a_bucket_has_the_lifecycle_rules_of_the_template(account: Account) -> None:
    rules = account.client("s3").get_bucket_lifecycle_configuration(Bucket="inspected")["Rules"]
    assert [rule["ID"] for rule in rules] == ["abort", "expire"]
    assert rules[0]["AbortIncompleteMultipartUpload"] == {"DaysAfterInitiation": 7}
    assert (rules[1]["Filter"], rules[1]["Expiration"]["Days"]) == ({"Prefix": "jobs/"}, 3)


def test_a_table_has_the_time_to_live_of_the_template(account: Account) -> None:
    found = account.client("dynamodb").describe_time_to_live(TableName="inspected")["TimeToLiveDescription"]
    assert found == {"TimeToLiveStatus": "ENABLED", "AttributeName": "expires_at"}


def test_a_simulation_answers_for_every_resource_within_the_boundary(account: Account) -> None:
    iam = account.client("iam")
    iam.create_role(RoleName="inspected", AssumeRolePolicyDocument=json.dumps(TRUST))
    allow = {"Effect": "Allow", "Action": READ, "Resource": MINE}
    deny = {"Effect": "Deny", "Action": "s3:GetObject", "Resource": THEIRS}
    iam.put_role_policy(RoleName="inspected", PolicyName="own", PolicyDocument=policy(allow, deny))
    roles = RoleReader(lambda: iam)
    assert list(roles.simulate(ROLE, READ, [MINE, THEIRS])) == [
        Decision("s3:GetObject", MINE, allowed=True),
        Decision("s3:GetObject", THEIRS, allowed=False, explicit=True),
        Decision("s3:PutObject", MINE, allowed=True),
        Decision("s3:PutObject", THEIRS, allowed=False),
    ]
    bound = policy({"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"})
    made = iam.create_policy(PolicyName="boundary", PolicyDocument=bound)["Policy"]["Arn"]
    iam.put_role_permissions_boundary(RoleName="inspected", PermissionsBoundary=made)
    assert list(roles.simulate(ROLE, READ, [MINE])) == [
        Decision("s3:GetObject", MINE, allowed=True),
        Decision("s3:PutObject", MINE, allowed=False, by=BOUNDARY),
    ]


def test_the_only_resource_of_a_simulation_is_named_although_the_response_names_its_kind() -> None:
    """https://docs.aws.amazon.com/IAM/latest/APIReference/API_EvaluationResult.html"""
    iam = boto3.client("iam", region_name="us-east-1", aws_access_key_id="test", aws_secret_access_key="test")
    kind = "arn:${Partition}:s3:::${BucketName}/${KeyName}"
    found = {"EvalActionName": "s3:GetObject", "EvalResourceName": kind, "EvalDecision": "allowed"}
    with Stubber(iam) as stub:
        stub.add_response("simulate_principal_policy", {"EvaluationResults": [found], "IsTruncated": False})
        decisions = RoleReader(lambda: iam).simulate(ROLE, ["s3:GetObject"], [MINE])
    assert decisions == [Decision("s3:GetObject", MINE, allowed=True)]
