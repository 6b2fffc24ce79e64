"""How events reach the queue through an SNS topic: bucket, topic, subscription, queue."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from penstock.connect.events import check_rule
from penstock.connect.findings import Finding, Level, PutTopicStatement, Subscribe
from penstock.connect.location import Location
from penstock.connect.model import Connection, Document, StackTarget
from penstock.connect.notifications import TOPICS, is_covered, rules_of, wanted_rule
from penstock.connect.policies import Verdict, by_service, decide, has_statement
from penstock.connect.ports import Keys, Queue, Services
from penstock.errors import ConfigurationError

CHECK = "topic"
PARAMETER = "SourceTopicArns"
_S3, _SNS = "s3.amazonaws.com", "sns.amazonaws.com"
_AWS_KEY = "alias/aws/sns"


def topic_of(configuration: Document, connection: Connection, stack: StackTarget) -> str:
    """Return the topic that is given, or the only one that the bucket notifies of the wanted keys."""
    if connection.topic:
        return connection.topic
    wanted = [
        rule.arn
        for rule in rules_of(configuration)
        if rule.kind == TOPICS and is_covered(wanted_rule(TOPICS, "", rule.arn, connection.prefix), [rule])
    ]
    if len(set(wanted)) != 1:
        found = f"it notifies {len(set(wanted))} topics" if wanted else "it notifies no topic"
        raise ConfigurationError(
            f"s3://{connection.bucket}: no topic is given, and {found} of objects created below "
            f"{connection.prefix or 'any prefix'}",
            hint=f"Name the topic: --topic arn:{stack.partition}:sns:{stack.region}:{stack.account}:NAME",
        )
    return wanted[0]


def check_topic(
    services: Services, connection: Connection, stack: StackTarget, location: Location
) -> Iterator[Finding]:
    """Everything on the way from the bucket to the queue."""
    configuration = services.bucket.notifications()
    topic = topic_of(configuration, connection, stack)
    attributes = services.topics.attributes(topic)
    refused = list(_refusals(topic, attributes, location))
    yield from refused
    if refused:
        return
    if alias := attributes.get("KmsMasterKeyId", ""):
        yield from _check_topic_key(services.keys, alias, connection, stack, location)
    yield from _check_topic_policy(topic, policy_of(attributes), connection, stack, location)
    wanted = wanted_rule(TOPICS, stack.id_for(connection), topic, connection.prefix)
    allowed = _queue_allows(services.queue, topic, stack)
    may_set = allowed.level is Level.OK
    yield allowed
    yield check_rule(configuration, wanted, stack, may_set=may_set)
    yield from _check_subscription(services, topic, stack, may_set=may_set)


def _check_topic_policy(
    topic: str, policy: Document | None, connection: Connection, stack: StackTarget, location: Location
) -> Iterator[Finding]:
    source, account = stack.bucket_arn(connection), location.account
    request = by_service(_S3, "sns:Publish", topic, source_arn=source, source_account=account)
    if decide(policy, request).verdict is Verdict.ALLOWED:
        yield Finding(CHECK, Level.OK, f"the policy of {topic} lets the bucket publish")
    else:
        text = f"the policy of {topic} does not let the bucket publish"
        yield _missing_statement(topic, text, publishing(topic, connection, stack, location))
    if _account_of(topic) != stack.account and not has_statement(policy, subscribing(topic, connection, stack)):
        text = f"the policy of {topic} does not let account {stack.account} subscribe its queue"
        yield _missing_statement(topic, text, subscribing(topic, connection, stack))


def _missing_statement(topic: str, text: str, statement: Document) -> Finding:
    change = PutTopicStatement(topic, statement)
    return Finding(CHECK, Level.MISSING, text, "--apply adds the statement.", statement, changes=(change,))


def subscribing(topic: str, connection: Connection, stack: StackTarget) -> dict[str, Any]:
    """Return the statement that lets the account of the stack subscribe its queue to a topic of another account.

    If the owner of the queue subscribes, nobody needs to confirm.
    https://docs.aws.amazon.com/sns/latest/dg/sns-send-message-to-sqs-cross-account.html
    """
    return {
        "Sid": own_sids(connection, stack)[1],
        "Effect": "Allow",
        "Principal": {"AWS": f"arn:{stack.partition}:iam::{stack.account}:root"},
        "Action": "sns:Subscribe",
        "Resource": topic,
    }


def publishing(topic: str, connection: Connection, stack: StackTarget, location: Location) -> dict[str, Any]:
    """Return the statement that lets the bucket publish.

    https://docs.aws.amazon.com/AmazonS3/latest/userguide/grant-destinations-permissions-to-s3.html
    """
    condition: dict[str, Any] = {"ArnEquals": {"aws:SourceArn": stack.bucket_arn(connection)}}
    if location.account:
        condition["StringEquals"] = {"aws:SourceAccount": location.account}
    return {
        "Sid": own_sids(connection, stack)[0],
        "Effect": "Allow",
        "Principal": {"Service": _S3},
        "Action": "sns:Publish",
        "Resource": topic,
        "Condition": condition,
    }


def own_sids(connection: Connection, stack: StackTarget) -> tuple[str, str]:
    """The Sids of the statements in the policy of the topic, to publish and to subscribe: one pair for each bucket."""
    return stack.sid_for("Publish", connection.bucket), stack.sid_for("Subscribe", connection.bucket)


def policy_of(attributes: Mapping[str, str]) -> Document | None:
    """Return the policy in the attributes of a topic, which hold it as text."""
    return json.loads(attributes["Policy"]) if attributes.get("Policy") else None


def _refusals(topic: str, attributes: Mapping[str, str], location: Location) -> Iterator[Finding]:
    region = topic.split(":")[3]
    if region != location.region:
        yield Finding(
            CHECK,
            Level.BLOCKED,
            f"{topic} is in {region}, the bucket in {location.region}: S3 notifies topics of its own region only",
            f"Name a topic in {location.region}.",
        )
    elif topic.endswith(".fifo"):
        yield Finding(
            CHECK, Level.BLOCKED, f"{topic} is a FIFO topic, which S3 cannot notify", "Name a standard topic."
        )
    elif not attributes:
        yield Finding(CHECK, Level.BLOCKED, f"{topic} does not exist", "Correct --topic, or create the topic.")


def _check_topic_key(
    keys: Keys, alias: str, connection: Connection, stack: StackTarget, location: Location
) -> Iterator[Finding]:
    """https://docs.aws.amazon.com/AmazonS3/latest/userguide/grant-destinations-permissions-to-s3.html#key-policy-sns-sqs"""
    described = {} if alias == _AWS_KEY else keys.describe(alias)
    if alias == _AWS_KEY or described.get("KeyManager") == "AWS":
        yield Finding(
            "topic key",
            Level.BLOCKED,
            "the topic is encrypted with the key aws/sns, which lets S3 send nothing",
            "Encrypt the topic with a key of its own whose policy allows s3.amazonaws.com, or do not encrypt it.",
        )
        return
    policy = keys.policy(str(described["Arn"]))
    source = stack.bucket_arn(connection)
    for operation in ("kms:GenerateDataKey", "kms:Decrypt"):
        request = by_service(_S3, operation, "*", source_arn=source, source_account=location.account)
        if decide(policy, request).verdict is not Verdict.ALLOWED:
            yield Finding(
                "topic key",
                Level.BLOCKED,
                f"the policy of the topic's key does not let s3.amazonaws.com call {operation}",
                "Ask the owner of the key to add this statement.",
                {
                    "Sid": stack.sid_for("TopicKey"),
                    "Effect": "Allow",
                    "Principal": {"Service": _S3},
                    "Action": ["kms:GenerateDataKey*", "kms:Decrypt"],
                    "Resource": "*",
                    "Condition": {"ArnEquals": {"aws:SourceArn": source}},
                },
            )
            return
    yield Finding("topic key", Level.OK, "lets S3 send to the topic")


