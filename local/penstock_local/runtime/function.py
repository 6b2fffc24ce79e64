"""A Lambda function on this machine: the real runtime client with Lambda's environment, size and timeout."""

from __future__ import annotations

import json
import os
import sys
import time
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Self

from penstock_local.runtime.api import Exit, InvocationResponse, NoReport, Ready, Request
from penstock_local.runtime.caps import CapMode, Size, cap
from penstock_local.runtime.invocation import Invocation, error_of
from penstock_local.runtime.sandbox import Sandbox

REGION = "us-east-1"
ACCOUNT = "000000000000"


class Function:
    """A function on this machine, as a context manager. The next event replaces a process that has ended.

    ``handler`` is ``module.function`` in ``task_root``. ``layers`` are folders of importable code. ``memory`` is in MB,
    ``timeout`` in seconds. The default of ``vcpus`` is Lambda's share for that memory; inf means no limit.
    Raises CapsUnavailableError if the cap that ``caps`` names is not available.
    """

    def __init__(
        self,
        handler: str,
        task_root: Path,
        *,
        memory: int = 128,
        timeout: float = 900.0,
        env: Mapping[str, str] | None = None,
        layers: tuple[Path, ...] = (),
        vcpus: float | None = None,
        caps: CapMode = "auto",
    ) -> None:
        self.handler = handler
        self.task_root = task_root.resolve()
        self.timeout = timeout
        self.size = Size.like_lambda(memory) if vcpus is None else Size(memory, vcpus)
        self.caps = caps
        self.env = {**self._lambda_env(layers), **(env or {})}
        self._sandbox: Sandbox | None = None

    def __enter__(self) -> Self:
        self._start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop()

    def invoke(self, event: object) -> Invocation:
        """Send ``event`` and wait for the result. As on Lambda, one event at a time."""
        sandbox = self._sandbox or self._start()
        cold = sandbox.ready is None
        report = sandbox.ready or sandbox.initialise(self.timeout)
        idle = sandbox.usage()
        log_start = 0 if cold else sandbox.log.stat().st_size
        request = self._request(event)
        began = report.at if cold and isinstance(report, Ready) else time.monotonic()
        init_seconds = began - sandbox.started if cold else 0.0
        if isinstance(report, Ready):
            began = time.monotonic()
            sandbox.api.requests.put(request)
            report = sandbox.api.wait(self.timeout)
        seconds = time.monotonic() - began
        if isinstance(report, NoReport):
            sandbox.kill()
        used = sandbox.usage()
        out_of_memory = isinstance(report, Exit) and sandbox.cap.out_of_memory()
        error = error_of(report, timeout=self.timeout, out_of_memory=out_of_memory)
        invocation = Invocation(
            request_id=request.id,
            payload=json.loads(report.body) if isinstance(report, InvocationResponse) else None,
            error_type=error.type if error else "",
            error_message=error.message if error else "",
            stack=error.stack if error else (),
            seconds=seconds,
            cpu_seconds=used.cpu_seconds - idle.cpu_seconds,
            init_seconds=init_seconds,
            init_cpu_seconds=idle.cpu_seconds if cold else 0.0,
            peak_bytes=used.peak_bytes,
            rss_peak_bytes=used.rss_peak_bytes,
            timed_out=isinstance(report, NoReport),
            killed=isinstance(report, Exit) and report.status < 0,
            out_of_memory=out_of_memory,
            left_in_tmp=sandbox.left_in_tmp(),
            enforced_by=sandbox.cap.name,
            log=sandbox.log.read_bytes()[log_start:].decode(errors="replace"),
        )
        if sandbox.ready is None or isinstance(report, NoReport | Exit):
            self._stop()
        return invocation

    def kill(self) -> None:
        """Send SIGKILL during an invocation, from another thread. ``invoke`` then returns."""
        if self._sandbox:
            self._sandbox.kill()

    def _start(self) -> Sandbox:
        self._sandbox = Sandbox(self.handler, self.task_root, self.env, cap(self.size, self.caps))
        return self._sandbox

    def _stop(self) -> None:
        if self._sandbox:
            self._sandbox.close()
            self._sandbox = None

    def _request(self, event: object) -> Request:
        return Request(
            id=str(uuid.uuid4()),
            body=json.dumps(event).encode(),
            deadline=int((time.time() + self.timeout) * 1000),
            arn=f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{self.task_root.name}",
        )

    def _lambda_env(self, layers: tuple[Path, ...]) -> dict[str, str]:
        """https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html"""
        folders = [self.task_root, *(layer.resolve() for layer in layers)]
        return {
            "PATH": os.environ["PATH"],
            "LANG": "en_US.UTF-8",
            "TZ": ":UTC",
            "PYTHONPATH": os.pathsep.join(map(str, folders)),
            "PYTHONDONTWRITEBYTECODE": "1",
            "LAMBDA_TASK_ROOT": str(self.task_root),
            "LAMBDA_RUNTIME_DIR": str(self.task_root),
            "_HANDLER": self.handler,
            "AWS_EXECUTION_ENV": f"AWS_Lambda_python{sys.version_info.major}.{sys.version_info.minor}",
            "AWS_REGION": REGION,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_LAMBDA_FUNCTION_NAME": self.task_root.name,
            "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(self.size.memory),
            "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
            "AWS_LAMBDA_LOG_GROUP_NAME": f"/aws/lambda/{self.task_root.name}",
            "AWS_LAMBDA_LOG_STREAM_NAME": "local",
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
        }
