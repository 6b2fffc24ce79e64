"""The open multipart uploads of a bucket."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING
from urllib.parse import unquote_plus

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import ListMultipartUploadsOutputTypeDef as Page
    from mypy_boto3_s3.type_defs import ListMultipartUploadsRequestTypeDef as Request


def open_upload_pages(client: S3Client, bucket: str, prefix: str) -> Iterator[Page]:
    """Yield every page of the listing, with decoded keys. Raises botocore's errors.

    Keys may hold characters that XML cannot: S3 is asked to percent-encode them. botocore asks for this, and decodes
    the keys, only for listings of objects. Its paginator would send an encoded marker back.
    """
    request: Request = {"Bucket": bucket, "Prefix": prefix, "EncodingType": "url"}
    while True:
        page = client.list_multipart_uploads(**request)
        if page.get("EncodingType") == "url":
            _decode(page)
        yield page
        if not page.get("IsTruncated"):
            return
        request["KeyMarker"] = page.get("NextKeyMarker", "")
        request["UploadIdMarker"] = page.get("NextUploadIdMarker", "")


def _decode(page: Page) -> None:
    for upload in page.get("Uploads", ()):
        upload["Key"] = unquote_plus(upload["Key"])
    if "NextKeyMarker" in page:
        page["NextKeyMarker"] = unquote_plus(page["NextKeyMarker"])
