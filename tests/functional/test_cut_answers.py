"""A response whose connection ends before its end is not a response, although botocore accepts it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest
from botocore.config import Config

from penstock.aws.access import Access
from penstock.aws.errors import translating
from penstock.aws.s3.client import s3_config
from penstock.aws.session import DEFAULT_CONFIG, session
from penstock.errors import ServiceUnavailableError
from penstock.limits import MIB, Budget

ITEM = b'{"Item": {"pk": {"S": "job"}}}'
UPLOAD = b"<InitiateMultipartUploadResult><UploadId>ours</UploadId></InitiateMultipartUploadResult>"
LISTED = b"<ListBucketResult><KeyCount>0</KeyCount></ListBucketResult>"
# The client's own retries; this test does not check their delays.
HURRY = Config(retries={"mode": "standard", "total_max_attempts": 2}, proxies={})

Ask = Callable[[Any], Any]


class Server(ThreadingHTTPServer):
    """A server that responds with ``body``, of which only ``kept`` bytes arrive the first times."""

    body = b""
    kept = 0
    cuts = 0
    asked = 0


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Server

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.server.asked += 1
        self.send_response(200)
        self.send_header("Content-Length", str(len(self.server.body)))
        self.end_headers()
        cut = self.server.asked <= self.server.cuts
        self.wfile.write(b"" if self.command == "HEAD" else self.server.body[: self.server.kept if cut else None])
        self.close_connection = True

    do_GET = do_HEAD = do_POST  # noqa: N815  (the base class looks for these names)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  (the base class names it so)
        """Quiet."""


@contextmanager
def serving(body: bytes, kept: int, cuts: int) -> Iterator[Server]:
    server = Server(("127.0.0.1", 0), Handler)
    server.body, server.kept, server.cuts = body, kept, cuts
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def client(service: str, server: Server) -> Any:
    config = s3_config(Budget.of(128 * MIB)) if service == "s3" else DEFAULT_CONFIG
    url = f"http://127.0.0.1:{server.server_port}"
    return session().client(service, endpoint_url=url, config=config.merge(HURRY))


def get_item(client: Any) -> Any:
    return client.get_item(TableName="jobs", Key={"pk": {"S": "job"}})["Item"]


def create_upload(client: Any) -> Any:
    return client.create_multipart_upload(Bucket="out", Key="data")["UploadId"]


CASES = pytest.mark.parametrize(
    ("service", "body", "ask", "answer"),
    [("dynamodb", ITEM, get_item, {"pk": {"S": "job"}}), ("s3", UPLOAD, create_upload, "ours")],
)


@CASES
@pytest.mark.parametrize("kept", [0, 1, 20, -1])
def test_a_cut_response_is_requested_again(service: str, body: bytes, ask: Ask, answer: object, kept: int) -> None:
    with serving(body, kept, cuts=1) as server:
        assert ask(client(service, server)) == answer
        assert server.asked == 2


@CASES
@pytest.mark.parametrize("kept", [0, 20])
def test_if_every_response_is_cut_the_service_is_unavailable(
    service: str, body: bytes, ask: Ask, answer: object, kept: int
) -> None:
    with (
        serving(body, kept, cuts=9) as server,
        pytest.raises(ServiceUnavailableError, match="truncated"),
        translating("asking"),
    ):
        ask(client(service, server))


def test_the_client_of_the_command_knows_as_well() -> None:
    with serving(LISTED, 0, cuts=1) as server:
        quick = Access(endpoint_url=f"http://127.0.0.1:{server.server_port}").client("s3")
        assert quick.list_objects_v2(Bucket="out")["KeyCount"] == 0
        assert server.asked == 2


def test_an_answer_without_a_body_may_promise_one() -> None:
    with serving(ITEM, 0, cuts=0) as server:
        assert client("s3", server).head_object(Bucket="out", Key="data")["ContentLength"] == len(ITEM)
        assert server.asked == 1
