"""The contract of readers of small objects: the named source, or an error that says what happened to it."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from typing import Any

import boto3
import pytest
from benchmarks.certificate import certificate
from benchmarks.s3_server import s3_server
from botocore.awsrequest import AWSResponse
from urllib3.util import wait_for_read

from contract.object_backends import MemoryBackend, ObjectBackend, S3Backend, SimulatedBackend
from penstock.aws.s3.direct import S3Endpoint
from penstock.aws.s3.small_reader import S3SmallReader
from penstock.delivery.ports import ObjectReader
from penstock.errors import AccessDeniedError, SourceChangedError, SourceGoneError
from penstock.model.object import Source

KEYS = ["a.json", "in/a b+c%20d%.json", "in/ünïcode-日本語~.json", "//in//x", "k" * 1024]


def credentials() -> Any:
    return boto3.Session(aws_access_key_id="test", aws_secret_access_key="test").get_credentials()


@pytest.fixture
def reader(objects: ObjectBackend) -> ObjectReader:
    if isinstance(objects, SimulatedBackend):
        return S3SmallReader(objects.client, None)  # by the client, as without credentials
    if isinstance(objects, S3Backend):
        return S3SmallReader(objects.client, credentials())
    assert isinstance(objects, MemoryBackend)
    return objects.store


@pytest.mark.parametrize("key", KEYS)
def test_a_source_with_any_key_is_read_completely(objects: ObjectBackend, reader: ObjectReader, key: str) -> None:
    for bucket in (objects.versioned, objects.plain):
        assert reader.read(objects.put(bucket, key, b"content")) == b"content"


def test_an_empty_source_has_no_bytes(objects: ObjectBackend, reader: ObjectReader) -> None:
    assert reader.read(objects.put(objects.versioned, "key", b"")) == b""


def test_a_source_that_was_overwritten_has_changed(objects: ObjectBackend, reader: ObjectReader) -> None:
    for bucket in (objects.versioned, objects.plain):
        source = objects.put(bucket, "key", b"old")
        objects.put(bucket, "key", b"new")
        with pytest.raises(SourceChangedError):
            reader.read(source)


def test_a_source_that_was_overwritten_with_the_same_bytes_is_another_version(
    objects: ObjectBackend, reader: ObjectReader
) -> None:
    source = objects.put(objects.versioned, "key", b"same")
    again = objects.put(objects.versioned, "key", b"same")
    with pytest.raises(SourceChangedError):
        reader.read(source)
    assert reader.read(again) == b"same"


def test_a_deleted_source_is_gone_although_its_version_still_exists(
    objects: ObjectBackend, reader: ObjectReader
) -> None:
    for bucket in (objects.versioned, objects.plain):
        source = objects.put(bucket, "key", b"content")
        objects.delete(bucket, "key")
        with pytest.raises(SourceGoneError):
            reader.read(source)


def test_a_source_of_another_size_than_its_event_says_has_changed(objects: ObjectBackend, reader: ObjectReader) -> None:
    source = objects.put(objects.versioned, "key", b"content")
    with pytest.raises(SourceChangedError):
        reader.read(replace(source, size=source.size + 1))


class Hangup(HTTPServer):
    """A server that echoes requests and keeps connections open. It closes the connection after /last."""

    connections = 0

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        server: Hangup

        def setup(self) -> None:
            self.server.connections += 1
            super().setup()

        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(len(self.path)))
            self.end_headers()
            self.wfile.write(self.path.encode())
            self.close_connection = self.path == "/last"

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the base class calls it so
            pass


@pytest.fixture
def hangup() -> Iterator[Hangup]:
    with Hangup(("127.0.0.1", 0), Hangup.Handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


def test_a_connection_is_used_again_until_the_server_gives_it_up(hangup: Hangup) -> None:
    endpoint = S3Endpoint(f"http://127.0.0.1:{hangup.server_port}/-")
    assert [endpoint.send("GET", path, {})[1] for path in ("/a", "/b", "/last")] == [b"/a", b"/b", b"/last"]
    assert hangup.connections == 1
    assert wait_for_read(endpoint._idle[0].sock, timeout=5)
    assert endpoint.send("GET", "/last", {})[1] == b"/last"
    assert hangup.connections == 2


def sent_by(client: Any) -> list[str]:
    """The requests that a client sends from now on, except the one that only resolves its address."""
    events: list[str] = []

    def note(event_name: str, request: Any, **_: Any) -> None:
        if not request.url.endswith("/-"):
            events.append(event_name)

    client.meta.events.register("before-send.s3.*", note)
    return events


class TestOnTheWire:
    """How the S3 adapter sends requests."""

    @pytest.fixture
    def s3(self, moto: Any) -> S3Backend:
        return S3Backend(moto.client("s3"), strict_completion=False)

    @pytest.fixture
    def asked(self, s3: S3Backend) -> list[str]:
        """The requests that the client sent."""
        return sent_by(s3.client)

    def test_what_is_as_expected_goes_past_the_client(self, s3: S3Backend, asked: list[str]) -> None:
        source = s3.put(s3.versioned, "key", b"content")
        asked.clear()
        assert S3SmallReader(s3.client, credentials()).read(source) == b"content"
        assert asked == []

    def test_what_says_that_it_is_compressed_is_left_so(self, s3: S3Backend, asked: list[str]) -> None:
        body = gzip.compress(b"content")
        source = s3.put(s3.plain, "key", body)
        s3.client.put_object(Bucket=s3.plain, Key="key", Body=body, ContentEncoding="gzip")
        asked.clear()
        assert S3SmallReader(s3.client, credentials()).read(source) == body
        assert asked == []

    def test_behind_a_proxy_all_goes_through_the_client(
        self, s3: S3Backend, asked: list[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        source = s3.put(s3.versioned, "key", b"content")
        monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
        monkeypatch.delenv("no_proxy", raising=False)
        monkeypatch.delenv("NO_PROXY", raising=False)
        asked.clear()
        assert S3SmallReader(s3.client, credentials()).read(source) == b"content"
        assert asked == ["before-send.s3.GetObject"]

    def test_over_tls_the_clients_certificates_are_trusted(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        with certificate() as folder, s3_server(certificate=folder) as endpoint:
            trusted = str(folder / "cert.pem")
            client: Any = boto3.client(
                "s3",
                endpoint_url=endpoint,
                region_name="us-east-1",
                verify=trusted,
                aws_access_key_id="test",
                aws_secret_access_key="test",
            )
            etag = client.put_object(Bucket="drops", Key="key", Body=b"content")["ETag"].strip('"')
            asked = sent_by(client)
            source = Source("drops", "key", 7, etag=etag)
            assert S3SmallReader(client, credentials(), trusted).read(source) == b"content"
            assert asked == []

    def test_other_responses_are_requested_again_with_the_client(self, s3: S3Backend, asked: list[str]) -> None:
        source = s3.put(s3.versioned, "key", b"content")
        s3.delete(s3.versioned, "key")
        asked.clear()
        with pytest.raises(SourceGoneError):
            S3SmallReader(s3.client, credentials()).read(source)
        assert asked == ["before-send.s3.GetObject"]

    def test_without_credentials_or_etag_the_client_sends_the_request(self, s3: S3Backend, asked: list[str]) -> None:
        source = s3.put(s3.versioned, "key", b"content")
        asked.clear()
        assert S3SmallReader(s3.client, None).read(source) == b"content"
        assert S3SmallReader(s3.client, credentials()).read(replace(source, etag="")) == b"content"
        assert asked == ["before-send.s3.GetObject"] * 2

    def test_a_refusal_names_the_missing_right_as_everywhere(self, s3: S3Backend) -> None:
        class Forbidden(AWSResponse):
            content = b"<Error><Code>AccessDenied</Code></Error>"

        def refuse(request: Any, **_: Any) -> AWSResponse:
            headers: Any = {}
            return Forbidden(request.url, 403, headers, None)

        source = s3.put(s3.versioned, "key", b"content")
        s3.client.meta.events.register("before-send.s3.GetObject", refuse)
        with pytest.raises(AccessDeniedError, match=r"s3:GetObject on s3://"):
            S3SmallReader(s3.client, credentials()).read(replace(source, etag="0" * 32))
