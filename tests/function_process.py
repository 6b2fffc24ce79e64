"""Calls the functions' handlers and the command in this process, for a parent that may want it to die in between.

    python function_process.py FOLDER [DIE_AT]

FOLDER holds the functions. DIE_AT is ``operation:n``: the process is gone before the n-th such request to AWS is sent,
or after it was answered with ``operation:n:after``. Requests come as lines of JSON, and so do answers: what the handler
returned or raised, and which requests it sent.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections import Counter
from collections.abc import Mapping
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from threading import Lock
from typing import Any

from botocore.client import BaseClient

# Of a request, besides its name, what a test or a sample needs.
_TOLD = {
    "CreateMultipartUpload": None,
    "UploadPart": ("Bucket", "Key", "PartNumber"),
    "CompleteMultipartUpload": ("Bucket", "Key"),
    "PutObject": ("Bucket", "Key"),
    "PutEvents": ("Entries",),
    "StartExecution": ("name", "input"),
}


class Requests:
    """Notes every request of this process, and ends it where it is to die."""

    def __init__(self, die_at: str) -> None:
        self.sent: list[dict[str, Any]] = []
        self._counts: Counter[str] = Counter()
        self._lock = Lock()
        self._operation, number, self._when = [*die_at.split(":"), "", ""][:3]
        self._number = int(number or 0)
        self._send = BaseClient._make_api_call  # type: ignore[attr-defined]  # every request passes here
        BaseClient._make_api_call = self._noting()  # type: ignore[attr-defined]

    def _noting(self) -> Any:
        def noting(client: Any, operation: str, parameters: Mapping[str, Any]) -> Any:
            with self._lock:
                self._counts[operation] += 1
                last = operation == self._operation and self._counts[operation] == self._number
            if last and not self._when:
                os._exit(9)
            names = _TOLD.get(operation, ())
            told = parameters if names is None else {name: parameters[name] for name in names if name in parameters}
            answer = self._send(client, operation, parameters)
            if last:
                os._exit(9)
            upload = {"UploadId": answer["UploadId"]} if operation == "CreateMultipartUpload" else {}
            self.sent.append({"operation": operation, **told, **upload})
            return answer

        return noting


class Context:
    """An invocation's context, whose time is nearly over after so many looks at it."""

    function_name = "a-function"
    memory_limit_in_mb = 128
    invoked_function_arn = "arn:aws:lambda:us-east-1:000000000000:function:a-function"
    aws_request_id = "a-request"

    def __init__(self, looks: int | None) -> None:
        self._looks = looks
        self._until = time.monotonic() + 600

    def get_remaining_time_in_millis(self) -> int:
        if self._looks is not None:
            self._looks -= 1
            if self._looks < 0:
                return 9_000
        return int((self._until - time.monotonic()) * 1000)


def invoke(functions: Path, request: Mapping[str, Any], modules: dict[str, Any]) -> object:
    verb = request["verb"]
    if verb == "command":
        from penstock_cli.main import main  # the functions do without it

        return main(request["arguments"], standalone_mode=False)
    if verb not in modules:
        spec = spec_from_file_location(f"{verb}_app", functions / verb / "app.py")
        assert spec
        assert spec.loader
        modules[verb] = module_from_spec(spec)
        spec.loader.exec_module(modules[verb])
    return modules[verb].handler(request["event"], Context(request.get("looks")))


def main() -> None:
    functions = Path(sys.argv[1])
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what handlers and command say goes another way
    requests = Requests(sys.argv[2] if len(sys.argv) > 2 else "")
    modules: dict[str, Any] = {}
    for line in sys.stdin:
        try:
            answer: dict[str, object] = {"answer": invoke(functions, json.loads(line), modules)}
        except Exception as error:  # noqa: BLE001  # as Lambda does
            answer = {"error": type(error).__name__, "message": str(error)}
        sent, requests.sent = requests.sent, []
        answers.write(json.dumps(answer | {"requests": sent}, default=str) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()
