"""The queue that S3 notifies, in SQS."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from penstock.aws.backoff import Backoff
from penstock.aws.errors import code_of, translating
from penstock.aws.retry import attempts
from penstock.errors import RequestRefusedError, ServiceUnavailableError

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

# SQS refuses to hide a message for more than 12 hours after it was received. A batch may have waited for 5 minutes and
# been processed for 15.
MAX_SECONDS = 12 * 3600 - 20 * 60

# The message was deleted or delivered again: there is nothing to postpone. SQS returns InvalidParameterValue for the
# receipt handle of a deleted message; the other parameter is always valid.
_NO_LONGER_OURS = frozenset(
    {
        "AWS.SimpleQueueService.MessageNotInflight",
        "InvalidParameterValue",
        "MessageNotInflight",
        "ReceiptHandleIsInvalid",
    }
)


class SqsQueue:
    """Implements ``MessageQueue``. ``connect`` creates the client when the first message is postponed."""

    def __init__(self, connect: Callable[[], SQSClient]) -> None:
        self._connect = connect

    @cached_property
    def _client(self) -> SQSClient:
        return self._connect()

    def postpone(self, queue_arn: str, receipt_handle: str, seconds: int) -> None:
        with translating(f"sqs:ChangeMessageVisibility on {queue_arn}"):
            try:
                self._client.change_message_visibility(
                    QueueUrl=self._url(queue_arn),
                    ReceiptHandle=receipt_handle,
                    VisibilityTimeout=max(0, min(seconds, MAX_SECONDS)),
                )
            except ClientError as error:
                if code_of(error) not in _NO_LONGER_OURS:
                    raise

    def _url(self, queue_arn: str) -> str:
        """Build the URL from arn:aws:sqs:region:account:name. GetQueueUrl would need a call and a permission."""
        account, name = queue_arn.split(":")[4:6]
        return f"{self._client.meta.endpoint_url}/{account}/{name}"


class SqsEvents:
    """Implements ``EventQueue``."""

    def __init__(self, client: SQSClient, url: str) -> None:
        self._client = client
        self._url = url

    def send(self, event: str) -> None:
        with translating(f"sqs:SendMessage to {self._url}"):
            self._client.send_message(QueueUrl=self._url, MessageBody=event)


class SqsDeadLetters:
    """Implements ``DeadLetterQueue``. Received messages are hidden for HIDDEN_SECONDS."""

    HIDDEN_SECONDS = 10

    def __init__(self, connect: Callable[[], SQSClient], url: str) -> None:
        self._connect = connect
        self._url = url

    @cached_property
    def _client(self) -> SQSClient:
        return self._connect()

    def receive(self) -> Sequence[tuple[str, str]]:
        with translating(f"sqs:ReceiveMessage from {self._url}"):
            answer = self._client.receive_message(
                QueueUrl=self._url, MaxNumberOfMessages=10, VisibilityTimeout=self.HIDDEN_SECONDS
            )
        return [(message["Body"], message["ReceiptHandle"]) for message in answer.get("Messages", ())]

    def delete(self, receipt_handle: str) -> None:
        with translating(f"sqs:DeleteMessage from {self._url}"):
            self._client.delete_message(QueueUrl=self._url, ReceiptHandle=receipt_handle)


class SqsNotifications:
    """Implements ``NotificationQueue``. Entries that SQS could not take are sent again."""

    def __init__(
        self,
        client: SQSClient,
        url: str,
        *,
        backoff: Backoff | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._client = client
        self._url = url
        self._backoff = backoff or Backoff()
        self._sleep = sleep

    def send_all(self, bodies: Sequence[str]) -> None:
        right = f"sqs:SendMessage to {self._url}"
        left = {str(number): body for number, body in enumerate(bodies)}
        for _ in attempts(self._backoff, self._sleep):
            with translating(right):
                answer = self._client.send_message_batch(
                    QueueUrl=self._url, Entries=[{"Id": name, "MessageBody": body} for name, body in left.items()]
                )
            failed = answer.get("Failed", ())
            if refused := next((entry for entry in failed if entry.get("SenderFault")), None):
                raise RequestRefusedError(f"{right}: {refused.get('Code')}: {refused.get('Message', '')}")
            left = {entry["Id"]: left[entry["Id"]] for entry in failed}
            if not left:
                return
        raise ServiceUnavailableError(f"{right}: {len(left)} messages were not taken")

    def waiting(self) -> int:
        with translating(f"sqs:GetQueueAttributes on {self._url}"):
            answer = self._client.get_queue_attributes(
                QueueUrl=self._url, AttributeNames=["ApproximateNumberOfMessages"]
            )
        return int(answer["Attributes"]["ApproximateNumberOfMessages"])
