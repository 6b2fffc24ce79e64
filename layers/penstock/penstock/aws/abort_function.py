"""Calls the function `abort` of the stack."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from penstock.aws.errors import translating
from penstock.errors import ConfigurationError, ServiceUnavailableError


class AbortFunction:
    """Calls `abort`, and waits for its result if ``wait`` is set. The client is created for the first call."""

    def __init__(self, client: Callable[[], Any], name: str, *, wait: bool = False) -> None:
        self._client = client
        self._name = name
        self._type = "RequestResponse" if wait else "Event"

    def __call__(self, job_id: str, execution: str, error: Mapping[str, str]) -> None:
        """Call `abort`. Without ``wait``, Lambda responds as soon as the call is in its queue.

        https://docs.aws.amazon.com/lambda/latest/dg/invocation-async.html
        """
        if not self._name:
            raise ConfigurationError(
                f"job {job_id} cannot be cleaned up after execution {execution}: the outputs of the stack, deployed "
                "by an earlier release, do not name its function `abort`",
                hint="Deploy the stack again, then redrive the job.",
            )
        self._invoke({"job": job_id, "attempt": execution, "error": dict(error)})

    def delete_unused(self, job_id: str) -> None:
        """Let `abort` delete the files of a failed job that no commit has."""
        self._invoke({"unused": job_id})

    def _invoke(self, request: Mapping[str, object]) -> None:
        payload = json.dumps(request)
        with translating(f"lambda:InvokeFunction on {self._name}", missing=ConfigurationError):
            answer = self._client().invoke(FunctionName=self._name, InvocationType=self._type, Payload=payload.encode())
        if answer.get("FunctionError"):
            raise ServiceUnavailableError(
                f"{self._name} failed: {answer['Payload'].read().decode(errors='replace')[:500]}",
                hint="See the log of the function. The reconciler calls it again.",
            )
