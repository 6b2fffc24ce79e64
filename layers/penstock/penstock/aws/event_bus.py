"""EventBridge's default bus."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

from penstock.aws.entry_batches import BACKOFF, Entry, Refusal, send_in_batches
from penstock.aws.errors import translating
from penstock.errors import PenstockError
from penstock.model.announcement import Announcement

SOURCE = "penstock"
RIGHT = "events:PutEvents on the default bus"


class DefaultEventBus:
    """Implements ``Channel``. The client is created for the first event."""

    def __init__(self, connect: Callable[[], Any], *, sleep: Callable[[float], object] = time.sleep) -> None:
        self._connect = connect
        self._sleep = sleep

    @cached_property
    def _client(self) -> Any:
        return self._connect()

    def send(self, announcements: Sequence[Announcement]) -> Mapping[int, PenstockError]:
        entries = [_entry(announcement) for announcement in announcements]
        return send_in_batches(entries, self._put, RIGHT, backoff=BACKOFF, sleep=self._sleep)

    def _put(self, entries: Sequence[Mapping[str, Any]]) -> Sequence[Refusal | None]:
        """PutEvents returns status 200 even if it refuses entries.

        https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_PutEvents.html
        """
        with translating(RIGHT):
            answer = self._client.put_events(Entries=entries)
        return [_refusal(result) for result in answer["Entries"]]


def _entry(announcement: Announcement) -> Entry:
    detail = json.dumps(announcement.detail, ensure_ascii=False)
    time_ = datetime.fromtimestamp(announcement.at, UTC)
    content = {"Source": SOURCE, "DetailType": announcement.kind, "Detail": detail, "Time": time_}
    return Entry(content, 14 + len(f"{SOURCE}{announcement.kind}{detail}".encode()))


def _refusal(result: Mapping[str, Any]) -> Refusal | None:
    code = result.get("ErrorCode")
    return Refusal(f"{code}: {result.get('ErrorMessage', '')}") if code else None
