"""An S3 server for uploads, in a process of its own, that counts every byte it receives.

    python -m benchmarks.upload_server [--careless] [--rate BYTES_PER_SECOND] [--plain] [--tls FOLDER]

prints its endpoint and serves until its standard input closes. It proves what S3 proves: CRC32 and MD5 of each body,
ETags, sizes and CRC32 of the whole at completion. ``--careless`` proves nothing and hashes nothing, so that it does
not set the pace when clients are compared; its ETags are no MD5s, as under SSE-KMS. ``--rate`` slows each connection
down; ``--plain`` is a service that knows no checksum of the whole. ``GET /`` answers what it has counted, as JSON, and
``GET /?sha256=/BUCKET/KEY`` what an object is.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import ssl
import subprocess
import sys
import time
import xml.etree.ElementTree as ET
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Lock, Thread
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape

from benchmarks.upload_state import Counts, Kept, Part, Upload

from penstock.codecs.checksum import crc32 as crc32_of
from penstock.codecs.checksum import crc32_combine

XML = "<?xml version='1.0' encoding='UTF-8'?>"
STEP = 256 * 1024
MIN_PART = 5 * 1024 * 1024
UNPROVEN = "unproven"


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256

    def __init__(self, *, careless: bool = False, rate: int = 0, plain: bool = False) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.careless = careless
        self.rate = rate
        self.plain = plain
        self.lock = Lock()
        self.counts = Counts()
        self.objects: dict[str, Kept] = {}
        self.uploads: dict[str, Upload] = {}

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that is killed hangs up; that is its own affair."""


