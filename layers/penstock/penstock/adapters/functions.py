"""Functions of the stack that are called without waiting for their answer."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from penstock.adapters.aws_errors import translating
from penstock.errors import ConfigurationError


class AbortFunction:
    """Asks for `abort`. The client is made for the first call."""

    def __init__(self, client: Callable[[], Any], name: str) -> None:
        self._client = client
        self._name = name

    def __call__(self, job_id: str, execution: str, error: Mapping[str, str]) -> None:
        """Lambda answers as soon as the call is in its queue.

        https://docs.aws.amazon.com/lambda/latest/dg/invocation-async.html
        """
        payload = json.dumps({"job": job_id, "attempt": execution, "error": dict(error)})
        with translating(f"lambda:InvokeFunction on {self._name}", missing=ConfigurationError):
            self._client().invoke(FunctionName=self._name, InvocationType="Event", Payload=payload.encode())
