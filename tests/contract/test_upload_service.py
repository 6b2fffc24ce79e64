"""The contract of upload services: the fake, and the adapter on moto and on the emulator."""

from __future__ import annotations

import os
import zlib
from itertools import count
from typing import Any, Protocol

import pytest

from contract.object_backends import LOCALSTACK, MOTO, Endpoint
from penstock.aws.s3.body import HeldBody
from penstock.errors import DestinationMissingError, PenstockError
from penstock.limits import MIB
from penstock.model.object import Content, Target
from penstock.model.upload import OpenUpload, Proof, SentPart
from penstock.testing.upload import KeptProgress, MemoryUploadService
from penstock.upload.ports import UploadService
from penstock.upload.s3_service import S3UploadService

FIRST, LAST = os.urandom(5 * MIB), os.urandom(1000)
_numbers = count(1)


class Backend(Protocol):
    bucket: str

    @property
    def service(self) -> UploadService: ...

    def read(self, key: str) -> bytes: ...


class Memory:
    def __init__(self) -> None:
        self.bucket = "lake"
        self.service = MemoryUploadService(self.bucket)

    def read(self, key: str) -> bytes:
        return self.service.objects[Target(self.bucket, key)].data


class Server:
    def __init__(self, client: Any) -> None:
        self.bucket = f"uploads-{next(_numbers)}"
        self.service = S3UploadService(client)
        self._client = client
        client.create_bucket(Bucket=self.bucket)

    def read(self, key: str) -> bytes:
        data: bytes = self._client.get_object(Bucket=self.bucket, Key=key)["Body"].read()
        return data


@pytest.fixture(params=["memory", MOTO, "emulator", LOCALSTACK])
def backend(request: pytest.FixtureRequest) -> Backend:
    if request.param == "memory":
        return Memory()
    endpoint: Endpoint = request.getfixturevalue(request.param)
    return Server(endpoint.client("s3"))


def send(backend: Backend, upload: OpenUpload, number: int, body: bytes) -> SentPart:
    crc32 = zlib.crc32(body)
    etag = backend.service.send(upload, number, HeldBody(bytearray(body)), crc32=crc32, moved=KeptProgress().add)
    return SentPart(number, len(body), etag, crc32)


def begin(backend: Backend, key: str = "key") -> OpenUpload:
    return backend.service.begin(Target(backend.bucket, key), Content("text/csv"))


def test_parts_become_the_object_when_they_are_completed(backend: Backend) -> None:
    upload = begin(backend)
    parts = [send(backend, upload, 1, FIRST), send(backend, upload, 2, LAST)]
    assert backend.service.existing(upload.target) is None
    published = backend.service.complete(upload, parts, crc32=zlib.crc32(FIRST + LAST))
    assert published
    assert (published.size, published.parts, published.etag[-2:]) == (len(FIRST + LAST), 2, "-2")
    assert backend.read("key") == FIRST + LAST
    existing = backend.service.existing(upload.target)
    assert existing
    assert (existing.size, existing.etag) == (published.size, published.etag)
    assert existing.crc32 in (None, zlib.crc32(FIRST + LAST))


def test_parts_are_listed_with_number_size_and_checksums(backend: Backend) -> None:
    upload = begin(backend)
    assert backend.service.parts(upload) == {}
    sent = send(backend, upload, 2, LAST)
    listed = backend.service.parts(upload)
    assert listed
    assert set(listed) == {2}
    assert (listed[2].size, listed[2].etag) == (len(LAST), sent.etag)
    assert listed[2].crc32 in (None, zlib.crc32(LAST))
    backend.service.abort(upload)


def test_a_part_may_be_sent_again(backend: Backend) -> None:
    upload = begin(backend)
    send(backend, upload, 1, LAST)
    part = send(backend, upload, 1, FIRST)
    backend.service.complete(upload, [part], crc32=zlib.crc32(FIRST))
    assert backend.read("key") == FIRST


def test_listing_or_aborting_a_missing_upload_is_not_an_error(backend: Backend) -> None:
    upload = begin(backend)
    part = send(backend, upload, 1, LAST)
    assert backend.service.abort(upload)
    assert not backend.service.abort(upload)
    assert backend.service.parts(upload) is None
    assert backend.service.existing(upload.target) is None
    assert part.size == len(LAST)


def test_completing_a_missing_upload_returns_none(backend: Backend, request: pytest.FixtureRequest) -> None:
    if "moto" in request.node.name:
        pytest.skip("moto answers otherwise for an upload that is gone")
    upload = begin(backend)
    part = send(backend, upload, 1, LAST)
    backend.service.abort(upload)
    assert backend.service.complete(upload, [part], crc32=part.crc32) is None


def test_unfinished_uploads_are_listed_by_prefix_and_age(backend: Backend) -> None:
    first, second = begin(backend, "in/a"), begin(backend, "in/b")
    begin(backend, "out/c")
    found = backend.service.unfinished(backend.bucket, "in/")
    assert {(one.target, one.id) for one in found} == {(first.target, first.id), (second.target, second.id)}
    assert all(one.age >= 0 for one in found)
    backend.service.abort(first)
    assert [one.id for one in backend.service.unfinished(backend.bucket, "in/")] == [second.id]


def test_a_small_object_is_put_in_one_request(backend: Backend) -> None:
    target = Target(backend.bucket, "small")
    progress = KeptProgress()
    made = backend.service.put(target, Content(), HeldBody(bytearray(LAST)), crc32=zlib.crc32(LAST), moved=progress.add)
    assert (made.size, made.parts, progress.added) == (len(LAST), 0, len(LAST))
    assert backend.read("small") == LAST


def test_a_bucket_that_does_not_exist_is_named_with_a_way_out(backend: Backend) -> None:
    with pytest.raises(DestinationMissingError, match="NoSuchBucket") as missing:
        backend.service.begin(Target("no-such-bucket", "key"), Content())
    assert "create it" in missing.value.hint


def test_damage_in_transit_is_refused(backend: Backend, request: pytest.FixtureRequest) -> None:
    if "moto" in request.node.name:
        pytest.skip("moto verifies no checksums")
    upload = begin(backend)
    with pytest.raises(PenstockError, match="BadDigest"):
        backend.service.send(upload, 1, HeldBody(bytearray(LAST)), crc32=zlib.crc32(LAST) ^ 1, moved=KeptProgress().add)


def test_an_object_with_another_checksum_than_declared_is_refused(
    backend: Backend, request: pytest.FixtureRequest
) -> None:
    if "moto" in request.node.name:
        pytest.skip("moto verifies no checksums")
    upload = begin(backend)
    assert upload.proof is Proof.CRC32
    part = send(backend, upload, 1, LAST)
    with pytest.raises(PenstockError, match="BadDigest"):
        backend.service.complete(upload, [part], crc32=part.crc32 ^ 1)
    assert backend.service.existing(upload.target) is None


def test_a_service_without_full_object_checksums_verifies_each_part_by_its_md5(backend: Backend) -> None:
    upload = OpenUpload(begin(backend).target, "", Proof.MD5)
    if isinstance(backend, Memory):
        backend.service.proof = Proof.MD5
        upload = begin(backend)
    else:
        client: Any = backend._client  # type: ignore[attr-defined]  # a Server's
        made = client.create_multipart_upload(Bucket=backend.bucket, Key="key")
        upload = OpenUpload(upload.target, made["UploadId"], Proof.MD5)
    parts = [send(backend, upload, 1, FIRST), send(backend, upload, 2, LAST)]
    assert backend.service.complete(upload, parts, crc32=zlib.crc32(FIRST + LAST))
    assert backend.read("key") == FIRST + LAST
