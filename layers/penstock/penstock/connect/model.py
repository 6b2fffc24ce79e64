"""What `penstock connect` is asked, and what it knows of the stack."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, TypeAlias

# A policy, a statement or a notification configuration, as AWS writes it.
Document: TypeAlias = Mapping[str, Any]


class Side(StrEnum):
    """What the bucket is to the stack."""

    SOURCE = "source"
    DESTINATION = "destination"


class Via(StrEnum):
    """How events of a source reach the stack."""

    EVENTBRIDGE = "eventbridge"
    SQS = "sqs"
    SNS = "sns"


@dataclass(frozen=True, slots=True)
class Connection:
    """``via`` is None for the way that stands (see `showing.show`). ``topic`` is the ARN of the topic for ``Via.SNS``;
    empty if the bucket's own configuration names it."""

    bucket: str
    prefix: str
    side: Side
    via: Via | None = None
    topic: str = ""

    @property
    def uri(self) -> str:
        return f"s3://{self.bucket}/{self.prefix}"


@dataclass(frozen=True, slots=True, kw_only=True)
class StackTarget:
    """The stack, as CloudFormation describes it. ``roles`` are ARNs of the roles that use a bucket of each side.

    ``buckets`` and ``keys`` are all that the roles may use, those of the stack itself included. ``parameters`` are the
    lists that the stack was deployed with.
    """

    name: str
    partition: str
    region: str
    account: str
    queue_arn: str
    queue_url: str
    roles: Mapping[Side, tuple[str, ...]]
    buckets: Mapping[Side, tuple[str, ...]]
    keys: tuple[str, ...] = ()
    parameters: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    after_actions: str = "none"
    after_roles: tuple[str, ...] = ()

    @property
    def dns_suffix(self) -> str:
        """The domain of the services in the partition. https://docs.aws.amazon.com/general/latest/gr/rande.html"""
        return "amazonaws.com.cn" if self.partition == "aws-cn" else "amazonaws.com"

    @property
    def bus_arn(self) -> str:
        """The default event bus."""
        return f"arn:{self.partition}:events:{self.region}:{self.account}:event-bus/default"

    def bucket_arn(self, connection: Connection) -> str:
        return f"arn:{self.partition}:s3:::{connection.bucket}"

    def id_for(self, connection: Connection) -> str:
        """Return the id of the notification configuration that connect sets."""
        return f"{self.own_ids}{_digest(connection.prefix)}"

    @property
    def own_ids(self) -> str:
        """The beginning of the id of every notification configuration that connect sets for this stack."""
        return f"{self.name}-connect-{_digest(self.account, self.region)}-"

    def sid_for(self, what: str, *of: str) -> str:
        """Return the Sid of a statement that connect sets; ``of``: what else tells it from others of this stack.

        A Sid holds letters and digits only.
        https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_sid.html
        """
        return f"Penstock{what}{_digest(self.account, self.region, self.name, *of)}"

    def grant_for(self, connection: Connection, role: str) -> str:
        """Return the name of a grant, of the characters that KMS allows in it.

        https://docs.aws.amazon.com/kms/latest/APIReference/API_CreateGrant.html
        """
        name = "".join(letter if letter.isalnum() or letter in "_-" else "_" for letter in role.rpartition("/")[2])
        return f"{self.own_grants(connection)}{name}"

    def own_grants(self, connection: Connection) -> str:
        """The beginning of the name of every grant that connect sets for this bucket."""
        bucket = connection.bucket.replace(".", "_")
        return f"penstock/{self.name}/{_digest(self.account, self.region)}/{connection.side}/{bucket}/"


def _digest(*texts: str) -> str:
    return hashlib.sha256("\n".join(texts).encode()).hexdigest()[:8]
