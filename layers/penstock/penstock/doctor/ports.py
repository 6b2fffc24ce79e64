"""What the checks read of an account. Each method needs one right; without it, it raises AccessDeniedError."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from penstock.aws.inspection.values import (
    Alarm,
    Concurrency,
    Decision,
    Document,
    FunctionState,
    MappingState,
    Notifications,
    QueueState,
    Resource,
    Rule,
    StackState,
    TableState,
)
from penstock.routes import Routes


class Stacks(Protocol):
    """CloudFormation."""

    def state(self, name: str) -> StackState:
        """Raises ConfigurationError if there is none."""
        ...

    def resources(self, name: str) -> Mapping[str, Resource]:
        """Return the resources by logical id."""
        ...

    def template(self, name: str) -> Document:
        """Return the template with its macros expanded, and its references unresolved."""
        ...


class Functions(Protocol):
    """Lambda."""

    def state(self, name: str) -> FunctionState: ...

    def concurrency(self, name: str) -> int | None:
        """Return the reserved concurrency of a function."""
        ...

    def mapping(self, uuid: str) -> MappingState: ...

    def account(self) -> Concurrency: ...

    def invoke(self, name: str, request: Document) -> Any:
        """Return the answer. Raises ServiceUnavailableError if the function fails."""
        ...


class Queues(Protocol):
    """SQS."""

    def state(self, url: str) -> QueueState: ...

    def oldest(self, name: str) -> float | None:
        """Return the age of the oldest message in seconds, as CloudWatch knows it."""
        ...


class Buckets(Protocol):
    """Methods raise DestinationMissingError for a bucket that does not exist."""

    def region(self, bucket: str) -> str: ...

    def notifications(self, bucket: str) -> Notifications: ...

    def versioning(self, bucket: str) -> bool: ...

    def key(self, bucket: str) -> str:
        """Return the KMS key by which new objects are encrypted; empty for keys of S3."""
        ...

    def unfinished_days(self, bucket: str) -> int | None:
        """Return after how many days S3 aborts any unfinished upload; None if never."""
        ...

    def lifecycle(self, bucket: str) -> Sequence[Document]:
        """Return the lifecycle rules of a bucket."""
        ...

    def clock(self, bucket: str) -> float:
        """Return the time of S3 in Unix seconds."""
        ...


class Tables(Protocol):
    """DynamoDB."""

    def state(self, name: str) -> TableState: ...

    def ttl(self, name: str) -> str:
        """Return the attribute by which items expire; empty if none do."""
        ...

    def writes(self) -> int:
        """Return the most write units of one table in a second."""
        ...

    def due(self, name: str, task: str) -> float | None:
        """Return when a task of the reconciler is due again, in Unix seconds; None if it never ran."""
        ...


class Roles(Protocol):
    """IAM."""

    def simulate(self, role: str, actions: Sequence[str], resources: Sequence[str]) -> Sequence[Decision]:
        """Return IAM's decision on each action on each resource, for the ARN of a role."""
        ...

    def attached(self, role_name: str) -> Collection[str]:
        """Return the ARNs of the managed policies of a role."""
        ...


class Rules(Protocol):
    """EventBridge."""

    def rule(self, name: str) -> Rule: ...

    def of_target(self, arn: str) -> Sequence[Rule]:
        """Return the rules of the default bus that send to a target."""
        ...


class Machines(Protocol):
    """Step Functions."""

    def status(self, arn: str) -> str: ...


class Keys(Protocol):
    """KMS."""

    def state(self, key: str) -> str:
        """Return the state of a key, such as "Enabled"."""
        ...


class Topics(Protocol):
    """SNS."""

    def subscribers(self, topic: str) -> Sequence[tuple[str, str, bool]]:
        """Return protocol, endpoint and whether it is confirmed, of each subscription."""
        ...


class Alarms(Protocol):
    """CloudWatch."""

    def states(self, names: Sequence[str]) -> Sequence[Alarm]: ...


class RoutesFile(Protocol):
    """The routes of the stack."""

    def read(self) -> tuple[str, Routes]:
        """Return the file's name and the routes. Raises InvalidRouteError, and the errors of S3."""
        ...


@dataclass(frozen=True, slots=True)
class Services:
    """The services of an account, by what the checks ask them."""

    stacks: Stacks
    functions: Functions
    queues: Queues
    buckets: Buckets
    tables: Tables
    roles: Roles
    rules: Rules
    machines: Machines
    keys: Keys
    topics: Topics
    alarms: Alarms
    routes: RoutesFile
