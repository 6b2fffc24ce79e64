"""What `penstock connect` sets and removes, on fakes: topics, EventBridge, and writers at the same time."""

from __future__ import annotations

import json
from typing import Any

import pytest

from connect_looks import (
    BY_QUEUE,
    DELEGATED,
    DROPS,
    KEY,
    LAKE,
    LISTED,
    OPEN,
    OTHER_ACCOUNT,
    SENDS,
    THEIRS,
    apply,
    look,
    of,
    remove,
)
from penstock.connect import record
from penstock.connect.findings import Level, in_place
from penstock.connect.model import Connection, Document, Side, Via
from penstock.connect.notifications import QUEUES
from penstock.errors import ConfigurationError, PublishConflictError, ServiceUnavailableError, StateFileError
from penstock.testing.connect import (
    ACCOUNT,
    QUEUE,
    REGION,
    MemoryBucket,
    MemoryKeys,
    MemoryQueue,
    MemoryRecordFile,
    MemoryRules,
    MemoryTopics,
    services,
    stack,
)

# --- Topics ---

TOPIC = f"arn:aws:sns:{REGION}:{ACCOUNT}:drops"
BY_TOPIC = Connection("drops", "", Side.SOURCE, Via.SNS, TOPIC)
FROM_TOPIC = MemoryQueue([{**SENDS, "Principal": {"Service": "sns.amazonaws.com"}}])


def test_a_topic_is_set_up_and_taken_down_beside_what_stands() -> None:
    theirs = {"Version": "2008-10-17", "Statement": [{"Sid": "Theirs", "Effect": "Allow", "Principal": {"AWS": "1"}}]}
    topics = MemoryTopics({TOPIC: {"Policy": json.dumps(theirs)}})
    bucket = MemoryBucket(configuration={"LambdaFunctionConfigurations": [THEIRS]})
    found, target, file = services(bucket, topics=topics, queue=FROM_TOPIC), stack("drops"), MemoryRecordFile()

    assert len(apply(found, BY_TOPIC, target, file)) == 3

    assert in_place(look(bucket, BY_TOPIC, topics=topics, queue=FROM_TOPIC))
    # The bucket names the topic now.
    assert in_place(look(bucket, Connection("drops", "", Side.SOURCE, Via.SNS), topics=topics, queue=FROM_TOPIC))
    assert apply(found, BY_TOPIC, target, file) == []
    remove(found, BY_TOPIC, target, file)
    assert json.loads(topics.topics[TOPIC]["Policy"]) == theirs
    assert (topics.subscribed, bucket.configuration) == ({}, {"LambdaFunctionConfigurations": [THEIRS]})


def test_nothing_is_sent_to_a_topic_whose_messages_the_queue_would_refuse() -> None:
    topics, bucket = MemoryTopics({TOPIC: {"Policy": "{}"}}), MemoryBucket()
    closed = MemoryQueue([])
    apply(services(bucket, topics=topics, queue=closed), BY_TOPIC, stack("drops"), MemoryRecordFile())
    assert (topics.subscribed, bucket.configuration) == ({}, {})
    findings = look(bucket, BY_TOPIC, topics=topics, queue=closed)
    assert {of(findings, name).level for name in ("queue policy", "subscription", "notification")} == {Level.BLOCKED}
    assert of(findings, "queue policy").parameters == {"SourceTopicArns": (TOPIC,)}


def test_a_subscription_of_others_is_used_and_left() -> None:
    subscribed = {"TopicArn": TOPIC, "Endpoint": QUEUE, "RawMessageDelivery": "true", "FilterPolicy": '{"a":["b"]}'}
    topics = MemoryTopics({TOPIC: {"Policy": "{}"}}, {"theirs": subscribed})
    found, file = services(MemoryBucket(), topics=topics, queue=FROM_TOPIC), MemoryRecordFile()
    apply(found, BY_TOPIC, stack("drops"), file)
    findings = look(MemoryBucket(), BY_TOPIC, topics=topics, queue=FROM_TOPIC)
    assert any("with raw delivery" in finding.text for finding in findings)
    assert "filter policy" in of(findings, "subscription").text
    remove(found, BY_TOPIC, stack("drops"), file)
    assert list(topics.subscribed) == ["theirs"]


