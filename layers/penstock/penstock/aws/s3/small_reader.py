"""Reads small objects, each with a single request and little overhead.

For a thousand small objects, ``get_object`` takes more CPU than all the rest of their load into a table.
"""

from __future__ import annotations

from contextlib import closing
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from penstock.aws.errors import translating
from penstock.aws.s3.direct import S3Direct
from penstock.errors import SourceChangedError, SourceGoneError
from penstock.model.object import Source

if TYPE_CHECKING:
    from botocore.credentials import Credentials
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import GetObjectRequestTypeDef


class S3SmallReader:
    """Implements ``ObjectReader``. Memory: the object.

    The request names no version: it returns the current object of the key, and the condition on the ETag verifies that
    this is the source. So no HEAD is needed. ``credentials`` and ``ca_bundle`` are those of `S3Direct`.
    """

    def __init__(self, client: S3Client, credentials: Credentials | None, ca_bundle: str | None = None) -> None:
        self._client = client
        self._direct = S3Direct(client, credentials, ca_bundle)

    def read(self, source: Source) -> bytes:
        source = source.stored
        body = self._directly(source) if source.etag else None
        return self._by_client(source) if body is None else body

    def _directly(self, source: Source) -> bytes | None:
        """Return None unless the response is certain to be the source."""
        found = self._direct.send("GET", source.bucket, source.key, {"If-Match": f'"{source.etag}"'})
        if found is None:
            return None
        answer, body = found
        return None if answer.status != HTTPStatus.OK or _doubtful(source, answer.headers, len(body)) else body

    def _by_client(self, source: Source) -> bytes:
        right = f"s3:GetObject on {source.uri}"
        request: GetObjectRequestTypeDef = {"Bucket": source.bucket, "Key": source.key}
        if source.etag:
            request["IfMatch"] = f'"{source.etag}"'
        with translating(right, missing=SourceGoneError, changed=SourceChangedError):
            response = self._client.get_object(**request)
            with closing(response["Body"]) as body:
                headers = response["ResponseMetadata"]["HTTPHeaders"]
                if doubt := _doubtful(source, headers, response["ContentLength"]):
                    raise SourceChangedError(f"{right}: {doubt}")
                return body.read()


def _doubtful(source: Source, headers: Any, size: int) -> str:
    """Return why an object with the ETag of the source is not the source; empty if it is."""
    version = headers.get("x-amz-version-id", "")
    if source.version_id and version != source.version_id:
        return f"expected version {source.version_id}, found {version or 'none'}"
    return "" if size == source.size else f"expected {source.size:,} bytes, found {size:,}"
