"""The proxy between one invocation and S3, DynamoDB, Step Functions, EventBridge and SQS: it injects faults."""

from __future__ import annotations

import json
import socket
import struct
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Condition, Thread
from typing import Any
from urllib.parse import parse_qs, urlsplit

from faults.invocation_request import WAIT_SECONDS, InvocationResult
from faults.schedule import KILLS, Fault, Kill, Schedule

COMMON_FAULTS = (
    Fault.RESET,
    Fault.LOST,
    Fault.FAILED,
    Fault.FAILED_DONE,
    Fault.BUSY,
    Fault.SLOW,
    Fault.KILL_BEFORE,
    Fault.KILL_AFTER,
    Fault.TIMED_OUT,
)
EXTRA_FAULTS = {
    "GetObject": (Fault.CUT, Fault.CUT),
    "ListParts": (Fault.CUT,),
    "ListUploads": (Fault.CUT,),
    "CreateUpload": (Fault.CUT,),
    "CompleteUpload": (Fault.CUT, *[Fault.HIDDEN, Fault.HIDDEN_DONE] * 3),
    "DynamoDB.GetItem": (Fault.CUT,),
    "DynamoDB.BatchGetItem": (Fault.CUT,),
    "DynamoDB.BatchWriteItem": (Fault.CUT, Fault.LEFT, Fault.LEFT),
    "DynamoDB.UpdateItem": (Fault.CUT,),
    "Glue.GetTable": (Fault.CUT,),
    "Iceberg.Load": (Fault.CUT,),
}
# Requests that occur once or a few times in a job, where most can go wrong.
RATE_FACTORS = {"CreateUpload": 4.0, "UploadPart": 2.0, "CompleteUpload": 16.0}
RATE_FACTORS |= {"Glue.UpdateTable": 6.0, "Iceberg.Commit": 6.0, "Glue.CreateTable": 4.0, "Iceberg.Create": 4.0}
# Bodies of results carry a CRC32 in this header.
UPLOAD_CHECKSUM = "x-amz-checksum-crc32"
# Sources that become objects are verified at their end, by their encoding or by the CRC32 that S3 has. TLS protects
# all other downloads, and the suite uses none.
CHECKED_DOWNLOADS = ("/bucket-", "/after-move-")
NOT_DONE = {Fault.RESET, Fault.FAILED, Fault.BUSY, Fault.HIDDEN, Fault.KILL_BEFORE, Fault.TIMED_OUT}
# https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html
FUNCTIONS = "/2015-03-31/functions/"
# https://github.com/apache/iceberg/blob/main/open-api/rest-catalog-open-api.yaml
CATALOG = "/iceberg/"
XML = '<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>{code}</Code><Message>injected</Message></Error>'
TARGETS = {
    "DynamoDB_20120810": ("DynamoDB", "ProvisionedThroughputExceededException"),
    "AWSStepFunctions": ("StepFunctions", "ThrottlingException"),
    "AWSEvents": ("Events", "ThrottlingException"),
    "AmazonSQS": ("SQS", "RequestThrottled"),
    "secretsmanager": ("SecretsManager", "ThrottlingException"),
    "AWSGlue": ("Glue", "ThrottlingException"),
}
OnInvoke = Callable[[str, Any], InvocationResult | None]
"""Called with the name of a function and its event. Returns the result, or None if nobody waits for it."""


