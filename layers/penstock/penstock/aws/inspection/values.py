"""How the resources of a stack are set, as far as anybody asks."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Document = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class StackState:
    """A CloudFormation stack. ``arn`` has its partition, region and account; ``created`` is in Unix
    seconds."""

    name: str
    arn: str
    status: str
    reason: str
    parameters: Mapping[str, str]
    outputs: Mapping[str, str]
    created: float = 0.0

    @property
    def partition(self) -> str:
        return self.arn.split(":")[1]

    @property
    def region(self) -> str:
        return self.arn.split(":")[3]

    @property
    def account(self) -> str:
        return self.arn.split(":")[4]


@dataclass(frozen=True, slots=True)
class Resource:
    """A resource of a stack: its type, and its physical id."""

    kind: str
    id: str
    status: str
    reason: str = ""


@dataclass(frozen=True, slots=True)
class FunctionState:
    """A Lambda function. ``concurrency`` is its reserved concurrency; None if it has none."""

    name: str
    arn: str
    runtime: str
    state: str
    reason: str
    update: str
    layers: Sequence[str]
    timeout: int
    concurrency: int | None = None


@dataclass(frozen=True, slots=True)
class MappingState:
    """An event source mapping, by which Lambda polls a queue or a stream."""

    uuid: str
    source: str
    function: str
    state: str
    reason: str
    reports_failures: bool


@dataclass(frozen=True, slots=True)
class Concurrency:
    """The concurrent executions of an account: all, and those that no function has reserved."""

    limit: int
    unreserved: int


@dataclass(frozen=True, slots=True)
class QueueState:
    """An SQS queue. ``dead_letters`` is the ARN of its dead-letter queue, ``policy`` its policy; empty if none."""

    arn: str
    visibility: int
    waiting: int
    dead_letters: str
    policy: Document


@dataclass(frozen=True, slots=True)
class TableState:
    """A DynamoDB table. ``indexes`` maps its indexes to their states; ``stream`` is the ARN of its stream, if it has
    one."""

    name: str
    status: str
    indexes: Mapping[str, str]
    stream: str = ""


@dataclass(frozen=True, slots=True)
class Notifications:
    """Where a bucket sends events: configurations of queues and topics, and whether EventBridge gets them."""

    queues: Sequence[Document]
    topics: Sequence[Document]
    eventbridge: bool
    document: Document


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule of EventBridge. ``pattern`` is empty for a schedule."""

    name: str
    enabled: bool
    pattern: Document
    schedule: str
    targets: Collection[str]


@dataclass(frozen=True, slots=True)
class Decision:
    """What IAM decides on an action of a role. ``by`` says what denies it if that is not the role's own policy."""

    action: str
    resource: str
    allowed: bool
    explicit: bool = False
    by: str = ""


@dataclass(frozen=True, slots=True)
class Alarm:
    """An alarm of CloudWatch. ``actions`` are ARNs that it notifies."""

    name: str
    state: str
    enabled: bool
    description: str
    actions: Sequence[str]
