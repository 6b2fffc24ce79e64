"""Patches of copies within S3."""
# ruff: noqa: SLF001  # patches replace private names; the version is pinned and checked

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl

from ministack.services import s3  # type: ignore[import-not-found]  # installed in another virtual environment

from penstock_local.emulator.patches.multipart import OK, Response


def check_conditions_of_copies() -> None:
    """CopyObject with If-None-Match or If-Match is refused with 412 if the destination does not fit.

    MiniStack ignores both headers.
    https://docs.aws.amazon.com/AmazonS3/latest/API/API_CopyObject.html
    https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html
    """
    copy = s3._copy_object

    def copy_object(bucket_name: str, dest_key: str, headers: dict[str, str]) -> Any:
        bucket = s3._ensure_bucket(bucket_name)
        existing = bucket["objects"].get(dest_key) if bucket is not None else None
        return s3._check_put_preconditions(headers, existing) or copy(bucket_name, dest_key, headers)

    s3._copy_object = copy_object


def keep_tags_of_uploads() -> None:
    """CreateMultipartUpload takes ``x-amz-tagging``, and the completed object has these tags. MiniStack drops them.

    https://docs.aws.amazon.com/AmazonS3/latest/API/API_CreateMultipartUpload.html
    """
    create, complete = s3._create_multipart_upload, s3._complete_multipart_upload

    def create_multipart_upload(bucket: str, key: str, headers: dict[str, str]) -> Response:
        status, answer, body = create(bucket, key, headers)
        if status == OK and (tagging := headers.get("x-amz-tagging")):
            upload = s3._multipart_uploads[s3.fromstring(body).findtext("{*}UploadId")]
            upload["tags"] = dict(parse_qsl(tagging, keep_blank_values=True))
        return status, answer, body

    def complete_multipart_upload(bucket: str, key: str, body: bytes, query: Any, headers: Any = None) -> Response:
        tags = s3._multipart_uploads.get(s3._qp(query, "uploadId"), {}).get("tags")
        answer: Response = complete(bucket, key, body, query, headers)
        if tags and answer[0] == OK:
            s3._object_tags[(bucket, key, answer[1].get("x-amz-version-id"))] = tags
        return answer

    s3._create_multipart_upload = create_multipart_upload
    s3._complete_multipart_upload = complete_multipart_upload
