"""A proxy before a catalog's service that loses requests and answers, and that asks for bearer tokens."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any, Literal
from urllib.parse import parse_qs, urlsplit

# ``lost``: no answer to a request that went through. ``dropped``: no answer to one that did not. A number: this status
# instead of the answer to a request that went through.
Fault = Literal["lost", "dropped"] | int

_HOP_BY_HOP = {"connection", "transfer-encoding", "content-length", "keep-alive"}
_ROOT = "AWS4-HMAC-SHA256 Credential=test/20240101/us-east-1/s3tables/aws4_request, SignedHeaders=host, Signature=x"


class CatalogProxy(ThreadingHTTPServer):
    """Forwards requests to ``upstream``. ``fail`` names faults for the next requests with a text in their path or their
    ``X-Amz-Target``. With ``tokens``, requests need one of them; ``/v1/oauth/tokens`` sells them for ``id:secret``.
    Upstream, requests without a signature are those of the emulator's root user."""

    daemon_threads = True

    def __init__(self, upstream: str) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.upstream = urlsplit(upstream)
        self.tokens: list[str] | None = None
        self.sold: list[dict[str, str]] = []
        self.requests: list[str] = []
        self._faults: dict[str, list[Fault | None]] = {}

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def fail(self, text: str, *faults: Fault | None) -> None:
        self._faults[text] = list(faults)

    def next_fault(self, line: str) -> Fault | None:
        for text, faults in self._faults.items():
            if text in line and faults:
                return faults.pop(0)
        return None

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that has gone is no error."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: CatalogProxy

    def log_message(self, *_: Any) -> None: ...

    def _handle(self) -> None:
        server = self.server
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        line = f"{self.command} {self.path} {self.headers.get('X-Amz-Target', '')}"
        server.requests.append(line)
        headers = {name: value for name, value in self.headers.items() if name.lower() not in _HOP_BY_HOP}
        if server.tokens is not None:
            if self.path.endswith("/v1/oauth/tokens"):
                self._sell(body)
                return
            if self.headers.get("Authorization", "").removeprefix("Bearer ") not in server.tokens:
                self._answer(401, b'{"error": {"message": "expired", "type": "NotAuthorizedException", "code": 401}}')
                return
            headers.pop("Authorization")
        headers.setdefault("Authorization", _ROOT)
        fault = server.next_fault(line)
        if fault == "dropped":
            self.close_connection = True
            return
        upstream = HTTPConnection(server.upstream.netloc)
        upstream.request(self.command, server.upstream.path + self.path, body, headers)
        answer = upstream.getresponse()
        data = answer.read()
        upstream.close()
        if fault == "lost":
            self.close_connection = True
        elif isinstance(fault, int):
            self._answer(fault, b"{}")
        else:
            self._answer(answer.status, data, answer.getheaders())

    do_GET = do_POST = do_PUT = do_DELETE = do_HEAD = _handle  # noqa: N815  # names of the base class

    def _sell(self, body: bytes) -> None:
        form = {name: values[0] for name, values in parse_qs(body.decode()).items()}
        self.server.sold.append(form)
        if (form.get("client_id"), form.get("client_secret")) != ("id", "secret"):
            self._answer(401, b'{"error": "invalid_client", "error_description": "no such client"}')
            return
        assert self.server.tokens is not None
        self.server.tokens.append(f"token-{len(self.server.sold)}")
        token = {"access_token": self.server.tokens[-1], "token_type": "bearer", "expires_in": 3600}
        self._answer(200, json.dumps(token).encode())

    def _answer(self, status: int, body: bytes, headers: Sequence[tuple[str, str]] = ()) -> None:
        self.send_response(status)
        for name, value in headers:
            if name.lower() not in _HOP_BY_HOP:
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


@contextmanager
def catalog_proxy(upstream: str) -> Iterator[CatalogProxy]:
    """Run a proxy while the block does."""
    server = CatalogProxy(upstream)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