def _check_subscription(services: Services, topic: str, stack: StackTarget, *, may_set: bool) -> Iterator[Finding]:
    subscriptions = services.topics.subscriptions(topic, stack.queue_arn)
    if not subscriptions:
        yield Finding(
            "subscription",
            Level.MISSING if may_set else Level.BLOCKED,
            f"{stack.queue_arn} does not subscribe to {topic}",
            "--apply subscribes it." if may_set else "",
            changes=(Subscribe(topic, stack.queue_arn),) if may_set else (),
        )
        return
    first = services.subscriber.subscription(subscriptions[0])
    raw = first.get("RawMessageDelivery", "false").lower() == "true"
    yield Finding("subscription", Level.OK, f"the queue subscribes, {'with' if raw else 'without'} raw delivery")
    if first.get("FilterPolicy", "{}") not in ("", "{}"):
        yield Finding("subscription", Level.NOTE, "it has a filter policy: the queue receives matching events only")


def _queue_allows(queue: Queue, topic: str, stack: StackTarget) -> Finding:
    # SNS sends aws:SourceAccount too: that of the topic.
    account = _account_of(topic)
    request = by_service(_SNS, "sqs:SendMessage", stack.queue_arn, source_arn=topic, source_account=account)
    if decide(queue.policy(), request).verdict is Verdict.ALLOWED:
        return Finding("queue policy", Level.OK, "lets the topic send to the queue")
    return Finding(
        "queue policy",
        Level.BLOCKED,
        f"the policy of {stack.queue_arn} does not let {topic} send: its messages would be lost",
        "Deploy the stack with the parameters below. Then --apply sets the subscription and the notification.",
        parameters={PARAMETER: (topic,)},
    )


def _account_of(topic: str) -> str:
    return topic.split(":")[4]
