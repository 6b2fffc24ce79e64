"""A proxy for an S3 server that injects the faults of networks and busy services."""

from __future__ import annotations

import socket
import struct
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from email.message import Message
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from threading import Condition, Event, Thread
from typing import Any, Protocol
from urllib.parse import parse_qs, urlsplit

ERROR = '<?xml version="1.0" encoding="UTF-8"?><Error><Code>{code}</Code><Message>injected</Message></Error>'
_POSTS = {"uploads": "CreateUpload", "delete": "DeleteObjects"}


@dataclass(frozen=True, slots=True)
class Request:
    """A received request: the operation, and the part number and the range if it has them."""

    operation: str
    part: int = 0
    range: str = ""


class Exchange(Protocol):
    """A request that was read completely and is to be answered."""

    body: bytes
    path: str
    headers: Message

    def ask(self) -> None:
        """Forward the request to the server, and keep its response."""

    def answer(self, *, upto: int | None = None) -> None:
        """Send the kept response, or ``upto`` bytes of its body."""

    def rewrite(self, change: Callable[[bytes], bytes]) -> None:
        """Change the body of the kept response."""

    def refuse(self, status: int, code: str) -> None:
        """Answer with an S3 error."""

    def hang_up(self, *, reset: bool) -> None:
        """Close the connection after the sent bytes: properly, or with a TCP reset."""

    def wait_for_hang_up(self) -> None:
        """Wait until the client has closed the connection."""


class Fault(Protocol):
    """A fault that replaces the normal response to a request."""

    def apply(self, exchange: Exchange) -> None: ...


@dataclass(frozen=True, slots=True)
class Reset:
    """The connection breaks before the response, or after ``after`` bytes of its body.

    With ``done``, the server handles the request, and only its response is lost.
    """

    after: int | None = None
    done: bool = False

    def apply(self, exchange: Exchange) -> None:
        if self.done or self.after is not None:
            exchange.ask()
        if self.after is not None:
            exchange.answer(upto=self.after)
        exchange.hang_up(reset=True)


@dataclass(frozen=True, slots=True)
class CutResponse:
    """The connection is closed properly after ``after`` bytes of a longer body."""

    after: int

    def apply(self, exchange: Exchange) -> None:
        exchange.ask()
        exchange.answer(upto=self.after)
        exchange.hang_up(reset=False)


@dataclass(frozen=True, slots=True)
class Refusal:
    """An S3 error. With ``done``, the server handles the request all the same."""

    status: int
    code: str
    done: bool = False

    def apply(self, exchange: Exchange) -> None:
        if self.done:
            exchange.ask()
        exchange.refuse(self.status, self.code)


@dataclass(frozen=True, slots=True)
class Stall:
    """There is no response."""

    def apply(self, exchange: Exchange) -> None:
        exchange.wait_for_hang_up()


@dataclass(frozen=True, slots=True)
class Hold:
    """The response is sent when ``release`` is set. ``held`` is set when the request has arrived."""

    release: Event
    held: Event = field(default_factory=Event)

    def apply(self, exchange: Exchange) -> None:
        self.held.set()
        self.release.wait()
        exchange.ask()
        exchange.answer()


@dataclass(frozen=True, slots=True)
class Damage:
    """One bit of the request's body is flipped in transit."""

    def apply(self, exchange: Exchange) -> None:
        exchange.body = bytes([exchange.body[0] ^ 1]) + exchange.body[1:]
        exchange.ask()
        exchange.answer()


Schedule = Callable[[Request], Fault | None]


def no_faults(request: Request) -> None:
    """A schedule without faults."""


def first(times: int, operation: str, fault: Fault, *, part: int = 0) -> Schedule:
    """``fault`` for the first ``times`` requests of an operation (for this part, if given)."""
    numbers = count(1)
    return lambda request: (
        fault if request.operation == operation and part in (0, request.part) and next(numbers) <= times else None
    )


def always(operation: str, fault: Fault, *, part: int = 0) -> Schedule:
    """``fault`` for every request of an operation (for this part, if given)."""
    return first(sys.maxsize, operation, fault, part=part)


