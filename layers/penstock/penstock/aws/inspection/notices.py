"""Reads rules of EventBridge, topics of SNS and alarms of CloudWatch."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any

from penstock.aws.errors import translating
from penstock.aws.inspection.values import Alarm, Rule
from penstock.errors import DestinationMissingError

_MOST_NAMES = 100  # of one request


class RuleReader:
    """Implements ``Rules``."""

    def __init__(self, client: Callable[[], Any]) -> None:
        self._connect = client

    @cached_property
    def _client(self) -> Any:
        return self._connect()

    def rule(self, name: str) -> Rule:
        with translating(f"events:DescribeRule on {name}", missing=DestinationMissingError):
            found = self._client.describe_rule(Name=name)
        with translating(f"events:ListTargetsByRule on {name}", missing=DestinationMissingError):
            targets = self._client.list_targets_by_rule(Rule=name)["Targets"]
        return Rule(
            name,
            found.get("State", "ENABLED") != "DISABLED",
            json.loads(found.get("EventPattern") or "{}"),
            found.get("ScheduleExpression", ""),
            frozenset(target["Arn"] for target in targets),
        )

    def of_target(self, arn: str) -> Sequence[Rule]:
        with translating(f"events:ListRuleNamesByTarget on {arn}"):
            pages = self._client.get_paginator("list_rule_names_by_target").paginate(TargetArn=arn)
            names = [name for page in pages for name in page["RuleNames"]]
        return [self.rule(name) for name in names]


class TopicReader:
    """Implements ``Topics``."""

    def __init__(self, client: Callable[[], Any]) -> None:
        self._connect = client

    @cached_property
    def _client(self) -> Any:
        return self._connect()

    def subscribers(self, topic: str) -> Sequence[tuple[str, str, bool]]:
        with translating(f"sns:ListSubscriptionsByTopic on {topic}", missing=DestinationMissingError):
            pages = self._client.get_paginator("list_subscriptions_by_topic").paginate(TopicArn=topic)
            return [
                (one["Protocol"], one.get("Endpoint", ""), one["SubscriptionArn"].startswith("arn:"))
                for page in pages
                for one in page["Subscriptions"]
            ]


class AlarmReader:
    """Implements ``Alarms``."""

    def __init__(self, client: Callable[[], Any]) -> None:
        self._connect = client

    @cached_property
    def _client(self) -> Any:
        return self._connect()

    def states(self, names: Sequence[str]) -> Sequence[Alarm]:
        with translating("cloudwatch:DescribeAlarms"):
            found = [
                one
                for first in range(0, len(names), _MOST_NAMES)
                for one in self._client.describe_alarms(AlarmNames=names[first : first + _MOST_NAMES])["MetricAlarms"]
            ]
        return [
            Alarm(
                one["AlarmName"],
                one["StateValue"],
                one["ActionsEnabled"],
                one.get("AlarmDescription", ""),
                one["AlarmActions"],
            )
            for one in found
        ]
