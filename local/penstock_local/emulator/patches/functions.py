"""Patches of Lambda."""
# ruff: noqa: SLF001  # patches replace private names; the version is pinned and checked

from __future__ import annotations

import hashlib
import json
import tempfile
import threading
import time
import types
import zipfile
from pathlib import Path
from typing import Any

from ministack.core import lambda_runtime  # type: ignore[import-not-found]  # installed in another virtual environment
from ministack.services import lambda_svc, sqs  # type: ignore[import-not-found]  # the same

# MiniStack's messages for a process that ended: during an invocation, and before it was ready.
_ENDED = ("Worker process died", "Worker process exited immediately")


def unpack_layers_once() -> None:
    """Not a difference from AWS, for speed: all functions share one folder for each layer, which is unpacked once.

    MiniStack unpacks every layer for each process that it starts, which takes a second for those of the template. As on
    AWS, where /opt is read-only, no function writes to a layer.
    """
    shared, lock = Path(tempfile.mkdtemp(prefix="layers-")), threading.Lock()

    class SharedZipFile(zipfile.ZipFile):
        def extractall(self, path: Any = None, *rest: Any, **named: Any) -> None:
            folder = Path(path)
            if not folder.name.startswith("layer_"):
                super().extractall(path, *rest, **named)
                return
            unpacked = shared / hashlib.sha256(Path(str(self.filename)).read_bytes()).hexdigest()
            with lock:
                if not unpacked.is_dir():
                    super().extractall(unpacked.with_suffix(".new"))
                    unpacked.with_suffix(".new").rename(unpacked)
            folder.rmdir()
            folder.symlink_to(unpacked)

    module = types.ModuleType("zipfile")
    vars(module).update(vars(zipfile), ZipFile=SharedZipFile)
    lambda_runtime.zipfile = module


def convert_maximum_concurrency() -> None:
    """An event source mapping applies the MaximumConcurrency that CloudFormation sets.

    CloudFormation passes parameters as text, and AWS converts them to the property's type. MiniStack compares the
    text with a number, fails, and polls no queue.
    """
    limit = lambda_svc._sqs_esm_concurrency

    def sqs_esm_concurrency(mapping: Any, *rest: Any) -> Any:
        scaling = mapping.get("ScalingConfig") or {}
        if "MaximumConcurrency" in scaling:
            mapping = {**mapping, "ScalingConfig": {"MaximumConcurrency": int(scaling["MaximumConcurrency"])}}
        return limit(mapping, *rest)

    lambda_svc._sqs_esm_concurrency = sqs_esm_concurrency


def gather_messages_for_batching_window() -> None:
    """A mapping with MaximumBatchingWindowInSeconds waits so long for its BatchSize, from the first message on, and a
    batch may have more than 10 messages.

    MiniStack takes what there is, at most 10.
    https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html
    """
    limit, receive = lambda_svc._sqs_esm_concurrency, sqs._receive_messages_for_esm

    def sqs_esm_concurrency(mapping: Any, function: Any, config: Any, queue: Any = None) -> Any:
        window = float(mapping.get("MaximumBatchingWindowInSeconds") or 0)
        now = time.time()
        # A message waits from when it was sent, or from when it is visible again.
        waiting = [now - message["visible_at"] for message in (queue or {}).get("messages", ()) if window]
        ready = [seconds for seconds in waiting if seconds >= 0]
        if ready and max(ready) < window and len(ready) < int(mapping.get("BatchSize", 10)):
            return 0  # no batch for now
        return limit(mapping, function, config, queue)

    def receive_messages(queue_url: str, wanted: Any) -> list[Any]:
        found: list[Any] = []
        while len(found) < int(wanted or 1):
            some = receive(queue_url, int(wanted or 1) - len(found))
            found += some
            if not some:
                break
        return found

    lambda_svc._sqs_esm_concurrency = sqs_esm_concurrency
    sqs._receive_messages_for_esm = receive_messages


def name_errors_by_class() -> None:
    """A handler's exception becomes ``{"errorType": its class name, "errorMessage", "requestId", "stackTrace"}``.

    Invoke returns it, and the class is the error name that a Catch or Retry of Step Functions matches. MiniStack names
    all exceptions Runtime.HandlerError. A process that ends without a response is Runtime.ExitError, also during init.
    https://docs.aws.amazon.com/lambda/latest/dg/python-exceptions.html
    """
    as_text = '"error": str(e), "trace": traceback.format_exc()'
    as_aws_does = (
        '"error": json.dumps({"errorMessage": str(e), "errorType": type(e).__name__,'
        ' "requestId": context.aws_request_id, "stackTrace": traceback.format_tb(e.__traceback__)[1:]}),'
        ' "trace": traceback.format_exc()'
    )
    if lambda_runtime._PYTHON_WORKER_SCRIPT.count(as_text) != 1:
        raise RuntimeError("this patch does not fit MiniStack's Lambda worker; install the pinned version of MiniStack")
    lambda_runtime._PYTHON_WORKER_SCRIPT = lambda_runtime._PYTHON_WORKER_SCRIPT.replace(as_text, as_aws_does)
    execute = lambda_svc._execute_function_warm

    def execute_function_warm(function: Any, event: Any, request_id: str) -> Any:
        outcome = execute(function, event, request_id)
        error = outcome.get("body") if outcome.get("error") else None
        if not isinstance(error, dict):
            return outcome
        message = error["errorMessage"]
        if message.startswith('{"errorMessage": '):
            outcome["body"] = json.loads(message)
        elif message.startswith(_ENDED):
            error["errorType"] = "Runtime.ExitError"
            error["errorMessage"] = f"RequestId: {request_id} Error: Runtime exited without providing a reason"
        return outcome

    lambda_svc._execute_function_warm = execute_function_warm