def test_a_topic_of_another_account_lets_the_stack_subscribe() -> None:
    topic = f"arn:aws:sns:{REGION}:{OTHER_ACCOUNT}:drops"
    topics = MemoryTopics({topic: {"Policy": "{}"}})
    connection = Connection("drops", "", Side.SOURCE, Via.SNS, topic)
    bucket = MemoryBucket(owner=OTHER_ACCOUNT, caller=OTHER_ACCOUNT)
    found = services(bucket, topics=topics, queue=FROM_TOPIC)
    apply(found, connection, stack("drops"), MemoryRecordFile())
    statements = json.loads(topics.topics[topic]["Policy"])["Statement"]
    assert [one["Action"] for one in statements] == ["sns:Publish", "sns:Subscribe"]
    assert in_place(look(bucket, connection, topics=topics, queue=FROM_TOPIC))


@pytest.mark.parametrize(
    ("topic", "attributes", "text"),
    [
        (f"arn:aws:sns:eu-west-1:{ACCOUNT}:drops", {"Policy": "{}"}, "its own region"),
        (f"{TOPIC}.fifo", {"Policy": "{}"}, "FIFO"),
        (TOPIC, {}, "does not exist"),
        (TOPIC, {"Policy": "{}", "KmsMasterKeyId": "alias/aws/sns"}, "aws/sns"),
        (TOPIC, {"Policy": "{}", "KmsMasterKeyId": KEY}, "does not let s3.amazonaws.com"),
    ],
)
def test_topics_that_cannot_be_used(topic: str, attributes: dict[str, str], text: str) -> None:
    connection = Connection("drops", "", Side.SOURCE, Via.SNS, topic)
    keys = MemoryKeys({KEY: {"Statement": [DELEGATED]}})
    findings = look(MemoryBucket(), connection, topics=MemoryTopics({topic: attributes}), keys=keys)
    assert any(text in finding.text and finding.level is Level.BLOCKED for finding in findings)


def test_a_topic_must_be_named_if_the_bucket_has_none() -> None:
    with pytest.raises(ConfigurationError, match="no topic is given"):
        look(MemoryBucket(), Connection("drops", "", Side.SOURCE, Via.SNS))


def test_a_policy_that_is_too_long_can_be_shortened_by_a_removal() -> None:
    found = services(bucket := MemoryBucket(owner=OTHER_ACCOUNT, caller=OTHER_ACCOUNT), stack_rules=LISTED)
    file, target = MemoryRecordFile(), stack("drops")
    apply(found, DROPS, target, file)
    theirs = {"Sid": "L" * 20_480, "Effect": "Allow"}
    bucket.statements.append(theirs)
    remove(found, DROPS, target, file)
    assert bucket.statements == [theirs]


# --- Writers at the same time ---


def added(name: str) -> dict[str, Any]:
    return {"LambdaFunctionConfigurations": [{**THEIRS, "Id": name}]}


def test_what_stood_before_is_on_record_before_anything_is_written() -> None:
    file = MemoryRecordFile()
    bucket = MemoryBucket(configuration=added("theirs"))
    bucket.before_put = lambda: seen.append(json.loads(file.text or "{}"))
    seen: list[dict[str, Any]] = []
    apply(services(bucket, stack_rules=LISTED, queue=OPEN), BY_QUEUE, stack("drops"), file)
    assert seen[0]["before"][0]["value"] == added("theirs")


def test_a_change_before_the_write_stops_it() -> None:
    class Hasty(MemoryBucket):
        """Another writer comes after the second reading: the first is for the checks, the second for the merge."""

        def notifications(self) -> dict[str, Any]:
            found = super().notifications()
            if self.reads == 2:
                self.configuration = added("theirs")
            return found

    bucket = Hasty()
    with pytest.raises(PublishConflictError, match="Nothing was written"):
        apply(services(bucket, queue=OPEN), BY_QUEUE, stack("drops"), MemoryRecordFile())
    assert (bucket.configuration, bucket.writes) == (added("theirs"), 0)


