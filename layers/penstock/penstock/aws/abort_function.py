"""Functions of the stack that others call."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from penstock.aws.errors import translating
from penstock.errors import ConfigurationError, ServiceUnavailableError


class AbortFunction:
    """Asks for `abort`, and waits for its end where told to. The client is made for the first call."""

    def __init__(self, client: Callable[[], Any], name: str, *, wait: bool = False) -> None:
        self._client = client
        self._name = name
        self._type = "RequestResponse" if wait else "Event"

    def __call__(self, job_id: str, execution: str, error: Mapping[str, str]) -> None:
        """Not waited for, Lambda answers as soon as the call is in its queue.

        https://docs.aws.amazon.com/lambda/latest/dg/invocation-async.html
        """
        if not self._name:
            raise ConfigurationError(
                f"what execution {execution} left of job {job_id} cannot be cleaned up: the stack does not name its "
                "function `abort`, for it was deployed by an earlier Penstock",
                hint="Deploy it again, then redrive the job.",
            )
        payload = json.dumps({"job": job_id, "attempt": execution, "error": dict(error)})
        with translating(f"lambda:InvokeFunction on {self._name}", missing=ConfigurationError):
            answer = self._client().invoke(FunctionName=self._name, InvocationType=self._type, Payload=payload.encode())
        if answer.get("FunctionError"):
            raise ServiceUnavailableError(
                f"{self._name} failed: {answer['Payload'].read().decode(errors='replace')[:500]}",
                hint="Its log says why. The reconciler calls it again.",
            )
