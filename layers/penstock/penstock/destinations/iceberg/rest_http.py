"""Requests to an Iceberg REST catalog: signed by SigV4, or with a bearer token."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Protocol
from urllib.parse import urlencode, urlsplit

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.exceptions import ReadTimeoutError
from botocore.httpsession import URLLib3Session
from botocore.utils import get_environ_proxies

from penstock.aws.backoff import Backoff
from penstock.aws.errors import TRANSPORT_FAILURES, translating
from penstock.aws.retry import retrying
from penstock.errors import ConfigurationError, InvalidTableError, ServiceUnavailableError

_TIMEOUTS = (5, 30)
_RETRIES = Backoff(attempts=5, base=0.2, cap=3.0)

# Local catalogs need no TLS, since nobody can listen there.
_LOOPBACK = ("localhost", "127.0.0.1", "::1")


class Authorization(Protocol):
    """Adds credentials to a request."""

    def sign(self, request: AWSRequest) -> None: ...

    def renew(self) -> bool:
        """Called after 401. Return whether the request may succeed with new credentials."""


class Anonymous:
    """Implements `Authorization` for catalogs without any."""

    def sign(self, request: AWSRequest) -> None: ...

    def renew(self) -> bool:
        return False


class SigV4:
    """Implements `Authorization` by AWS's Signature Version 4. ``credentials`` are those of a botocore session."""

    def __init__(self, credentials: Callable[[], Any], service: str, region: str) -> None:
        self._credentials = credentials
        self._service = service
        self._region = region

    def sign(self, request: AWSRequest) -> None:
        found = self._credentials()
        if found is None:
            raise ConfigurationError("there are no AWS credentials", hint="Provide AWS credentials and region.")
        SigV4Auth(found.get_frozen_credentials(), self._service, self._region).add_auth(request)

    def renew(self) -> bool:
        return False


@dataclass(frozen=True, slots=True)
class Answer:
    """A response: its status, and its body as far as ``limit``."""

    status: int
    body: bytes

    def json(self) -> Any:
        """Return the body as JSON; None if it is none."""
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError):
            return None

    @property
    def error(self) -> tuple[str, str]:
        """The type and the message of an error, as the REST spec and AWS write them."""
        found = self.json()
        found = found.get("error", found) if isinstance(found, dict) else {}
        if not isinstance(found, dict):
            return str(found)[:200], str((self.json() or {}).get("error_description", ""))[:500]
        kind = found.get("type") or found.get("__type") or ""
        return str(kind)[:200], str(found.get("message") or found.get("Message") or "")[:500]


class RestHttp:
    """Sends single requests. Memory: the body of a request, and of a response up to a limit.

    ``base`` is the URI of the catalog, without a slash at its end. ``ca_bundle`` is a file of certificates to trust.
    """

    def __init__(
        self,
        base: str,
        authorization: Authorization,
        *,
        ca_bundle: str | None = None,
        sleep: Callable[[float], object] = time.sleep,
    ) -> None:
        parts = urlsplit(base)
        if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in _LOOPBACK):
            raise ConfigurationError(f"the Iceberg catalog {base} is not an https:// URI")
        self.base = base.rstrip("/")
        self._authorization = authorization
        self._sleep = sleep
        settings: dict[str, Any] = {"verify": ca_bundle or True, "timeout": _TIMEOUTS, "max_pool_connections": 2}
        self._session = URLLib3Session(proxies=get_environ_proxies(base), **settings)

    def ask(self, method: str, path: str, query: Mapping[str, str] | None = None, *, limit: int) -> Answer:
        """Send a request that may be repeated. Raises ServiceUnavailableError if the catalog fails in all attempts."""

        def once() -> Answer:
            answer = self.send(method, path, query, limit=limit)
            if answer.status >= HTTPStatus.INTERNAL_SERVER_ERROR or answer.status == HTTPStatus.TOO_MANY_REQUESTS:
                raise ServiceUnavailableError(f"{method} {self.base}{path}: {told(answer)}")
            return answer

        return retrying(once, on=ServiceUnavailableError, backoff=_RETRIES, sleep=self._sleep)

    def send(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None = None,
        *,
        limit: int,
        body: Mapping[str, Any] | None = None,
        form: Mapping[str, str] | None = None,
    ) -> Answer:
        """Send one request. Raises ServiceUnavailableError without a response, InvalidTableError if it is too long."""
        kind, data = "", b""
        if body is not None:
            kind, data = "application/json", json.dumps(body, separators=(",", ":")).encode()
        elif form is not None:
            kind, data = "application/x-www-form-urlencoded", urlencode(form).encode()
        url = f"{self.base}{path}" + (f"?{urlencode(query)}" if query else "")
        answer = self._once(method, url, limit, kind, data)
        if answer.status == HTTPStatus.UNAUTHORIZED and self._authorization.renew():
            answer = self._once(method, url, limit, kind, data)
        return answer

    def _once(self, method: str, url: str, limit: int, kind: str, data: bytes) -> Answer:
        headers = {"Accept": "application/json", "Accept-Encoding": "identity", "User-Agent": "penstock"}
        if kind:
            headers["Content-Type"] = kind
        request = AWSRequest(method=method, url=url, data=data, headers=headers, stream_output=True)
        with translating(f"{method} {url}"):
            self._authorization.sign(request)
            response = self._session.send(request.prepare())
            return Answer(response.status_code, _bounded(response.raw, limit, url))

    def close(self) -> None:
        """Close the connections."""
        self._session.close()


def _bounded(raw: Any, limit: int, url: str) -> bytes:
    """Read a body. One that ends early is an error, as the length that the catalog declares is compared."""
    chunks, total = [], 0
    try:
        while chunk := raw.read(64 * 1024):
            chunks.append(chunk)
            total += len(chunk)
            if total > limit:
                raise InvalidTableError(
                    f"the response of {url} is longer than {limit:,} bytes",
                    hint="Expire old snapshots of the table, then redrive the job.",
                )
    except TRANSPORT_FAILURES as error:
        raise ReadTimeoutError(endpoint_url=url, error=error) from error
    finally:
        raw.close()
    declared = raw.headers.get("Content-Length", "")
    if declared.isdecimal() and int(declared) != total:
        raise ServiceUnavailableError(f"{url}: {total:,} of {declared} bytes arrived")
    return b"".join(chunks)


def told(answer: Answer) -> str:
    """Return status, type and message of an error, for a message."""
    kind, message = answer.error
    return ": ".join(part for part in (f"status {answer.status}", kind, message) if part)