class FaultyS3:
    """The proxy. ``schedule`` returns the fault of each request. ``log`` has each ended request, even if lost."""

    def __init__(self, backend: str) -> None:
        self.backend = urlsplit(backend)
        self.schedule: Schedule = no_faults
        self.log: list[Request] = []
        self.url = ""
        self.accepted = 0
        self._open = 0
        self._changed = Condition()

    def connected(self) -> None:
        with self._changed:
            self.accepted += 1
            self._open += 1

    def disconnected(self) -> None:
        with self._changed:
            self._open -= 1
            self._changed.notify_all()

    def wait_until_closed(self) -> bool:
        """Whether the clients close all connections, within 10 seconds."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._open, timeout=10)

    def requests(self, operation: str) -> list[Request]:
        return [request for request in self.log if request.operation == operation]


@contextmanager
def faulty_s3(backend: str) -> Iterator[FaultyS3]:
    """Run a proxy for the server at a URL."""
    proxy = FaultyS3(backend)
    server = _Server(("127.0.0.1", 0), type("Handler", (_Handler,), {"proxy": proxy}))
    proxy.url = f"http://127.0.0.1:{server.server_port}"
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield proxy
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    # Otherwise closing waits for connections that clients keep open.
    block_on_close = False


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    proxy: FaultyS3
    body: bytes

    def setup(self) -> None:
        super().setup()
        self.proxy.connected()

    def finish(self) -> None:
        try:
            super().finish()
        finally:
            self.proxy.disconnected()

    def handle_one_request(self) -> None:
        try:
            super().handle_one_request()
        except ConnectionError:
            self.close_connection = True

    def _exchange(self) -> None:
        self.body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self._current: Request | None = self._request()
        fault = self.proxy.schedule(self._current)
        try:
            if fault:
                fault.apply(self)
            else:
                self.ask()
                self.answer()
        finally:
            self._ends()

    def _ends(self) -> None:
        """Log the request before its response, so that a test finds all requests as soon as the client is done."""
        if self._current:
            self.proxy.log.append(self._current)
            self._current = None

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = _exchange  # noqa: N815  (the base class looks for these names)

    def ask(self) -> None:
        backend = self.proxy.backend
        with closing(HTTPConnection(str(backend.hostname), backend.port, timeout=60)) as connection:
            connection.request(self.command, self.path, self.body or None, dict(self.headers.items()))
            response = connection.getresponse()
            body = response.read()
        headers = response.getheaders()
        if not response.getheader("Content-Length"):
            headers.append(("Content-Length", str(len(body))))
        self._response = response.status, headers, body

    def answer(self, *, upto: int | None = None) -> None:
        self._ends()
        status, headers, body = self._response
        self.send_response(status)
        for name, value in headers:
            if name.lower() not in {"transfer-encoding", "connection", "date", "server"}:
                self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body[:upto])

    def rewrite(self, change: Callable[[bytes], bytes]) -> None:
        status, headers, body = self._response
        body = change(body)
        kept = [(name, value) for name, value in headers if name.lower() != "content-length"]
        self._response = status, [*kept, ("Content-Length", str(len(body)))], body

    def refuse(self, status: int, code: str) -> None:
        body = ERROR.format(code=code).encode()
        headers = [("Content-Type", "application/xml"), ("Content-Length", str(len(body)))]
        self._response = status, headers, b"" if self.command == "HEAD" else body
        self.answer()

    def hang_up(self, *, reset: bool) -> None:
        self._ends()
        if reset:
            # With a linger time of 0, close() sends RST instead of FIN.
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.close()
        self.close_connection = True

    def wait_for_hang_up(self) -> None:
        self.rfile.read(1)
        self.close_connection = True

    def _request(self) -> Request:
        query = parse_qs(urlsplit(self.path).query, keep_blank_values=True)
        operation = {
            "GET": "ListUploads" if "uploads" in query else "GetObject",
            "HEAD": "HeadObject",
            "PUT": "UploadPart" if "partNumber" in query else "PutObject",
            "POST": next((_POSTS[name] for name in _POSTS if name in query), "CompleteUpload"),
            "DELETE": "AbortUpload",
        }[self.command]
        return Request(operation, int(query.get("partNumber", ["0"])[0]), self.headers.get("Range", ""))

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  (the name in the base class)
        """Requests are not logged."""
