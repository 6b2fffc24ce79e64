"""Sends requests for small objects past botocore's client, which takes 0.8 ms of CPU for each.

A request is signed by botocore's signer and sent by http.client, in a quarter of the time. urllib3 would double this
time. Callers accept only the expected response. After any other, or none, they let the client send the request again,
with the usual retries, redirects and error messages (docs/adr/0021).
"""

from __future__ import annotations

import io
import ssl
import weakref
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from threading import Lock, get_ident
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSPreparedRequest, AWSRequest, AWSResponse
from botocore.compat import HTTPHeaders
from botocore.httpsession import get_cert_path
from botocore.utils import get_environ_proxies
from urllib3.util import wait_for_read

if TYPE_CHECKING:
    from botocore.credentials import Credentials
    from mypy_boto3_s3 import S3Client


class S3Direct:
    """Sends single requests for objects, for several threads at once. Memory: a connection for each thread.

    ``ca_bundle`` is a file of certificates to trust, if not the client's own.
    """

    def __init__(self, client: S3Client, credentials: Credentials | None, ca_bundle: str | None = None) -> None:
        self._client = client
        self._credentials = credentials
        self._ca_bundle = ca_bundle
        self._endpoints: dict[str, S3Endpoint | None] = {}
        self._lock = Lock()

    def send(
        self, method: str, bucket: str, key: str, headers: Mapping[str, str], body: bytes | bytearray = b""
    ) -> tuple[HTTPResponse, bytes] | None:
        """Return the response with its body; None if there is none, without credentials, or behind a proxy."""
        signer = self._credentials and self._credentials.get_frozen_credentials()
        endpoint = self._endpoint(bucket) if signer else None
        if signer is None or endpoint is None:
            return None
        path = endpoint.path + quote(key, safe="/~")
        request = AWSRequest(method, endpoint.origin + path, data=body, headers=dict(headers))
        # As the client does, the signature leaves the body out.
        request.context["client_config"] = self._client.meta.config
        S3SigV4Auth(signer, "s3", self._client.meta.region_name).add_auth(request)
        try:
            return endpoint.send(method, path, dict(request.headers.items()), body)
        except (OSError, HTTPException):
            return None

    def _endpoint(self, bucket: str) -> S3Endpoint | None:
        with self._lock:
            if bucket not in self._endpoints:
                url = _url(self._client, bucket)
                self._endpoints[bucket] = None if get_environ_proxies(url) else self._open(url)
            return self._endpoints[bucket]

    def _open(self, url: str) -> S3Endpoint:
        config: Any = self._client.meta.config
        return S3Endpoint(url, self._ca_bundle, timeout=config.read_timeout)


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

    def __init__(self, url: str, ca_bundle: str | None = None, *, timeout: float = 10.0) -> None:
        parts = urlsplit(url)
        self.origin = f"{parts.scheme}://{parts.netloc}"
        self.path = parts.path.removesuffix("-")
        self._connect: Callable[[], HTTPConnection] = partial(HTTPConnection, parts.netloc, timeout=timeout)
        if parts.scheme == "https":
            context = ssl.create_default_context(cafile=ca_bundle or get_cert_path(verify=True))
            self._connect = partial(HTTPSConnection, parts.netloc, timeout=timeout, context=context)
        self._idle: list[HTTPConnection] = []
        weakref.finalize(self, _close_all, self._idle)

    def send(
        self, method: str, path: str, headers: dict[str, str], body: bytes | bytearray = b""
    ) -> tuple[HTTPResponse, bytes]:
        """Send one request. Raises OSError and HTTPException."""
        connection = self._connection()
        try:
            connection.request(method, path, body=body or None, headers=headers)
            answer = connection.getresponse()
            content = answer.read()
        except BaseException:
            connection.close()
            raise
        self._idle.append(connection)
        return answer, content

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