@contextmanager
def http_proxy(backend: str, schedule: Schedule, kill: Kill, on_invoke: OnInvoke) -> Iterator[str]:
    """The URL of a proxy before the server at ``backend``.

    ``kill`` ends the function that uses it. ``on_invoke`` is called for each function that it invokes.
    """
    names = {
        "backend": urlsplit(backend).netloc,
        "schedule": schedule,
        "kill": staticmethod(kill),
        "on_invoke": staticmethod(on_invoke),
    }
    server = _Server(("127.0.0.1", 0), type("Handler", (_Handler,), names))
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.settle()
        server.shutdown()
        thread.join()
        server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    # Connections end with their function.
    block_on_close = False
    request_queue_size = 64

    def __init__(self, address: tuple[str, int], handler: type[BaseHTTPRequestHandler]) -> None:
        super().__init__(address, handler)
        self.requests = 0
        self._changed = Condition()

    @contextmanager
    def handling(self) -> Iterator[None]:
        """Handle a request in the block."""
        with self._changed:
            self.requests += 1
        try:
            yield
        finally:
            with self._changed:
                self.requests -= 1
                self._changed.notify_all()

    def settle(self) -> None:
        """Wait for requests that outlive their function: other jobs may run meanwhile."""
        with self._changed:
            self._changed.wait_for(lambda: not self.requests, WAIT_SECONDS)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server
    backend: str
    schedule: Schedule
    kill: Kill
    on_invoke: OnInvoke
    body: bytes
    _response: tuple[int, list[tuple[str, str]], bytes]

    def handle_one_request(self) -> None:
        try:
            super().handle_one_request()
        except (OSError, HTTPException):
            self.close_connection = True

    def _handle(self) -> None:
        with self.server.handling():
            self._answer()

    def _answer(self) -> None:
        self.body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.service, operation, which, self.throttled = self._read_request()
        # Only a job's attempts list by prefix; the reconciler lists all uploads.
        self.lists_uploads = operation == "ListUploads" and "prefix" in parse_qs(urlsplit(self.path).query)
        kinds, rate_factor = COMMON_FAULTS + EXTRA_FAULTS.get(operation, ()), RATE_FACTORS.get(operation, 1.0)
        if self.command == "PUT" and self.body and UPLOAD_CHECKSUM in self.headers:
            kinds, rate_factor = (*kinds, *[Fault.FLIPPED_UP] * 4), RATE_FACTORS["UploadPart"]
        elif operation == "GetObject" and any(name in self.path for name in CHECKED_DOWNLOADS):
            kinds = (*kinds, *[Fault.FLIPPED_DOWN] * 4)
        fault = self.schedule.draw(f"{operation} {which}".strip(), kinds, rate_factor=rate_factor)
        if fault in KILLS or fault in (Fault.RESET, Fault.LOST):
            self._break_connection(fault)
        elif fault is None:
            self._forward()
            self._send_response()
        else:
            self._inject(fault)

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = _handle  # noqa: N815  (the base class looks for these names)

    def _break_connection(self, fault: Fault) -> None:
        if fault not in NOT_DONE:
            self._forward()
        if fault in KILLS:
            self.kill(fault)
        self._reset_connection()

    def _inject(self, fault: Fault) -> None:
        if fault is Fault.SLOW:
            time.sleep(self.schedule.rng("delay").uniform(0.02, 0.3))
        elif fault is Fault.FLIPPED_UP:
            self.body = self._flipped(self.body)
        left: object = None
        if fault is Fault.LEFT:
            left = self._drop_items()
        if fault not in NOT_DONE:
            self._forward()
        if left and self._response[0] == 200:
            self._set_response(200, json.dumps({"UnprocessedItems": left}).encode())
        elif fault in (Fault.FAILED, Fault.FAILED_DONE):
            self._respond_with_error(500, "InternalError" if self.service == "S3" else "InternalServerError")
        elif fault is Fault.BUSY:
            self._respond_with_error({"S3": 503, "Iceberg": 429}.get(self.service, 400), self.throttled)
        elif fault in (Fault.HIDDEN, Fault.HIDDEN_DONE):
            self._respond_with_error(200, "InternalError")
        elif fault is Fault.FLIPPED_DOWN:
            status, headers, body = self._response
            self._response = status, headers, self._flipped(body)
        self._send_response(cut=fault is Fault.CUT)

    def _flipped(self, data: bytes) -> bytes:
        rng = self.schedule.rng("flip")
        flipped = bytearray(data)
        flipped[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
        return bytes(flipped)

    def _forward(self) -> None:
        """Forward the request to the server and keep its response."""
        connection = HTTPConnection(self.backend, timeout=60)
        try:
            connection.request(self.command, self.path, self.body or None, dict(self.headers.items()))
            response = connection.getresponse()
            body = response.read()
        finally:
            connection.close()
        if self.service == "Lambda" and response.status == HTTPStatus.NOT_FOUND:
            # The role was allowed to invoke. The emulator has no such function; the suite invokes it.
            self._response = self._invoked()
            return
        headers = response.getheaders()
        if not response.getheader("Content-Length"):
            headers.append(("Content-Length", str(len(body))))
        self._response = response.status, headers, body

    def _invoked(self) -> tuple[int, list[tuple[str, str]], bytes]:
        result = self.on_invoke(self.path.removeprefix(FUNCTIONS).partition("/")[0], json.loads(self.body))
        if result is None:
            return HTTPStatus.ACCEPTED, [("Content-Length", "0")], b""
        failed = {"errorType": result.error, "errorMessage": result.message}
        body = json.dumps(failed if result.error else result.value).encode()
        headers = [("X-Amz-Function-Error", "Unhandled")] if result.error else []
        return HTTPStatus.OK, [("Content-Length", str(len(body))), *headers], body

    def _send_response(self, *, cut: bool = False) -> None:
        status, headers, body = self._response
        self.send_response(status)
        for name, value in headers:
            if name.lower() not in {"transfer-encoding", "connection", "date", "server"}:
                self.send_header(name, value)
        self.end_headers()
        if cut and body:
            self.wfile.write(body[: self.schedule.rng("cut").randrange(len(body))])
            self.close_connection = True
        else:
            self.wfile.write(body)
            if self.lists_uploads:
                self.schedule.add_found_uploads(body.count(b"<UploadId>"))

    def _respond_with_error(self, status: int, code: str) -> None:
        if self.service == "S3":
            body = b"" if self.command == "HEAD" else XML.format(code=code).encode()
        elif self.service == "Iceberg":
            body = json.dumps({"error": {"message": "injected", "type": code, "code": status}}).encode()
        else:
            body = json.dumps({"__type": f"com.amazonaws#{code}", "message": "injected"}).encode()
        self._set_response(status, body)

    def _set_response(self, status: int, body: bytes) -> None:
        kind = "application/xml" if self.service == "S3" else "application/x-amz-json-1.0"
        self._response = status, [("Content-Type", kind), ("Content-Length", str(len(body)))], body

    def _drop_items(self) -> object:
        """Remove every second item from a BatchWriteItem; return the removed items."""
        request = json.loads(self.body)
        left = {table: puts[1::2] for table, puts in request["RequestItems"].items() if puts[1:]}
        request["RequestItems"] = {table: puts[::2] for table, puts in request["RequestItems"].items()}
        self.body = json.dumps(request).encode()
        self.headers.replace_header("Content-Length", str(len(self.body)))
        return left

    def _reset_connection(self) -> None:
        # A linger time of zero makes close() send RST instead of FIN.
        with suppress(OSError):
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()
        self.close_connection = True

    def _read_request(self) -> tuple[str, str, str, str]:
        """Service, operation, what identifies the request among its kind, and the service's throttling error."""
        target, _, action = self.headers.get("X-Amz-Target", "").partition(".")
        if target:
            service, throttled = TARGETS[target]
            return service, f"{service}.{action}", "", throttled
        parts = urlsplit(self.path)
        if parts.path.startswith(CATALOG):
            return "Iceberg", f"Iceberg.{_catalog_operation(self.command, parts.path)}", "", "TooManyRequestsException"
        if FUNCTIONS in parts.path:
            return "Lambda", "Lambda.Invoke", "", "TooManyRequestsException"
        if self.command == "POST" and "urlencoded" in self.headers.get("Content-Type", ""):
            return "SNS", "SNS.PublishBatch", "", "Throttled"
        query = parse_qs(parts.query, keep_blank_values=True)
        operation = _s3_operation(self.command, query, is_object=parts.path.strip("/").count("/") > 0)
        which = (parts.path, *query.get("partNumber", ()), self.headers.get("Range", ""))
        return "S3", operation, " ".join(which).strip(), "SlowDown"

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  (the base class names it so)
        """Quiet."""


def _catalog_operation(method: str, path: str) -> str:
    if path.endswith("/config"):
        return "Config"
    if method == "POST":
        return "Create" if path.endswith("/tables") else "Commit"
    return "Load"


def _s3_operation(method: str, query: dict[str, list[str]], *, is_object: bool) -> str:
    if method == "GET":
        if "uploads" in query:
            return "ListUploads"
        if "uploadId" in query:
            return "ListParts"
        return "GetObject" if is_object else "ListObjects"
    if method == "POST":
        return "CreateUpload" if "uploads" in query else "CompleteUpload"
    if method == "PUT":
        return "UploadPart" if "partNumber" in query else "PutObject"
    return {"HEAD": "HeadObject", "DELETE": "AbortUpload" if "uploadId" in query else "DeleteObject"}[method]
