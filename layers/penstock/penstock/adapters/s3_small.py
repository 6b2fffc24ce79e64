"""Reading small objects, each with a single request and little ado.

``get_object`` takes 0.8 ms of CPU: of a thousand small objects that is more than all the rest of their way into a
table. So a request is signed here by botocore's signer and sent by the urllib3 that botocore uses, in a third of the
time. That is for the answer that is expected; upon any other, ``get_object`` asks again, and retries, follows and
explains as everywhere.
"""

from __future__ import annotations

from contextlib import closing
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.httpsession import get_cert_path
from urllib3 import HTTPConnectionPool, PoolManager, Timeout

from penstock.adapters.aws_errors import TRANSPORT_FAILURES, translating
from penstock.errors import SourceChangedError, SourceGoneError
from penstock.limits import READERS
from penstock.objects import Source

if TYPE_CHECKING:
    from botocore.credentials import Credentials, ReadOnlyCredentials
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import GetObjectRequestTypeDef

# As the client's.
TIMEOUT = Timeout(connect=5, read=10)


class S3SmallReader:
    """Implements ``ObjectReader``. Memory: the object.

    The request names no version: what it answers is what stands under the key now, and the condition on the ETag says
    whether that is the source. So no HEAD has to ask before.
    """

    def __init__(self, client: S3Client, credentials: Credentials | None) -> None:
        self._client = client
        self._credentials = credentials
        self._pools = PoolManager(maxsize=READERS, timeout=TIMEOUT, retries=False, ca_certs=get_cert_path(verify=True))
        self._places: dict[str, tuple[str, str, HTTPConnectionPool]] = {}

    def read(self, source: Source) -> bytes:
        signer = self._credentials and source.etag and self._credentials.get_frozen_credentials()
        body = self._directly(source, signer) if signer else None
        return self._by_client(source) if body is None else body

    def _directly(self, source: Source, signer: ReadOnlyCredentials) -> bytes | None:
        """None if there is any doubt about the answer."""
        origin, path, pool = self._place(source.bucket)
        path += quote(source.key, safe="/~")
        request = AWSRequest("GET", origin + path)
        request.headers["If-Match"] = f'"{source.etag}"'
        S3SigV4Auth(signer, "s3", self._client.meta.region_name).add_auth(request)
        headers = dict(request.headers.items())
        try:
            answer = pool.urlopen("GET", path, headers=headers, redirect=False, decode_content=False)
        except TRANSPORT_FAILURES:
            return None
        if answer.status != HTTPStatus.OK or _doubtful(source, answer.headers, len(answer.data)):
            return None
        return answer.data

    def _place(self, bucket: str) -> tuple[str, str, HTTPConnectionPool]:
        """Where the keys of a bucket are, as the client itself says: the server, the path before them, its pool."""
        if bucket not in self._places:
            url = urlsplit(self._client.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": "-"}))
            origin = f"{url.scheme}://{url.netloc}"
            self._places[bucket] = origin, url.path.removesuffix("-"), self._pools.connection_from_url(origin)
        return self._places[bucket]

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
    """Why this is not the source, though it has its ETag; empty if it is."""
    version = headers.get("x-amz-version-id", "")
    if source.version_id and version != source.version_id:
        return f"expected version {source.version_id}, found {version or 'none'}"
    return "" if size == source.size else f"expected {source.size:,} bytes, found {size:,}"
