"""Jobs table, function, logs, traces, alarms and outputs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from penstock.aws.jobs_table import time_index as job_index
from penstock.doctor.stack import LAYERS
from penstock.settings import Settings

ROOT = Path(__file__).parents[2]

Resources = dict[str, dict[str, Any]]


NOTHING = {"Ref": "AWS::NoValue"}
ENCRYPTED = {
    "SSEEnabled": True,
    "SSEType": {"Fn::If": ["UseKmsKey", "KMS", NOTHING]},
    "KMSMasterKeyId": {"Fn::If": ["UseKmsKey", {"Ref": "KmsKeyArn"}, NOTHING]},
}


def functions(resources: Resources) -> dict[str, dict[str, Any]]:
    return {
        name: resource["Properties"]
        for name, resource in resources.items()
        if resource["Type"] == "AWS::Serverless::Function"
    }


def test_the_jobs_table_is_billed_by_request_expires_old_jobs_and_can_be_restored(resources: Resources) -> None:
    table = resources["JobsTable"]
    assert table["DeletionPolicy"] == "RetainExceptOnCreate"
    assert table["UpdateReplacePolicy"] == "Retain"
    assert table["Properties"] == {
        **job_index.table_schema(),
        "StreamSpecification": {"StreamViewType": "NEW_AND_OLD_IMAGES"},
        "TimeToLiveSpecification": {"AttributeName": "expires_at", "Enabled": True},
        "PointInTimeRecoverySpecification": {"PointInTimeRecoveryEnabled": True},
        "SSESpecification": ENCRYPTED,
    }


def test_a_given_key_encrypts_every_table(resources: Resources) -> None:
    tables = [each["Properties"] for each in resources.values() if each["Type"] == "AWS::DynamoDB::Table"]
    assert [table["SSESpecification"] for table in tables] == [ENCRYPTED, ENCRYPTED]


def test_there_is_a_function_for_every_verb(resources: Resources) -> None:
    verbs = {name.removesuffix("Function").lower(): function for name, function in functions(resources).items()}
    assert set(verbs) == {path.parent.name for path in (ROOT / "functions").glob("*/app.py")}
    for verb, function in verbs.items():
        assert function["CodeUri"] == f"functions/{verb}"
        assert function["Handler"] == "app.handler"
        assert function["FunctionName"] == {"Fn::Sub": f"${{AWS::StackName}}-{verb}"}


def test_ingest_reconcile_and_work_know_the_state_machine(resources: Resources) -> None:
    environment = {
        name: function["Environment"]["Variables"]["PENSTOCK_STATE_MACHINE"]
        for name, function in functions(resources).items()
        if "PENSTOCK_STATE_MACHINE" in function["Environment"]["Variables"]
    }
    by_name = environment.pop("WorkFunction")["Fn::Sub"]
    assert by_name.endswith(f":stateMachine:{resources['StateMachine']['Properties']['Name']['Fn::Sub']}")
    assert environment == {name: {"Ref": "StateMachine"} for name in ("IngestFunction", "ReconcileFunction")}


def test_every_function_takes_memory_timeout_runtime_and_architecture_from_the_parameters(resources: Resources) -> None:
    # The reconciler, `after`, `announce` and `commit` read no files, so their memory is fixed. A copy of S3 may take
    # long. A user waits for `check`.
    own = {
        "ReconcileFunction": (512, 120),
        "AnnounceFunction": (256, 120),
        "AfterFunction": (512, 900),
        "CommitFunction": (1024, 300),
        "CheckFunction": ({"Ref": "MemorySize"}, 120),
    }
    for name, function in functions(resources).items():
        given = ({"Ref": "MemorySize"}, {"Ref": "Timeout"})
        assert (function["MemorySize"], function["Timeout"]) == own.get(name, given)
        assert function["Runtime"] == {"Ref": "Runtime"}
        assert function["Architectures"] == [{"Ref": "Architecture"}]


def test_every_function_has_the_layers_that_doctor_expects_and_only_those_that_it_needs(resources: Resources) -> None:
    for name, function in functions(resources).items():
        verb = name.removesuffix("Function").lower()
        wanted = [layer for layer, verbs in LAYERS.items() if verbs is None or verb in verbs]
        assert function["Layers"] == [{"Ref": layer} for layer in wanted]


def test_every_function_logs_plain_text_to_its_own_group(resources: Resources) -> None:
    groups = []
    own = dict(functions(resources))
    own.pop("CheckFunction")  # its role, that of ingest, writes to no other group than that of ingest
    for function in own.values():
        assert function["LoggingConfig"]["LogFormat"] == "Text"
        group = function["LoggingConfig"]["LogGroup"]["Ref"]
        name = function["FunctionName"]["Fn::Sub"]
        assert resources[group]["Properties"]["LogGroupName"] == {"Fn::Sub": f"/aws/lambda/{name}"}
        groups.append(group)
    assert len(set(groups)) == len(groups)


def test_every_log_group_is_deleted_with_the_stack_and_has_the_given_retention(resources: Resources) -> None:
    groups = [resource for resource in resources.values() if resource["Type"] == "AWS::Logs::LogGroup"]
    assert groups
    for group in groups:
        assert group["Properties"]["RetentionInDays"] == {"Ref": "LogRetentionDays"}
        assert group["DeletionPolicy"] == "Delete"


def test_every_function_is_traced_and_traces_its_calls_only_on_request(resources: Resources) -> None:
    for name, function in functions(resources).items():
        # Runs without a job, and what follows a job: each trace would cost more than the run.
        quiet = {"ReconcileFunction", "AfterFunction", "AnnounceFunction"}
        assert function["Tracing"] == ("PassThrough" if name in quiet else "Active")
        assert function["Environment"]["Variables"]["POWERTOOLS_TRACE_DISABLED"] == {
            "Fn::If": ["TraceInDetail", "false", "true"]
        }


def test_the_environment_of_functions_matches_the_settings(resources: Resources) -> None:
    for function in functions(resources).values():
        variables = function["Environment"]["Variables"]
        environment = {name for name in variables if name.startswith("PENSTOCK_")}
        assert environment <= Settings.VARIABLES
        assert set(variables) - environment <= {
            "POWERTOOLS_SERVICE_NAME",
            "POWERTOOLS_METRICS_NAMESPACE",
            "POWERTOOLS_LOG_LEVEL",
            "POWERTOOLS_TRACE_DISABLED",
            "AWS_ENDPOINT_URL",
        }
        Settings.from_environment(dict.fromkeys(environment, "1"))


def test_a_deployed_function_uses_only_the_endpoints_of_aws(resources: Resources) -> None:
    nothing = {"Ref": "AWS::NoValue"}
    for function in functions(resources).values():
        assert function["Environment"]["Variables"].get("AWS_ENDPOINT_URL", nothing) == nothing


@pytest.mark.parametrize(
    ("alarm", "metric", "threshold"),
    [
        ("DeadLettersAlarm", "AWS/SQS ApproximateNumberOfMessagesVisible of DeadLetterQueue", 0),
        ("ErrorsAlarm", "AWS/Lambda Errors of IngestFunction", 0),
        ("ReconcileErrorsAlarm", "AWS/Lambda Errors of ReconcileFunction", 0),
        ("AfterErrorsAlarm", "Penstock ActionsFailed of AWS::StackName", 0),
        ("AnnounceErrorsAlarm", "AWS/Lambda Errors of AnnounceFunction", 0),
        ("ThrottlesAlarm", "AWS/Lambda Throttles of IngestFunction", 0),
        ("BacklogAlarm", "AWS/SQS ApproximateAgeOfOldestMessage of IngestQueue", 3600),
        ("JobsFailedAlarm", "Penstock JobsFailed of AWS::StackName", 0),
    ],
)
def test_an_alarm_goes_off(resources: Resources, alarm: str, metric: str, threshold: int) -> None:
    properties = resources[alarm]["Properties"]
    (dimension,) = properties["Dimensions"]
    value = dimension["Value"]
    watched = value["Ref"] if "Ref" in value else value["Fn::GetAtt"][0]
    assert f"{properties['Namespace']} {properties['MetricName']} of {watched}" == metric
    assert properties["ComparisonOperator"] == "GreaterThanThreshold"
    assert properties["Threshold"] == threshold
    assert properties["TreatMissingData"] == "notBreaching"


def test_every_alarm_says_what_to_do_and_notifies_the_topic_if_there_is_one(resources: Resources) -> None:
    alarms = [resource["Properties"] for resource in resources.values() if resource["Type"] == "AWS::CloudWatch::Alarm"]
    notify = {"Fn::If": ["NotifyAlarms", [{"Ref": "AlarmTopicArn"}], {"Ref": "AWS::NoValue"}]}
    for alarm in alarms:
        assert len(alarm["AlarmDescription"]) > len("Something happened.")
        assert alarm["AlarmActions"] == notify
        assert alarm["OKActions"] == notify


def test_the_outputs_name_every_resource_that_a_user_needs(template: dict[str, Any]) -> None:
    # tests/template/test_existing_buckets.py has the lists of buckets.
    lists = {"AllSourceBucketNames", "AllDestinationBucketNames", "SourceRoleArns", "DestinationRoleArns"}
    assert {name: output["Value"] for name, output in template["Outputs"].items() if name not in lists} == {
        "SourceBucketName": {"Ref": "SourceBucket"},
        "DestinationBucketName": {"Ref": "DestinationBucket"},
        "WorkBucketName": {"Ref": "WorkBucket"},
        "JobsTableName": {"Ref": "JobsTable"},
        "RecordsTableName": {"Ref": "RecordsTable"},
        "QueueUrl": {"Ref": "IngestQueue"},
        "QueueArn": {"Fn::GetAtt": ["IngestQueue", "Arn"]},
        "AfterRoleArn": {"Fn::GetAtt": ["AfterRole", "Arn"]},
        "StackKmsKeyArn": {"Ref": "KmsKeyArn"},
        "DeadLetterQueueUrl": {"Ref": "DeadLetterQueue"},
        "IngestFunctionName": {"Ref": "IngestFunction"},
        "IngestFunctionArn": {"Fn::GetAtt": ["IngestFunction", "Arn"]},
        "AbortFunctionName": {"Ref": "AbortFunction"},
        "CheckFunctionName": {"Ref": "CheckFunction"},
        "StateMachineArn": {"Ref": "StateMachine"},
    }


def test_the_documents_list_the_retained_resources_that_prevent_a_stack_of_the_same_name(resources: Resources) -> None:
    kept = {name for name, each in resources.items() if each.get("DeletionPolicy", "Delete") != "Delete"}
    assert kept == {"SourceBucket", "DestinationBucket", "WorkBucket", "JobsTable", "RecordsTable"}
    named = {name for name in kept if {"BucketName", "TableName"} & set(resources[name]["Properties"])}
    assert named == {"SourceBucket", "DestinationBucket", "WorkBucket"}
    document = (ROOT / "docs/operations.md").read_text()
    assert "## A stack that was deleted" in document
    assert "`STACK-source-ACCOUNT-REGION`, `-destination-`, `-work-`" in document
