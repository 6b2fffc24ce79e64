"""What stands, what is missing, and what sets it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TypeAlias

from penstock.connect.model import Document, StackTarget


class Level(StrEnum):
    """``OK`` and ``NOTE`` need nothing, ``MISSING`` is set by --apply, ``BLOCKED`` needs someone else's change, and
    ``DENIED`` could not be read."""

    OK = "ok"
    NOTE = "note"
    MISSING = "missing"
    BLOCKED = "blocked"
    DENIED = "denied"

    @property
    def is_in_place(self) -> bool:
        return self in (Level.OK, Level.NOTE)


@dataclass(frozen=True, slots=True)
class TurnOnEventBridge:
    """Send the events of the bucket to EventBridge."""

    text = "turn on EventBridge for the bucket"


@dataclass(frozen=True, slots=True)
class AddNotification:
    """Add ``configuration`` to a list of the notification configuration, in place of those with the ids ``replaced``,
    which were for ``prefixes``.

    ``kind`` is the list: QueueConfigurations or TopicConfigurations.
    """

    kind: str
    configuration: Document
    replaced: tuple[str, ...] = ()
    prefixes: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        return f"add the notification configuration {self.configuration['Id']}"


@dataclass(frozen=True, slots=True)
class PutBucketStatement:
    """Add a statement to the policy of the bucket, in place of one with the same Sid."""

    statement: Document

    @property
    def text(self) -> str:
        return f"add the statement {self.statement['Sid']} to the bucket policy"


@dataclass(frozen=True, slots=True)
class PutTopicStatement:
    """Add a statement to the policy of a topic, in place of one with the same Sid."""

    topic: str
    statement: Document

    @property
    def text(self) -> str:
        return f"add the statement {self.statement['Sid']} to the policy of {self.topic}"


@dataclass(frozen=True, slots=True)
class Subscribe:
    """Subscribe a queue to a topic."""

    topic: str
    queue: str

    @property
    def text(self) -> str:
        return f"subscribe {self.queue} to {self.topic}"


@dataclass(frozen=True, slots=True)
class CreateGrant:
    """Let a role use a key, by a grant with a name of its own."""

    key: str
    name: str
    role: str
    operations: tuple[str, ...]

    @property
    def text(self) -> str:
        return f"grant {', '.join(self.operations)} on {self.key} to {self.role}"


Change: TypeAlias = (
    TurnOnEventBridge | AddNotification | PutBucketStatement | PutTopicStatement | Subscribe | CreateGrant
)


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the result. ``remedy`` says what to do, ``document`` is the exact statement for it.

    ``parameters``: the values that these parameters of the stack need.
    """

    check: str
    level: Level
    text: str
    remedy: str = ""
    document: Document | None = None
    parameters: Mapping[str, Sequence[str]] = field(default_factory=dict)
    changes: tuple[Change, ...] = ()


def in_place(findings: Sequence[Finding]) -> bool:
    """Whether nothing is missing."""
    return all(finding.level.is_in_place for finding in findings)


def changes_of(findings: Sequence[Finding]) -> list[Change]:
    """Return what --apply would change."""
    return [change for finding in findings for change in finding.changes]


def parameters_of(findings: Sequence[Finding], standing: Mapping[str, Sequence[str]]) -> dict[str, tuple[str, ...]]:
    """Return the parameters that a deployment must set, each with the values that it has and those that it needs."""
    needed: dict[str, dict[str, None]] = {}
    for finding in findings:
        for name, values in finding.parameters.items():
            listed = needed.setdefault(name, dict.fromkeys(standing.get(name, ())))
            listed.update(dict.fromkeys(values))
    return {name: tuple(values) for name, values in needed.items()}


def deployment(stack: StackTarget, findings: Sequence[Finding], *, local: bool = False) -> str:
    """Return the command that sets the missing parameters; empty if none is missing. ``local``: of the local stack.

    Parameters that it does not name keep the values of the last deployment: `sam deploy` sends UsePreviousValue.
    https://docs.aws.amazon.com/serverless-application-model/latest/developerguide/sam-cli-command-reference-sam-deploy.html
    """
    parameters = [f"{name}={','.join(listed)}" for name, listed in parameters_of(findings, stack.parameters).items()]
    if local and parameters:
        # A running stack is deployed again. It keeps its buckets and the parameters that are not named.
        return "penstock local up " + " ".join(f"--parameter {one}" for one in parameters)
    values = " ".join(parameters)
    command = f"sam deploy --stack-name {stack.name} --region {stack.region} --parameter-overrides {values}"
    return command if parameters else ""
