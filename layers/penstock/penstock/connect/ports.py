"""What connect reads and writes. The adapters are in `penstock.aws`; the fakes of the tests behave as they do.

Every method raises AccessDeniedError, which names the call, and ServiceUnavailableError.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from penstock.connect.model import Document


class Bucket(Protocol):
    """One bucket, under the credentials of the user."""

    def region(self) -> str | None:
        """Return the region, or None if there is no such bucket. S3 tells it also to those whom it denies access."""

    def is_owned_by(self, account: str) -> bool:
        """Whether the account owns the bucket; False also if access is denied for another reason."""

    def is_visible(self) -> bool:
        """Whether the user may see the bucket, whoever owns it."""

    def caller_account(self) -> str:
        """Return the account of the credentials."""

    def notifications(self) -> dict[str, Any]: ...

    def put_notifications(self, configuration: Document) -> None:
        """Replace the whole notification configuration. S3 has no condition for it."""

    def policy(self) -> dict[str, Any] | None: ...

    def put_policy(self, policy: Document | None) -> None:
        """Replace the policy; None deletes it."""

    def default_encryption(self) -> tuple[str, str]:
        """Return the algorithm and the key; the key is empty for one that AWS manages."""

    def versioning(self) -> str:
        """Return Enabled, Suspended, or an empty text if it was never enabled."""

    def ownership(self) -> str: ...

    def lifecycle(self) -> Sequence[Document]: ...

    def request_payer(self) -> str: ...

    def object_lock(self) -> Document:
        """Return the configuration of Object Lock; empty if it is off."""


class Keys(Protocol):
    """KMS keys of the bucket's region."""

    def describe(self, key: str) -> Document:
        """Return the metadata of a key, which may be given by id, ARN or alias."""

    def policy(self, key_arn: str) -> Document: ...

    def grants(self, key_arn: str) -> Sequence[Document]: ...

    def create_grant(self, key_arn: str, name: str, role: str, operations: Sequence[str]) -> None:
        """Create a grant. The same name with the same values creates no second one."""

    def revoke_grant(self, key_arn: str, grant_id: str) -> None: ...


class Topics(Protocol):
    """SNS topics."""

    def attributes(self, topic: str) -> Mapping[str, str]:
        """Return the attributes of a topic; empty if there is no such topic."""

    def put_policy(self, topic: str, policy: Document) -> None: ...

    def subscriptions(self, topic: str, queue: str) -> Sequence[str]:
        """Return the ARNs of the subscriptions of a queue to a topic."""

    def subscription(self, arn: str) -> Mapping[str, str]:
        """Return the attributes of a subscription, which its owner may read."""

    def subscribe(self, topic: str, queue: str) -> str:
        """Subscribe a queue, and return the ARN of the subscription."""

    def unsubscribe(self, subscription: str) -> None: ...


class Queue(Protocol):
    """The queue of the stack."""

    def policy(self) -> Document | None: ...


class Rules(Protocol):
    """The rules of a default event bus."""

    def patterns(self) -> Mapping[str, Document]:
        """Return the event pattern of each rule that is enabled and has one."""

    def targets(self, rule: str) -> Sequence[str]:
        """Return the ARNs to which a rule sends."""


class RecordFile(Protocol):
    """What stood before connect changed it, and what connect has set."""

    path: str

    def load(self) -> str | None: ...

    def save(self, text: str) -> None: ...


@dataclass(frozen=True, slots=True)
class Services:
    """All of them, for one connection: ``bucket``, ``keys``, ``topics`` and ``rules`` in the region of the bucket and
    under the credentials for it, the others in the region and under the credentials of the stack.

    ``subscriber`` is in the region of the bucket, under the credentials of the stack.
    """

    bucket: Bucket
    keys: Keys
    topics: Topics
    rules: Rules
    queue: Queue
    subscriber: Topics
    stack_rules: Rules
