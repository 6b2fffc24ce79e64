"""The event of `announce`: events/stream/announce.json."""

from __future__ import annotations

import json
from collections.abc import Iterator

from penstock_local.sam_local.checks import Check, check
from penstock_local.sam_local.events import event_file
from penstock_local.sam_local.functions import Functions
from penstock_local.sam_local.resources import Resources

RULE = "ended-jobs"


def announced(resources: Resources, functions: Functions) -> Iterator[Check]:
    """Of two writes to the record of a job, one ends it: a subscriber of EventBridge gets one event."""
    events, sqs = resources.account.client("events"), resources.account.client("sqs")
    arn = events.put_rule(Name=RULE, EventPattern=json.dumps({"source": ["penstock"]}))["RuleArn"]
    url = sqs.create_queue(QueueName=RULE)["QueueUrl"]
    queue = f"arn:aws:sqs:us-east-1:000000000000:{RULE}"
    may = {
        "Effect": "Allow",
        "Principal": {"Service": "events.amazonaws.com"},
        "Action": "sqs:SendMessage",
        "Resource": queue,
        "Condition": {"ArnEquals": {"aws:SourceArn": arn}},
    }
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": json.dumps({"Statement": [may]})})
    events.put_targets(Rule=RULE, Targets=[{"Id": "queue", "Arn": queue}])
    yield check("announce", functions.invoke("announce", event_file("stream/announce")), {"batchItemFailures": []})
    messages = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=5).get("Messages", [])
    told = [json.loads(message["Body"]) for message in messages]
    yield check(
        "events",
        [(event["detail-type"], event["detail"]["key"]) for event in told],
        [("Penstock Job Succeeded", "in/accidents.csv.gz")],
    )
