"""The client that writes items: its requests' bodies are put together here, not by botocore.

botocore walks every value of a request by its model, three times as long as making JSON of it takes. So a request
goes to the client with a stand-in for its puts, and the finished body takes its place before it is signed. All the
rest - endpoint, credentials, signature, connections, answers - stays botocore's. Both steps are events that botocore
emits for this: https://boto3.amazonaws.com/v1/documentation/api/latest/guide/events.html
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from json.encoder import encode_basestring as quote
from typing import TYPE_CHECKING, Any

import botocore
from botocore.config import Config

from penstock.aws.session import session

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.client import DynamoDBClient

_BODY = "penstock_body"

CONNECT_SECONDS, READ_SECONDS = 5, 10
# A request takes no longer than this: it is not retried, and given up when no answer comes.
REQUEST_SECONDS = CONNECT_SECONDS + READ_SECONDS


def records_client(workers: int) -> DynamoDBClient:
    """A client for so many requests at once."""
    client: DynamoDBClient = session().client("dynamodb", config=records_config(workers))
    return client


def records_config(workers: int) -> Config:
    """Settings of the client. It does not retry: what is to be sent again is decided item by item."""
    return Config(
        retries={"mode": "standard", "total_max_attempts": 1},
        connect_timeout=CONNECT_SECONDS,
        read_timeout=READ_SECONDS,
        max_pool_connections=workers,
        tcp_keepalive=True,
        # botocore's own lists two dozen details and is put together twice a request: a tenth of the sink's CPU.
        user_agent=f"Botocore/{botocore.__version__} penstock",
    )


@dataclass(frozen=True, slots=True)
class EncodedPuts:
    """``RequestItems`` of BatchWriteItem: puts into one table, each already the JSON of a WriteRequest."""

    table: str
    puts: Sequence[bytes]

    @property
    def body(self) -> bytes:
        """The whole request."""
        return b'{"RequestItems":{%s:[%s]}}' % (quote(self.table).encode(), b",".join(self.puts))


def take_encoded_puts(client: DynamoDBClient) -> None:
    """Let a client send `EncodedPuts`. Other requests are not changed; doing it again does nothing."""
    events = client.meta.events
    events.register("provide-client-params.dynamodb.BatchWriteItem", _keep_body, unique_id=f"{_BODY}-keep")
    events.register("before-call.dynamodb.BatchWriteItem", _use_body, unique_id=f"{_BODY}-use")


def _keep_body(params: dict[str, Any], context: dict[str, Any], **_: object) -> None:
    requests = params.get("RequestItems")
    if isinstance(requests, EncodedPuts):
        context[_BODY] = requests.body
        # One empty request for the table: all that botocore's model and its choice of an endpoint need.
        params["RequestItems"] = {requests.table: [{}]}


def _use_body(params: dict[str, Any], context: dict[str, Any], **_: object) -> None:
    if _BODY in context:
        params["body"] = context.pop(_BODY)
