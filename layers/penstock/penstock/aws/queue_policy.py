"""The policy of a queue, in SQS."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from penstock.aws.cli_errors import RUN_AGAIN, cli_errors


class SqsQueuePolicy:
    """Implements ``Queue``. ``connect`` creates the client."""

    def __init__(self, connect: Callable[[], Any], url: str) -> None:
        self._connect = connect
        self._url = url

    def policy(self) -> Mapping[str, Any] | None:
        with cli_errors(f"sqs:GetQueueAttributes on {self._url}", again=RUN_AGAIN):
            answer = self._connect().get_queue_attributes(QueueUrl=self._url, AttributeNames=["Policy"])
        text = answer.get("Attributes", {}).get("Policy")
        found: Mapping[str, Any] | None = json.loads(text) if text else None
        return found
