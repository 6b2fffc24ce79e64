"""A proxy before an S3 server that counts: requests, and the bytes of objects that went either way."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock, Thread
from urllib.parse import parse_qs, urlsplit


@dataclass
class Counts:
    """``transfers``: objects or parts sent or fetched; ``moved``: their bytes. Listings and HEADs are neither.

    ``kinds``: requests by HTTP method, or by operation for a service that names it in a header.
    """

    host: str
    port: int
    url: str = ""
    requests: int = 0
    transfers: int = 0
    moved: int = 0
    kinds: Counter[str] = field(default_factory=Counter)
    lock: Lock = field(default_factory=Lock)

    def reset(self) -> None:
        with self.lock:
            self.requests = self.transfers = self.moved = 0
            self.kinds.clear()

    def count(self, method: str, path: str, sent: int, answered: int, operation: str = "") -> None:
        split = urlsplit(path)
        query = parse_qs(split.query, keep_blank_values=True)
        of_object = split.path.strip("/").count("/") > 0 and set(query) <= {"partNumber", "uploadId", "x-id"}
        moved = {"GET": answered, "PUT": sent}.get(method, 0) if of_object else 0
        with self.lock:
            self.requests += 1
            self.kinds[operation or method] += 1
            self.transfers += moved > 0
            self.moved += moved


@contextmanager
def counting_proxy(backend: str) -> Iterator[Counts]:
    """Run a proxy before the server at a URL, in threads of this process."""
    split = urlsplit(backend)
    counts = Counts(str(split.hostname), int(split.port or 80))
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"counts": counts}))
    server.daemon_threads = True
    counts.url = f"http://127.0.0.1:{server.server_port}"
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield counts
    finally:
        server.shutdown()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    counts: Counts

    def setup(self) -> None:
        super().setup()
        self._backend = HTTPConnection(self.counts.host, self.counts.port)

    def finish(self) -> None:
        self._backend.close()
        super().finish()

    def _pass(self) -> None:
        sent = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self._backend.request(self.command, self.path, sent or None, dict(self.headers.items()))
        answer = self._backend.getresponse()
        body = answer.read()
        # Before the client may end: who reads the counts then must find this request among them.
        operation = self.headers.get("X-Amz-Target", "").rpartition(".")[2]
        self.counts.count(self.command, self.path, len(sent), len(body), operation)
        self.send_response_only(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in {"transfer-encoding", "connection", "content-length"}:
                self.send_header(name, value)
        self.send_header("Content-Length", answer.getheader("Content-Length") or str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = _pass  # noqa: N815  # the base class looks for these names

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the name in the base class
        """Say nothing."""
