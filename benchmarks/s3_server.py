"""An S3 server that costs next to nothing: S3's own CPU is not on a function's bill, an emulator's would set the pace.

    python -m benchmarks.s3_server [LATENCY [FOLDER [WRITES]]]

prints its endpoint and serves until its standard input closes; over TLS with the certificate in FOLDER. It keeps
objects in memory, does what ways of decompressing an object need (ranges, conditions, multipart uploads), and checks
nothing: the benchmark compares results byte for byte, and correctness against S3's rules is tested on the emulator.
"""

from __future__ import annotations

import io
import itertools
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from urllib.parse import parse_qs, urlsplit

XML = "<?xml version='1.0' encoding='UTF-8'?>"
MODIFIED = "Thu, 01 Jan 2026 00:00:00 GMT"
_etags = (f'"{number:032x}"' for number in itertools.count(1))


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 1024  # with five, as is usual, a burst of connections waits a second for its second try

    def __init__(self, latency: float, certificate: str, writes: float) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        if certificate:
            context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
            context.load_cert_chain(f"{certificate}/cert.pem", f"{certificate}/key.pem")
            # The handshake is left to the connection's own thread.
            self.socket = context.wrap_socket(self.socket, server_side=True, do_handshake_on_connect=False)
        self.endpoint = f"http{'s' if certificate else ''}://127.0.0.1:{self.server_address[1]}"
        self.latency = latency
        self.writes = writes
        self.objects: dict[str, tuple[str, list[bytearray]]] = {}
        self.uploads: dict[str, dict[int, bytearray]] = {}  # one open upload a key: who is killed leaves no more

    def handle_error(self, request: object, client_address: object) -> None:
        """A function that is killed hangs up; that is its own affair."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server

    def do_HEAD(self) -> None:
        time.sleep(self.server.writes)
        self._send_object(with_body=False)

    def do_GET(self) -> None:
        time.sleep(self.server.latency)
        self._send_object(with_body=True)

    def do_PUT(self) -> None:
        body, query, etag = self._body(), self._query(), next(_etags)
        time.sleep(self.server.writes)
        if "partNumber" in query:
            self.server.uploads[self._key()][int(query["partNumber"])] = body
        else:
            self.server.objects[self._key()] = (etag, [body])
        self._answer(200, {"ETag": etag})

    def do_POST(self) -> None:
        self._body()
        time.sleep(self.server.writes)
        query, etag = self._query(), next(_etags)
        if "uploads" in query:
            self.server.uploads[self._key()] = {}
            name, content = "InitiateMultipartUploadResult", "<UploadId>1</UploadId>"
        else:
            parts = self.server.uploads.pop(self._key())
            self.server.objects[self._key()] = (etag, [parts[number] for number in sorted(parts)])
            name, content = "CompleteMultipartUploadResult", f"<ETag>{etag}</ETag>"
        self._answer(200, {}, f"{XML}<{name}>{content}</{name}>".encode())

    def do_DELETE(self) -> None:
        (self.server.uploads if "uploadId" in self._query() else self.server.objects).pop(self._key(), None)
        self._answer(204, {})

    def _send_object(self, *, with_body: bool) -> None:
        if self._key() not in self.server.objects:
            return self._answer(404, {})
        etag, pieces = self.server.objects[self._key()]
        size = sum(map(len, pieces))
        first, last = 0, size - 1
        headers = {"ETag": etag, "Accept-Ranges": "bytes", "Last-Modified": MODIFIED}
        if wanted := self.headers["Range"]:
            start, _, end = wanted.removeprefix("bytes=").partition("-")
            first, last = (int(start), min(int(end or last), last)) if start else (max(0, size - int(end)), last)
            headers["Content-Range"] = f"bytes {first}-{last}/{size}"
        self.send_response(206 if wanted else 200)
        for name, value in {**headers, "Content-Length": str(last + 1 - first)}.items():
            self.send_header(name, value)
        self.end_headers()
        for piece in pieces if with_body else ():
            self.wfile.write(memoryview(piece)[max(first, 0) : max(last + 1, 0)])
            first, last = first - len(piece), last - len(piece)
        return None

    def _body(self) -> bytearray:
        if self.headers["Transfer-Encoding"] != "chunked":
            return self._exactly(int(self.headers["Content-Length"] or 0))
        body = self._chunks(self.rfile)
        return body if self.headers["Content-Encoding"] != "aws-chunked" else self._chunks(io.BytesIO(body))

    def _chunks(self, stream: io.BufferedIOBase) -> bytearray:
        """What chunks hold: those of HTTP, or those of AWS within them. Trailers are passed over."""
        body = bytearray()
        while size := int(stream.readline(), 16):
            body += stream.read(size)
            stream.readline()
        while stream.readline().strip():
            pass
        return body

    def _exactly(self, size: int) -> bytearray:
        body = bytearray(size)
        rest = memoryview(body)
        while rest:
            rest = rest[self.rfile.readinto(rest) :]
        return body

    def _key(self) -> str:
        return urlsplit(self.path).path

    def _query(self) -> dict[str, str]:
        return {name: values[0] for name, values in parse_qs(urlsplit(self.path).query, keep_blank_values=True).items()}

    def _answer(self, status: int, headers: dict[str, str], body: bytes = b"") -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name in the base class
        """Say nothing."""


@contextmanager
def s3_server(latency: float = 0.0, certificate: Path | str = "", *, writes: float = 0.0) -> Iterator[str]:
    """The endpoint of a server in a process of its own, which ends with the block or with this process.

    ``latency``: seconds that it lets pass before it answers a GET, as S3 does whatever the size. ``certificate``: the
    folder of one (`benchmarks.certificate`), to speak TLS. ``writes``: seconds before it answers a HEAD, PUT or POST.
    """
    command = [sys.executable, "-m", "benchmarks.s3_server", str(latency), str(certificate), str(writes)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin
        assert process.stdout
        yield process.stdout.readline().strip()
        process.stdin.close()


def main() -> None:
    arguments = dict(enumerate(sys.argv))
    server = _Server(float(arguments.get(1, 0)), arguments.get(2, ""), float(arguments.get(3, 0)))
    Thread(target=server.serve_forever, daemon=True).start()
    print(server.endpoint, flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main()
