"""The requests of the S3 adapter: each body once, unsigned, not chunked, with a checksum for S3 to verify."""

from __future__ import annotations

import zlib
from base64 import b64encode
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import botocore
import pytest
from moto.server import ThreadedMotoServer

from penstock.aws.s3.client import s3_config
from penstock.aws.s3.source import READ_AHEAD
from penstock.aws.sdk import AwsSession
from penstock.destinations.bucket.object_store import S3ObjectStore
from penstock.destinations.ports import Verdict
from penstock.limits import MIB, Budget, PartPlan
from penstock.model.object import Content, Source, Target

BUDGET = Budget(read_chunk=1 * MIB, step=256 * 1024, buffer_bytes=20 * MIB, uploads=3)
LARGE = bytes(11 * MIB)


class Wire:
    """The requests of every operation: URL and headers, in lower case."""

    def __init__(self, client: Any) -> None:
        self.sent: dict[str, list[dict[str, str]]] = {}
        client.meta.events.register("before-send.s3.*", self._note)

    def _note(self, request: Any, event_name: str, **_: Any) -> None:
        headers = {
            name.lower(): value.decode() if isinstance(value, bytes) else str(value)
            for name, value in request.headers.items()
        }
        self.sent.setdefault(event_name.rpartition(".")[2], []).append(headers | {"url": request.url})


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    server = ThreadedMotoServer("127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def client(endpoint: str) -> Iterator[Any]:
    client = AwsSession().client("s3", endpoint_url=endpoint, config=s3_config(BUDGET))
    client.create_bucket(Bucket="lake")
    client.put_bucket_versioning(Bucket="lake", VersioningConfiguration={"Status": "Enabled"})
    yield client
    client.delete_object(Bucket="lake", Key="out")
    client.close()


def deliver(client: Any, data: bytes) -> Wire:
    wire = Wire(client)
    store = S3ObjectStore(client, BUDGET, plan=PartPlan(first=5 * MIB, largest=10 * MIB))
    with store.open_sink(Target("lake", "out"), Content(), lambda existing: Verdict.REPLACE) as sink:
        sink.write(data)
        sink.publish(crc32=zlib.crc32(data))
    return wire


def encoded_crc(data: bytes) -> str:
    return b64encode(zlib.crc32(data).to_bytes(4, "big")).decode()


@pytest.mark.parametrize(
    ("data", "operation", "requests"),
    [(b"small", "PutObject", 1), (LARGE, "UploadPart", 3)],
    ids=["single PUT", "parts"],
)
def test_a_body_is_sent_as_it_is_without_asking_first(client: Any, data: bytes, operation: str, requests: int) -> None:
    sent = deliver(client, data).sent[operation]
    assert len(sent) == requests
    for headers in sent:
        assert headers["x-amz-content-sha256"] == "UNSIGNED-PAYLOAD"
        assert not headers.keys() & {"expect", "transfer-encoding", "content-encoding", "x-amz-trailer", "content-md5"}


def test_every_request_says_briefly_who_sends_it(client: Any) -> None:
    sent = deliver(client, b"small").sent
    # Powertools adds its own name once a test of this process has imported it.
    agents = {headers["user-agent"].partition(" PT/")[0] for requests in sent.values() for headers in requests}
    assert agents == {f"Botocore/{botocore.__version__} penstock"}


def test_every_part_has_its_checksum_and_the_completion_that_of_the_object(client: Any) -> None:
    sent = deliver(client, LARGE).sent
    assert {headers["x-amz-checksum-crc32"] for headers in sent["UploadPart"]} == {
        encoded_crc(LARGE[: 5 * MIB]),
        encoded_crc(LARGE[10 * MIB :]),
    }
    (creation,) = sent["CreateMultipartUpload"]
    assert (creation["x-amz-checksum-algorithm"], creation["x-amz-checksum-type"]) == ("CRC32", "FULL_OBJECT")
    (completion,) = sent["CompleteMultipartUpload"]
    assert completion["x-amz-checksum-crc32"] == encoded_crc(LARGE)
    assert completion["x-amz-checksum-type"] == "FULL_OBJECT"
    assert completion["x-amz-mp-object-size"] == str(len(LARGE))
    assert completion["if-none-match"] == "*"


def test_a_single_put_carries_its_checksum_and_its_condition(client: Any) -> None:
    (first,) = deliver(client, b"small").sent["PutObject"]
    assert (first["x-amz-checksum-crc32"], first["if-none-match"]) == (encoded_crc(b"small"), "*")
    etag = client.head_object(Bucket="lake", Key="out")["ETag"]
    (second,) = deliver(client, b"again").sent["PutObject"]
    assert second["if-match"] == etag


def test_every_range_is_pinned(client: Any) -> None:
    put = client.put_object(Bucket="lake", Key="in", Body=bytes(2 * MIB + 1))
    wire = Wire(client)
    source = Source("lake", "in", 2 * MIB + 1, put["ETag"].strip('"'), put["VersionId"])
    store = S3ObjectStore(client, replace(BUDGET, read_chunk=MIB // READ_AHEAD))
    assert sum(map(len, store.open_source(source).chunks())) == source.size
    requests = wire.sent["GetObject"]
    assert [headers["range"] for headers in requests] == [
        "bytes=0-1048575",
        "bytes=1048576-2097151",
        "bytes=2097152-2097152",
    ]
    assert all(headers["if-match"] == put["ETag"] for headers in requests)
    assert all(f"versionId={put['VersionId']}" in headers["url"] for headers in requests)
