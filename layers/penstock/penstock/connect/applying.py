"""Set what is missing, and leave what stands.

S3 replaces a whole notification configuration or policy, and has no condition for it. So each is read, kept in the
record, merged, read again right before it is written, and read back. A writer that is between that second reading and
the write is not noticed: its setting is in nobody's record but its own.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from penstock.aws.backoff import Backoff
from penstock.aws.retry import attempts
from penstock.connect import notifications
from penstock.connect.findings import (
    AddNotification,
    Change,
    CreateGrant,
    PutBucketStatement,
    PutTopicStatement,
    Subscribe,
    TurnOnEventBridge,
)
from penstock.connect.model import Document
from penstock.connect.policies import canonical, statements_of, with_statement
from penstock.connect.ports import RecordFile, Services
from penstock.connect.record import Record, save
from penstock.connect.topic import policy_of
from penstock.errors import PublishConflictError, RequestRefusedError, ServiceUnavailableError

D = TypeVar("D")

# https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucket-policies.html
MOST_POLICY_BYTES = 20 * 1024
# Up to 26 seconds, 13 on average.
_READ_BACK = Backoff(attempts=8, base=0.5)
# The events flow last, when everything behind them is in place.
_ORDER = (CreateGrant, PutBucketStatement, PutTopicStatement, Subscribe, AddNotification, TurnOnEventBridge)


class Applier:
    """Makes changes of one connection. ``now`` tells the time for the record, ``sleep`` waits for so many seconds."""

    def __init__(
        self,
        services: Services,
        file: RecordFile,
        record: Record,
        *,
        now: Callable[[], str],
        sleep: Callable[[float], object],
    ) -> None:
        self._services = services
        self._file = file
        self.record = record
        self._now = now
        self._sleep = sleep
        self._unseen: list[str] = []

    @property
    def path(self) -> str:
        """The file of the record."""
        return self._file.path

    def save(self) -> None:
        """Write the record."""
        save(self._file, self.record)

    def apply(self, changes: Sequence[Change], prefix: str) -> Iterator[str]:
        """Make the changes for a prefix one by one, and yield what was done."""
        if changes and prefix not in self.record.prefixes:
            self.record.prefixes.append(prefix)
            self.save()
        for change in sorted(changes, key=lambda one: _ORDER.index(type(one))):
            self._apply(change)
            yield change.text
        self.check_seen()

    def _apply(self, change: Change) -> None:
        if isinstance(change, CreateGrant):
            self._services.keys.create_grant(change.key, change.name, change.role, change.operations)
        elif isinstance(change, PutBucketStatement):
            self.change_policy(lambda policy: with_statement(policy, change.statement))
        elif isinstance(change, PutTopicStatement):
            self.change_topic_policy(change.topic, lambda policy: with_statement(policy, change.statement))
        elif isinstance(change, Subscribe):
            arn = self._services.subscriber.subscribe(change.topic, change.queue)
            self.record.subscriptions[change.topic] = arn
            self.save()
        elif isinstance(change, AddNotification):
            added = change
            self.change_notifications(
                lambda before: notifications.with_entry(before, added.kind, added.configuration, added.replaced)
            )
            self.record.prefixes = [prefix for prefix in self.record.prefixes if prefix not in change.prefixes]
            self.save()
        else:
            self.change_notifications(notifications.with_eventbridge)
            # If this process ends before, EventBridge stays on when the connection is removed.
            self.record.eventbridge = True
            self.save()

    def change_notifications(self, merge: Callable[[Document], dict[str, Any]]) -> None:
        """Raises PublishConflictError if another writer changed the configuration meanwhile."""
        bucket = self._services.bucket
        self._replace(
            _Setting(
                "notification configuration",
                bucket.notifications,
                bucket.put_notifications,
                notifications.same,
                notifications.differences,
            ),
            merge,
        )

    def change_policy(self, merge: Callable[[Document | None], Document | None]) -> None:
        """Raises PublishConflictError as `change_notifications`, and RequestRefusedError if it would be too long."""
        bucket = self._services.bucket
        self._replace(_policy("bucket policy", bucket.policy, bucket.put_policy), _short(merge))

    def change_topic_policy(self, topic: str, merge: Callable[[Document | None], Document | None]) -> None:
        """As `change_policy`. A topic always has a policy."""
        topics = self._services.topics

        def put(policy: Document | None) -> None:
            topics.put_policy(topic, policy or {"Version": "2012-10-17", "Statement": []})

        self._replace(_policy(f"policy of {topic}", lambda: policy_of(topics.attributes(topic)), put), _short(merge))

    def check_seen(self) -> None:
        """Raises ServiceUnavailableError if a change was accepted, and the service does not show it yet."""
        if self._unseen:
            raise ServiceUnavailableError(
                f"the change of the {self._unseen[0]} was accepted, and is not shown yet",
                hint="Run the same command again in a minute: it changes only what is still missing.",
            )

    def _replace(self, setting: _Setting[D], merge: Callable[[D], D]) -> None:
        self.check_seen()  # another merge would begin with the value of before
        before = setting.read()
        wanted = merge(before)
        if setting.same(wanted, before):
            return
        self.record.keep(setting.name, before, self._now())
        self.save()
        if not setting.same(setting.read(), before):
            raise self._conflict(setting.name, "Nothing was written.")
        setting.put(wanted)
        # S3 may show the setting of before for some seconds.
        # https://docs.aws.amazon.com/AmazonS3/latest/userguide/Welcome.html#ConsistencyModel
        for _ in attempts(_READ_BACK, self._sleep):
            found = setting.read()
            if setting.same(found, wanted):
                return
        if setting.same(found, before):
            self._unseen.append(setting.name)
            return
        lost, new = setting.differences(wanted, found)
        raise self._conflict(
            setting.name,
            f"After it was written, it lacks: {'; '.join(lost) or 'nothing'}. It also has: "
            f"{'; '.join(new) or 'nothing'}.",
        )

    def _conflict(self, name: str, detail: str) -> PublishConflictError:
        return PublishConflictError(
            f"the {name} was changed by someone else at the same time. {detail}",
            hint=f"What stood before is in {self.path}. Run the same command again: it reads what stands now.",
        )


@dataclass(frozen=True, slots=True)
class _Setting(Generic[D]):
    """A setting that is read and replaced whole. ``differences`` tells what only one of two values has."""

    name: str
    read: Callable[[], D]
    put: Callable[[D], None]
    same: Callable[[D, D], bool]
    differences: Callable[[D, D], tuple[list[str], list[str]]]


def _policy(
    name: str, read: Callable[[], Document | None], put: Callable[[Document | None], None]
) -> _Setting[Document | None]:
    return _Setting(name, read, put, _same, _differences)


def _short(merge: Callable[[Document | None], Document | None]) -> Callable[[Document | None], Document | None]:
    """Refuse a policy that AWS would refuse for its length."""

    def merging(before: Document | None) -> Document | None:
        merged = merge(before)
        if _length(merged) > max(MOST_POLICY_BYTES, _length(before)):
            raise RequestRefusedError(
                f"the policy would have more than {MOST_POLICY_BYTES:,} characters, which AWS refuses",
                hint="Shorten other statements, or add the statement that is shown to one of them.",
            )
        return merged

    return merging


def _length(policy: Document | None) -> int:
    """The length of a policy, as it is sent. What stands was accepted, so a shorter one is too."""
    return len(json.dumps(policy, separators=(",", ":")))


def _same(one: Document | None, other: Document | None) -> bool:
    """Whether two policies mean the same. One without statements is as good as none."""
    statements = [list(statements_of(policy)) for policy in (one, other)]
    return canonical(statements[0]) == canonical(statements[1])


def _differences(one: Document | None, other: Document | None) -> tuple[list[str], list[str]]:
    first, second = ([json.dumps(canonical(each)) for each in statements_of(policy)] for policy in (one, other))
    return [text for text in first if text not in second], [text for text in second if text not in first]
