"""Messages of the queue by every way that leads there: S3, SNS with and without its envelope, EventBridge."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from penstock.errors import InvalidEventError
from penstock.jobs.events import Message, notification, read_dead_letter, read_event
from penstock.model.job import Job
from penstock.model.object import Source, Target
from penstock.model.route import Route

EVENTS = Path(__file__).parents[2] / "events"
TOPIC = "arn:aws:sns:us-east-1:123456789012:uploads"
KEY = "in/naïve café 100% a+b.csv.gz"
TEST_EVENT = (EVENTS / "s3-test-event.json").read_text()


def by_s3(versioned: bool = True) -> str:
    notified = json.loads((EVENTS / "s3-encoded-key.json").read_text())
    if not versioned:
        del notified["Records"][0]["s3"]["object"]["versionId"]
    return json.dumps(notified)


def by_eventbridge(versioned: bool = True) -> str:
    """The event of the same upload: key, size, version, ETag and sequencer are those of `by_s3`."""
    event = json.loads((EVENTS / "eventbridge.json").read_text())
    theirs, ours = json.loads(by_s3())["Records"][0]["s3"]["object"], event["detail"]["object"]
    ours |= {"size": theirs["size"], "etag": theirs["eTag"], "sequencer": theirs["sequencer"]}
    ours["version-id"] = theirs["versionId"]
    if not versioned:
        del ours["version-id"]
    return json.dumps(event)


def in_envelope(text: str, kind: str = "Notification") -> str:
    return json.dumps(
        {
            "Type": kind,
            "MessageId": "dc1e94d9-56c5-5e96-808d-cc7f68faa162",
            "TopicArn": TOPIC,
            "Subject": "Amazon S3 Notification",
            "Message": text,
            "Timestamp": "2026-11-21T08:30:01.000Z",
            "SignatureVersion": "1",
            "Signature": "EXAMPLE",
            "SigningCertURL": "https://sns.us-east-1.amazonaws.com/SimpleNotificationService-0.pem",
            "UnsubscribeURL": "https://sns.us-east-1.amazonaws.com/?Action=Unsubscribe",
        }
    )


WAYS: dict[str, Callable[[bool], str]] = {
    "S3": by_s3,
    "SNS, raw": by_s3,
    "SNS": lambda versioned: in_envelope(by_s3(versioned)),
    "EventBridge": by_eventbridge,
    "EventBridge, by SNS": lambda versioned: in_envelope(by_eventbridge(versioned)),
}


def in_queue(*bodies: str) -> tuple[Message, ...]:
    record: dict[str, Any] = json.loads((EVENTS / "sqs-s3.json").read_text())["Records"][0]
    return read_event({"Records": [{**record, "body": body} for body in bodies]})


@pytest.mark.parametrize("way", WAYS)
def test_a_message_names_its_source_whichever_way_it_came(way: str) -> None:
    (message,) = in_queue(WAYS[way](True))
    (source,) = message.sources
    assert (source.key, message.problem) == (KEY, None)
    assert source.version_id
    assert source.size
    assert source.event_time


@pytest.mark.parametrize("versioned", [True, False])
def test_an_upload_that_is_heard_several_ways_is_one_job(versioned: bool) -> None:
    route = Route("all", ("*",), "s3://lake/{key}")
    sources = [source for body in WAYS.values() for (source,) in [in_queue(body(versioned))[0].sources]]
    assert bool(sources[0].version_id) is versioned
    assert len({Job(source, route, Target("lake", source.key)).id for source in sources}) == 1
    assert len({source.order for source in sources}) == 1


@pytest.mark.parametrize("body", [TEST_EVENT, in_envelope(TEST_EVENT)])
def test_the_test_event_of_s3_names_nothing(body: str) -> None:
    (message,) = in_queue(body)
    assert (message.sources, message.problem) == ((), None)


def test_a_removal_by_eventbridge_names_nothing() -> None:
    event = {**json.loads(by_eventbridge()), "detail-type": "Object Deleted"}
    (message,) = in_queue(json.dumps(event))
    assert (message.sources, message.problem) == ((), None)


@pytest.mark.parametrize("kind", ["SubscriptionConfirmation", "UnsubscribeConfirmation"])
def test_a_topic_that_asks_for_a_confirmation_is_named(kind: str) -> None:
    (message,) = in_queue(in_envelope("You have chosen to subscribe to the topic.", kind))
    assert isinstance(message.problem, InvalidEventError)
    assert kind in message.problem.message
    assert TOPIC in message.problem.message
    assert "aws sns confirm-subscription" in message.problem.hint


@pytest.mark.parametrize("text", ["Hello", "[", "{}", "7", in_envelope(by_s3()), "[" * 100_000])
def test_other_messages_of_a_topic_are_refused_and_do_not_spoil_their_batch(text: str) -> None:
    refused, good = in_queue(in_envelope(text), by_s3())
    assert isinstance(refused.problem, InvalidEventError)
    assert good.sources


@pytest.mark.parametrize("way", WAYS)
def test_a_dead_letter_is_read_whichever_way_its_message_came(way: str) -> None:
    body = WAYS[way](True)
    assert read_dead_letter(body).sources == in_queue(body)[0].sources != ()


def test_a_message_that_retries_a_job_still_names_it() -> None:
    (message,) = in_queue(notification(Source("orders", "a.csv", 1, "e"), job_id="j"))
    assert message.job_id == "j"
