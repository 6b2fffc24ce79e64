"""Least privilege: what each function may do, in full. A new right must be added here as well, on purpose."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

Resources = dict[str, dict[str, Any]]
Statement = dict[str, Any]

SOURCE = {"Fn::GetAtt": ["SourceBucket", "Arn"]}
DESTINATION = {"Fn::GetAtt": ["DestinationBucket", "Arn"]}

SOURCE_OBJECTS = {"Fn::Sub": "${SourceBucket.Arn}/*"}
DESTINATION_OBJECTS = {"Fn::Sub": "${DestinationBucket.Arn}/*"}
JOB_FILES = {"Fn::Sub": "${WorkBucket.Arn}/jobs/*"}
CONFIGURATION = {"Fn::Sub": "${WorkBucket.Arn}/config/*"}
WORK = {"Fn::GetAtt": ["WorkBucket", "Arn"]}
JOBS = {"Fn::GetAtt": ["JobsTable", "Arn"]}
RECORDS = {"Fn::GetAtt": ["RecordsTable", "Arn"]}
HERE = "${AWS::Partition}:%s:${AWS::Region}:${AWS::AccountId}"
BUS = {"Fn::Sub": f"arn:{HERE % 'events'}:event-bus/default"}

Grants = dict[str, tuple[set[str], Any]]

READ_SOURCE: Grants = {"ReadSource": ({"s3:GetObject", "s3:GetObjectVersion"}, SOURCE_OBJECTS)}
WRITE_DESTINATION: Grants = {
    "WriteDestination": ({"s3:AbortMultipartUpload", "s3:GetObject", "s3:PutObject"}, DESTINATION_OBJECTS)
}
READ_ROUTES: Grants = {"ReadRoutes": ({"s3:GetObject"}, CONFIGURATION)}
LOAD_RECORDS: Grants = {"LoadRecords": ({"dynamodb:BatchWriteItem", "dynamodb:DescribeTable"}, RECORDS)}
WORK_FILES: Grants = {"KeepWorkFiles": ({"s3:GetObject", "s3:PutObject"}, JOB_FILES)}
KEEP_JOB: Grants = {"KeepJobs": ({"dynamodb:GetItem", "dynamodb:UpdateItem"}, JOBS)}
FIND_UPLOADS: Grants = {"FindUnfinishedUploads": ({"s3:ListBucketMultipartUploads"}, DESTINATION)}
ANNOUNCE: Grants = {"Announce": ({"events:PutEvents"}, BUS)}


def tells_missing_from_forbidden(*buckets: Any) -> Grants:
    return {"TellMissingFromForbidden": ({"s3:ListBucket"}, list(buckets) if len(buckets) > 1 else buckets[0])}


def logs(verb: str) -> Grants:
    return {"Log": ({"logs:CreateLogStream", "logs:PutLogEvents"}, {"Fn::GetAtt": [f"{verb}LogGroup", "Arn"]})}


GRANTED: dict[str, Grants] = {
    "IngestRole": {
        **READ_SOURCE,
        **WRITE_DESTINATION,
        **tells_missing_from_forbidden(SOURCE, DESTINATION, WORK),
        **FIND_UPLOADS,
        **READ_ROUTES,
        "KeepJobs": ({"dynamodb:BatchWriteItem", "dynamodb:GetItem", "dynamodb:UpdateItem"}, JOBS),
        **WORK_FILES,
        **LOAD_RECORDS,
        "TakeMessages": (
            {"sqs:ChangeMessageVisibility", "sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:ReceiveMessage"},
            {"Fn::GetAtt": ["IngestQueue", "Arn"]},
        ),
        "BuryFailedEvents": ({"sqs:SendMessage"}, {"Fn::GetAtt": ["DeadLetterQueue", "Arn"]}),
        "StartMachine": ({"states:StartExecution"}, {"Ref": "StateMachine"}),
        **logs("Ingest"),
    },
    "PlanRole": {
        **READ_SOURCE,
        "BeginUpload": ({"s3:AbortMultipartUpload", "s3:PutObject"}, DESTINATION_OBJECTS),
        **tells_missing_from_forbidden(SOURCE, WORK),
        **READ_ROUTES,
        **WORK_FILES,
        **KEEP_JOB,
        "CheckRecords": ({"dynamodb:DescribeTable"}, RECORDS),
        "AskForTheQuota": ({"lambda:GetAccountSettings"}, "*"),
        **logs("Plan"),
    },
    "IndexRole": {
        **READ_SOURCE,
        **tells_missing_from_forbidden(SOURCE, WORK),
        **WORK_FILES,
        "NoteFailures": ({"dynamodb:GetItem", "dynamodb:UpdateItem"}, JOBS),
        **logs("Index"),
    },
    "WorkRole": {
        **READ_SOURCE,
        **WRITE_DESTINATION,
        **tells_missing_from_forbidden(SOURCE, DESTINATION, WORK),
        **FIND_UPLOADS,
        **READ_ROUTES,
        **WORK_FILES,
        "KeepJobs": (
            {"dynamodb:BatchGetItem", "dynamodb:GetItem", "dynamodb:UpdateItem"},
            JOBS,
        ),
        **LOAD_RECORDS,
        **logs("Work"),
    },
    "FinishRole": {
        "Publish": (
            {"s3:AbortMultipartUpload", "s3:GetObject", "s3:ListMultipartUploadParts", "s3:PutObject"},
            DESTINATION_OBJECTS,
        ),
        **tells_missing_from_forbidden(DESTINATION, WORK),
        **WORK_FILES,
        "KeepJobs": ({"dynamodb:BatchGetItem", "dynamodb:GetItem", "dynamodb:UpdateItem"}, JOBS),
        "CheckRecords": ({"dynamodb:DescribeTable"}, RECORDS),
        **ANNOUNCE,
        **logs("Finish"),
    },
    "AbortRole": {
        "AbortUpload": ({"s3:AbortMultipartUpload", "s3:GetObject"}, DESTINATION_OBJECTS),
        **tells_missing_from_forbidden(DESTINATION, WORK),
        "ReadWorkFiles": ({"s3:GetObject"}, JOB_FILES),
        "KeepJobs": ({"dynamodb:BatchGetItem", "dynamodb:GetItem", "dynamodb:UpdateItem"}, JOBS),
        "CheckRecords": ({"dynamodb:DescribeTable"}, RECORDS),
        **ANNOUNCE,
        "BuryFailedEvents": ({"sqs:SendMessage"}, {"Fn::GetAtt": ["DeadLetterQueue", "Arn"]}),
        **logs("Abort"),
    },
    "ReconcileRole": {
        "FindOpenJobs": ({"dynamodb:Query"}, {"Fn::Sub": "${JobsTable.Arn}/index/by_time"}),
        **KEEP_JOB,
        "SendEventsAgain": ({"sqs:SendMessage"}, {"Fn::GetAtt": ["IngestQueue", "Arn"]}),
        "ReadDeadLetters": (
            {"sqs:DeleteMessage", "sqs:ReceiveMessage"},
            {"Fn::GetAtt": ["DeadLetterQueue", "Arn"]},
        ),
        **READ_ROUTES,
        "WatchExecutions": (
            {"states:DescribeExecution"},
            {"Fn::Sub": f"arn:{HERE % 'states'}:execution:${{AWS::StackName}}-job:*"},
        ),
        "AskForAbort": ({"lambda:InvokeFunction"}, {"Fn::GetAtt": ["AbortFunction", "Arn"]}),
        **FIND_UPLOADS,
        "EndUploads": ({"s3:AbortMultipartUpload"}, DESTINATION_OBJECTS),
        **logs("Reconcile"),
    },
    "StateMachineRole": {
        "CallSteps": (
            {"lambda:InvokeFunction"},
            [{"Fn::GetAtt": [f"{verb}Function", "Arn"]} for verb in ("Plan", "Index", "Work", "Finish", "Abort")],
        ),
        "ReadManifests": ({"s3:GetObject"}, JOB_FILES),
        "WriteMapResults": (
            {"s3:AbortMultipartUpload", "s3:GetObject", "s3:ListMultipartUploadParts", "s3:PutObject"},
            {"Fn::Sub": "${WorkBucket.Arn}/jobs/map/*"},
        ),
        "StartChildren": (
            {"states:StartExecution"},
            {"Fn::Sub": f"arn:{HERE % 'states'}:stateMachine:${{AWS::StackName}}-job"},
        ),
        "WatchChildren": (
            {"states:DescribeExecution", "states:StopExecution"},
            [
                {"Fn::Sub": f"arn:{HERE % 'states'}:execution:${{AWS::StackName}}-job:*"},
                {"Fn::Sub": f"arn:{HERE % 'states'}:execution:${{AWS::StackName}}-job/*:*"},
            ],
        ),
        "Log": (
            {
                "logs:CreateLogDelivery",
                "logs:DeleteLogDelivery",
                "logs:DescribeLogGroups",
                "logs:DescribeResourcePolicies",
                "logs:GetLogDelivery",
                "logs:ListLogDeliveries",
                "logs:PutResourcePolicy",
                "logs:UpdateLogDelivery",
            },
            "*",
        ),
        "Trace": (
            {
                "xray:GetSamplingRules",
                "xray:GetSamplingTargets",
                "xray:PutTelemetryRecords",
                "xray:PutTraceSegments",
            },
            "*",
        ),
        "UseKey": ({"kms:Decrypt", "kms:GenerateDataKey"}, {"Ref": "KmsKeyArn"}),
    },
    "FunctionPolicy": {
        "Trace": ({"xray:PutTelemetryRecords", "xray:PutTraceSegments"}, "*"),
        "UseKey": ({"kms:Decrypt", "kms:GenerateDataKey"}, {"Ref": "KmsKeyArn"}),
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
    },
    "DatabasePolicy": {
        "ReadDatabaseSecret": ({"secretsmanager:GetSecretValue"}, {"Ref": "PostgresSecretArn"}),
        "BecomeDatabaseUser": ({"rds-db:connect"}, {"Ref": "PostgresIamUserArn"}),
    },
}
WITHOUT_RESOURCES = {
    "PlanRole": {"AskForTheQuota"},
    "FunctionPolicy": {"JoinVpc", "Trace"},
    "StateMachineRole": {"Log", "Trace"},
}
FUNCTION_ROLES = [name for name in GRANTED if name.endswith("Role") and name != "StateMachineRole"]
WITHOUT_DATABASE = {"IndexRole", "ReconcileRole"}


def as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def statements_of(granting: dict[str, Any]) -> Iterator[Statement]:
    """Of a managed policy or of all inline policies of a role, those under a condition included."""
    properties = granting["Properties"]
    documents = [policy["PolicyDocument"] for policy in properties.get("Policies", [properties])]
    for document in documents:
        for statement in document["Statement"]:
            yield statement["Fn::If"][1] if "Fn::If" in statement else statement


@pytest.mark.parametrize("granting", GRANTED)
class TestEveryRoleAndPolicy:
    def test_grants_exactly_what_is_needed(self, resources: Resources, granting: str) -> None:
        found = {
            statement["Sid"]: (set(as_list(statement["Action"])), statement["Resource"])
            for statement in statements_of(resources[granting])
        }
        assert found == GRANTED[granting]

    def test_has_no_wildcard_among_its_actions(self, resources: Resources, granting: str) -> None:
        actions = [
            action for statement in statements_of(resources[granting]) for action in as_list(statement["Action"])
        ]
        assert not [action for action in actions if "*" in action]

    def test_reaches_all_resources_only_where_the_service_knows_none(self, resources: Resources, granting: str) -> None:
        everywhere = [
            statement for statement in statements_of(resources[granting]) if "*" in as_list(statement["Resource"])
        ]
        assert {statement["Sid"] for statement in everywhere} == WITHOUT_RESOURCES.get(granting, set())

    def test_only_allows(self, resources: Resources, granting: str) -> None:
        for statement in statements_of(resources[granting]):
            assert statement["Effect"] == "Allow"
            assert not {"NotAction", "NotResource", "NotPrincipal"} & set(statement)


@pytest.mark.parametrize("role", FUNCTION_ROLES)
def test_a_role_of_a_function_is_for_lambda_of_this_account_alone(resources: Resources, role: str) -> None:
    assert resources[role]["Properties"]["AssumeRolePolicyDocument"]["Statement"] == [
        {
            "Effect": "Allow",
            "Principal": {"Service": "lambda.amazonaws.com"},
            "Action": "sts:AssumeRole",
            "Condition": {"StringEquals": {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}},
        }
    ]


def test_the_role_of_the_state_machine_is_for_step_functions_of_this_account(resources: Resources) -> None:
    assert resources["StateMachineRole"]["Properties"]["AssumeRolePolicyDocument"]["Statement"] == [
        {
            "Effect": "Allow",
            "Principal": {"Service": "states.amazonaws.com"},
            "Action": "sts:AssumeRole",
            "Condition": {"StringEquals": {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}},
        }
    ]
    assert "ManagedPolicyArns" not in resources["StateMachineRole"]["Properties"]


@pytest.mark.parametrize("role", FUNCTION_ROLES)
def test_a_function_shares_only_policies_of_this_template(resources: Resources, role: str) -> None:
    database = {"Fn::If": ["UseDatabaseRights", {"Ref": "DatabasePolicy"}, {"Ref": "AWS::NoValue"}]}
    shared: list[Any] = [{"Ref": "FunctionPolicy"}]
    expected = shared if role in WITHOUT_DATABASE else [*shared, database]
    assert resources[role]["Properties"]["ManagedPolicyArns"] == expected


def test_every_function_has_a_role_of_its_own_and_there_are_no_others(resources: Resources) -> None:
    granting = {
        name
        for name, resource in resources.items()
        if resource["Type"] in {"AWS::IAM::Role", "AWS::IAM::ManagedPolicy", "AWS::IAM::Policy"}
    }
    functions = [resource for resource in resources.values() if resource["Type"] == "AWS::Serverless::Function"]
    used = [function["Properties"]["Role"]["Fn::GetAtt"][0] for function in functions]
    assert granting == set(GRANTED)
    assert sorted(used) == sorted(FUNCTION_ROLES)
    assert resources["StateMachine"]["Properties"]["Role"] == {"Fn::GetAtt": ["StateMachineRole", "Arn"]}


def test_sam_adds_no_policy_behind_our_back(resources: Resources) -> None:
    """With ``Role`` given, SAM writes no role; ``Policies`` beside it would be ignored without a word."""
    for resource in resources.values():
        if resource["Type"] in {"AWS::Serverless::Function", "AWS::Serverless::StateMachine"}:
            assert "Policies" not in resource["Properties"]


def test_what_a_stack_may_do_without_is_granted_only_where_it_has_it(
    template: dict[str, Any], resources: Resources
) -> None:
    conditional = [
        statement["Fn::If"]
        for name in GRANTED
        for policy in resources[name]["Properties"].get("Policies", [resources[name]["Properties"]])
        for statement in policy["PolicyDocument"]["Statement"]
        if "Fn::If" in statement
    ]
    assert {(then["Sid"], condition) for condition, then, _ in conditional} == {
        ("UseKey", "UseKmsKey"),
        ("ReadDatabaseSecret", "UsePostgresSecret"),
        ("BecomeDatabaseUser", "UsePostgresIam"),
        ("JoinVpc", "UseVpc"),
    }
    assert all(otherwise == {"Ref": "AWS::NoValue"} for _, _, otherwise in conditional)
    # A policy without statements is refused: it must not exist where neither of its two is granted.
    assert resources["DatabasePolicy"]["Condition"] == "UseDatabaseRights"
    assert template["Conditions"]["UseDatabaseRights"] == {
        "Fn::Or": [{"Condition": "UsePostgresSecret"}, {"Condition": "UsePostgresIam"}]
    }
