"""The contract of the queue: a postponed message becomes visible after its time, and a deleted message does no harm."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest

from contract.object_backends import LOCALSTACK, MOTO, Endpoint
from penstock.aws.queue import SqsQueue
from penstock.errors import RequestRefusedError


class Queue:
    """A queue that hides received messages for an hour, and the adapter."""

    def __init__(self, endpoint: Endpoint, name: str) -> None:
        self.client: Any = endpoint.client("sqs")
        self.url = self.client.create_queue(QueueName=name, Attributes={"VisibilityTimeout": "3600"})["QueueUrl"]
        self.arn = self.client.get_queue_attributes(QueueUrl=self.url, AttributeNames=["QueueArn"])["Attributes"][
            "QueueArn"
        ]
        self.adapter = SqsQueue(partial(endpoint.client, "sqs"))

    def send(self) -> None:
        self.client.send_message(QueueUrl=self.url, MessageBody="event")

    def receive(self) -> str:
        messages = self.client.receive_message(QueueUrl=self.url).get("Messages", [])
        handle: str = messages[0]["ReceiptHandle"] if messages else ""
        return handle


@pytest.fixture(params=[MOTO, "emulator", LOCALSTACK])
def queue(request: pytest.FixtureRequest) -> Queue:
    return Queue(request.getfixturevalue(request.param), f"ingest-{request.node.name.partition('[')[0][:60]}")


def test_a_message_postponed_by_zero_seconds_is_visible_immediately(queue: Queue) -> None:
    queue.send()
    handle = queue.receive()
    assert not queue.receive()
    queue.adapter.postpone(queue.arn, handle, 0)
    assert queue.receive()


@pytest.mark.parametrize("seconds", [60, 43_200, 1_000_000])
def test_a_postponed_message_stays_hidden_for_any_requested_time(queue: Queue, seconds: int) -> None:
    queue.send()
    queue.adapter.postpone(queue.arn, queue.receive(), seconds)
    assert not queue.receive()


def test_postponing_a_deleted_message_does_nothing(queue: Queue) -> None:
    queue.send()
    handle = queue.receive()
    queue.client.delete_message(QueueUrl=queue.url, ReceiptHandle=handle)
    queue.adapter.postpone(queue.arn, handle, 60)


def test_a_queue_that_does_not_exist_is_named(queue: Queue) -> None:
    with pytest.raises(RequestRefusedError, match="no-such-queue"):
        queue.adapter.postpone(queue.arn.replace("ingest-", "no-such-queue-"), "handle", 60)


def test_no_client_is_made_before_a_message_is_postponed() -> None:
    def connect() -> Any:
        raise AssertionError("too early")

    SqsQueue(connect)
