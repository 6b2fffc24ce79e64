"""How the events of a source reach the stack: by EventBridge, or by a notification to its queue."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from urllib.parse import unquote_plus

from penstock.connect.findings import AddNotification, Finding, Level, TurnOnEventBridge
from penstock.connect.listing import listing_parameters
from penstock.connect.location import Location
from penstock.connect.model import Connection, Document, StackTarget
from penstock.connect.notifications import (
    EVENTBRIDGE,
    QUEUES,
    Rule,
    clashes,
    entry_of,
    is_covered,
    rules_of,
    wanted_rule,
)
from penstock.connect.policies import Verdict, by_service, decide
from penstock.connect.ports import Queue, Rules, Services

CHECK = "notification"
_SOURCE, _DETAIL = "aws.s3", "Object Created"


def check_eventbridge(
    services: Services, connection: Connection, stack: StackTarget, location: Location
) -> Iterator[Finding]:
    """The bucket sends its events to EventBridge, and a rule of the stack sends them on to the queue."""
    configuration = services.bucket.notifications()
    if EVENTBRIDGE in configuration:
        yield Finding(CHECK, Level.OK, "the bucket sends its events to EventBridge")
    else:
        yield Finding(
            CHECK,
            Level.MISSING,
            "the bucket sends no events to EventBridge",
            "--apply turns it on, beside all other notifications. S3 needs about five minutes to begin.",
            changes=(TurnOnEventBridge(),),
        )
    twice = [rule for rule in rules_of(configuration) if rule.arn == stack.queue_arn]
    if twice:
        yield Finding(CHECK, Level.NOTE, f"{twice[0]} also sends events: each object is then told twice, and done once")
    if (location.region, location.account) != (stack.region, stack.account):
        yield _forwarded(services.rules, connection, stack, location)
    matching = sorted(_about(services.stack_rules, connection.bucket))
    if matching:
        yield Finding("rule", Level.OK, f"{matching[0]} of EventBridge sends the events to the queue")
    else:
        yield Finding(
            "rule",
            Level.BLOCKED,
            f"no rule of EventBridge is about {connection.bucket}: the stack has one for the buckets that it lists",
            "Deploy the stack with the parameters below.",
            parameters=listing_parameters(connection, stack),
        )


def _forwarded(rules: Rules, connection: Connection, stack: StackTarget, location: Location) -> Finding:
    """EventBridge receives the events of a bucket in its region and account only; a rule there can forward them.

    https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-cross-region.html
    https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-cross-account.html
    """
    where = f"{location.region}, in account {location.account or '(unknown)'}"
    for name in _about(rules, connection.bucket):
        if stack.bus_arn in rules.targets(name):
            return Finding("forwarding", Level.OK, f"the rule {name} in {where} forwards the events to the stack")
    permission = (
        f", and a policy on that bus that allows events:PutEvents to account {location.account or 'of the bucket'}"
        if location.is_foreign(stack)
        else ""
    )
    return Finding(
        "forwarding",
        Level.BLOCKED,
        f"EventBridge receives the events in {where}, not in {stack.region}, in account {stack.account}: nothing "
        "forwards them",
        f"Use --via sns, or deploy a stack there. Or forward them: in {where}, a rule with this pattern and the target "
        f"{stack.bus_arn}, with a role that allows events:PutEvents on it{permission}.",
        {"source": [_SOURCE], "detail-type": [_DETAIL], "detail": {"bucket": {"name": [connection.bucket]}}},
    )


def _about(rules: Rules, bucket: str) -> list[str]:
    return [name for name, pattern in rules.patterns().items() if is_about(pattern, bucket)]


def is_about(pattern: Document, bucket: str) -> bool:
    """Whether a rule may match the creation of objects in a bucket. Content filters count as a match.

    https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-event-patterns.html
    """
    detail = pattern.get("detail", {})
    of_bucket = detail.get("bucket", {}) if isinstance(detail, Mapping) else {}
    names = of_bucket.get("name") if isinstance(of_bucket, Mapping) else None
    return (
        _matches(pattern.get("source"), _SOURCE)
        and _matches(pattern.get("detail-type"), _DETAIL)
        and _matches(names, bucket)
    )


def _matches(values: object, wanted: str) -> bool:
    if not isinstance(values, Sequence) or isinstance(values, str):
        return True
    return any(value == wanted or isinstance(value, Mapping) for value in values)


def check_queue(
    services: Services, connection: Connection, stack: StackTarget, location: Location
) -> Iterator[Finding]:
    """S3 sends to queues of its own region only, and the policy of this queue allows its own account only.

    https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-how-to-event-types-and-destinations.html
    """
    if (location.region, location.account) != (stack.region, stack.account):
        yield Finding(
            CHECK,
            Level.BLOCKED,
            f"the bucket is in {location.region}, in account {location.account or '(unknown)'}, and the queue in "
            f"{stack.region}, in account {stack.account}: the queue takes notifications of its own region and account",
            "Use --via sns with a topic beside the bucket, or --via eventbridge, or deploy a stack there.",
        )
        return
    allowed = _queue_allows(services.queue, connection, stack, location)
    yield allowed
    wanted = wanted_rule(QUEUES, stack.id_for(connection), stack.queue_arn, connection.prefix)
    yield check_rule(services.bucket.notifications(), wanted, stack, may_set=allowed.level is Level.OK)


def _queue_allows(queue: Queue, connection: Connection, stack: StackTarget, location: Location) -> Finding:
    request = by_service(
        "s3.amazonaws.com",
        "sqs:SendMessage",
        stack.queue_arn,
        source_arn=stack.bucket_arn(connection),
        source_account=location.account,
    )
    if decide(queue.policy(), request).verdict is Verdict.ALLOWED:
        return Finding("queue policy", Level.OK, "lets the bucket send to the queue")
    return Finding(
        "queue policy",
        Level.BLOCKED,
        f"the policy of {stack.queue_arn} does not let {connection.bucket}, of account {location.account}, "
        "send: S3 would refuse the notification",
        "Deploy the stack with the parameters below. Then --apply sets the notification.",
        parameters=listing_parameters(connection, stack),
    )


def check_rule(configuration: Document, wanted: Rule, stack: StackTarget, *, may_set: bool) -> Finding:
    """Whether the bucket has a notification. ``may_set``: its destination would accept it."""
    rules = list(rules_of(configuration))
    if standing := is_covered(wanted, rules):
        return Finding(CHECK, Level.OK, str(standing))
    # Those of this connection with another prefix give way to one that covers both.
    ours = [rule for rule in rules if rule.id.startswith(stack.own_ids) and rule.arn == wanted.arn]
    replaced = [rule for rule in ours if rule in clashes(wanted, rules)]
    clashing = [rule for rule in clashes(wanted, rules) if rule not in replaced]
    if clashing:
        return _clash(wanted, clashing, stack)
    change = AddNotification(
        wanted.kind,
        entry_of(wanted),
        tuple(rule.id for rule in replaced),
        tuple(unquote_plus(rule.prefix) for rule in replaced),
    )
    keys = f"objects below {wanted.prefix}" if wanted.prefix else "objects"
    return Finding(
        CHECK,
        Level.MISSING if may_set else Level.BLOCKED,
        f"nothing tells {wanted.arn} of created {keys}",
        "--apply adds it beside all others." if may_set else "",
        entry_of(wanted),
        changes=(change,) if may_set else (),
    )


def _clash(wanted: Rule, clashing: Sequence[Rule], stack: StackTarget) -> Finding:
    ours = any(rule.id.startswith(stack.own_ids) for rule in clashing)
    return Finding(
        CHECK,
        Level.BLOCKED,
        f"S3 allows one notification for an event type and a key, and the bucket has: {'; '.join(map(str, clashing))}. "
        f"It overlaps with s3:ObjectCreated:* of {wanted.prefix}*",
        ("connect has set it for another way of events: `penstock connect --remove` removes it. " if ours else "")
        + "Use --via eventbridge, which clashes with none. Or choose a prefix that does not overlap. If the other "
        "notification goes to an SNS topic, use --via sns --topic ARN: the queue then subscribes to that topic.",
    )
