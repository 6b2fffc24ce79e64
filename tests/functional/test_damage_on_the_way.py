"""Flipped bits between S3 and a function: below TLS the connection breaks, and S3's checksums detect the rest."""

from __future__ import annotations

import random
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import boto3
import pytest
from botocore.config import Config

from functional.damaging_tls_proxy import DamagingTlsProxy, damaging_tls_proxy
from penstock.aws.backoff import Backoff
from penstock.aws.s3.client import s3_config
from penstock.destinations.bucket.object_store import S3ObjectStore
from penstock.limits import KIB, MIB, Budget
from penstock.model.object import Source
from penstock_local.account import Account, emulator_only

BUCKET = "drops"
BUDGET = Budget(read_chunk=1 * MIB, step=256 * KIB, buffer_bytes=20 * MIB, uploads=3)
DATA = random.Random(3).randbytes(3 * MIB)


@pytest.fixture(scope="module")
def account() -> Iterator[Account]:
    with emulator_only() as account:
        yield account


@pytest.fixture(scope="module")
def server(account: Account) -> Iterator[Any]:
    client = account.client("s3")
    client.create_bucket(Bucket=BUCKET)
    yield client
    client.close()


@pytest.fixture
def proxy(account: Account, tmp_path: Path) -> Iterator[DamagingTlsProxy]:
    at = urlsplit(account.endpoint)
    with damaging_tls_proxy((str(at.hostname), int(at.port or 0)), tmp_path) as proxy:
        yield proxy


@pytest.fixture
def store(account: Account, proxy: DamagingTlsProxy) -> Iterator[S3ObjectStore]:
    client = boto3.client(
        "s3",
        endpoint_url=proxy.url,
        verify=str(proxy.certificate),
        region_name=account.region,
        aws_access_key_id=account.access_key_id,
        aws_secret_access_key=account.secret_access_key,
        config=s3_config(BUDGET).merge(Config(proxies={})),
    )
    yield S3ObjectStore(client, BUDGET, backoff=Backoff(base=0))
    client.close()


@pytest.mark.parametrize("at", [0, 300, 700_000, 2 * MIB])
def test_a_bit_that_flips_beneath_tls_breaks_the_connection_and_is_fetched_again(
    server: Any, proxy: DamagingTlsProxy, store: S3ObjectStore, at: int
) -> None:
    etag = server.put_object(Bucket=BUCKET, Key="plain", Body=DATA)["ETag"].strip('"')
    source = Source(BUCKET, "plain", len(DATA), etag)
    store.head(BUCKET, "plain")
    before, proxy.flip_at = proxy.connections, at
    assert b"".join(store.open_source(source).chunks()) == DATA
    assert proxy.flip_at == -1
    assert proxy.connections > before


def test_the_head_of_an_object_has_the_crc32_of_all_its_bytes(server: Any, store: S3ObjectStore) -> None:
    server.put_object(Bucket=BUCKET, Key="put", Body=DATA, ChecksumAlgorithm="CRC32")
    server.put_object(Bucket=BUCKET, Key="other", Body=DATA, ChecksumAlgorithm="SHA256")
    heads = [store.head(BUCKET, key) for key in ("put", "other")]
    assert [head and head.crc32 for head in heads] == [zlib.crc32(DATA), None]


def test_the_checksum_of_checksums_of_parts_is_not_taken_for_one_of_bytes(server: Any, store: S3ObjectStore) -> None:
    where = {"Bucket": BUCKET, "Key": "composite"}
    upload = server.create_multipart_upload(**where, ChecksumAlgorithm="CRC32")["UploadId"]
    part = server.upload_part(**where, UploadId=upload, PartNumber=1, Body=DATA, ChecksumAlgorithm="CRC32")
    listed = [{"PartNumber": 1, "ETag": part["ETag"], "ChecksumCRC32": part["ChecksumCRC32"]}]
    server.complete_multipart_upload(**where, UploadId=upload, MultipartUpload={"Parts": listed})
    stored = server.head_object(**where, ChecksumMode="ENABLED")
    assert (stored["ChecksumType"], stored["ChecksumCRC32"][-2:]) == ("COMPOSITE", "-1")
    head = store.head(BUCKET, "composite")
    assert head
    assert head.crc32 is None
