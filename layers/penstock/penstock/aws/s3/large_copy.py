"""Copies an object that is too large for one CopyObject, in parts. A copy that was interrupted goes on."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from botocore.exceptions import ClientError

from penstock.aws.errors import code_of, status_of
from penstock.aws.s3.kept_attributes import kept_checksum, kept_headers
from penstock.errors import NotEnoughTimeError
from penstock.limits import MIB, S3
from penstock.model.held_object import CopyRequest
from penstock.model.object import Location

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

# Requests at once: each waits for S3, which copies.
THREADS = 8
# No part is begun later than this before the end of the invocation.
MARGIN_SECONDS = 60.0


class LargeCopy:
    """Copies in parts of ``part`` bytes, or of more if there would be too many parts."""

    def __init__(self, client: S3Client, part: int) -> None:
        self._client = client
        self._part = part

    def __call__(
        self, copy: CopyRequest, head: Any, *, keep: Callable[[str], None], time_left: Callable[[], float]
    ) -> Location:
        """Copy a version as it was seen by HEAD. Raises NotEnoughTimeError, and the errors of the requests."""
        where: Any = {"Bucket": copy.bucket, "Key": copy.key}
        parts = self._parts(where, copy.upload) if copy.upload else None
        upload_id = copy.upload
        if parts is None:
            request = where | kept_headers(head) | kept_checksum(head) | _kind(head)
            created = self._client.create_multipart_upload(**request, Tagging=urlencode(copy.tags))
            upload_id, parts = created["UploadId"], {}
            keep(upload_id)
        try:
            return self._completed(copy, head, where | {"UploadId": upload_id}, parts, time_left)
        except ClientError as error:
            # The object has changed, its place is taken, or a right is missing: the next attempt begins anew, if any.
            if status_of(error) in (HTTPStatus.PRECONDITION_FAILED, HTTPStatus.FORBIDDEN):
                with suppress(ClientError):
                    self._client.abort_multipart_upload(**where, UploadId=upload_id)
            raise

    def _completed(
        self, copy: CopyRequest, head: Any, upload: Any, parts: dict[int, Any], time_left: Callable[[], float]
    ) -> Location:
        self._copy_rest(copy, head["ContentLength"], upload, parts, time_left)
        checksum, kind = kept_checksum(head), _kind(head)
        name = f"Checksum{checksum.get('ChecksumAlgorithm', '')}"
        proof: Any = {name: head[name], **kind} if kind.get("ChecksumType") == "FULL_OBJECT" else {}
        answer = self._client.complete_multipart_upload(
            **upload,
            MultipartUpload={"Parts": [parts[number] for number in sorted(parts)]},
            MpuObjectSize=head["ContentLength"],
            **(proof if copy.may_replace else proof | {"IfNoneMatch": "*"}),
        )
        return Location(copy.key, answer["ETag"].strip('"'), answer.get("VersionId", ""))

    def _copy_rest(
        self, copy: CopyRequest, size: int, upload: Any, parts: dict[int, Any], time_left: Callable[[], float]
    ) -> None:
        length = max(self._part, -(-size // S3.max_parts // MIB) * MIB)
        source: Any = {"Bucket": copy.bucket, "Key": copy.source.key}
        source |= {"VersionId": copy.source.version_id} if copy.source.version_id else {}

        def copied(number: int) -> tuple[int, Any]:
            if time_left() < MARGIN_SECONDS:
                raise NotEnoughTimeError(f"s3://{copy.bucket}/{copy.key}: the copy goes on in the next invocation")
            start = (number - 1) * length
            answer = self._client.upload_part_copy(
                **upload,
                PartNumber=number,
                CopySource=source,
                CopySourceIfMatch=f'"{copy.source.etag}"',
                CopySourceRange=f"bytes={start}-{min(start + length, size) - 1}",
            )
            return number, _part(number, answer["CopyPartResult"])

        missing = [number for number in range(1, -(-size // length) + 1) if number not in parts]
        with ThreadPoolExecutor(THREADS, thread_name_prefix="s3-copy") as threads:
            try:
                parts.update(threads.map(copied, missing))
            except BaseException:
                threads.shutdown(cancel_futures=True)
                raise

    def _parts(self, where: Any, upload_id: str) -> dict[int, Any] | None:
        """Return the parts that were copied before; None if the upload no longer exists."""
        try:
            pages = self._client.get_paginator("list_parts").paginate(**where, UploadId=upload_id)
            found = (part for page in pages for part in page.get("Parts", ()))
            return {part["PartNumber"]: _part(part["PartNumber"], part) for part in found}
        except ClientError as error:
            if code_of(error) == "NoSuchUpload":
                return None
            raise


def _kind(head: Any) -> dict[str, str]:
    """Return the argument for a checksum of the whole or of the parts, as the source has it."""
    return {"ChecksumType": head["ChecksumType"]} if kept_checksum(head) and head.get("ChecksumType") else {}


def _part(number: int, part: Any) -> dict[str, Any]:
    checksums = {name: value for name, value in part.items() if name.startswith("Checksum") and name != "ChecksumType"}
    return {"PartNumber": number, "ETag": part["ETag"], **checksums}
