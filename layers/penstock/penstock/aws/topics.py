"""SNS topics: their policy and the subscriptions of one queue."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from functools import cached_property
from itertools import islice
from typing import Any

from botocore.exceptions import ClientError

from penstock.aws.cli_errors import RUN_AGAIN, cli_errors
from penstock.aws.errors import code_of

# A topic has at most 12.5 million subscriptions; a page has 100. https://docs.aws.amazon.com/general/latest/gr/sns.html
_PAGES = 1000


class SnsTopics:
    """Implements ``Topics``. ``connect`` creates the client for the first call."""

    def __init__(self, connect: Callable[[], Any]) -> None:
        self._connect = connect

    @cached_property
    def _client(self) -> Any:
        return self._connect()

    def attributes(self, topic: str) -> Mapping[str, str]:
        with _call("sns:GetTopicAttributes", topic):
            try:
                found: Mapping[str, str] = self._client.get_topic_attributes(TopicArn=topic)["Attributes"]
            except ClientError as error:
                if code_of(error) in {"NotFound", "NotFoundException"}:
                    return {}
                raise
        return found

    def put_policy(self, topic: str, policy: Mapping[str, Any]) -> None:
        with _call("sns:SetTopicAttributes", topic):
            self._client.set_topic_attributes(TopicArn=topic, AttributeName="Policy", AttributeValue=json.dumps(policy))

    def subscriptions(self, topic: str, queue: str) -> Sequence[str]:
        found: list[str] = []
        with _call("sns:ListSubscriptionsByTopic", topic):
            pages = self._client.get_paginator("list_subscriptions_by_topic").paginate(TopicArn=topic)
            for page in islice(pages, _PAGES):
                found += [one["SubscriptionArn"] for one in page["Subscriptions"] if one["Endpoint"] == queue]
        # One that waits for confirmation has no ARN, but a text.
        return [arn for arn in found if arn.startswith("arn:")]

    def subscription(self, arn: str) -> Mapping[str, str]:
        with _call("sns:GetSubscriptionAttributes", arn):
            found: Mapping[str, str] = self._client.get_subscription_attributes(SubscriptionArn=arn)["Attributes"]
        return found

    def subscribe(self, topic: str, queue: str) -> str:
        with _call("sns:Subscribe", topic):
            answer = self._client.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=queue, ReturnSubscriptionArn=True)
        return str(answer["SubscriptionArn"])

    def unsubscribe(self, subscription: str) -> None:
        with _call("sns:Unsubscribe", subscription):
            self._client.unsubscribe(SubscriptionArn=subscription)


def _call(action: str, topic: str) -> AbstractContextManager[None]:
    return cli_errors(f"{action} on {topic}", again=RUN_AGAIN)
