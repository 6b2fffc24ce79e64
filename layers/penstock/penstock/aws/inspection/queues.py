"""Reads an SQS queue."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Any

from penstock.aws.errors import translating
from penstock.aws.inspection.values import QueueState
from penstock.errors import DestinationMissingError

# CloudWatch gets the age of the oldest message about every five minutes.
_RECENT = timedelta(minutes=15)


class QueueReader:
    """Implements ``Queues``, by clients of SQS and CloudWatch."""

    def __init__(self, client: Callable[[], Any], cloudwatch: Callable[[], Any]) -> None:
        self._connect = client
        self._cloudwatch = cloudwatch

    @cached_property
    def _client(self) -> Any:
        return self._connect()

    def state(self, url: str) -> QueueState:
        with translating(f"sqs:GetQueueAttributes on {url}", missing=DestinationMissingError):
            found = self._client.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
        redrive = json.loads(found.get("RedrivePolicy") or "{}")
        return QueueState(
            found["QueueArn"],
            int(found["VisibilityTimeout"]),
            int(found.get("ApproximateNumberOfMessages", 0)),
            redrive.get("deadLetterTargetArn", ""),
            json.loads(found.get("Policy") or "{}"),
        )

    def oldest(self, name: str) -> float | None:
        """https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-available-cloudwatch-metrics.html"""
        now = datetime.now(UTC)
        with translating("cloudwatch:GetMetricStatistics"):
            points = self._cloudwatch().get_metric_statistics(
                Namespace="AWS/SQS",
                MetricName="ApproximateAgeOfOldestMessage",
                Dimensions=[{"Name": "QueueName", "Value": name}],
                StartTime=now - _RECENT,
                EndTime=now,
                Period=60,
                Statistics=["Maximum"],
            )["Datapoints"]
        newest = max(points, key=lambda point: point["Timestamp"], default=None)
        return float(newest["Maximum"]) if newest else None
