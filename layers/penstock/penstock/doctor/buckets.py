"""The source and destination buckets: whether uploads are noticed, kept and encrypted, and results may be written."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from functools import partial

from penstock.aws.inspection.values import Document, Rule
from penstock.doctor.deployment import Deployment
from penstock.doctor.finding import Finding, command, failed, guarded, passed, warning

CREATED = "s3:ObjectCreated:*"
_ALL_EVENTS = (CREATED, "s3:*")


def exist(stack: Deployment) -> Iterator[Finding]:
    """Whether each bucket exists, in the region of the stack."""
    for bucket in dict.fromkeys([*stack.source_buckets, *stack.destination_buckets, stack.output("WorkBucketName")]):
        yield from guarded(f"bucket {bucket}", partial(_exists, stack, bucket))


def notify(stack: Deployment) -> Iterator[Finding]:
    """Whether an upload into each source bucket becomes a message in the queue."""
    for bucket in stack.source_buckets:
        yield from guarded(f"events of {bucket}", partial(_notifies, stack, bucket))


def keep(stack: Deployment) -> Iterator[Finding]:
    """Whether source buckets keep versions, and destination buckets no parts of uploads that nobody completes."""
    for bucket in stack.source_buckets:
        yield from guarded(f"versions of {bucket}", partial(_versions, stack, bucket))
    for bucket in stack.destination_buckets:
        yield from guarded(f"unfinished uploads in {bucket}", partial(_unfinished, stack, bucket))


def keys(stack: Deployment) -> Iterator[Finding]:
    """Whether the functions have rights to the key of each bucket."""
    known = [value for name in ("KmsKeyArn", "BucketKmsKeyArns") for value in stack.values(name)]
    for key in known:
        yield from guarded(f"key {key}", partial(_state_of_key, stack, key))
    for bucket in dict.fromkeys([*stack.source_buckets, *stack.destination_buckets]):
        yield from guarded(f"encryption of {bucket}", partial(_key, stack, bucket, known))


def _exists(stack: Deployment, bucket: str) -> Iterator[Finding]:
    region = stack.services.buckets.region(bucket)
    name = f"bucket {bucket}"
    if region == stack.stack.region:
        yield passed(name, f"exists, in {region}")
    elif bucket in stack.source_buckets:
        yield failed(
            name,
            f"is in {region}, and the stack in {stack.stack.region}: S3 notifies only queues of its own region",
            f"Deploy a stack in {region}, or replicate the bucket into {stack.stack.region}.",
        )
    else:
        yield warning(
            name,
            f"is in {region}, and the stack in {stack.stack.region}: each byte between regions costs",
            f"Use a bucket in {stack.stack.region}.",
        )


def _notifies(stack: Deployment, bucket: str) -> Iterator[Finding]:
    name, queue = f"events of {bucket}", stack.queue.arn
    found = stack.services.buckets.notifications(bucket)
    direct = [one for one in found.queues if one["QueueArn"] == queue and _is_created(one)]
    if direct:
        yield _filtered(name, "SQS", direct)
        yield _may_send(stack, bucket, "s3.amazonaws.com", f"arn:{stack.stack.partition}:s3:::{bucket}")
        return
    for topic in (one for one in found.topics if _is_created(one)):
        arn = topic["TopicArn"]
        if any((kind, to) == ("sqs", queue) and on for kind, to, on in stack.services.topics.subscribers(arn)):
            yield _filtered(name, f"topic {arn.rpartition(':')[2]}", [topic])
            yield _may_send(stack, bucket, "sns.amazonaws.com", arn)
            return
    if found.eventbridge:
        rules = [rule for rule in _rules(stack) if rule.enabled and _takes(rule, bucket)]
        if rules:
            yield passed(name, f"reach the stack through rule {rules[0].name} of EventBridge")
            return
    if bucket == stack.stack.outputs.get("SourceBucketName"):
        remedy = _set_notification(bucket, queue, found.document)
    else:
        remedy = f"penstock connect s3://{bucket} --stack {stack.name} --apply"
    yield failed(name, "no upload reaches the queue", remedy)


def _set_notification(bucket: str, queue: str, document: Document) -> str:
    """Return the command that adds a notification to those that are there."""
    others = [one for one in document.get("QueueConfigurations", ()) if one["QueueArn"] != queue]
    added = {"Id": "penstock", "QueueArn": queue, "Events": [CREATED]}
    return command(
        "s3api",
        "put-bucket-notification-configuration",
        bucket=bucket,
        notification_configuration={**document, "QueueConfigurations": [*others, added]},
    )


def _filtered(name: str, way: str, configurations: Sequence[Document]) -> Finding:
    chosen = [_rules_of_filter(one) for one in configurations]
    if all(chosen):
        texts = "; ".join(", ".join(rules) for rules in chosen)
        return passed(name, f"reach the queue by {way}, for keys with {texts}")
    return passed(name, f"reach the queue by {way}")


def _rules_of_filter(configuration: Document) -> list[str]:
    rules = configuration.get("Filter", {}).get("Key", {}).get("FilterRules", ())
    return [f"{rule['Name'].lower()} {rule['Value']}" for rule in rules]


def _is_created(configuration: Document) -> bool:
    return any(event in _ALL_EVENTS for event in configuration["Events"])


def _may_send(stack: Deployment, bucket: str, service: str, arn: str) -> Finding:
    """Whether the policy of the queue lets S3 or SNS send."""
    name, policy = f"queue policy for {bucket}", stack.queue.policy
    statements = policy.get("Statement", ())
    if any(_allows(one, service, arn) for one in statements):
        return passed(name, f"lets {service.partition('.')[0].upper()} send")
    own = {
        "Sid": f"Notify{len(statements)}",
        "Effect": "Allow",
        "Principal": {"Service": service},
        "Action": "sqs:SendMessage",
        "Resource": stack.queue.arn,
        "Condition": {"ArnEquals": {"aws:SourceArn": arn}},
    }
    document = {"Version": "2012-10-17", **policy, "Statement": [*statements, own]}
    remedy = command(
        "sqs",
        "set-queue-attributes",
        queue_url=stack.output("QueueUrl"),
        attributes={"Policy": json.dumps(document)},
    )
    return failed(name, f"{service} may not send to the queue for {arn}", remedy)


def _allows(statement: Document, service: str, arn: str) -> bool:
    principal = statement.get("Principal", {})
    services = _texts(principal.get("Service", ()) if isinstance(principal, Mapping) else ())
    named = principal == "*" or service in services
    sources = [
        value
        for operator, keys in statement.get("Condition", {}).items()
        if operator.startswith(("Arn", "String"))
        for key, values in keys.items()
        if key.lower() == "aws:sourcearn"
        for value in _texts(values)
    ]
    takes = not sources or any(fnmatchcase(arn, pattern) for pattern in sources)
    sends = any(action in ("sqs:SendMessage", "sqs:*", "*") for action in _texts(statement.get("Action", ())))
    return bool(statement.get("Effect") == "Allow" and named and sends and takes)


def _versions(stack: Deployment, bucket: str) -> Iterator[Finding]:
    name = f"versions of {bucket}"
    if stack.services.buckets.versioning(bucket):
        yield passed(name, "are kept: a job reads the version of its event")
        return
    on = command("s3api", "put-bucket-versioning", bucket=bucket, versioning_configuration={"Status": "Enabled"})
    found = "are not kept: an object that is overwritten before its job reads it is lost"
    yield warning(name, found, f"Keep versions, with a lifecycle rule that expires old ones:\n{on}")


def _unfinished(stack: Deployment, bucket: str) -> Iterator[Finding]:
    name = f"unfinished uploads in {bucket}"
    days = stack.services.buckets.unfinished_days(bucket)
    if days is not None:
        yield passed(name, f"are aborted after {days} days")
        return
    rule = {
        "ID": "abort-unfinished-uploads",
        "Status": "Enabled",
        "Filter": {"Prefix": ""},
        "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": stack.number("UnfinishedUploadDays", 7)},
    }
    on = command(
        "s3api",
        "put-bucket-lifecycle-configuration",
        bucket=bucket,
        lifecycle_configuration={"Rules": [*stack.services.buckets.lifecycle(bucket), rule]},
    )
    found = "are kept, and cost, for ever; the reconciler ends those of this stack"
    yield warning(name, found, on)


def _key(stack: Deployment, bucket: str, known: Sequence[str]) -> Iterator[Finding]:
    name, key = f"encryption of {bucket}", stack.services.buckets.key(bucket)
    if not key:
        yield passed(name, "by keys of S3")
    elif key in known or any(one.endswith(f"/{key}") for one in known):
        yield passed(name, f"by {key}, to which the functions have rights")
    else:
        yield failed(
            name,
            f"by {key}, to which the functions have no rights",
            "Add the key's ARN to the parameter BucketKmsKeyArns, let the policy of the key allow the roles of the "
            "functions, and deploy the stack.",
        )


def _state_of_key(stack: Deployment, key: str) -> Iterator[Finding]:
    name, state = f"key {key}", stack.services.keys.state(key)
    if state == "Enabled":
        yield passed(name, "is enabled")
    elif state == "Disabled":
        yield failed(name, "is disabled: nothing can be read or written", command("kms", "enable-key", key_id=key))
    else:
        cancel = f"{command('kms', 'cancel-key-deletion', key_id=key)}\n{command('kms', 'enable-key', key_id=key)}"
        yield failed(name, f"is {state}", cancel)


def _rules(stack: Deployment) -> Iterable[Rule]:
    yield from stack.services.rules.of_target(stack.queue.arn)
    yield from stack.services.rules.of_target(stack.function("IngestFunction").arn)


def _takes(rule: Rule, bucket: str) -> bool:
    """Whether a rule takes the events of a bucket; a pattern that is not a plain list of names is trusted."""
    pattern = rule.pattern
    if "aws.s3" not in pattern.get("source", ()):
        return False
    names = pattern.get("detail", {}).get("bucket", {}).get("name", ())
    return not names or any(not isinstance(one, str) or one == bucket for one in names)


def _texts(value: object) -> Sequence[str]:
    return [value] if isinstance(value, str) else list(value) if isinstance(value, list) else []
