"""SQS, Step Functions and Lambda in memory, as far as functions call them. What they cause is the stack's to do.

https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-visibility-timeout.html
https://docs.aws.amazon.com/step-functions/latest/apireference/API_StartExecution.html
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import count
from types import SimpleNamespace
from typing import Any

from simulation.dynamodb import ignore, refused


@dataclass(eq=False, slots=True)
class Message:
    """A message. It can be received from ``visible_at`` on; ``handle`` is that of its last receipt."""

    id: str
    body: str
    visible_at: float
    sent_at: float
    receives: int = 0
    handle: str = ""


@dataclass
class MemoryQueues:
    """Queues by name. ``changed`` is called with the name of a queue that has a message which is visible later."""

    clock: Callable[[], float]
    changed: Callable[[str, float], object] = ignore
    delay: Callable[[], float] = lambda: 0.0
    messages: dict[str, dict[str, Message]] = field(default_factory=dict)
    meta: Any = field(default_factory=lambda: SimpleNamespace(endpoint_url="https://sqs.us-east-1.amazonaws.com"))
    numbers: count[int] = field(default_factory=lambda: count(1))

    def send_message(self, **request: Any) -> Mapping[str, Any]:
        number, name = next(self.numbers), _name(request)
        now = self.clock()
        message = Message(f"message-{number}", request["MessageBody"], now + self.delay(), now)
        self.messages.setdefault(name, {})[message.id] = message
        self.changed(name, message.visible_at)
        return {"MessageId": message.id}

    def receive_message(self, **request: Any) -> Mapping[str, Any]:
        name = _name(request)
        taken = self.take(name, request["MaxNumberOfMessages"], request["VisibilityTimeout"])
        return {"Messages": [{"Body": one.body, "ReceiptHandle": one.handle} for one in taken]}

    def delete_message(self, **request: Any) -> Mapping[str, Any]:
        if found := self._held(request):
            del self.messages[_name(request)][found.id]
        return {}

    def change_message_visibility(self, **request: Any) -> Mapping[str, Any]:
        found = self._held(request)
        if found is None or found.visible_at <= self.clock():
            raise refused("ChangeMessageVisibility", "AWS.SimpleQueueService.MessageNotInflight")
        found.visible_at = self.clock() + request["VisibilityTimeout"]
        self.changed(_name(request), found.visible_at)
        return {}

    def take(self, name: str, most: int, hidden: float) -> list[Message]:
        """Receive messages that are visible, and hide them."""
        now = self.clock()
        found = [one for one in self.messages.get(name, {}).values() if one.visible_at <= now][:most]
        for one in found:
            one.receives += 1
            one.handle = f"{one.id}/{one.receives}"
            one.visible_at = now + hidden
            self.changed(name, one.visible_at)
        return found

    def _held(self, request: Mapping[str, Any]) -> Message | None:
        """Return the message of a receipt handle, unless it was received again."""
        found = self.messages.get(_name(request), {}).get(request["ReceiptHandle"].partition("/")[0])
        return found if found and found.handle == request["ReceiptHandle"] else None


@dataclass(slots=True)
class Run:
    """An execution: its input, and how it ended."""

    payload: str
    status: str = "RUNNING"
    error: str = ""
    cause: str = ""


@dataclass
class MemoryStepFunctions:
    """The executions of the state machine. ``begin`` is called with the name of each that starts."""

    begin: Callable[[str], object] = ignore
    runs: dict[str, Run] = field(default_factory=dict)

    def start_execution(self, **request: Any) -> Mapping[str, Any]:
        """A repeated start of a running execution with the same input is answered as the first one."""
        name, payload = request["name"], request["input"]
        if found := self.runs.get(name):
            if found.status != "RUNNING" or found.payload != payload:
                raise refused("StartExecution", "ExecutionAlreadyExists", name)
            return {"executionArn": name}
        self.runs[name] = Run(payload)
        self.begin(name)
        return {"executionArn": name}

    def describe_execution(self, **request: Any) -> Mapping[str, Any]:
        found = self.runs.get(request["executionArn"].rpartition(":")[2])
        if found is None:
            raise refused("DescribeExecution", "ExecutionDoesNotExist", request["executionArn"])
        return {"status": found.status, "error": found.error, "cause": found.cause}


@dataclass
class MemoryLambda:
    """Asynchronous calls of functions: ``begin`` is called with the function and the event."""

    begin: Callable[[str, Any], None]

    def invoke(self, **request: Any) -> Mapping[str, Any]:
        assert request["InvocationType"] == "Event", "the simulator waits for no function"
        self.begin(request["FunctionName"], json.loads(request["Payload"]))
        return {"StatusCode": 202}


def queue_url(name: str) -> str:
    """Return the URL of a queue."""
    return f"https://sqs.us-east-1.amazonaws.com/000000000000/{name}"


def _name(request: Mapping[str, Any]) -> str:
    return str(request["QueueUrl"]).rpartition("/")[2]
