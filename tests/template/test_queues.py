"""How an event waits, is retried, and finally goes to the dead-letter queue."""

from __future__ import annotations

from typing import Any

import pytest

from deployed_template import ACCOUNT, REGION, deployed

QUEUES = ("IngestQueue", "CommitQueue", "DeadLetterQueue")
TWO_WEEKS = 14 * 86400

Resources = dict[str, dict[str, Any]]


def properties(resources: Resources, name: str) -> dict[str, Any]:
    found: dict[str, Any] = resources[name]["Properties"]
    return found


def test_the_list_of_queues_is_complete(resources: Resources) -> None:
    assert {name for name, resource in resources.items() if resource["Type"] == "AWS::SQS::Queue"} == set(QUEUES)


@pytest.mark.parametrize("queue", QUEUES)
class TestEveryQueue:
    def test_is_encrypted(self, resources: Resources, queue: str) -> None:
        assert properties(resources, queue)["SqsManagedSseEnabled"] is True

    def test_keeps_messages_for_the_maximum_of_sqs(self, resources: Resources, queue: str) -> None:
        assert properties(resources, queue)["MessageRetentionPeriod"] == TWO_WEEKS

    def test_refuses_requests_without_tls(self, resources: Resources, queue: str) -> None:
        policy = properties(resources, f"{queue}Policy")
        assert policy["Queues"] == [{"Ref": queue}]
        assert {
            "Sid": "TlsOnly",
            "Effect": "Deny",
            "Principal": "*",
            "Action": "sqs:*",
            "Resource": {"Fn::GetAtt": [queue, "Arn"]},
            "Condition": {"Bool": {"aws:SecureTransport": "false"}},
        } in policy["PolicyDocument"]["Statement"]


def test_a_message_stays_hidden_for_six_times_the_functions_timeout(
    template: dict[str, Any], resources: Resources, parameters: Resources
) -> None:
    assert properties(resources, "IngestQueue")["VisibilityTimeout"] == {
        "Fn::FindInMap": ["VisibilityTimeout", {"Ref": "Timeout"}, "Seconds"]
    }
    assert template["Mappings"]["VisibilityTimeout"] == {
        str(timeout): {"Seconds": 6 * timeout} for timeout in parameters["Timeout"]["AllowedValues"]
    }


def test_a_message_that_fails_five_times_goes_to_the_dead_letter_queue(resources: Resources) -> None:
    assert properties(resources, "IngestQueue")["RedrivePolicy"] == {
        "deadLetterTargetArn": {"Fn::GetAtt": ["DeadLetterQueue", "Arn"]},
        "maxReceiveCount": 5,
    }


def test_the_dead_letter_queue_serves_no_other_queue(template: dict[str, Any]) -> None:
    for catalog, names in (("", ["ingest"]), ("https://catalog", ["ingest", "commit"])):
        resources = deployed(template, {"IcebergCatalog": catalog})["Resources"]
        queues = [properties(resources, f"{name.title()}Queue")["QueueName"] for name in names]
        assert properties(resources, "DeadLetterQueue")["RedriveAllowPolicy"] == {
            "redrivePermission": "byQueue",
            "sourceQueueArns": [f"arn:aws:sqs:{REGION}:{ACCOUNT}:{queue}" for queue in queues],
        }


def test_a_job_that_waits_for_its_commit_is_tried_five_times(resources: Resources) -> None:
    queue, function = properties(resources, "CommitQueue"), properties(resources, "CommitFunction")
    assert queue["RedrivePolicy"] == properties(resources, "IngestQueue")["RedrivePolicy"]
    assert queue["VisibilityTimeout"] == 6 * function["Timeout"]


def test_many_jobs_share_a_commit_and_wait_for_ten_seconds(resources: Resources) -> None:
    """https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html: two functions at once are the least."""
    mapping = properties(resources, "CommitFunction")["Events"]["Waiting"]["Properties"]
    assert (mapping["BatchSize"], mapping["MaximumBatchingWindowInSeconds"]) == (1000, 10)
    assert mapping["ScalingConfig"] == {"MaximumConcurrency": 2}
    assert mapping["FunctionResponseTypes"] == ["ReportBatchItemFailures"]


def test_without_a_catalog_nothing_of_it_exists(template: dict[str, Any]) -> None:
    resources = deployed(template, {"IcebergCatalog": ""})["Resources"]
    assert not [name for name in resources if name.startswith("Commit")]
    assert "commit" not in str(properties(resources, "IngestFunction"))


def test_only_s3_may_send_and_only_for_this_source_bucket_of_this_account(template: dict[str, Any]) -> None:
    """tests/template/test_existing_buckets.py has what existing buckets add."""
    policy = deployed(template, {})["Resources"]["IngestQueuePolicy"]["Properties"]["PolicyDocument"]
    assert [statement for statement in policy["Statement"] if statement["Effect"] == "Allow"] == [
        {
            "Sid": "SourceBucketsNotify",
            "Effect": "Allow",
            "Principal": {"Service": "s3.amazonaws.com"},
            "Action": "sqs:SendMessage",
            "Resource": "IngestQueue.Arn",
            "Condition": {
                "ArnLike": {"aws:SourceArn": [f"arn:aws:s3:::penstock-source-{ACCOUNT}-{REGION}"]},
                "StringEquals": {"aws:SourceAccount": ACCOUNT},
            },
        }
    ]


def test_the_policy_of_the_dead_letter_queue_allows_no_sender(resources: Resources) -> None:
    statements = properties(resources, "DeadLetterQueuePolicy")["PolicyDocument"]["Statement"]
    assert [statement["Effect"] for statement in statements] == ["Deny"]


def test_the_function_takes_batches_and_reports_each_failed_message(resources: Resources) -> None:
    assert properties(resources, "IngestFunction")["Events"] == {
        "Uploads": {
            "Type": "SQS",
            "Properties": {
                "Queue": {"Fn::GetAtt": ["IngestQueue", "Arn"]},
                "BatchSize": {"Ref": "BatchSize"},
                "MaximumBatchingWindowInSeconds": {"Ref": "BatchingWindowSeconds"},
                "FunctionResponseTypes": ["ReportBatchItemFailures"],
                "ScalingConfig": {"MaximumConcurrency": {"Ref": "MaximumConcurrency"}},
            },
        }
    }


@pytest.mark.parametrize("function", ["IngestFunction", "AbortFunction"])
def test_an_event_without_the_queue_is_retried_twice_and_then_goes_to_the_dead_letter_queue(
    resources: Resources, function: str
) -> None:
    assert properties(resources, function)["EventInvokeConfig"] == {
        "MaximumRetryAttempts": 2,
        "DestinationConfig": {"OnFailure": {"Type": "SQS", "Destination": {"Fn::GetAtt": ["DeadLetterQueue", "Arn"]}}},
    }
