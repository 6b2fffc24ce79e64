"""Events that invoke `ingest`: an S3 notification, an EventBridge event, or an SQS batch of these.

A message of the queue comes from S3, from an EventBridge rule, or from an SNS topic. SNS puts it into an envelope,
unless the subscription has raw message delivery. The same upload has the same version, ETag and sequencer in all of
them, so it is the same job.

Keys in S3 notifications are form-encoded (``+`` for a blank) and are decoded here, once. Keys in EventBridge events
are not encoded. ``s3:TestEvent`` and events other than the creation of an object are ignored.
https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html
https://docs.aws.amazon.com/AmazonS3/latest/userguide/ev-events.html
https://docs.aws.amazon.com/sns/latest/dg/sns-large-payload-raw-message-delivery.html
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote_plus, unquote_plus

from penstock.errors import InvalidEventError, RequestRefusedError
from penstock.model.member import Member
from penstock.model.object import Source
from penstock.model.serialization import from_plain, to_plain

# An error message quotes at most this many characters of an unknown event.
EXCERPT = 200

# The field of an event sent by Penstock that names the job to retry.
JOB = "penstockJob"
# The fields of an object in such an event if the source is a member: the key of its archive, and the member.
ARCHIVE, MEMBER = "penstockArchive", "penstockMember"
# The fields of an object that a listing has found, and of one that is to be delivered once more.
LISTED, AGAIN = "penstockListed", "penstockAgain"

# Exceptions raised by reading a field that is missing, or has a wrong type or size.
_MALFORMED = (KeyError, TypeError, AttributeError, ValueError, ArithmeticError, RequestRefusedError)


@dataclass(frozen=True, slots=True)
class Message:
    """One message: its sources, or the ``problem`` that prevented reading them.

    ``id``, ``receipt_handle``, ``queue_arn`` and ``receives`` are those of SQS. ``id`` is empty for an event that
    invoked the function directly. ``job_id`` is the job to retry, if the event names one.
    """

    sources: tuple[Source, ...] = ()
    problem: InvalidEventError | None = None
    id: str = ""
    receipt_handle: str = ""
    queue_arn: str = ""
    receives: int = 1
    job_id: str = ""


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """The content of a dead letter: sources, or the job to retry or to abort."""

    sources: tuple[Source, ...] = ()
    job_id: str = ""


def read_dead_letter(body: str) -> DeadLetter:
    """Read a dead letter: a message of a queue, or the record that Lambda writes of a failed asynchronous call.

    https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-retain-records.html
    """
    try:
        letter = json.loads(body)
        if isinstance(letter, dict) and "requestPayload" in letter:
            letter = letter["requestPayload"]
        is_of_job = isinstance(letter, dict) and ("attempt" in letter or "table" in letter)
        if is_of_job and isinstance(letter.get("job"), str):
            return DeadLetter(job_id=letter["job"])
        return DeadLetter(_sources(letter), str(letter.get(JOB, "")))
    except (InvalidEventError, ValueError, RecursionError):
        return DeadLetter()


def notification(*sources: Source, job_id: str = "") -> str:
    """Return the notification that S3 sends when sources are created, with the id of the job to retry, if given.

    https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html
    """
    records = [_record(source) for source in sources]
    return json.dumps({"Records": records, **({JOB: job_id} if job_id else {})})


def _record(source: Source) -> dict[str, object]:
    thing: dict[str, object] = {
        "key": quote_plus(source.key, safe="/"),
        "size": source.size,
        "eTag": source.etag,
    }
    if source.member:
        thing[ARCHIVE], thing[MEMBER] = source.archive, to_plain(source.member)
    if source.listed:
        thing[LISTED] = True
    if source.again:
        thing[AGAIN] = source.again
    if source.version_id:
        thing["versionId"] = source.version_id
    if source.sequencer:
        thing["sequencer"] = source.sequencer
    return {
        "eventVersion": "2.1",
        "eventSource": "aws:s3",
        "eventName": "ObjectCreated:Put",
        **({"eventTime": source.event_time} if source.event_time else {}),
        "s3": {"s3SchemaVersion": "1.0", "bucket": {"name": source.bucket}, "object": thing},
    }


def read_event(event: object) -> tuple[Message, ...]:
    """Return the messages of an event, in order.

    Raises InvalidEventError for an event of an unknown type. A malformed message in an SQS batch does not fail the
    batch: it is returned with its ``problem``.
    """
    if _is_sqs_batch(event):
        return tuple(_message(record) for record in event["Records"])  # type: ignore[index]  # checked above
    return (Message(sources=_sources(event)),)


def _is_sqs_batch(event: object) -> bool:
    match event:
        case {"Records": [{"eventSource": "aws:sqs"}, *_] as records}:
            return all(isinstance(record, Mapping) for record in records)
    return False


def _message(record: Mapping[str, Any]) -> Message:
    sources: tuple[Source, ...] = ()
    problem = None
    job_id = ""
    try:
        body = json.loads(record["body"])
        sources = _sources(body)
        job_id = str(body.get(JOB, ""))
    except InvalidEventError as error:
        problem = error
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        problem = InvalidEventError(f"message {record.get('messageId')}: the body is not JSON: {error!r}")
    return Message(
        sources=sources,
        problem=problem,
        id=str(record.get("messageId", "")),
        receipt_handle=str(record.get("receiptHandle", "")),
        queue_arn=str(record.get("eventSourceARN", "")),
        receives=_receives(record),
        job_id=job_id,
    )


def _receives(record: Mapping[str, Any]) -> int:
    try:
        return int(record.get("attributes", {}).get("ApproximateReceiveCount", 1))
    except (AttributeError, TypeError, ArithmeticError, ValueError) as error:
        raise InvalidEventError(f"not a valid SQS message: {error!r}"[:EXCERPT]) from error


def _sources(event: object) -> tuple[Source, ...]:
    event = _unwrapped(event)
    match event:
        case {"Event": "s3:TestEvent"}:
            return ()
        case {"Records": [*records]} if records:
            return tuple(_from_notification(r) for r in records if _names_creation(r))
        case {"source": "aws.s3", "detail-type": "Object Created", "detail": _}:
            return (_from_eventbridge(event),)
        case {"source": "aws.s3", "detail-type": str()}:
            return ()
    raise InvalidEventError(f"not an S3 event: {_excerpt(event)}")


def _unwrapped(event: object) -> object:
    """Return what an SNS topic has sent in its envelope, and every other event unchanged."""
    match event:
        case {"Type": "Notification", "TopicArn": topic, "Message": str(text)}:
            try:
                return json.loads(text)
            except ValueError as error:
                raise InvalidEventError(f"not an S3 event, but a text of the topic {_excerpt(topic)}") from error
        case {"Type": "SubscriptionConfirmation" | "UnsubscribeConfirmation" as kind, "TopicArn": topic}:
            raise InvalidEventError(
                f"not an S3 event, but a {kind} of the topic {_excerpt(topic)}",
                hint="A topic that asks for a confirmation sends nothing else until it is given: "
                "`aws sns confirm-subscription`, with the token of the message.",
            )
    return event


def _names_creation(record: object) -> bool:
    match record:
        case {"eventSource": "aws:s3", "eventName": str(name)}:
            return name.removeprefix("s3:").startswith("ObjectCreated:")
    raise InvalidEventError(f"not a record of an S3 notification: {_excerpt(record)}")


def _from_notification(record: Mapping[str, Any]) -> Source:
    try:
        thing = record["s3"]["object"]
        return _source(
            bucket=record["s3"]["bucket"]["name"],
            key=unquote_plus(thing["key"], errors="strict"),
            size=thing.get("size", 0),
            etag=thing.get("eTag"),
            version_id=thing.get("versionId"),
            sequencer=thing.get("sequencer"),
            event_time=record.get("eventTime"),
            archive=thing.get(ARCHIVE, ""),
            member=from_plain(Member, thing[MEMBER]) if MEMBER in thing else None,
            listed=thing.get(LISTED) is True,
            again=thing.get(AGAIN, ""),
        )
    except _MALFORMED as error:
        raise InvalidEventError(f"a field of the S3 notification record is missing or malformed: {error!r}") from error


def _from_eventbridge(event: Any) -> Source:
    try:
        thing = event["detail"]["object"]
        return _source(
            bucket=event["detail"]["bucket"]["name"],
            key=thing["key"],
            size=thing.get("size", 0),
            etag=thing.get("etag"),
            version_id=thing.get("version-id"),
            sequencer=thing.get("sequencer"),
            event_time=event.get("time"),
        )
    except _MALFORMED as error:
        raise InvalidEventError(f"a field of the EventBridge event is missing or malformed: {error!r}") from error


def _source(
    *,
    bucket: str,
    key: str,
    size: object,
    etag: str | None,
    version_id: str | None,
    sequencer: str | None,
    event_time: str | None,
    archive: str = "",
    member: Member | None = None,
    listed: bool = False,
    again: str = "",
) -> Source:
    texts = (bucket, key, etag or "", version_id or "", sequencer or "", event_time or "", archive, again)
    if not all(isinstance(text, str) for text in texts) or not bucket or not key:
        raise ValueError(f"bucket {bucket!r}, key {key!r}")
    "".join(texts).encode()  # fails for lone surrogates: JSON can hold them, a key cannot
    if event_time:
        datetime.fromisoformat(event_time).astimezone(UTC)
    if (bytes_ := int(size)) < 0:  # type: ignore[call-overload]  # the caller translates a TypeError
        raise ValueError(f"size {bytes_}")
    return Source(
        bucket=bucket,
        key=key,
        size=bytes_,
        etag=(etag or "").strip('"'),
        version_id=version_id or "",
        sequencer=sequencer or "",
        event_time=event_time or "",
        archive=archive,
        member=member,
        listed=listed,
        again=again,
    )


def _excerpt(event: object) -> str:
    try:
        text = json.dumps(event, default=repr)
    except RecursionError:
        return "nested too deeply"
    return text if len(text) <= EXCERPT else text[:EXCERPT] + "..."
