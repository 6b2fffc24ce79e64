"""Patches of multipart uploads, except for their checksums."""
# ruff: noqa: SLF001  # patches replace private names; the version is pinned and checked

from __future__ import annotations

import hashlib
from collections.abc import Callable
from itertools import count, pairwise
from typing import Any

from ministack.services import s3  # type: ignore[import-not-found]  # installed in another virtual environment

Response = tuple[int, dict[str, str], bytes]
Upload = dict[str, Any]

OK = 200
MIN_PART = 5 * 1024 * 1024
CONFLICT = "The conditional request cannot succeed due to a conflicting operation against this resource."


def check_part_order_at_completion() -> None:
    """CompleteMultipartUpload answers InvalidPartOrder unless the part numbers ascend. If parts have a checksum, the
    numbers must also be consecutive from 1. MiniStack sorts the parts instead.

    https://docs.aws.amazon.com/AmazonS3/latest/API/API_CompletedPart.html
    """

    def wrong_order(upload: Upload, numbers: list[int]) -> Response | None:
        ascending = all(a < b for a, b in pairwise(numbers))
        consecutive = numbers == list(range(1, len(numbers) + 1))
        if ascending and (consecutive or not upload["checksum_algorithm"]):
            return None
        return refuse(
            "InvalidPartOrder",
            "The list of parts was not in ascending order. The parts list must be specified in order by part number.",
        )

    _check_before_completion(wrong_order)


def check_part_sizes_at_completion() -> None:
    """EntityTooSmall if a part other than the last has less than 5 MiB. MiniStack accepts parts of any size.

    https://docs.aws.amazon.com/AmazonS3/latest/API/API_CompleteMultipartUpload.html
    """

    def too_small(upload: Upload, numbers: list[int]) -> Response | None:
        parts = upload["parts"]
        if all(parts[number]["size"] >= MIN_PART for number in numbers[:-1] if number in parts):
            return None
        return refuse("EntityTooSmall", "Your proposed upload is smaller than the minimum allowed size")

    _check_before_completion(too_small)


def refuse_completion_after_a_write() -> None:
    """Every completion answers 409 ConditionalRequestConflict if its condition holds but the key has changed since the
    upload was created: with If-Match it was written, with If-None-Match it had an object that was deleted.

    MiniStack only compares the condition with the object at completion. AWS does not document the order in which it
    checks conditions, parts and checksums. Here conditions come first, as in MiniStack and LocalStack.
    https://docs.aws.amazon.com/AmazonS3/latest/API/API_CompleteMultipartUpload.html
    """
    create, numbers = s3._create_multipart_upload, count(1)

    def stamp_of(record: dict[str, Any] | None) -> int:
        """A number that identifies one write of an object; 0 if there is no object."""
        return 0 if record is None else int(record.setdefault("penstock-written", next(numbers)))

    def existing(bucket: str, key: str) -> dict[str, Any] | None:
        record: dict[str, Any] | None = (s3._buckets.get(bucket) or {}).get("objects", {}).get(key)
        return record

    def create_multipart_upload(bucket: str, key: str, headers: dict[str, str]) -> Response:
        status, answer, body = create(bucket, key, headers)
        if status == OK:
            upload_id = s3.fromstring(body).findtext("{*}UploadId")
            s3._multipart_uploads[upload_id]["penstock-before"] = stamp_of(existing(bucket, key))
        return status, answer, body

    complete = s3._complete_multipart_upload

    def complete_multipart_upload(bucket: str, key: str, body: bytes, query: Any, headers: Any = None) -> Response:
        upload, headers = s3._multipart_uploads.get(s3._qp(query, "uploadId")), headers or {}
        if upload and (headers.get("if-match") or headers.get("if-none-match")):
            record = existing(bucket, key)
            refusal: Response | None = s3._check_put_preconditions(headers, record)
            if refusal:
                return refusal
            if stamp_of(record) != upload.get("penstock-before", 0):
                return refuse("ConditionalRequestConflict", CONFLICT, 409)
        answer: Response = complete(bucket, key, body, query, headers)
        return answer

    s3._create_multipart_upload = create_multipart_upload
    s3._complete_multipart_upload = complete_multipart_upload


def hash_parts_once() -> None:
    """For speed only: completion takes each part's MD5 from its ETag instead of computing it again.

    That is a third of MiniStack's work for an upload, and measurements would count it as Penstock's.
    """
    complete = s3._complete_multipart_upload
    known: dict[int, bytes] = {}

    class Known:
        def __init__(self, digest: bytes) -> None:
            self._digest = digest

        def digest(self) -> bytes:
            return self._digest

    class Hashes:
        def __getattr__(self, name: str) -> Any:
            return getattr(hashlib, name)

        def md5(self, data: bytes = b"", **options: Any) -> Any:
            return Known(known[id(data)]) if id(data) in known else hashlib.md5(data, **options)  # noqa: S324  # ETags

    def complete_multipart_upload(bucket: str, key: str, body: bytes, query: Any, headers: Any = None) -> Any:
        upload = s3._multipart_uploads.get(s3._qp(query, "uploadId"), {"parts": {}})
        known.update((id(part["body"]), bytes.fromhex(part["etag"].strip('"'))) for part in upload["parts"].values())
        try:
            return complete(bucket, key, body, query, headers)
        finally:
            known.clear()

    s3.hashlib = Hashes()
    s3._complete_multipart_upload = complete_multipart_upload


def listed(body: bytes) -> list[int]:
    """The part numbers of a CompleteMultipartUpload body; empty if the body is malformed, which MiniStack reports."""
    try:
        parts = s3.fromstring(body).findall("{*}Part")
    except s3.ParseError:
        return []
    return [int(part.findtext("{*}PartNumber", "0")) for part in parts]


def refuse(code: str, message: str, status: int = 400) -> Response:
    """An S3 error response."""
    refusal: Response = s3._error(code, message, status)
    return refusal


def _check_before_completion(check: Callable[[Upload, list[int]], Response | None]) -> None:
    complete = s3._complete_multipart_upload

    def complete_multipart_upload(bucket: str, key: str, body: bytes, query: Any, headers: Any = None) -> Response:
        upload = s3._multipart_uploads.get(s3._qp(query, "uploadId"))
        refusal = check(upload, listed(body)) if upload else None
        return refusal or complete(bucket, key, body, query, headers)

    s3._complete_multipart_upload = complete_multipart_upload
