"""EventBridge's default bus."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from penstock.aws.errors import translating
from penstock.errors import ServiceUnavailableError

SOURCE = "penstock"


class DefaultEventBus:
    """Implements ``EventBus``. The client is created for the first event."""

    def __init__(self, client: Callable[[], Any]) -> None:
        self._client = client

    def put(self, kind: str, detail: Mapping[str, object]) -> None:
        """PutEvents returns status 200 even if it refuses entries.

        https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_PutEvents.html
        """
        entry = {"Source": SOURCE, "DetailType": kind, "Detail": json.dumps(detail)}
        with translating("events:PutEvents on the default bus"):
            answer = self._client().put_events(Entries=[entry])
        if answer.get("FailedEntryCount"):
            raise ServiceUnavailableError(f"events:PutEvents on the default bus: {answer['Entries'][0]}")
