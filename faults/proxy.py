"""The proxy before S3, DynamoDB, Step Functions, EventBridge and SQS of one invocation."""

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
from threading import Thread
from typing import Any
from urllib.parse import parse_qs, urlsplit

from faults.schedule import KILLS, Fault, Kill, Schedule

ALWAYS = (
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
MORE = {
    "GetObject": (Fault.CUT, Fault.CUT),
    "ListParts": (Fault.CUT,),
    "ListUploads": (Fault.CUT,),
    "CreateUpload": (Fault.CUT,),
    "CompleteUpload": (Fault.CUT, *[Fault.HIDDEN, Fault.HIDDEN_DONE] * 3),
    "DynamoDB.GetItem": (Fault.CUT,),
    "DynamoDB.BatchGetItem": (Fault.CUT,),
    "DynamoDB.BatchWriteItem": (Fault.CUT, Fault.LEFT, Fault.LEFT),
    "DynamoDB.UpdateItem": (Fault.CUT,),
}
# Once or a few times in a job, and where most can go wrong.
OFTEN = {"CreateUpload": 4.0, "UploadPart": 2.0, "CompleteUpload": 16.0}
# Bodies of results carry a CRC32.
PROVEN_UP = "x-amz-checksum-crc32"
# Sources that become objects are proven when they are whole: by their encoding, or by the CRC32 that S3 has. All else
# that comes down is for TLS to prove, and here there is none.
PROVEN_DOWN = "/bucket-"
NOT_DONE = {Fault.RESET, Fault.FAILED, Fault.BUSY, Fault.HIDDEN, Fault.KILL_BEFORE, Fault.TIMED_OUT}
# https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html
FUNCTIONS = "/2015-03-31/functions/"
XML = '<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>{code}</Code><Message>injected</Message></Error>'
TARGETS = {
    "DynamoDB_20120810": ("DynamoDB", "ProvisionedThroughputExceededException"),
    "AWSStepFunctions": ("StepFunctions", "ThrottlingException"),
    "AWSEvents": ("Events", "ThrottlingException"),
    "AmazonSQS": ("SQS", "RequestThrottled"),
}


@contextmanager
def http_proxy(backend: str, schedule: Schedule, kill: Kill, asked: Callable[[Any], object]) -> Iterator[str]:
    """The URL of a proxy before the server at ``backend``. ``kill`` ends the function that uses it, ``asked`` hears
    what that asks of another function."""
    names = {
        "backend": urlsplit(backend).netloc,
        "schedule": schedule,
        "kill": staticmethod(kill),
        "asked": staticmethod(asked),
    }
    server = _Server(("127.0.0.1", 0), type("Handler", (_Handler,), names))
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    # Connections end when their function does.
    block_on_close = False
    request_queue_size = 64


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    backend: str
    schedule: Schedule
    kill: Kill
    asked: Callable[[Any], object]
    body: bytes
    _answered: tuple[int, list[tuple[str, str]], bytes]

    def handle_one_request(self) -> None:
        try:
            super().handle_one_request()
        except (OSError, HTTPException):
            self.close_connection = True

    def _exchange(self) -> None:
        self.body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.service, operation, which, self.throttled = self._read_request()
        # The reconciler lists all there are.
        self.finds = operation == "ListUploads" and "prefix" in parse_qs(urlsplit(self.path).query)
        kinds, share = ALWAYS + MORE.get(operation, ()), OFTEN.get(operation, 1.0)
        if self.command == "PUT" and self.body and PROVEN_UP in self.headers:
            kinds, share = (*kinds, *[Fault.FLIPPED_UP] * 4), OFTEN["UploadPart"]
        elif operation == "GetObject" and PROVEN_DOWN in self.path:
            kinds = (*kinds, *[Fault.FLIPPED_DOWN] * 4)
        fault = self.schedule.draw(f"{operation} {which}".strip(), kinds, share=share)
        if fault in KILLS or fault in (Fault.RESET, Fault.LOST):
            self._break(fault)
        elif fault is None:
            self._ask()
            self._answer()
        else:
            self._strike(fault)

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = _exchange  # noqa: N815  (the base class looks for these names)

    def _break(self, fault: Fault) -> None:
        if fault not in NOT_DONE:
            self._ask()
        if fault in KILLS:
            self.kill(fault)
        self._hang_up()

    def _strike(self, fault: Fault) -> None:
        if fault is Fault.SLOW:
            time.sleep(self.schedule.chance("delay").uniform(0.02, 0.3))
        elif fault is Fault.FLIPPED_UP:
            self.body = self._flipped(self.body)
        left: object = None
        if fault is Fault.LEFT:
            left = self._leave_out()
        if fault not in NOT_DONE:
            self._ask()
        if left and self._answered[0] == 200:
            self._say(200, json.dumps({"UnprocessedItems": left}).encode())
        elif fault in (Fault.FAILED, Fault.FAILED_DONE):
            self._refuse(500, "InternalError" if self.service == "S3" else "InternalServerError")
        elif fault is Fault.BUSY:
            self._refuse(503 if self.service == "S3" else 400, self.throttled)
        elif fault in (Fault.HIDDEN, Fault.HIDDEN_DONE):
            self._refuse(200, "InternalError")
        elif fault is Fault.FLIPPED_DOWN:
            status, headers, body = self._answered
            self._answered = status, headers, self._flipped(body)
        self._answer(cut=fault is Fault.CUT)

    def _flipped(self, data: bytes) -> bytes:
        chance = self.schedule.chance("flip")
        flipped = bytearray(data)
        flipped[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
        return bytes(flipped)

    def _ask(self) -> None:
        """Let the server do what the request wants, and keep its answer."""
        connection = HTTPConnection(self.backend, timeout=60)
        try:
            connection.request(self.command, self.path, self.body or None, dict(self.headers.items()))
            response = connection.getresponse()
            body = response.read()
        finally:
            connection.close()
        if self.service == "Lambda" and response.status == HTTPStatus.NOT_FOUND:
            # It was allowed; the emulator knows no such function, which the suite itself calls.
            self.asked(json.loads(self.body))
            self._answered = HTTPStatus.ACCEPTED, [("Content-Length", "0")], b""
            return
        headers = response.getheaders()
        if not response.getheader("Content-Length"):
            headers.append(("Content-Length", str(len(body))))
        self._answered = response.status, headers, body

    def _answer(self, *, cut: bool = False) -> None:
        status, headers, body = self._answered
        self.send_response(status)
        for name, value in headers:
            if name.lower() not in {"transfer-encoding", "connection", "date", "server"}:
                self.send_header(name, value)
        self.end_headers()
        if cut and body:
            self.wfile.write(body[: self.schedule.chance("cut").randrange(len(body))])
            self.close_connection = True
        else:
            self.wfile.write(body)
            if self.finds:
                self.schedule.find(body.count(b"<UploadId>"))

    def _refuse(self, status: int, code: str) -> None:
        if self.service == "S3":
            body = b"" if self.command == "HEAD" else XML.format(code=code).encode()
        else:
            body = json.dumps({"__type": f"com.amazonaws#{code}", "message": "injected"}).encode()
        self._say(status, body)

    def _say(self, status: int, body: bytes) -> None:
        kind = "application/xml" if self.service == "S3" else "application/x-amz-json-1.0"
        self._answered = status, [("Content-Type", kind), ("Content-Length", str(len(body)))], body

    def _leave_out(self) -> object:
        """Take every second item from a BatchWriteItem; what was taken."""
        request = json.loads(self.body)
        left = {table: puts[1::2] for table, puts in request["RequestItems"].items() if puts[1:]}
        request["RequestItems"] = {table: puts[::2] for table, puts in request["RequestItems"].items()}
        self.body = json.dumps(request).encode()
        self.headers.replace_header("Content-Length", str(len(self.body)))
        return left

    def _hang_up(self) -> None:
        # To linger for no time makes close() send RST instead of FIN.
        with suppress(OSError):
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()
        self.close_connection = True

    def _read_request(self) -> tuple[str, str, str, str]:
        """Service, operation, what tells the request from others of its kind, and how the service throttles it."""
        target, _, action = self.headers.get("X-Amz-Target", "").partition(".")
        if target:
            service, throttled = TARGETS[target]
            return service, f"{service}.{action}", "", throttled
        parts = urlsplit(self.path)
        if FUNCTIONS in parts.path:
            return "Lambda", "Lambda.Invoke", "", "TooManyRequestsException"
        query = parse_qs(parts.query, keep_blank_values=True)
        operation = _s3_operation(self.command, query, is_object=parts.path.strip("/").count("/") > 0)
        which = (parts.path, *query.get("partNumber", ()), self.headers.get("Range", ""))
        return "S3", operation, " ".join(which).strip(), "SlowDown"

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  (the base class names it so)
        """Quiet."""


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
