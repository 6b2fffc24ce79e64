"""A subscriber of EventBridge: it is told of the jobs of one run that ended."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from faults.servers import RunResources


@contextmanager
def told(resources: RunResources) -> Iterator[Callable[[], Sequence[str]]]:
    """Subscribe until the block ends. Yields a function that returns the ids of the jobs, once for each event."""
    events, sqs = resources.servers.client("events"), resources.servers.client("sqs")
    name = f"told-{resources.name}"
    detail = {"key": [{"prefix": f"{resources.name}/"}]}
    rule = events.put_rule(Name=name, EventPattern=json.dumps({"source": ["penstock"], "detail": detail}))["RuleArn"]
    url = sqs.create_queue(QueueName=name)["QueueUrl"]
    queue = f"arn:aws:sqs:us-east-1:000000000000:{name}"
    may = {
        "Effect": "Allow",
        "Principal": {"Service": "events.amazonaws.com"},
        "Action": "sqs:SendMessage",
        "Resource": queue,
        "Condition": {"ArnEquals": {"aws:SourceArn": rule}},
    }
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": json.dumps({"Statement": [may]})})
    events.put_targets(Rule=name, Targets=[{"Id": "queue", "Arn": queue}])

    def take() -> Sequence[str]:
        found: list[str] = []
        while messages := sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", ()):
            for message in messages:
                sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
                found.append(json.loads(message["Body"])["detail"]["job"])
        return found

    try:
        yield take
    finally:
        events.remove_targets(Rule=name, Ids=["queue"])
        events.delete_rule(Name=name)
        sqs.delete_queue(QueueUrl=url)
