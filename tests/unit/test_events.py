"""Which sources an event names. Every file in events/ is read here."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from urllib.parse import quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.errors import InvalidEventError
from penstock.jobs.events import Message, read_event

EVENTS = Path(__file__).parents[2] / "events"
BUCKET = "penstock-dev-source-123456789012-us-east-1"
ODD_KEY = "in/naïve café 100% a+b.csv.gz"


def event(name: str) -> object:
    return json.loads((EVENTS / f"{name}.json").read_text())


def only_message(name: str) -> Message:
    (message,) = read_event(event(name))
    return message


def test_every_event_file_is_listed_and_read() -> None:
    listed = (EVENTS / "README.md").read_text()
    names = {path.stem for path in EVENTS.glob("*.json")}
    assert names
    for name in names:
        assert f"`{name}.json`" in listed
        assert read_event(event(name))


def test_a_notification_names_bucket_key_version_size_and_order() -> None:
    (source,) = only_message("s3-put").sources
    assert (source.bucket, source.key, source.size) == (BUCKET, "in/accidents.csv.gz", 68_157_440)
    assert source.version_id == "VzQ1.aXnL5Xo3Xw0gq8mHj8mEm5Dq3lK"
    assert source.sequencer == "0066F5D1B2C3A49D10"
    assert source.event_time == "2026-11-21T08:30:00.000Z"


def test_a_completed_multipart_upload_is_a_creation() -> None:
    (source,) = only_message("s3-multipart").sources
    assert source.etag.endswith("-9")


@pytest.mark.parametrize("name", ["s3-encoded-key", "eventbridge"])
def test_a_key_is_decoded_exactly_once(name: str) -> None:
    (source,) = only_message(name).sources
    assert source.key == ODD_KEY


@given(st.text(min_size=1).filter(lambda text: text.isprintable()))
def test_any_key_survives_form_encoding(key: str) -> None:
    notification = json.loads((EVENTS / "s3-put.json").read_text())
    notification["Records"][0]["s3"]["object"]["key"] = quote_plus(key)
    (message,) = read_event(notification)
    assert message.sources[0].key == key


def test_an_unversioned_bucket_gives_no_version() -> None:
    (source,) = only_message("s3-unversioned").sources
    assert source.version_id == ""
    assert source.etag


def test_the_test_event_names_nothing() -> None:
    assert only_message("s3-test-event").sources == ()


def test_a_removal_names_nothing() -> None:
    notification = json.loads((EVENTS / "s3-put.json").read_text())
    notification["Records"][0]["eventName"] = "ObjectRemoved:Delete"
    (message,) = read_event(notification)
    assert message.sources == ()


def test_an_sqs_message_keeps_what_is_needed_to_return_it() -> None:
    message = only_message("sqs-s3")
    assert message.id
    assert message.receipt_handle
    assert message.queue_arn.startswith("arn:aws:sqs:")
    assert message.receives == 1


def test_one_bad_message_does_not_spoil_its_batch() -> None:
    put, encoded, test, foreign = read_event(event("sqs-batch"))
    assert [len(m.sources) for m in (put, encoded, test, foreign)] == [1, 1, 0, 0]
    assert isinstance(foreign.problem, InvalidEventError)
    assert not any(m.problem for m in (put, encoded, test))


def test_the_later_of_two_sequencers_compares_greater_whatever_their_length() -> None:
    (newer,) = only_message("s3-put").sources
    (older,) = only_message("s3-older-sequencer").sources
    assert older.order < newer.order


@pytest.mark.parametrize(
    "foreign",
    [None, 7, "text", [], {}, {"Records": []}, {"Records": [{}]}, {"Records": [{"eventSource": "aws:sns"}]}, {"a": 1}],
)
def test_an_event_of_another_kind_is_refused_with_an_excerpt(foreign: object) -> None:
    with pytest.raises(InvalidEventError) as caught:
        read_event(foreign)
    assert caught.value.hint


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(json_values, st.sampled_from(["key", "size", "eTag", "versionId", "sequencer"]))
def test_a_malformed_field_is_an_invalid_event_and_nothing_else(value: object, field: str) -> None:
    notification = json.loads((EVENTS / "s3-put.json").read_text())
    notification["Records"][0]["s3"]["object"][field] = value
    with suppress(InvalidEventError):
        read_event(notification)


@given(st.text())
def test_any_body_of_an_sqs_message_is_read_or_returned(body: str) -> None:
    batch = json.loads((EVENTS / "sqs-s3.json").read_text())
    batch["Records"][0]["body"] = body
    (message,) = read_event(batch)
    assert message.problem or message.sources == ()
