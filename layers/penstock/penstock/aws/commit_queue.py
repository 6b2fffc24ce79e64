"""The queue of the function `commit`, in SQS."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING

from penstock.aws.errors import translating
from penstock.errors import ConfigurationError

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient


class SqsCommits:
    """Implements ``CommitQueue``. ``connect`` creates the client for the first message."""

    def __init__(self, connect: Callable[[], SQSClient], url: str) -> None:
        self._connect = connect
        self._url = url

    @cached_property
    def _client(self) -> SQSClient:
        return self._connect()

    def send(self, table: str, job_id: str) -> None:
        if not self._url:
            raise ConfigurationError(
                f"job {job_id} loads the Iceberg table {table}, but the stack has no catalog",
                hint="Deploy with IcebergCatalog (glue, the ARN of an S3 table bucket, or the URL of a REST catalog).",
            )
        with translating(f"sqs:SendMessage to {self._url}"):
            body = json.dumps({"table": table, "job": job_id})
            self._client.send_message(QueueUrl=self._url, MessageBody=body)
