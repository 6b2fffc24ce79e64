"""Refuses truncated responses.

botocore accepts a response whose connection was closed before its end: it disables urllib3's check of Content-Length.
JSON that does not parse then becomes an empty response: no item, or no unprocessed items. Streamed bodies count their
bytes themselves. Of S3's XML, botocore only checks that it is not empty.
"""

from __future__ import annotations

from collections.abc import Callable
from http import HTTPStatus
from typing import Any

from botocore.exceptions import IncompleteReadError

# A body that botocore retries like a timeout, by protocol.
_TIMEOUT = {
    "json": b'{"__type": "RequestTimeout", "message": "the response was truncated"}',
    "rest-xml": b"<Error><Code>RequestTimeout</Code><Message>the response was truncated</Message></Error>",
}


def refuse_truncated_responses(register: Callable[[str, Callable[..., None]], object]) -> None:
    """Let the clients of a session treat a truncated response as the error RequestTimeout.

    For protocols that Penstock does not use, IncompleteReadError is raised. ``register`` takes an event of botocore
    and its handler.
    """
    register("before-parse", _refuse)
    register("needs-retry", _use_parsed_status)


def _refuse(**event: Any) -> None:
    operation, response = event["operation_model"], event["response_dict"]
    length, body = response["headers"].get("content-length", ""), response["body"]
    # A response to HEAD declares the length of GET.
    if operation.http.get("method") == "HEAD" or not isinstance(body, bytes) or not length.isdecimal():
        return
    if len(body) >= int(length):
        return
    error = _TIMEOUT.get(operation.service_model.resolved_protocol)
    if error is None:
        raise IncompleteReadError(actual_bytes=len(body), expected_bytes=int(length))
    response["status_code"], response["body"] = HTTPStatus.INTERNAL_SERVER_ERROR, error


def _use_parsed_status(**event: Any) -> None:
    """After the last retry, a client checks the received status, not the one that `_refuse` has set."""
    if event["response"]:
        received, parsed = event["response"]
        received.status_code = parsed["ResponseMetadata"].get("HTTPStatusCode", received.status_code)