class _Refusal(Exception):  # noqa: N818  # an answer of S3's, not a failure of the server
    def __init__(self, status: int, code: str) -> None:
        super().__init__(code)
        self.status = status
        self.code = code


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server

    def _serve(self) -> None:
        url = urlsplit(self.path)
        self.key = unquote(url.path)
        self.query = {name: values[0] for name, values in parse_qs(url.query, keep_blank_values=True).items()}
        operation = self._operation()
        with self.server.lock:
            operations = self.server.counts.operations
            operations[operation] = operations.get(operation, 0) + 1
        body = self._body()
        try:
            getattr(self, operation)(body)
        except _Refusal as refusal:
            error = f"{XML}<Error><Code>{refusal.code}</Code><Message>refused</Message></Error>"
            self._answer(refusal.status, {}, b"" if self.command == "HEAD" else error.encode())

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = _serve  # noqa: N815  # the base class looks for these names

    def _operation(self) -> str:
        query = self.query
        return {
            "GET": "sha256"
            if "sha256" in query
            else "counts"
            if self.key == "/"
            else "list_uploads"
            if "uploads" in query
            else "list_objects"
            if "list-type" in query
            else "list_parts"
            if "uploadId" in query
            else "get_object",
            "HEAD": "head_object",
            "PUT": "upload_part" if "partNumber" in query else "put_object",
            "POST": "begin" if "uploads" in query else "complete",
            "DELETE": "abort" if "uploadId" in query else "delete_object",
        }[self.command]

    def counts(self, _body: bytearray) -> None:
        self._answer(200, {}, json.dumps(vars(self.server.counts)).encode())

    def sha256(self, _body: bytearray) -> None:
        self.key = self.query["sha256"]
        digest = hashlib.sha256()
        for piece in self._object().pieces:
            digest.update(piece)
        self._answer(200, {}, digest.hexdigest().encode())

    def head_object(self, _body: bytearray) -> None:
        kept = self._object()
        checksum = {"x-amz-checksum-crc32": _encoded(kept.crc32), "x-amz-checksum-type": "FULL_OBJECT"}
        self._describe(kept, {} if self.server.plain else checksum)

    def get_object(self, _body: bytearray) -> None:
        kept = self._object()
        self._describe(kept, {})
        for piece in kept.pieces:
            self.wfile.write(piece)

    def _describe(self, kept: Kept, more: dict[str, str]) -> None:
        self.send_response(200)
        self.send_header("ETag", f'"{kept.etag}"')
        self.send_header("Content-Length", str(kept.size))
        self.send_header("Last-Modified", formatdate(kept.modified, usegmt=True))
        for name, value in {**kept.metadata, **more}.items():
            self.send_header(name, value)
        self.end_headers()

    def list_objects(self, _body: bytearray) -> None:
        """All of them, however many are asked for; ``delimiter`` is left to the client."""
        bucket = self.key.strip("/")
        with self.server.lock:
            existing = sorted(self.server.objects.items())
        found = ((path.removeprefix(f"/{bucket}/"), kept) for path, kept in existing if path.startswith(f"/{bucket}/"))
        listed = [
            f"<Contents><Key>{escape(key)}</Key><LastModified>{_stamp(kept.modified)}</LastModified>"
            f"<ETag>&quot;{kept.etag}&quot;</ETag><Size>{kept.size}</Size></Contents>"
            for key, kept in found
            if key.startswith(self.query.get("prefix", ""))
        ]
        about = f"<Name>{bucket}</Name><KeyCount>{len(listed)}</KeyCount><IsTruncated>false</IsTruncated>"
        self._answer_xml("ListBucketResult", about + "".join(listed))

    def put_object(self, body: bytearray) -> None:
        part = self._proven(body)
        with self.server.lock:
            self.server.objects[self.key] = Kept(part.etag, part.crc32, [body], self._metadata())
        self._answer(200, {"ETag": f'"{part.etag}"'})

    def delete_object(self, _body: bytearray) -> None:
        self.server.objects.pop(self.key, None)
        self._answer(204, {})

    def begin(self, _body: bytearray) -> None:
        whole = self.headers.get("x-amz-checksum-type") == "FULL_OBJECT" and not self.server.plain
        with self.server.lock:
            number = f"upload-{sum(self.server.counts.operations.values())}"
            self.server.uploads[number] = Upload(self.key, whole, time.time(), self._metadata())
        headers = {"x-amz-checksum-algorithm": "CRC32", "x-amz-checksum-type": "FULL_OBJECT"} if whole else {}
        self._answer_xml("InitiateMultipartUploadResult", f"<UploadId>{number}</UploadId>", headers)

    def upload_part(self, body: bytearray) -> None:
        upload, part = self._upload(), self._proven(body)
        with self.server.lock:
            upload.parts[int(self.query["partNumber"])] = part
        self._answer(200, {"ETag": f'"{part.etag}"'})

    def list_parts(self, _body: bytearray) -> None:
        upload = self._upload()
        after, most = int(self.query.get("part-number-marker", 0)), int(self.query.get("max-parts", 1000))
        with self.server.lock:
            numbers = sorted(number for number in upload.parts if number > after)
        listed = "".join(
            f"<Part><PartNumber>{number}</PartNumber><ETag>&quot;{upload.parts[number].etag}&quot;</ETag>"
            f"<Size>{len(upload.parts[number].body)}</Size>"
            + (f"<ChecksumCRC32>{_encoded(upload.parts[number].crc32)}</ChecksumCRC32>" if upload.whole else "")
            + "</Part>"
            for number in numbers[:most]
        )
        more = len(numbers) > most
        marker = f"<NextPartNumberMarker>{numbers[most - 1]}</NextPartNumberMarker>" if more else ""
        self._answer_xml("ListPartsResult", f"<IsTruncated>{str(more).lower()}</IsTruncated>{marker}{listed}")

    def list_uploads(self, _body: bytearray) -> None:
        found = (
            (number, upload)
            for number, upload in self.server.uploads.items()
            if upload.path.startswith(f"{self.key.rstrip('/')}/{self.query.get('prefix', '')}")
        )
        listed = "".join(
            f"<Upload><Key>{upload.path.split('/', 2)[2]}</Key><UploadId>{number}</UploadId>"
            f"<Initiated>{_stamp(upload.begun)}</Initiated></Upload>"
            for number, upload in found
        )
        self._answer_xml("ListMultipartUploadsResult", f"<IsTruncated>false</IsTruncated>{listed}")

    def complete(self, body: bytearray) -> None:
        upload = self._upload()
        named = [
            (int(part.findtext("{*}PartNumber") or 0), (part.findtext("{*}ETag") or "").strip('"'))
            for part in ET.fromstring(bytes(body)).iter()
            if part.tag.endswith("}Part")
        ]
        if any(number not in upload.parts or upload.parts[number].etag != etag for number, etag in named):
            raise _Refusal(400, "InvalidPart")
        parts = [upload.parts[number] for number, _ in named]
        if any(len(part.body) < MIN_PART for part in parts[:-1]):
            raise _Refusal(400, "EntityTooSmall")
        crc32 = 0
        for part in parts:
            crc32 = crc32_combine(crc32, part.crc32, len(part.body))
        if upload.whole and not self.server.careless and self.headers.get("x-amz-checksum-crc32") != _encoded(crc32):
            raise _Refusal(400, "BadDigest")
        etag = UNPROVEN
        if not self.server.careless:
            etag = f"{hashlib.md5(b''.join(bytes.fromhex(part.etag) for part in parts)).hexdigest()}-{len(parts)}"
        with self.server.lock:
            self.server.uploads.pop(self.query["uploadId"], None)
            self.server.objects[self.key] = Kept(etag, crc32, [part.body for part in parts], upload.metadata)
        self._answer_xml("CompleteMultipartUploadResult", f"<ETag>&quot;{etag}&quot;</ETag>")

    def abort(self, _body: bytearray) -> None:
        self._upload()
        with self.server.lock:
            self.server.uploads.pop(self.query["uploadId"], None)
        self._answer(204, {})

    def _metadata(self) -> dict[str, str]:
        return {name: value for name, value in self.headers.items() if name.lower().startswith("x-amz-meta-")}

    def _object(self) -> Kept:
        if self.key not in self.server.objects:
            raise _Refusal(404, "NoSuchKey")
        return self.server.objects[self.key]

    def _upload(self) -> Upload:
        upload = self.server.uploads.get(self.query["uploadId"])
        if upload is None or upload.path != self.key:
            raise _Refusal(404, "NoSuchUpload")
        return upload

    def _proven(self, body: bytearray) -> Part:
        """What came in, if it is what the client says it is."""
        if self.server.careless:
            return Part(body, UNPROVEN, 0)
        digest, crc32 = hashlib.md5(body), crc32_of(body)
        if self.headers.get("x-amz-checksum-crc32") not in (None, _encoded(crc32)):
            raise _Refusal(400, "BadDigest")
        if self.headers.get("Content-MD5") not in (None, b64encode(digest.digest()).decode()):
            raise _Refusal(400, "BadDigest")
        return Part(body, digest.hexdigest(), crc32)

    def _body(self) -> bytearray:
        if self.headers.get("Transfer-Encoding") == "chunked":
            body = self._chunks()
        else:
            body = bytearray(int(self.headers["Content-Length"] or 0))
            self._fill(memoryview(body))
        return _unframed(body) if "aws-chunked" in self.headers.get("Content-Encoding", "") else body

    def _chunks(self) -> bytearray:
        body = bytearray()
        while size := int(self.rfile.readline().partition(b";")[0], 16):
            chunk = bytearray(size)
            self._fill(memoryview(chunk))
            body += chunk
            self.rfile.readline()
        self.rfile.readline()
        return body

    def _fill(self, rest: memoryview) -> None:
        while rest:
            size = self.rfile.readinto(rest[:STEP])
            if not size:
                raise ConnectionResetError
            with self.server.lock:
                self.server.counts.received += size if self.command == "PUT" else 0
            if self.server.rate:
                time.sleep(size / self.server.rate)
            rest = rest[size:]

    def _answer_xml(self, name: str, content: str, headers: dict[str, str] | None = None) -> None:
        answer = f'{XML}<{name} xmlns="http://s3.amazonaws.com/doc/2006-03-01/">{content}</{name}>'
        self._answer(200, headers or {}, answer.encode())

    def _answer(self, status: int, headers: dict[str, str], body: bytes = b"") -> None:
        self.send_response_only(status)
        self.send_header("Date", formatdate(usegmt=True))
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the name in the base class
        """Say nothing."""


