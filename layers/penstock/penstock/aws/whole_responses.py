"""Answers that end before their end.

botocore takes an answer for whole although its connection was closed in the middle: it has urllib3 not look at
Content-Length. JSON that does not parse then becomes an answer with nothing in it: no item, or nothing that was left
unprocessed. Streamed bodies count their bytes themselves, and S3's XML only has to be more than nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from http import HTTPStatus
from typing import Any

from botocore.exceptions import IncompleteReadError

# What botocore retries as if no answer had come; by protocol.
_TIMEOUT = {
    "json": b'{"__type": "RequestTimeout", "message": "the answer was cut short"}',
    "rest-xml": b"<Error><Code>RequestTimeout</Code><Message>the answer was cut short</Message></Error>",
}


def refuse_cut_responses(register: Callable[[str, Callable[..., None]], object]) -> None:
    """Have a session's clients treat an answer that was cut short as the error RequestTimeout; in protocols that none
    of ours speaks, as IncompleteReadError. ``register`` takes an event of botocore's and its handler."""
    register("before-parse", _refuse)
    register("needs-retry", _tell_status)


def _refuse(**event: Any) -> None:
    operation, answer = event["operation_model"], event["response_dict"]
    promised, body = answer["headers"].get("content-length", ""), answer["body"]
    # An answer to HEAD promises what GET would bring.
    if operation.http.get("method") == "HEAD" or not isinstance(body, bytes) or not promised.isdecimal():
        return
    if len(body) >= int(promised):
        return
    error = _TIMEOUT.get(operation.service_model.resolved_protocol)
    if error is None:
        raise IncompleteReadError(actual_bytes=len(body), expected_bytes=int(promised))
    answer["status_code"], answer["body"] = HTTPStatus.INTERNAL_SERVER_ERROR, error


def _tell_status(**event: Any) -> None:
    """When it gives up, a client goes by the status that came, not by the one that was made of it."""
    if event["response"]:
        came, parsed = event["response"]
        came.status_code = parsed["ResponseMetadata"].get("HTTPStatusCode", came.status_code)
