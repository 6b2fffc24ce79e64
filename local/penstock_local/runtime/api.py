"""The Lambda Runtime API, which the runtime client inside a function calls.

https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html
"""

from __future__ import annotations

import json
import re
import time
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from queue import Empty, SimpleQueue
from threading import Thread

VERSION = "/2018-06-01/runtime"
OUTCOME = re.compile(VERSION + r"/(?:invocation/(?P<request>[^/]+)/(?P<kind>response|error)|init/error)")


@dataclass(frozen=True, slots=True)
class Request:
    """One event for the function. ``deadline`` is Unix time in milliseconds."""

    id: str
    body: bytes
    deadline: int
    arn: str


@dataclass(frozen=True, slots=True)
class Ready:
    """The function's module is imported, and the process requests its first event. ``at`` is time.monotonic()."""

    at: float


@dataclass(frozen=True, slots=True)
class InvocationResponse:
    """The handler's return value as JSON text."""

    body: bytes


@dataclass(frozen=True, slots=True)
class FunctionError:
    """The exception that the handler, or the import of its module, raised."""

    type: str
    message: str
    stack: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Exit:
    """The process has ended. ``status`` is its exit status, or the negated number of the signal that ended it."""

    status: int


@dataclass(frozen=True, slots=True)
class NoReport:
    """No report came in time."""


Report = Ready | InvocationResponse | FunctionError | Exit | NoReport


class RuntimeApi:
    """Serves one function process on loopback: takes ``requests`` and returns ``reports``, in order."""

    def __init__(self) -> None:
        self.reports: SimpleQueue[Report] = SimpleQueue()
        self.requests: SimpleQueue[Request | None] = SimpleQueue()
        self._server = _Server(self)
        Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    @property
    def address(self) -> str:
        """The value of AWS_LAMBDA_RUNTIME_API."""
        return f"127.0.0.1:{self._server.server_address[1]}"

    def wait(self, seconds: float) -> Report:
        """The next report, or NoReport after ``seconds``."""
        try:
            return self.reports.get(timeout=seconds)
        except Empty:
            return NoReport()

    def close(self) -> None:
        self.requests.put(None)
        self._server.shutdown()
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self, api: RuntimeApi) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.api = api
        self.asked = False

    def handle_error(self, request: object, client_address: object) -> None:
        """Ignored: a killed process resets its connections, and its end is reported as Exit."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # otherwise each response waits 40 ms for the client's delayed acknowledgement
    server: _Server

    def do_GET(self) -> None:
        if self.path != f"{VERSION}/invocation/next":
            return self.send_error(404)
        if not self.server.asked:
            self.server.asked = True
            self.server.api.reports.put(Ready(time.monotonic()))
        request = self.server.api.requests.get()
        if request is None:
            self.close_connection = True
            return None
        return self._reply(
            200,
            request.body,
            {
                "Lambda-Runtime-Aws-Request-Id": request.id,
                "Lambda-Runtime-Deadline-Ms": str(request.deadline),
                "Lambda-Runtime-Invoked-Function-Arn": request.arn,
                "Lambda-Runtime-Trace-Id": f"Root=1-{request.deadline // 1000:08x}-{request.id[-24:]};Sampled=0",
            },
        )

    def do_POST(self) -> None:
        outcome = OUTCOME.fullmatch(self.path)
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if outcome is None:
            return self.send_error(404)
        self._reply(202, b'{"status":"OK"}', {})
        if outcome["kind"] == "response":
            return self.server.api.reports.put(InvocationResponse(body))
        error = json.loads(body)
        return self.server.api.reports.put(
            FunctionError(error["errorType"], error["errorMessage"], tuple(error.get("stackTrace", ())))
        )

    def _reply(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", "Content-Length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name in the base class
        """Requests are not logged, so that the log holds the function's lines only."""
