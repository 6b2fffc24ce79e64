"""A proxy before an S3 server that breaks what passes through it, as networks and busy services do."""

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
from threading import Event, Thread
from typing import Any, Protocol
from urllib.parse import parse_qs, urlsplit

ERROR = '<?xml version="1.0" encoding="UTF-8"?><Error><Code>{code}</Code><Message>injected</Message></Error>'
_POSTS = {"uploads": "CreateUpload", "delete": "DeleteObjects"}


@dataclass(frozen=True, slots=True)
class Request:
    """What arrived: S3's name of the operation, the part's number and the range, if it has them."""

    operation: str
    part: int = 0
    range: str = ""


class Exchange(Protocol):
    """One request that was read whole, to be answered well or badly."""

    body: bytes
    path: str
    headers: Message

    def ask(self) -> None:
        """Let the server do what the request wants, and keep its answer."""

    def answer(self, *, upto: int | None = None) -> None:
        """Send the server's answer, or so many bytes of its body."""

    def rewrite(self, change: Callable[[bytes], bytes]) -> None:
        """Change the body of the answer that is kept."""

    def refuse(self, status: int, code: str) -> None:
        """Answer with an S3 error."""

    def hang_up(self, *, reset: bool) -> None:
        """End the connection after what was sent: properly, or with a TCP reset."""

    def wait_for_hang_up(self) -> None:
        """Until the client has ended the connection."""


class Fault(Protocol):
    """What happens to a request instead of being answered well."""

    def strike(self, exchange: Exchange) -> None: ...


@dataclass(frozen=True, slots=True)
class Reset:
    """The connection breaks before there is an answer, or after so many bytes of its body.

    ``done``: the server did what was asked, only its answer is lost.
    """

    after: int | None = None
    done: bool = False

    def strike(self, exchange: Exchange) -> None:
        if self.done or self.after is not None:
            exchange.ask()
        if self.after is not None:
            exchange.answer(upto=self.after)
        exchange.hang_up(reset=True)


@dataclass(frozen=True, slots=True)
class CutResponse:
    """The connection ends properly after so many bytes of a longer body."""

    after: int

    def strike(self, exchange: Exchange) -> None:
        exchange.ask()
        exchange.answer(upto=self.after)
        exchange.hang_up(reset=False)


@dataclass(frozen=True, slots=True)
class Refusal:
    """An S3 error. ``done``: although the server did what was asked."""

    status: int
    code: str
    done: bool = False

    def strike(self, exchange: Exchange) -> None:
        if self.done:
            exchange.ask()
        exchange.refuse(self.status, self.code)


@dataclass(frozen=True, slots=True)
class Stall:
    """No answer ever."""

    def strike(self, exchange: Exchange) -> None:
        exchange.wait_for_hang_up()


@dataclass(frozen=True, slots=True)
class Hold:
    """An answer once ``release`` is set; ``held`` is set when the request has arrived."""

    release: Event
    held: Event = field(default_factory=Event)

    def strike(self, exchange: Exchange) -> None:
        self.held.set()
        self.release.wait()
        exchange.ask()
        exchange.answer()


@dataclass(frozen=True, slots=True)
class Damage:
    """One bit of the request's body is flipped on its way."""

    def strike(self, exchange: Exchange) -> None:
        exchange.body = bytes([exchange.body[0] ^ 1]) + exchange.body[1:]
        exchange.ask()
        exchange.answer()


Schedule = Callable[[Request], Fault | None]


def well(request: Request) -> None:
    """The schedule without faults."""


def first(times: int, operation: str, fault: Fault, *, part: int = 0) -> Schedule:
    """``fault`` for the first so many requests of an operation (on this part, if it is given)."""
    turns = count(1)
    return lambda request: (
        fault if request.operation == operation and part in (0, request.part) and next(turns) <= times else None
    )


def always(operation: str, fault: Fault, *, part: int = 0) -> Schedule:
    """``fault`` for every request of an operation (on this part, if it is given)."""
    return first(sys.maxsize, operation, fault, part=part)


class FaultyS3:
    """The proxy. ``schedule`` decides for each request; ``log`` has each request as it ends, lost ones included."""

    def __init__(self, backend: str) -> None:
        self.backend = urlsplit(backend)
        self.schedule: Schedule = well
        self.log: list[Request] = []
        self.url = ""

    def requests(self, operation: str) -> list[Request]:
        return [request for request in self.log if request.operation == operation]


@contextmanager
def faulty_s3(backend: str) -> Iterator[FaultyS3]:
    """Run a proxy before the server at a URL."""
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
    # Connections that clients keep open would never end.
    block_on_close = False


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    proxy: FaultyS3
    body: bytes

    def handle_one_request(self) -> None:
        try:
            super().handle_one_request()
        except ConnectionError:
            self.close_connection = True

    def _exchange(self) -> None:
        self.body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self._under_way: Request | None = self._request()
        fault = self.proxy.schedule(self._under_way)
        try:
            if fault:
                fault.strike(self)
            else:
                self.ask()
                self.answer()
        finally:
            self._ends()

    def _ends(self) -> None:
        """Before the client can know: a test that reads the log when the client is done finds all requests there."""
        if self._under_way:
            self.proxy.log.append(self._under_way)
            self._under_way = None

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
        self._answered = response.status, headers, body

    def answer(self, *, upto: int | None = None) -> None:
        self._ends()
        status, headers, body = self._answered
        self.send_response(status)
        for name, value in headers:
            if name.lower() not in {"transfer-encoding", "connection", "date", "server"}:
                self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body[:upto])

    def rewrite(self, change: Callable[[bytes], bytes]) -> None:
        status, headers, body = self._answered
        body = change(body)
        kept = [(name, value) for name, value in headers if name.lower() != "content-length"]
        self._answered = status, [*kept, ("Content-Length", str(len(body)))], body

    def refuse(self, status: int, code: str) -> None:
        body = ERROR.format(code=code).encode()
        headers = [("Content-Type", "application/xml"), ("Content-Length", str(len(body)))]
        self._answered = status, headers, b"" if self.command == "HEAD" else body
        self.answer()

    def hang_up(self, *, reset: bool) -> None:
        self._ends()
        if reset:
            # To linger for no time makes close() send RST instead of FIN.
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

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  (the base class names it so)
        """Quiet."""
