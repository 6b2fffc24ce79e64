"""Patches of EventBridge: what S3 tells it, and who may send to a queue."""
# ruff: noqa: SLF001  # patches replace private names; the version is pinned and checked

from __future__ import annotations

import inspect
import json
from contextvars import ContextVar
from typing import Any

from ministack.services import eventbridge, s3, sqs  # type: ignore[import-not-found]  # installed elsewhere


def name_versions_to_eventbridge() -> None:
    """An event of S3 for EventBridge has the ``version-id`` of the object, if the bucket keeps versions.

    MiniStack omits it.
    https://docs.aws.amazon.com/AmazonS3/latest/userguide/ev-events.html
    """
    version: ContextVar[str] = ContextVar("version", default="")
    fire, dispatch = s3._fire_s3_event, eventbridge._dispatch_event
    signature = inspect.signature(fire)

    def fire_s3_event(*given: Any, **named: Any) -> None:
        token = version.set(signature.bind(*given, **named).arguments.get("version_id") or "")
        try:
            fire(*given, **named)
        finally:
            version.reset(token)

    def dispatch_event(event: dict[str, Any], *rest: Any) -> None:
        if event.get("Source") == "aws.s3" and version.get():
            detail = json.loads(event["Detail"])
            detail["object"]["version-id"] = version.get()
            event = {**event, "Detail": json.dumps(detail)}
        dispatch(event, *rest)

    s3._fire_s3_event = fire_s3_event
    eventbridge._dispatch_event = dispatch_event


def ask_queue_policies() -> None:
    """A rule sends to a queue only if the policy of the queue lets it. MiniStack lets every rule send.

    https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-use-resource-based.html#eb-sqs-permissions
    """
    sender: ContextVar[str] = ContextVar("sender", default="")
    invoke, send = eventbridge._invoke_target, eventbridge._dispatch_to_sqs

    def invoke_target(target: Any, event: Any, rule: dict[str, Any], *rest: Any) -> None:
        token = sender.set(rule.get("Arn", ""))
        try:
            invoke(target, event, rule, *rest)
        finally:
            sender.reset(token)

    def dispatch_to_sqs(spec: Any, *rest: Any) -> None:
        account = eventbridge.get_account_id()
        if sqs.queue_policy_allows(str(spec), "events.amazonaws.com", sender.get(), account):
            send(spec, *rest)
        else:
            eventbridge.logger.warning("EventBridge: the policy of %s does not let %s send", spec, sender.get())

    eventbridge._invoke_target = invoke_target
    eventbridge._dispatch_to_sqs = dispatch_to_sqs
