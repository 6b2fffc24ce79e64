"""What connect sees of a stack, on the emulator: its parameters, its queue, its rule, its roles and its outputs.

The real template needs half a minute to deploy. tests/template/test_connect.py holds that connect reads the names of
that template, and asks for what its roles are granted.
"""

from __future__ import annotations

import json
from typing import Any

from penstock_local.account import Account

STACK = "penstock-dev"
FUNCTIONS = ("Ingest", "Plan", "Index", "Work", "Finish", "Abort", "Reconcile")
PARAMETERS = ("SourceBucketNames", "DestinationBucketNames", "BucketKmsKeyArns", "SourceTopicArns")


def _listed(condition: str, name: str) -> dict[str, Any]:
    return {"Fn::If": [condition, {"Fn::Split": [",", {"Ref": name}]}, ["none"]]}


def _sender(sid: str, service: str, key: str, arns: Any) -> dict[str, Any]:
    return {
        "Sid": sid,
        "Effect": "Allow",
        "Principal": {"Service": service},
        "Action": "sqs:SendMessage",
        "Resource": {"Fn::GetAtt": ["Queue", "Arn"]},
        "Condition": {key: {"aws:SourceArn": arns}},
    }


def template() -> dict[str, Any]:
    trust = {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
        ],
    }
    roles = {
        f"{name}Role": {
            "Type": "AWS::IAM::Role",
            "Properties": {"RoleName": f"{STACK}-{name}Role", "AssumeRolePolicyDocument": trust},
        }
        for name in FUNCTIONS
    }
    buckets = {"Fn::Join": [",arn:*:s3:::", {"Fn::Split": [",", {"Ref": "SourceBucketNames"}]}]}
    arns = {"Fn::Split": [",", {"Fn::Join": ["", ["arn:*:s3:::", buckets]]}]}

    def arns_of(*names: str) -> dict[str, Any]:
        return {"Value": {"Fn::Join": [",", [{"Fn::GetAtt": [f"{name}Role", "Arn"]} for name in names]]}}

    return {
        "AWSTemplateFormatVersion": "2010-09-09",
        "Parameters": {name: {"Type": "String", "Default": ""} for name in PARAMETERS},
        "Conditions": {
            f"Has{name}": {"Fn::Not": [{"Fn::Equals": [{"Ref": name}, ""]}]}
            for name in ("SourceBucketNames", "DestinationBucketNames", "SourceTopicArns")
        },
        "Resources": {
            "Queue": {"Type": "AWS::SQS::Queue", "Properties": {"QueueName": f"{STACK}-ingest"}},
            "QueuePolicy": {
                "Type": "AWS::SQS::QueuePolicy",
                "Properties": {
                    "Queues": [{"Ref": "Queue"}],
                    "PolicyDocument": {
                        "Version": "2012-10-17",
                        "Statement": [
                            {
                                **_sender("SourceBucketsNotify", "s3.amazonaws.com", "ArnLike", arns),
                                "Condition": {
                                    "ArnLike": {"aws:SourceArn": arns},
                                    "StringEquals": {"aws:SourceAccount": {"Ref": "AWS::AccountId"}},
                                },
                            },
                            _sender(
                                "SourceTopicsNotify",
                                "sns.amazonaws.com",
                                "ArnEquals",
                                _listed("HasSourceTopicArns", "SourceTopicArns"),
                            ),
                        ],
                    },
                },
            },
            "SourceRule": {
                "Type": "AWS::Events::Rule",
                "Condition": "HasSourceBucketNames",
                "Properties": {
                    "Name": f"{STACK}-SourceRule",
                    "EventPattern": {
                        "source": ["aws.s3"],
                        "detail-type": ["Object Created"],
                        "detail": {"bucket": {"name": _listed("HasSourceBucketNames", "SourceBucketNames")}},
                    },
                    "Targets": [{"Id": "queue", "Arn": {"Fn::GetAtt": ["Queue", "Arn"]}}],
                },
            },
            **roles,
        },
        "Outputs": {
            "QueueUrl": {"Value": {"Ref": "Queue"}},
            "QueueArn": {"Value": {"Fn::GetAtt": ["Queue", "Arn"]}},
            "SourceRoleArns": arns_of("Ingest", "Plan", "Index", "Work"),
            "DestinationRoleArns": arns_of("Ingest", "Plan", "Work", "Finish", "Abort", "Reconcile"),
            "AllSourceBucketNames": {"Value": {"Ref": "SourceBucketNames"}, "Condition": "HasSourceBucketNames"},
            "AllDestinationBucketNames": {
                "Value": {"Ref": "DestinationBucketNames"},
                "Condition": "HasDestinationBucketNames",
            },
        },
    }


def deploy(account: Account, **parameters: str) -> None:
    """Create the stack, or update it with these parameters."""
    client = account.client("cloudformation")
    given = [{"ParameterKey": name, "ParameterValue": value} for name, value in parameters.items()]
    exists = any(
        stack["StackName"] == STACK and not stack["StackStatus"].startswith("DELETE")
        for stack in client.describe_stacks()["Stacks"]
    )
    call = client.update_stack if exists else client.create_stack
    call(
        StackName=STACK,
        TemplateBody=json.dumps(template()),
        Parameters=given,
        Capabilities=["CAPABILITY_NAMED_IAM"],
    )
    client.get_waiter("stack_update_complete" if exists else "stack_create_complete").wait(
        StackName=STACK, WaiterConfig={"Delay": 0.1, "MaxAttempts": 300}
    )
