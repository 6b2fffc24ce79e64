"""Parquet files and the records of their spans on a server with the protocol of S3."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from itertools import count
from typing import Any

import pytest
from simulation.dynamodb import refused
from simulation.s3 import MemoryS3

from contract.object_backends import BUDGET, LOCALSTACK, Endpoint
from penstock.destinations.parquet.file_store import file_name
from penstock.destinations.parquet.s3_files import S3Files
from penstock.destinations.parquet.span_files import SpanFile
from penstock.destinations.parquet.versioned_files import S3VersionedFiles
from penstock.errors import IncompleteJobError, PenstockError, RetryableError, UploadConflictError
from penstock.limits import MIB
from penstock.model.data_file import DataFile

JOB, TOKEN = "0123456789abcdef0123456789abcdef", "a" * 32
_numbers = count(1)


class Bucket:
    """A new bucket, and what a job writes to it."""

    def __init__(self, client: Any) -> None:
        self.client = client
        self.bucket = f"lake-files-{next(_numbers)}"
        client.create_bucket(Bucket=self.bucket)
        self.store = S3Files(client, BUDGET)

    def write(self, data: bytes, span: int = 0, number: int = 0, token: str = TOKEN) -> SpanFile:
        file = self.store.open(f"s3://{self.bucket}/out/{file_name(JOB, span, number)}", JOB, token)
        for start in range(0, len(data), MIB):
            file.write(memoryview(data)[start : start + MIB])
        assert file.held < 16 * MIB
        return file.finish(DataFile(file.uri, len(data), 1))

    def keys(self) -> list[str]:
        return [one["Key"] for one in self.client.list_objects_v2(Bucket=self.bucket).get("Contents", ())]

    def open_uploads(self) -> int:
        return len(self.client.list_multipart_uploads(Bucket=self.bucket).get("Uploads", ()))

    def read(self, file: SpanFile) -> bytes:
        key = file.data.uri.removeprefix(f"s3://{self.bucket}/")
        data: bytes = self.client.get_object(Bucket=self.bucket, Key=key)["Body"].read()
        return data


@pytest.fixture(params=["emulator", "simulated", LOCALSTACK])
def place(request: pytest.FixtureRequest) -> Iterator[Bucket]:
    if request.param == "simulated":
        place = Bucket(MemoryS3())
    else:
        endpoint: Endpoint = request.getfixturevalue(request.param)
        place = Bucket(endpoint.client("s3"))
    yield place
    place.store.close()


@pytest.mark.parametrize("size", [0, 1000, 11 * MIB])
def test_a_file_is_visible_when_it_is_published_and_not_before(place: Bucket, size: int) -> None:
    data = os.urandom(size)
    file = place.write(data)
    assert (place.keys(), place.open_uploads()) == ([], 1)
    place.store.publish(file, JOB, TOKEN)
    place.store.publish(file, JOB, TOKEN)  # the answer to the first request was lost
    assert (place.read(file), place.open_uploads()) == (data, 0)


def test_a_completion_that_meets_another_request_can_be_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Found by `make simulate`: the upload was taken for one that has ended, and the job failed for good."""
    s3 = MemoryS3()
    place = Bucket(s3)
    file = place.write(b"rows")
    with monkeypatch.context() as patch:
        patch.setattr(s3, "complete_multipart_upload", conflict)
        with pytest.raises(UploadConflictError):
            place.store.publish(file, JOB, TOKEN)
    assert issubclass(UploadConflictError, RetryableError)
    place.store.publish(file, JOB, TOKEN)
    assert (place.read(file), place.open_uploads()) == (b"rows", 0)


def conflict(**request: Any) -> None:
    raise refused("CompleteMultipartUpload", "ConditionalRequestConflict", status=409)


def test_damaged_bytes_are_never_published(place: Bucket) -> None:
    file = place.write(b"x" * 1000)
    with pytest.raises(PenstockError, match=r"BadDigest|checksum"):
        place.store.publish(replace(file, crc32=file.crc32 ^ 1), JOB, TOKEN)
    assert place.keys() == []


def test_a_file_of_another_attempt_is_replaced_and_a_lost_one_is_an_error(place: Bucket) -> None:
    earlier = place.write(b"earlier", token="b" * 32)
    place.store.publish(earlier, JOB, "b" * 32)
    file = place.write(b"now")
    place.store.publish(file, JOB, TOKEN)
    assert place.read(file) == b"now"
    lost = place.write(b"lost", number=1)
    place.store.discard(lost)
    with pytest.raises(IncompleteJobError, match="has ended without it"):
        place.store.publish(lost, JOB, TOKEN)


def test_a_sweep_ends_the_uploads_of_its_span_but_no_others(place: Bucket) -> None:
    kept, others = place.write(b"kept", number=1), place.write(b"other", span=1)
    place.write(b"left")
    stranger = place.client.create_multipart_upload(Bucket=place.bucket, Key="out/other.parquet")["UploadId"]
    place.store.sweep(f"s3://{place.bucket}/out/", JOB, 0, {kept.upload_id})
    left = {one["UploadId"] for one in place.client.list_multipart_uploads(Bucket=place.bucket)["Uploads"]}
    assert left == {kept.upload_id, others.upload_id, stranger}
    assert not place.store.has_files(f"s3://{place.bucket}/out/", JOB, None)
    place.store.publish(kept, JOB, TOKEN)
    assert [place.store.has_files(f"s3://{place.bucket}/out/", JOB, span) for span in (None, 0, 1)] == [
        True,
        True,
        False,
    ]


def test_without_metadata_a_file_is_known_by_its_name(place: Bucket) -> None:
    """As in S3 Tables, which takes no metadata."""
    place.store = S3Files(place.client, BUDGET, is_tagged=False, lists=False)
    file = place.write(b"data")
    place.store.publish(file, JOB, TOKEN)
    place.store.publish(file, JOB, TOKEN)
    key = file.data.uri.removeprefix(f"s3://{place.bucket}/")
    assert place.client.head_object(Bucket=place.bucket, Key=key)["Metadata"] == {}


def test_a_record_changes_only_from_the_state_that_was_read(place: Bucket) -> None:
    files = S3VersionedFiles(place.client, place.bucket)
    assert files.read("jobs/a/lake/00000.json") is None
    first = files.swap("jobs/a/lake/00000.json", b"1", "")
    assert first
    assert files.swap("jobs/a/lake/00000.json", b"2", "") == ""
    second = files.swap("jobs/a/lake/00000.json", b"2", first)
    assert second
    assert files.swap("jobs/a/lake/00000.json", b"3", first) == ""
    assert files.read("jobs/a/lake/00000.json") == (b"2", second)
    assert list(files.keys("jobs/a/lake/")) == ["jobs/a/lake/00000.json"]
