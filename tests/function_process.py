"""Invokes handlers of functions, and the command, for a parent process that may want this process to be killed.

    python function_process.py FOLDER [DIE_AT]

FOLDER contains the functions. With DIE_AT ``operation:n``, the process exits before it sends the n-th such request to
AWS; with ``operation:n:after``, after the response. Requests and answers are lines of JSON. An answer has the value
that the handler returned, or its exception, and the requests that it sent.
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

# By operation, the parameters of requests that tests and samples need.
_RECORDED = {
    "CreateMultipartUpload": None,
    "UploadPart": ("Bucket", "Key", "PartNumber"),
    "CompleteMultipartUpload": ("Bucket", "Key"),
    "PutObject": ("Bucket", "Key"),
    "StartExecution": ("name", "input"),
}


class Requests:
    """Records every request of this process, and ends the process at the given request."""

    def __init__(self, die_at: str) -> None:
        self.sent: list[dict[str, Any]] = []
        self._counts: Counter[str] = Counter()
        self._lock = Lock()
        self._operation, number, self._when = [*die_at.split(":"), "", ""][:3]
        self._number = int(number or 0)
        self._send = BaseClient._make_api_call  # type: ignore[attr-defined]  # every request calls it
        BaseClient._make_api_call = self._recording()  # type: ignore[attr-defined]

    def _recording(self) -> Any:
        def recording(client: Any, operation: str, parameters: Mapping[str, Any]) -> Any:
            with self._lock:
                self._counts[operation] += 1
                last = operation == self._operation and self._counts[operation] == self._number
            if last and not self._when:
                os._exit(9)
            names = _RECORDED.get(operation, ())
            recorded = parameters if names is None else {name: parameters[name] for name in names if name in parameters}
            answer = self._send(client, operation, parameters)
            if last:
                os._exit(9)
            upload = {"UploadId": answer["UploadId"]} if operation == "CreateMultipartUpload" else {}
            self.sent.append({"operation": operation, **recorded, **upload})
            return answer

        return recording


class Context:
    """The context of an invocation. Its remaining time is short after so many ``looks`` at it."""

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
        from penstock_cli.main import main  # functions do not need it

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
    os.dup2(2, 1)  # output of handlers and of the command goes to stderr
    requests = Requests(sys.argv[2] if len(sys.argv) > 2 else "")
    modules: dict[str, Any] = {}
    for line in sys.stdin:
        try:
            answer: dict[str, object] = {"answer": invoke(functions, json.loads(line), modules)}
        except Exception as error:  # noqa: BLE001  # Lambda does the same
            answer = {"error": type(error).__name__, "message": str(error)}
        sent, requests.sent = requests.sent, []
        answers.write(json.dumps(answer | {"requests": sent}, default=str) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()