def _unframed(body: bytearray) -> bytearray:
    """What chunks of AWS's own within a body hold, as the SDKs send them over TLS. Trailers are passed over.

    https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming.html
    """
    plain, at = bytearray(), 0
    while True:
        end = body.index(b"\r\n", at)
        size = int(body[at:end].partition(b";")[0], 16)
        if not size:
            return plain
        at = end + 2
        plain += memoryview(body)[at : at + size]
        at += size + 2


def _stamp(seconds: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))


def _encoded(crc32: int) -> str:
    return b64encode(crc32.to_bytes(4, "big")).decode()


@contextmanager
def upload_server(*options: str) -> Iterator[str]:
    """The endpoint of a server in a process of its own, which ends with the block or with this process."""
    command = [sys.executable, "-m", "benchmarks.upload_server", *options]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[1]
    ) as process:
        assert process.stdin
        assert process.stdout
        yield process.stdout.readline().strip()
        process.stdin.close()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--careless", action="store_true")
    parser.add_argument("--plain", action="store_true")
    parser.add_argument("--rate", type=int, default=0)
    parser.add_argument("--tls", type=Path, help="a folder with cert.pem and key.pem")
    options = parser.parse_args()
    server = _Server(careless=options.careless, rate=options.rate, plain=options.plain)
    if options.tls:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(options.tls / "cert.pem", options.tls / "key.pem")
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    Thread(target=server.serve_forever, daemon=True).start()
    scheme = "https" if options.tls else "http"
    print(f"{scheme}://127.0.0.1:{server.server_address[1]}", flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main()
