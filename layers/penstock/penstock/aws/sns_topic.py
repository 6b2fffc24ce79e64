"""A topic of SNS."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Any

from penstock.aws.entry_batches import BACKOFF, Entry, Refusal, send_in_batches
from penstock.aws.errors import translating
from penstock.errors import PenstockError
from penstock.model.announcement import Announcement


class SnsTopic:
    """Implements ``Channel``. Subscribers by e-mail get the text, all others the detail as JSON.

    ``connect`` creates the client of a region, that of the topic.
    """

    def __init__(
        self, connect: Callable[[str], Any], arn: str, *, sleep: Callable[[float], object] = time.sleep
    ) -> None:
        self._connect = connect
        self._arn = arn
        self._sleep = sleep
        self._right = f"sns:Publish on {arn}"

    @cached_property
    def _client(self) -> Any:
        return self._connect(self._arn.split(":")[3])

    def send(self, announcements: Sequence[Announcement]) -> Mapping[int, PenstockError]:
        entries = [_entry(announcement) for announcement in announcements]
        return send_in_batches(entries, self._publish, self._right, backoff=BACKOFF, sleep=self._sleep)

    def _publish(self, entries: Sequence[Mapping[str, Any]]) -> Sequence[Refusal | None]:
        """PublishBatch returns status 200 even if it refuses entries.

        https://docs.aws.amazon.com/sns/latest/api/API_PublishBatch.html
        """
        numbered = [{"Id": str(place), **entry} for place, entry in enumerate(entries)]
        with translating(self._right):
            answer = self._client.publish_batch(TopicArn=self._arn, PublishBatchRequestEntries=numbered)
        failed = {result["Id"]: result for result in answer.get("Failed", ())}
        return [_refusal(failed.get(str(place))) for place in range(len(entries))]


def _entry(announcement: Announcement) -> Entry:
    detail = json.dumps(announcement.detail, ensure_ascii=False)
    message = json.dumps({"default": detail, "email": announcement.text}, ensure_ascii=False)
    attributes = {name: {"DataType": "String", "StringValue": value} for name, value in announcement.attributes.items()}
    content = {
        "Subject": announcement.subject,
        "Message": message,
        "MessageStructure": "json",
        "MessageAttributes": attributes,
    }
    return Entry(content, len(f"{message}{attributes}".encode()))


def _refusal(result: Mapping[str, Any] | None) -> Refusal | None:
    if result is None:
        return None
    return Refusal(f"{result['Code']}: {result.get('Message', '')}", final=bool(result.get("SenderFault")))
