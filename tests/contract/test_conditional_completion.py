"""When S3 completes a multipart upload with a condition, and its errors: on the fake, the emulator and LocalStack.

LocalStack's tests of these responses were validated against AWS. The AWS documentation says about 409: create an upload
and send every part again. https://docs.aws.amazon.com/AmazonS3/latest/API/API_CompleteMultipartUpload.html
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from contract.object_backends import MemoryBackend, ObjectBackend, S3Backend
from penstock.model.object import Content, Target

FULFILLED = ("", 200)
STALE = ("PreconditionFailed", 412)
CONFLICT = ("ConditionalRequestConflict", 409)
MISSING = ("NoSuchKey", 404)
STATUS = {"": 200, "PreconditionFailed": 412, "ConditionalRequestConflict": 409, "NoSuchKey": 404}


@pytest.fixture(params=["versioned", "plain"])
def target(request: pytest.FixtureRequest, objects: ObjectBackend) -> Target:
    return Target(getattr(objects, request.param), "key")


@pytest.fixture
def upload(objects: ObjectBackend, target: Target) -> Callable[[], Any]:
    """Create an upload of one part. Return a function that completes it if the key has this ETag, or does not exist."""
    if not objects.strict_completion:
        pytest.skip("moto completes uploads whatever the condition")

    def begin() -> Callable[[str], tuple[str, int]]:
        if isinstance(objects, MemoryBackend):
            return begin_in_memory(objects, target)
        assert isinstance(objects, S3Backend)
        return begin_on_server(objects.client, target)

    return begin


def begin_in_memory(objects: MemoryBackend, target: Target) -> Callable[[str], tuple[str, int]]:
    upload_id = objects.store.create_upload(target)
    objects.store.upload_part(upload_id, b"part")

    def complete(etag: str) -> tuple[str, int]:
        refusal = objects.store.refusal(etag, upload_id)
        assert bool(objects.store.complete_if(etag, upload_id, Content())) != bool(refusal)
        return refusal, STATUS[refusal]

    return complete


def begin_on_server(client: Any, target: Target) -> Callable[[str], tuple[str, int]]:
    where = {"Bucket": target.bucket, "Key": target.key}
    where["UploadId"] = client.create_multipart_upload(**where)["UploadId"]
    part = client.upload_part(**where, PartNumber=1, Body=b"part")
    parts = {"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]}

    def complete(etag: str) -> tuple[str, int]:
        condition = {"IfMatch": f'"{etag}"'} if etag else {"IfNoneMatch": "*"}
        try:
            client.complete_multipart_upload(**where, MultipartUpload=parts, **condition)
        except ClientError as error:
            return error.response["Error"]["Code"], error.response["ResponseMetadata"]["HTTPStatusCode"]
        return FULFILLED

    return complete


def put(objects: ObjectBackend, target: Target, data: bytes) -> str:
    return objects.put(target.bucket, target.key, data).etag


def test_an_etag_that_is_not_the_current_one_is_stale(objects: ObjectBackend, target: Target, upload: Any) -> None:
    etag = put(objects, target, b"one")
    complete = upload()
    put(objects, target, b"two")
    assert complete(etag) == STALE


def test_the_current_etag_of_an_object_written_after_the_upload_was_created_is_always_a_conflict(
    objects: ObjectBackend, target: Target, upload: Any
) -> None:
    complete = upload()
    etag = put(objects, target, b"since")
    assert [complete(etag) for _ in range(3)] == [CONFLICT] * 3
    assert objects.read(target.bucket, target.key) == b"since"


def test_the_etag_of_an_object_that_was_replaced_by_the_same_bytes_is_always_a_conflict(
    objects: ObjectBackend, target: Target, upload: Any
) -> None:
    etag = put(objects, target, b"same")
    complete = upload()
    assert put(objects, target, b"same") == etag
    assert complete(etag) == CONFLICT


@pytest.mark.parametrize("existed", [True, False])
def test_an_etag_of_a_key_without_an_object_is_missing(
    objects: ObjectBackend, target: Target, upload: Any, existed: bool
) -> None:
    etag = put(objects, target, b"gone")
    if not existed:
        objects.delete(target.bucket, target.key)
    complete = upload()
    if existed:
        objects.delete(target.bucket, target.key)
    assert complete(etag) == MISSING


@pytest.mark.parametrize("before", [True, False])
def test_if_none_match_is_refused_while_the_key_has_an_object(
    objects: ObjectBackend, target: Target, upload: Any, before: bool
) -> None:
    if before:
        put(objects, target, b"there")
    complete = upload()
    if not before:
        put(objects, target, b"there")
    assert complete("") == STALE


def test_if_none_match_is_a_conflict_if_the_object_was_deleted_after_the_upload_was_created(
    objects: ObjectBackend, target: Target, upload: Any
) -> None:
    put(objects, target, b"there")
    complete = upload()
    objects.delete(target.bucket, target.key)
    assert [complete("") for _ in range(3)] == [CONFLICT] * 3


def test_a_new_upload_is_completed(objects: ObjectBackend, target: Target, upload: Any) -> None:
    complete = upload()
    etag = put(objects, target, b"since")
    assert complete(etag) == CONFLICT
    assert upload()(etag) == FULFILLED
    assert objects.read(target.bucket, target.key) == b"part"


def test_the_etag_of_the_object_before_the_upload_is_fulfilled(
    objects: ObjectBackend, target: Target, upload: Any
) -> None:
    etag = put(objects, target, b"before")
    assert upload()(etag) == FULFILLED


def test_if_none_match_is_fulfilled_without_an_object(upload: Any) -> None:
    assert upload()("") == FULFILLED
