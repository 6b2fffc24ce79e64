"""The client that writes items. The bodies of its requests are built here, not by botocore.

botocore walks every value of a request by its model, which takes three times as long as encoding it as JSON. So a
request goes to the client with a placeholder for its puts, and the finished body replaces it before it is signed.
botocore still does the rest: endpoint, credentials, signature, connections, responses. Both steps are handlers of
botocore's events: https://boto3.amazonaws.com/v1/documentation/api/latest/guide/events.html
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
# A request takes no longer than this: it is not retried, and fails if no response arrives.
REQUEST_SECONDS = CONNECT_SECONDS + READ_SECONDS


def records_client(workers: int) -> DynamoDBClient:
    """Create a client for ``workers`` requests at once."""
    client: DynamoDBClient = session().client("dynamodb", config=records_config(workers))
    return client


def records_config(workers: int) -> Config:
    """Return the settings of the client. It does not retry: the sink decides item by item what to resend."""
    return Config(
        retries={"mode": "standard", "total_max_attempts": 1},
        connect_timeout=CONNECT_SECONDS,
        read_timeout=READ_SECONDS,
        max_pool_connections=workers,
        tcp_keepalive=True,
        # botocore's own user agent lists two dozen details and is built twice a request: a tenth of the sink's CPU.
        user_agent=f"Botocore/{botocore.__version__} penstock",
    )


@dataclass(frozen=True, slots=True)
class EncodedPuts:
    """``RequestItems`` of BatchWriteItem: puts into one table, each encoded as the JSON of a WriteRequest."""

    table: str
    puts: Sequence[bytes]

    @property
    def body(self) -> bytes:
        """The body of the request."""
        return b'{"RequestItems":{%s:[%s]}}' % (quote(self.table).encode(), b",".join(self.puts))


def take_encoded_puts(client: DynamoDBClient) -> None:
    """Let a client send `EncodedPuts`. Other requests do not change. A second call has no effect."""
    events = client.meta.events
    events.register("provide-client-params.dynamodb.BatchWriteItem", _keep_body, unique_id=f"{_BODY}-keep")
    events.register("before-call.dynamodb.BatchWriteItem", _use_body, unique_id=f"{_BODY}-use")


def _keep_body(params: dict[str, Any], context: dict[str, Any], **_: object) -> None:
    requests = params.get("RequestItems")
    if isinstance(requests, EncodedPuts):
        context[_BODY] = requests.body
        # One empty request for the table: botocore's model and its endpoint rules need no more.
        params["RequestItems"] = {requests.table: [{}]}


def _use_body(params: dict[str, Any], context: dict[str, Any], **_: object) -> None:
    if _BODY in context:
        params["body"] = context.pop(_BODY)
