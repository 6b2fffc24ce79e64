"""Reading small objects, each with a single request."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

from penstock.adapters.aws_errors import translating
from penstock.errors import SourceChangedError, SourceGoneError
from penstock.model import Source

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import GetObjectRequestTypeDef


class S3SmallReader:
    """Implements ``ObjectReader``. Memory: the object.

    The request names no version: what it answers is what stands under the key now, and the condition on the ETag says
    whether that is the source. So no HEAD has to ask before.
    """

    def __init__(self, client: S3Client) -> None:
        self._client = client

    def read(self, source: Source) -> bytes:
        right = f"s3:GetObject on {source.uri}"
        request: GetObjectRequestTypeDef = {"Bucket": source.bucket, "Key": source.key}
        if source.etag:
            request["IfMatch"] = f'"{source.etag}"'
        with translating(right, missing=SourceGoneError, changed=SourceChangedError):
            response = self._client.get_object(**request)
            with closing(response["Body"]) as body:
                found = response.get("VersionId", "")
                if source.version_id and found != source.version_id:
                    raise SourceChangedError(f"{right}: expected version {source.version_id}, found {found or 'none'}")
                if response["ContentLength"] != source.size:
                    raise SourceChangedError(
                        f"{right}: expected {source.size:,} bytes, got {response['ContentLength']:,}"
                    )
                return body.read()