def test_a_change_after_the_write_is_told_with_what_is_lost() -> None:
    bucket = MemoryBucket()
    bucket.after_put = lambda: setattr(bucket, "configuration", added("theirs"))
    file = MemoryRecordFile()
    with pytest.raises(PublishConflictError, match=r"it lacks: penstock-dev-connect.* It also has: theirs") as caught:
        apply(services(bucket, queue=OPEN), BY_QUEUE, stack("drops"), file)
    assert file.path in caught.value.hint
    assert bucket.configuration == added("theirs")


class Late(MemoryBucket):
    """Shows a change so many readings late."""

    late = 3
    shown: dict[str, Any] | None = None

    def put_notifications(self, configuration: Document) -> None:
        self.shown, self.reads = self.configuration, 0
        super().put_notifications(configuration)

    def notifications(self) -> dict[str, Any]:
        found = super().notifications()
        return found if self.shown is None or self.reads > self.late else self.shown


def test_a_change_that_is_shown_late_is_awaited() -> None:
    """https://docs.aws.amazon.com/AmazonS3/latest/userguide/Welcome.html#ConsistencyModel"""
    bucket = Late()
    apply(services(bucket, queue=OPEN), BY_QUEUE, stack("drops"), MemoryRecordFile())
    assert bucket.notifications()[QUEUES]


def test_a_change_that_is_not_shown_at_all_is_told_and_is_still_on_record() -> None:
    bucket, file = Late(), MemoryRecordFile()
    bucket.late = 1000
    found = services(bucket, stack_rules=LISTED)
    with pytest.raises(ServiceUnavailableError, match="was accepted, and is not shown yet"):
        apply(found, DROPS, stack("drops"), file)
    bucket.late = 0
    assert remove(found, DROPS, stack("drops"), file) == ["turned EventBridge off for the bucket"]


def test_a_changed_policy_is_noticed_too() -> None:
    bucket = MemoryBucket(owner=OTHER_ACCOUNT, caller=OTHER_ACCOUNT)
    theirs = {"Sid": "Theirs", "Effect": "Deny", "Principal": "*", "Action": "s3:Put*", "Resource": "*"}
    bucket.after_put = lambda: setattr(bucket, "statements", [theirs])
    with pytest.raises(PublishConflictError, match="bucket policy"):
        apply(services(bucket, stack_rules=LISTED), DROPS, stack("drops"), MemoryRecordFile())


def test_our_narrower_notification_gives_way_to_a_wider_one() -> None:
    bucket = MemoryBucket(configuration={"LambdaFunctionConfigurations": [THEIRS]})
    found, target, file = services(bucket, queue=OPEN), stack("drops"), MemoryRecordFile()
    apply(found, BY_QUEUE, target, file)
    apply(found, Connection("drops", "", Side.SOURCE, Via.SQS), target, file)
    (only,) = bucket.configuration[QUEUES]
    assert "Filter" not in only
    assert bucket.configuration["LambdaFunctionConfigurations"] == [THEIRS]
    remove(found, Connection("drops", "", Side.SOURCE), target, file)
    assert bucket.configuration == {"LambdaFunctionConfigurations": [THEIRS]}
    assert record.load(file, "drops").prefixes == []


def test_another_way_needs_the_first_one_to_be_removed() -> None:
    topics = MemoryTopics({TOPIC: {"Policy": "{}"}})
    bucket, target, file = MemoryBucket(), stack("drops"), MemoryRecordFile()
    found = services(bucket, topics=topics, queue=MemoryQueue([*OPEN.statements, *FROM_TOPIC.statements]))
    apply(found, BY_TOPIC, target, file)
    clash = of(look(bucket, BY_QUEUE, topics=topics, queue=OPEN), "notification")
    assert clash.level is Level.BLOCKED
    assert "penstock connect --remove" in clash.remedy
    remove(found, BY_TOPIC, target, file)
    assert apply(found, BY_QUEUE, target, file)


