"""The channels of announcements: EventBridge's bus and a topic of SNS."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from moto import mock_aws

from penstock.aws.event_bus import DefaultEventBus
from penstock.aws.sns_topic import SnsTopic
from penstock.errors import AccessDeniedError, RequestRefusedError, ServiceUnavailableError
from penstock.model.announcement import Announcement

ARN = "arn:aws:sns:eu-west-1:123456789012:told"


def announcement(job: str, padding: int = 0) -> Announcement:
    detail = {"job": job, "failure": {"message": "ä" * padding}}
    return Announcement(
        "Penstock Job Failed", detail, 1_795_249_800.0, f"subject {job}", f"text {job}", {"state": "failed"}
    )


def jobs(entries: Sequence[dict[str, Any]]) -> list[str]:
    """The jobs of the entries of a request."""
    texts = [entry.get("Detail") or json.loads(entry["Message"])["default"] for entry in entries]
    return [json.loads(text)["job"] for text in texts]


class Service:
    """A client of EventBridge and SNS that refuses the entries of some jobs, each so many times."""

    def __init__(self, *, refused: dict[str, int] | None = None, error: str = "", sender_fault: bool = False) -> None:
        self.refused = dict(refused or {})
        self.error = error
        self.sender_fault = sender_fault
        self.requests: list[list[dict[str, Any]]] = []

    def put_events(self, Entries: list[dict[str, Any]]) -> dict[str, Any]:  # noqa: N803  # boto3's name
        accepted = self._take(Entries)
        refusal = {"ErrorCode": "ThrottlingException", "ErrorMessage": "later"}
        return {"Entries": [{"EventId": "1"} if ok else refusal for ok in accepted]}

    def publish_batch(self, TopicArn: str, PublishBatchRequestEntries: list[dict[str, Any]]) -> dict[str, Any]:  # noqa: N803  # the same
        assert TopicArn == ARN
        accepted = self._take(PublishBatchRequestEntries)
        failed = [
            {"Id": entry["Id"], "Code": "Throttled", "Message": "later", "SenderFault": self.sender_fault}
            for entry, ok in zip(PublishBatchRequestEntries, accepted, strict=True)
            if not ok
        ]
        return {"Successful": [], "Failed": failed}

    def _take(self, entries: list[dict[str, Any]]) -> list[bool]:
        self.requests.append(entries)
        if self.error:
            raise ClientError({"Error": {"Code": self.error, "Message": "no"}}, "Send")
        accepted = [not self.refused.get(job) for job in jobs(entries)]
        for job in jobs(entries):
            self.refused[job] = max(0, self.refused.get(job, 0) - 1)
        return accepted


def bus(service: Service) -> DefaultEventBus:
    return DefaultEventBus(lambda: service, sleep=lambda _: None)


def topic(service: Service) -> SnsTopic:
    return SnsTopic(lambda _: service, ARN, sleep=lambda _: None)


CHANNELS = pytest.mark.parametrize("channel", [bus, topic])


@CHANNELS
def test_ten_go_in_one_request(channel: Any) -> None:
    service = Service()
    assert channel(service).send([announcement(f"{number}") for number in range(23)]) == {}
    assert [len(request) for request in service.requests] == [10, 10, 3]
    assert [job for request in service.requests for job in jobs(request)] == [f"{number}" for number in range(23)]


@CHANNELS
def test_a_request_stays_below_256_kilobytes(channel: Any) -> None:
    service = Service()
    assert channel(service).send([announcement(f"{number}", 60_000) for number in range(4)]) == {}
    assert [len(request) for request in service.requests] == [2, 2]


@CHANNELS
def test_only_refused_entries_are_sent_again(channel: Any) -> None:
    service = Service(refused={"b": 2})
    assert channel(service).send([announcement(job) for job in "abc"]) == {}
    assert list(map(jobs, service.requests)) == [["a", "b", "c"], ["b"], ["b"]]


@CHANNELS
def test_an_entry_that_stays_refused_is_named_by_its_place(channel: Any) -> None:
    service = Service(refused={"b": 99})
    ((place, error),) = channel(service).send([announcement(job) for job in "abc"]).items()
    assert (place, type(error)) == (1, ServiceUnavailableError)
    assert "later" in str(error)
    assert len(service.requests) < 9


@CHANNELS
@pytest.mark.parametrize(
    ("code", "error"), [("AccessDeniedException", AccessDeniedError), ("AuthorizationError", AccessDeniedError)]
)
def test_a_refused_request_fails_all_its_entries_at_once(channel: Any, code: str, error: type[Exception]) -> None:
    service = Service(error=code)
    refused = channel(service).send([announcement(job) for job in "ab"])
    assert [type(one) for one in refused.values()] == [error, error]
    assert len(service.requests) == 1


def test_an_entry_that_can_never_be_published_is_not_sent_again() -> None:
    service = Service(refused={"a": 99}, sender_fault=True)
    (error,) = topic(service).send([announcement("a")]).values()
    assert isinstance(error, RequestRefusedError)
    assert len(service.requests) == 1


def test_an_event_has_source_type_time_and_detail() -> None:
    service = Service()
    bus(service).send([announcement("a")])
    ((entry,),) = service.requests
    assert (entry["Source"], entry["DetailType"]) == ("penstock", "Penstock Job Failed")
    assert entry["Time"].timestamp() == 1_795_249_800.0


def test_a_message_has_a_text_for_people_json_for_programs_and_attributes_for_filters() -> None:
    service = Service()
    topic(service).send([announcement("a")])
    ((entry,),) = service.requests
    assert (entry["Subject"], entry["MessageStructure"]) == ("subject a", "json")
    message = json.loads(entry["Message"])
    assert (message["email"], json.loads(message["default"])["job"]) == ("text a", "a")
    assert entry["MessageAttributes"] == {"state": {"DataType": "String", "StringValue": "failed"}}


def test_moto_takes_both_and_the_topic_is_reached_in_its_own_region() -> None:
    with mock_aws():
        events = DefaultEventBus(lambda: boto3.client("events", region_name="us-east-1"))
        assert events.send([announcement("a")]) == {}
        made = boto3.client("sns", region_name="eu-west-1").create_topic(Name="told")["TopicArn"]
        told = SnsTopic(lambda region: boto3.client("sns", region_name=region), made)
        assert told.send([announcement(job) for job in "ab"]) == {}
