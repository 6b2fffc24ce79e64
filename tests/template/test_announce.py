"""The function `announce`: which writes invoke it, how long it may hold up others, and that it is optional."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from penstock.model.job_change import ENDS
from penstock.model.job_status import JobState

Resources = dict[str, dict[str, Any]]
HOUR = 3600


@pytest.fixture
def mapping(resources: Resources) -> dict[str, Any]:
    """The event source mapping."""
    events = resources["AnnounceFunction"]["Properties"]["Events"]
    assert [event["Type"] for event in events.values()] == ["DynamoDB"]
    found: dict[str, Any] = events["Ended"]["Properties"]
    return found


def states(pattern: str) -> set[str]:
    """The states whose writes a pattern lets through."""
    dynamodb = json.loads(pattern)["dynamodb"]
    assert dynamodb["Keys"] == {"pk": {"S": [{"prefix": "job#"}]}}
    return set(dynamodb["NewImage"]["state"]["S"])


def test_only_ends_of_jobs_invoke_it_and_of_failures_only_on_request(mapping: dict[str, Any]) -> None:
    (one,) = mapping["FilterCriteria"]["Filters"]
    condition, failures, every = one["Pattern"]["Fn::If"]
    assert condition == "AnnounceFailuresOnly"
    assert states(every) == {str(state.stored) for state in ENDS}
    assert states(failures) == {str(JobState.FAILED)}


def test_a_failure_holds_up_the_others_for_an_hour_at_most_and_then_leaves_a_note(mapping: dict[str, Any]) -> None:
    assert mapping["MaximumRecordAgeInSeconds"] == HOUR
    assert 0 < mapping["MaximumRetryAttempts"] < 1_000
    assert mapping["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
    buried = mapping["DestinationConfig"]["OnFailure"]
    assert buried == {"Type": "SQS", "Destination": {"Fn::GetAtt": ["DeadLetterQueue", "Arn"]}}


def test_nothing_that_ends_while_the_mapping_is_made_is_missed(mapping: dict[str, Any]) -> None:
    """https://docs.aws.amazon.com/lambda/latest/dg/services-dynamodb-eventsourcemapping.html"""
    assert mapping["StartingPosition"] == "TRIM_HORIZON"
    assert mapping["Stream"] == {"Fn::GetAtt": ["JobsTable", "StreamArn"]}


def test_the_stream_has_no_more_readers_than_it_takes(resources: Resources) -> None:
    """https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Streams.Lambda.html"""
    readers = [
        name
        for name, resource in resources.items()
        for event in resource["Properties"].get("Events", {}).values()
        if event["Type"] == "DynamoDB"
    ]
    assert sorted(readers) == ["AfterFunction", "AnnounceFunction"]


def test_without_events_there_is_no_function_for_them(template: dict[str, Any], resources: Resources) -> None:
    conditional = {name for name, resource in resources.items() if resource.get("Condition") == "Announce"}
    assert conditional == {"AnnounceFunction", "AnnounceRole", "AnnounceLogGroup", "AnnounceErrorsAlarm"}
    assert template["Conditions"]["Announce"] == {"Fn::Not": [{"Fn::Equals": [{"Ref": "Events"}, "none"]}]}
    # What always exists may not refer to what may not.
    others = {name: resource for name, resource in resources.items() if name not in conditional}
    referred = json.dumps([others, template["Outputs"]])
    assert not [name for name in conditional if f'"{name}"' in referred or f"${{{name}" in referred]


def test_the_topic_alone_may_be_published_to_and_any_key_used_for_it_alone(resources: Resources) -> None:
    (policy,) = resources["AnnounceRole"]["Properties"]["Policies"]
    optional = {
        one["Fn::If"][1]["Sid"]: one["Fn::If"] for one in policy["PolicyDocument"]["Statement"] if "Fn::If" in one
    }
    assert {name: one[0] for name, one in optional.items()} == dict.fromkeys(
        ("Publish", "EncryptMessages"), "UseEventsTopic"
    )
    assert optional["Publish"][1]["Resource"] == {"Ref": "EventsTopicArn"}
    assert optional["EncryptMessages"][1]["Condition"] == {
        "StringEquals": {"kms:EncryptionContext:aws:sns:topicArn": {"Ref": "EventsTopicArn"}},
        "StringLike": {"kms:ViaService": "sns.*.amazonaws.com*"},
    }


@pytest.mark.parametrize("role", ["IngestRole", "FinishRole", "AbortRole"])
def test_what_ends_jobs_needs_no_right_to_tell_of_them(resources: Resources, role: str) -> None:
    assert "events:" not in json.dumps(resources[role])


def test_a_fifo_topic_is_refused_before_anything_is_created(parameters: Resources) -> None:

    pattern = parameters["EventsTopicArn"]["AllowedPattern"]
    assert re.fullmatch(pattern, "arn:aws:sns:eu-west-1:123456789012:ended_jobs-1")
    assert not re.fullmatch(pattern, "arn:aws:sns:eu-west-1:123456789012:ended.fifo")