# --- Several prefixes ---


def test_prefixes_of_a_foreign_bucket_have_statements_of_their_own() -> None:
    bucket, file = MemoryBucket(owner=OTHER_ACCOUNT, caller=OTHER_ACCOUNT), MemoryRecordFile()
    found, target = services(bucket, stack_rules=LISTED), stack("drops")
    one, other = (Connection("drops", prefix, Side.SOURCE) for prefix in ("a/", "b/"))
    apply(found, one, target, file)
    alone = list(bucket.statements)
    apply(found, other, target, file)
    assert [one["Resource"] for one in bucket.statements] == [
        "arn:aws:s3:::drops/a/*",
        "arn:aws:s3:::drops",
        "arn:aws:s3:::drops/b/*",
    ]
    for connection in (one, other):
        assert of(look(bucket, connection), "bucket policy").level is Level.OK

    lines = remove(found, other, target, file)

    assert any("the prefix 'a/' is connected too" in line for line in lines)
    assert bucket.statements == alone
    remove(found, one, target, file)
    assert (bucket.statements, bucket.configuration) == ([], {})


def test_a_topic_stays_while_another_prefix_is_told_by_it() -> None:
    topics = MemoryTopics({TOPIC: {"Policy": "{}"}})
    found, target, file = services(MemoryBucket(), topics=topics, queue=FROM_TOPIC), stack("drops"), MemoryRecordFile()
    one, other = (Connection("drops", prefix, Side.SOURCE, Via.SNS, TOPIC) for prefix in ("a/", "b/"))
    apply(found, one, target, file)
    apply(found, other, target, file)
    # On another machine: its record is empty, and the notifications tell of the other prefix.
    remove(found, other, target, MemoryRecordFile())
    assert list(topics.subscribed) == [f"{TOPIC}:subscription"]
    remove(found, one, target, file)
    remove(found, other, target, file)
    assert (topics.subscribed, json.loads(topics.topics[TOPIC]["Policy"])["Statement"]) == ({}, [])


def test_removing_a_destination_leaves_the_source() -> None:
    bucket = MemoryBucket()
    found, target = services(bucket, queue=OPEN), stack("drops")
    apply(found, Connection("drops", "", Side.SOURCE, Via.SQS), target, MemoryRecordFile())
    assert remove(found, LAKE, target, MemoryRecordFile()) == []
    assert bucket.configuration[QUEUES]


# --- Removing EventBridge ---


def test_eventbridge_stays_on_unless_the_record_says_that_connect_turned_it_on() -> None:
    bucket = MemoryBucket(configuration={"EventBridgeConfiguration": {}})
    (line,) = remove(services(bucket), DROPS, stack("drops"), MemoryRecordFile())
    assert "left EventBridge on" in line
    assert bucket.writes == 0


def test_eventbridge_stays_on_while_another_rule_is_about_the_bucket() -> None:
    bucket, file = MemoryBucket(), MemoryRecordFile()
    theirs = MemoryRules({"theirs": ({"source": ["aws.s3"]}, ["arn:aws:lambda:f"]), **LISTED.found})
    found = services(bucket, rules=theirs, stack_rules=LISTED)
    apply(found, DROPS, stack("drops"), file)
    (line,) = remove(found, DROPS, stack("drops"), file)
    assert "the rule theirs" in line
    del theirs.found["theirs"]
    assert remove(found, DROPS, stack("drops"), file) == ["turned EventBridge off for the bucket"]
    assert bucket.configuration == {}


@pytest.mark.parametrize("text", ["not json", "[]", '{"kind": "penstock connection"}'])
def test_a_file_that_is_no_record_is_refused(text: str) -> None:
    with pytest.raises(StateFileError, match="not a record"):
        record.load(MemoryRecordFile(text), "drops")


def test_the_record_of_another_connection_is_refused() -> None:
    file = MemoryRecordFile()
    record.save(file, record.Record("lake"))
    with pytest.raises(StateFileError, match="the record of lake, not of drops"):
        record.load(file, "drops")
