"""Reads small objects, each with a single request and little overhead.

``get_object`` takes 0.8 ms of CPU: for a thousand small objects, that is more than all the rest of their load into a
table. So a request is signed here by botocore's signer and sent by http.client, in a quarter of the time. urllib3 would
double this time. This covers only the expected response. After any other, ``get_object`` sends the request again, with
the usual retries, redirects and error messages.
"""

from __future__ import annotations

import io
import ssl
import weakref
from collections.abc import Callable
from contextlib import closing, suppress
from functools import partial
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from threading import get_ident
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSPreparedRequest, AWSRequest, AWSResponse
from botocore.compat import HTTPHeaders
from botocore.httpsession import get_cert_path
from botocore.utils import get_environ_proxies
from urllib3.util import wait_for_read

from penstock.aws.errors import translating
from penstock.errors import SourceChangedError, SourceGoneError
from penstock.model.object import Source

if TYPE_CHECKING:
    from botocore.credentials import Credentials, ReadOnlyCredentials
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import GetObjectRequestTypeDef

TIMEOUT = 10.0  # seconds, the same as the client's


class S3SmallReader:
    """Implements ``ObjectReader``. Memory: the object.

    The request names no version: it returns the current object of the key, and the condition on the ETag verifies that
    this is the source. So no HEAD is needed. ``ca_bundle`` is a file of certificates to trust, if not the client's own.
    Behind a proxy, the client sends all requests.
    """

    def __init__(self, client: S3Client, credentials: Credentials | None, ca_bundle: str | None = None) -> None:
        self._client = client
        self._credentials = credentials
        self._ca_bundle = ca_bundle
        self._endpoints: dict[str, S3Endpoint | None] = {}

    def read(self, source: Source) -> bytes:
        signer = self._credentials and source.etag and self._credentials.get_frozen_credentials()
        body = self._directly(source, signer) if signer else None
        return self._by_client(source) if body is None else body

    def _directly(self, source: Source, signer: ReadOnlyCredentials) -> bytes | None:
        """Return None unless the response is certain to be the source."""
        endpoint = self._endpoint(source.bucket)
        if endpoint is None:
            return None
        path = endpoint.path + quote(source.key, safe="/~")
        request = AWSRequest("GET", endpoint.origin + path)
        request.headers["If-Match"] = f'"{source.etag}"'
        S3SigV4Auth(signer, "s3", self._client.meta.region_name).add_auth(request)
        try:
            answer, body = endpoint.get(path, dict(request.headers.items()))
        except (OSError, HTTPException):
            return None
        return None if answer.status != HTTPStatus.OK or _doubtful(source, answer.headers, len(body)) else body

    def _endpoint(self, bucket: str) -> S3Endpoint | None:
        if bucket not in self._endpoints:
            url = _url(self._client, bucket)
            self._endpoints[bucket] = None if get_environ_proxies(url) else S3Endpoint(url, self._ca_bundle)
        return self._endpoints[bucket]

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


def _url(client: S3Client, bucket: str) -> str:
    """Return the URL to which the client would send a request for the key ``-`` of a bucket.

    A presigned URL is different in AWS's standard partition: it names the global endpoint, which redirects requests for
    a new bucket, and which a VPC endpoint does not serve.
    """
    urls: list[str] = []
    thread = get_ident()

    def answer(request: AWSPreparedRequest, **_: object) -> Any:
        """Respond instead of S3, for this thread only: other threads may use the client."""
        if get_ident() != thread:
            return None
        urls.append(request.url)
        return AWSResponse(request.url, HTTPStatus.OK, HTTPHeaders(), io.BytesIO())

    handler = f"penstock-url-{thread}"
    client.meta.events.register_first("before-send.s3.GetObject", answer, unique_id=handler)
    try:
        client.get_object(Bucket=bucket, Key="-")["Body"].close()
    finally:
        client.meta.events.unregister("before-send.s3.GetObject", answer, unique_id=handler)
    return urls[0]


class S3Endpoint:
    """The server of a bucket, and the path before its keys, from the client's URL of the key ``-``.

    Connections are reused. As many are open as there are concurrent callers.
    """

    def __init__(self, url: str, ca_bundle: str | None = None) -> None:
        parts = urlsplit(url)
        self.origin = f"{parts.scheme}://{parts.netloc}"
        self.path = parts.path.removesuffix("-")
        self._connect: Callable[[], HTTPConnection] = partial(HTTPConnection, parts.netloc, timeout=TIMEOUT)
        if parts.scheme == "https":
            context = ssl.create_default_context(cafile=ca_bundle or get_cert_path(verify=True))
            self._connect = partial(HTTPSConnection, parts.netloc, timeout=TIMEOUT, context=context)
        self._idle: list[HTTPConnection] = []
        weakref.finalize(self, _close_all, self._idle)

    def get(self, path: str, headers: dict[str, str]) -> tuple[HTTPResponse, bytes]:
        """Send one request. Raises OSError and HTTPException."""
        connection = self._connection()
        try:
            connection.request("GET", path, headers=headers)
            answer = connection.getresponse()
            body = answer.read()
        except BaseException:
            connection.close()
            raise
        self._idle.append(connection)
        return answer, body

    def _connection(self) -> HTTPConnection:
        """Return an idle connection, or a new one. An idle connection is readable if the server has closed it."""
        with suppress(IndexError):
            while connection := self._idle.pop():
                if not (connection.sock and wait_for_read(connection.sock, timeout=0)):
                    return connection
                connection.close()
        return self._connect()


def _close_all(connections: list[HTTPConnection]) -> None:
    for connection in connections:
        connection.close()


def _doubtful(source: Source, headers: Any, size: int) -> str:
    """Return why an object with the ETag of the source is not the source; empty if it is."""
    version = headers.get("x-amz-version-id", "")
    if source.version_id and version != source.version_id:
        return f"expected version {source.version_id}, found {version or 'none'}"
    return "" if size == source.size else f"expected {source.size:,} bytes, found {size:,}"
