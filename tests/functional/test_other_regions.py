"""Buckets in other regions than the functions: S3 redirects, and the clients follow.

The names of hosts are those of AWS. Requests are checked as S3 checks them, and passed on to a server on this machine.
https://docs.aws.amazon.com/AmazonS3/latest/userguide/Redirects.html
"""

from __future__ import annotations

import io
import zlib
from collections.abc import Iterator
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

import boto3
import pytest
import urllib3
from botocore.awsrequest import AWSResponse
from moto.server import ThreadedMotoServer

from penstock.aws.errors import translating
from penstock.aws.s3.client import s3_config
from penstock.aws.sdk import AwsSession
from penstock.destinations.bucket.object_store import S3ObjectStore
from penstock.destinations.ports import Verdict
from penstock.errors import RequestRefusedError, ServiceUnavailableError
from penstock.limits import MIB, Budget, PartPlan
from penstock.model.object import Content, Source, Target

HERE = "us-east-1"
REGIONS = {"orders": "eu-west-1", "lake": "ap-southeast-2", "near": HERE}
BUDGET = Budget(read_chunk=1 * MIB, step=256 * 1024, buffer_bytes=20 * MIB, uploads=3)
LARGE = bytes(11 * MIB)
REDIRECT = b"<Error><Code>PermanentRedirect</Code><Message>Use the endpoint of its region.</Message></Error>"


class Body(io.BytesIO):
    def stream(self, *_: object, **__: object) -> Iterator[bytes]:
        yield self.read()


class S3OfAllRegions:
    """Answers the requests of a client: by a redirection if the endpoint or the signature is that of another region."""

    def __init__(self, server: str, *, named: str = "") -> None:
        self.server = server
        self.named = named
        self.seen: list[tuple[str, str, bool]] = []

    def attach(self, client: Any) -> None:
        client.meta.events.register("before-send.s3", self._answer)

    def _answer(self, request: Any, **_: object) -> AWSResponse:
        address = urlsplit(request.url)
        bucket = address.netloc.partition(".")[0]
        signed = request.headers["Authorization"]
        signed = signed.decode() if isinstance(signed, bytes) else signed
        region = REGIONS[bucket]
        reached = f".{region}." in address.netloc and signed.split("/")[2] == region
        self.seen.append((request.method, bucket, reached))
        if not reached:
            body = b"" if request.method == "HEAD" else REDIRECT
            named: Any = {"x-amz-bucket-region": self.named or region}
            return AWSResponse(request.url, HTTPStatus.MOVED_PERMANENTLY, named, Body(body))
        path = f"/{bucket}{address.path}" + (f"?{address.query}" if address.query else "")
        answer = urllib3.request(
            request.method, self.server + path, headers=dict(request.headers.items()), body=request.body, retries=False
        )
        headers: Any = dict(answer.headers)
        return AWSResponse(request.url, answer.status, headers, Body(answer.data))


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    moto = ThreadedMotoServer("127.0.0.1", port=0)
    moto.start()
    host, port = moto.get_host_and_port()
    yield f"http://{host}:{port}"
    moto.stop()


def client_of(service: S3OfAllRegions) -> Any:
    client = AwsSession().client("s3", region_name=HERE, config=s3_config(BUDGET))
    service.attach(client)
    return client


@pytest.fixture
def service(server: str) -> S3OfAllRegions:
    near = boto3.client("s3", endpoint_url=server, region_name=HERE)
    for bucket in REGIONS:
        near.create_bucket(Bucket=bucket)
    return S3OfAllRegions(server)


@pytest.fixture
def store(service: S3OfAllRegions) -> S3ObjectStore:
    return S3ObjectStore(client_of(service), BUDGET, plan=PartPlan(first=5 * MIB, largest=10 * MIB))


@pytest.mark.parametrize("data", [b"small", LARGE], ids=["single PUT", "parts"])
def test_an_object_is_carried_from_one_region_to_another(
    server: str, store: S3ObjectStore, service: S3OfAllRegions, data: bytes
) -> None:
    put = boto3.client("s3", endpoint_url=server, region_name=HERE).put_object(Bucket="orders", Key="in", Body=data)
    head = store.head("orders", "in")
    assert head
    source = Source("orders", "in", head.size, put["ETag"].strip('"'))
    with store.open_sink(Target("lake", "out"), Content(), lambda _: Verdict.REPLACE) as sink:
        for chunk in store.open_source(source).chunks():
            sink.write(chunk)
        sink.publish(crc32=zlib.crc32(data))
    stored = boto3.client("s3", endpoint_url=server, region_name=HERE).get_object(Bucket="lake", Key="out")
    assert stored["Body"].read() == data
    # The region of a bucket is asked for once in the life of a client, but several threads may ask at the same time.
    redirected = [bucket for _, bucket, reached in service.seen if not reached]
    assert redirected.count("orders") == 1
    assert 1 <= redirected.count("lake") <= BUDGET.uploads


def test_a_bucket_of_the_own_region_is_reached_at_once(store: S3ObjectStore, service: S3OfAllRegions) -> None:
    assert store.head("near", "nothing") is None
    assert service.seen == [("HEAD", "near", True)]


def test_a_redirection_that_leads_nowhere_is_a_permanent_error(server: str) -> None:
    store = S3ObjectStore(client_of(S3OfAllRegions(server, named="eu-central-1")), BUDGET)
    with pytest.raises(RequestRefusedError, match=r"s3://orders/in .* the bucket is in eu-central-1") as caught:
        store.head("orders", "in")
    assert "an endpoint of a VPC reaches its own region only" in caught.value.hint


@pytest.mark.parametrize(
    ("response", "region"),
    [
        (
            {
                "Error": {"Code": "PermanentRedirect"},
                "ResponseMetadata": {"HTTPStatusCode": 301, "HTTPHeaders": {"x-amz-bucket-region": "eu-west-1"}},
            },
            "eu-west-1",
        ),
        (
            {
                "Error": {"Code": "AuthorizationHeaderMalformed", "Region": "eu-north-1"},
                "ResponseMetadata": {"HTTPStatusCode": 400},
            },
            "eu-north-1",
        ),
        ({"Error": {"Code": "301"}, "ResponseMetadata": {"HTTPStatusCode": 301}}, "another region"),
    ],
)
def test_a_redirection_that_is_not_followed_names_the_region(response: Any, region: str) -> None:
    error = boto3.client("s3", region_name=HERE).exceptions.ClientError(response, "HeadObject")
    with (
        pytest.raises(RequestRefusedError, match=f"s3:GetObject on s3://b/k: the bucket is in {region}"),
        translating("s3:GetObject on s3://b/k"),
    ):
        raise error


def test_a_new_bucket_whose_name_is_not_known_everywhere_is_tried_again() -> None:
    response: Any = {"Error": {"Code": "TemporaryRedirect"}, "ResponseMetadata": {"HTTPStatusCode": 307}}
    error = boto3.client("s3", region_name=HERE).exceptions.ClientError(response, "PutObject")
    with pytest.raises(ServiceUnavailableError), translating("s3:PutObject on s3://b/k"):
        raise error
