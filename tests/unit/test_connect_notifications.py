"""Notification configurations: what covers a prefix, what clashes, and what a merge keeps.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-how-to-filtering.html
"""

from __future__ import annotations

from typing import Any

import pytest

from penstock.connect import notifications
from penstock.connect.notifications import (
    QUEUES,
    TOPICS,
    clashes,
    encoded,
    entry_of,
    is_covered,
    rules_of,
    same,
    wanted_rule,
    with_entry,
    without_ids,
)

QUEUE = "arn:aws:sqs:us-east-1:111122223333:ingest"
OTHER = "arn:aws:lambda:us-east-1:111122223333:function:other"
ALL = "s3:ObjectCreated:*"


def configured(
    *events: str, prefix: str = "", suffix: str = "", arn: str = OTHER, name: str = "theirs", case: str = "Prefix"
) -> dict[str, Any]:
    """A configuration of a bucket as S3 returns it: with the names of filters in upper case."""
    filters = [{"Name": case, "Value": prefix}] if prefix else []
    filters += [{"Name": "Suffix", "Value": suffix}] if suffix else []
    kind, key = (QUEUES, "QueueArn") if ":sqs:" in arn else ("LambdaFunctionConfigurations", "LambdaFunctionArn")
    return {kind: [{"Id": name, key: arn, "Events": list(events), "Filter": {"Key": {"FilterRules": filters}}}]}


@pytest.mark.parametrize(
    ("configuration", "prefix", "clash"),
    [
        (configured(ALL), "", True),
        (configured(ALL), "in/", True),
        (configured(ALL, prefix="in/"), "", True),
        (configured(ALL, prefix="in/"), "in/new/", True),
        (configured(ALL, prefix="in/"), "out/", False),
        (configured("s3:ObjectCreated:Put", prefix="in/"), "in/", True),
        (configured("s3:ObjectRemoved:*"), "", False),
        (configured("s3:ObjectRemoved:Delete", ALL), "", True),
        # A suffix of theirs overlaps with our empty one.
        (configured(ALL, suffix=".png"), "", True),
        (configured(ALL, prefix="in+coming/"), "in coming/", True),
        (configured("s3:ObjectTagging:*"), "", False),
    ],
)
def test_what_clashes(configuration: dict[str, Any], prefix: str, clash: bool) -> None:
    wanted = wanted_rule(QUEUES, "ours", QUEUE, prefix)
    assert bool(clashes(wanted, list(rules_of(configuration)))) == clash


KINDS = [f"s3:ObjectCreated:{kind}" for kind in ("Put", "Post", "Copy", "CompleteMultipartUpload")]


@pytest.mark.parametrize(
    ("configuration", "prefix", "covered"),
    [
        (configured(ALL, arn=QUEUE), "in/", True),
        (configured(ALL, arn=QUEUE, prefix="in/"), "in/", True),
        (configured(ALL, arn=QUEUE, prefix="in/"), "", False),
        (configured(*KINDS, arn=QUEUE), "", True),
        # A multipart upload would not be told.
        (configured(*KINDS[:3], arn=QUEUE), "", False),
        (configured(ALL, arn=QUEUE, suffix=".csv"), "", False),
        (configured(ALL), "", False),
        ({}, "", False),
    ],
)
def test_what_is_covered(configuration: dict[str, Any], prefix: str, covered: bool) -> None:
    wanted = wanted_rule(QUEUES, "ours", QUEUE, prefix)
    assert bool(is_covered(wanted, list(rules_of(configuration)))) == covered


def test_a_merge_keeps_everything_else() -> None:
    before = {
        **configured(ALL, prefix="images/"),
        "EventBridgeConfiguration": {},
        TOPICS: [{"Id": "t", "TopicArn": "t"}],
    }
    entry = entry_of(wanted_rule(QUEUES, "ours", QUEUE, "in/"))

    after = with_entry(before, QUEUES, entry)

    assert after == {**before, QUEUES: [entry]}
    assert without_ids(after, ["ours"]) == before
    assert with_entry(after, QUEUES, entry) == after


def test_a_wider_prefix_takes_the_place_of_our_narrower_one() -> None:
    narrow = entry_of(wanted_rule(QUEUES, "ours-in", QUEUE, "in/"))
    wide = entry_of(wanted_rule(QUEUES, "ours-all", QUEUE, ""))
    after = with_entry({QUEUES: [narrow]}, QUEUES, wide, ["ours-in"])
    assert after == {QUEUES: [wide]}
    assert "Filter" not in wide


def test_configurations_are_compared_by_meaning() -> None:
    assert same(configured(ALL, prefix="in/"), configured(ALL, prefix="in/", case="prefix"))
    assert not same(configured(ALL, prefix="in/"), configured(ALL, prefix="out/"))
    assert not same({}, {"EventBridgeConfiguration": {}})
    lost, new = notifications.differences(configured(ALL, name="a"), configured(ALL, name="b"))
    assert (len(lost), len(new)) == (1, 1)


@pytest.mark.parametrize(
    ("prefix", "filtered"), [("in/", "in/"), ("in coming/", "in+coming/"), ("ü+/", "%C3%BC%2B/"), ("a(b)!", "a(b)!")]
)
def test_a_prefix_is_encoded_as_keys_in_events_are(prefix: str, filtered: str) -> None:
    assert encoded(prefix) == filtered
