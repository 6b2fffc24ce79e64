"""The messages of the commit queue, and what becomes of each."""

from __future__ import annotations

import json
import random
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from penstock.errors import InvalidEventError, PenstockError
from penstock.jobs.commit.committing import JobCommits
from penstock.jobs.ports import MessageQueue
from penstock.jobs.postponing import postponed_seconds
from penstock.model.source import Deadline


@dataclass(frozen=True, slots=True)
class CommitMessage:
    """One message. ``problem``: why it cannot be read."""

    id: str
    receipt_handle: str
    queue_arn: str
    receives: int
    table: str = ""
    job_id: str = ""
    problem: InvalidEventError | None = None


@dataclass(frozen=True, slots=True)
class CommitReport:
    """The result of a batch of messages. ``left`` are the jobs that wait still, with the reason; ``returned`` the ids
    of the messages that must be delivered again."""

    jobs: int
    left: Mapping[str, PenstockError]
    returned: tuple[str, ...]
    problems: tuple[InvalidEventError, ...]

    @property
    def response(self) -> dict[str, object]:
        """The failed items of the batch, for Lambda.

        https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html
        """
        return {"batchItemFailures": [{"itemIdentifier": id_} for id_ in self.returned]}


@dataclass(frozen=True, slots=True)
class CommitMessages:
    """Commits the jobs of the messages in an event."""

    commits: JobCommits
    queue: MessageQueue
    jitter: Callable[[], float] = random.random

    def __call__(self, event: object, deadline: Deadline) -> CommitReport:
        """Process an event. Raises InvalidEventError for one of another source."""
        messages = read_messages(event)
        tables: dict[str, list[str]] = defaultdict(list)
        for message in messages:
            if not message.problem:
                tables[message.table].append(message.job_id)
        left = self.commits(tables, deadline)
        returned = [message for message in messages if message.problem or message.job_id in left]
        for message in returned:
            self._postpone(message, message.problem or left[message.job_id])
        problems = tuple(message.problem for message in messages if message.problem)
        return CommitReport(len(messages), left, tuple(message.id for message in returned), problems)

    def _postpone(self, message: CommitMessage, error: PenstockError) -> None:
        seconds = postponed_seconds(message.receives, self.jitter(), error)
        self.queue.postpone(message.queue_arn, message.receipt_handle, seconds)


def read_messages(event: object) -> Sequence[CommitMessage]:
    """Read the messages of Lambda's event. Raises InvalidEventError for an event of another source.

    https://docs.aws.amazon.com/lambda/latest/dg/with-sqs.html
    """
    match event:
        case {"Records": [*records]} if all(_is_of_sqs(record) for record in records):
            return [_message(record) for record in records]
    raise InvalidEventError("not an event of an SQS queue")


def _is_of_sqs(record: object) -> bool:
    match record:
        case {"eventSource": "aws:sqs", "messageId": str(), "body": str(), "attributes": dict()}:
            return True
    return False


def _message(record: Mapping[str, object]) -> CommitMessage:
    attributes = record["attributes"]
    receives = int(attributes.get("ApproximateReceiveCount", 1)) if isinstance(attributes, dict) else 1
    handle, arn = (str(record.get(name, "")) for name in ("receiptHandle", "eventSourceARN"))
    message_id = str(record["messageId"])
    try:
        body = json.loads(str(record["body"]))
    except (ValueError, RecursionError):
        body = None
    match body:
        case {"table": str(table), "job": str(job_id)}:
            return CommitMessage(message_id, handle, arn, receives, table, job_id)
    problem = InvalidEventError(f"message {message_id} is not from this stack: it names no table and job")
    return CommitMessage(message_id, handle, arn, receives, problem=problem)
