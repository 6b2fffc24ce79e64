"""Bearer tokens of REST catalogs: one that is given, or one that OAuth2's client credentials buy."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http import HTTPStatus
from threading import Lock
from typing import Any, Self
from urllib.parse import urlsplit

from botocore.awsrequest import AWSRequest

from penstock.destinations.iceberg.rest_http import Anonymous, RestHttp, told
from penstock.errors import AccessDeniedError, ConfigurationError
from penstock.limits import MIB

# A token is renewed so long before it ends.
_MARGIN_SECONDS = 60.0
_DEFAULT_LIFE = 3600.0


@dataclass(frozen=True, slots=True)
class CatalogSecret:
    """What the secret of a catalog holds: ``token``, or ``credential`` as ``client_id:client_secret``."""

    token: str = field(default="", repr=False)
    credential: str = field(default="", repr=False)
    scope: str = "catalog"
    server: str = ""

    @classmethod
    def parse(cls, name: str, text: str) -> Self:
        """Raises ConfigurationError. No message contains a value."""
        try:
            found = json.loads(text)
        except (ValueError, RecursionError):
            # The text of an error of json may quote the secret.
            found = None
        keys = {"token": "token", "credential": "credential", "scope": "scope", "oauth2-server-uri": "server"}
        if not isinstance(found, dict) or not all(isinstance(found.get(key, ""), str) for key in keys):
            raise ConfigurationError(f"the secret {name} is not a JSON object of texts", hint=_HINT)
        secret = cls(**{attribute: found[key] for key, attribute in keys.items() if found.get(key)})
        if bool(secret.token) == bool(secret.credential):
            raise ConfigurationError(f"the secret {name} needs either a token or a credential", hint=_HINT)
        return secret


_HINT = 'Store {"token": "..."} or {"credential": "client_id:client_secret"}; scope and oauth2-server-uri may be added.'


class BearerToken:
    """Implements ``Authorization``. For several threads at once. ``secret`` reads the secret; it is read once more when
    the catalog refuses its token.

    ``base`` is the URI of the catalog, whose own endpoint for tokens is asked unless the secret names a server.
    """

    def __init__(
        self,
        secret: Callable[[], CatalogSecret],
        base: str,
        connect: Callable[[str], RestHttp] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._secret = secret
        self._base = base.rstrip("/")
        self._connect = connect or (lambda uri: RestHttp(uri, Anonymous()))
        self._clock = clock
        self._token = ""
        self._ends = 0.0
        self._lock = Lock()

    def sign(self, request: AWSRequest) -> None:
        with self._lock:
            if self._clock() >= self._ends:
                self._token, self._ends = self._fetch()
            request.headers["Authorization"] = f"Bearer {self._token}"

    def renew(self) -> bool:
        with self._lock:
            self._ends = 0.0
        return True

    def _fetch(self) -> tuple[str, float]:
        secret = self._secret()
        if secret.token:
            return _header_safe(secret.token), float("inf")
        client_id, separator, client_secret = secret.credential.partition(":")
        form = {
            "grant_type": "client_credentials",
            "client_id": client_id if separator else "",
            "client_secret": client_secret if separator else client_id,
            "scope": secret.scope,
        }
        parts = urlsplit(secret.server or f"{self._base}/v1/oauth/tokens")
        http = self._connect(f"{parts.scheme}://{parts.netloc}")
        try:
            answer = http.send("POST", parts.path, limit=MIB, form={key: value for key, value in form.items() if value})
        finally:
            http.close()
        found: Any = answer.json()
        right = f"an OAuth2 token of {parts.scheme}://{parts.netloc}{parts.path}"
        if answer.status in (HTTPStatus.BAD_REQUEST, HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
            raise AccessDeniedError(right, detail=told(answer))
        token = found.get("access_token") if isinstance(found, dict) else None
        if answer.status != HTTPStatus.OK or not isinstance(token, str):
            raise ConfigurationError(f"{right}: {told(answer)}", hint="Correct oauth2-server-uri in the secret.")
        life = found.get("expires_in", _DEFAULT_LIFE)
        life = float(life) if isinstance(life, int | float) else _DEFAULT_LIFE
        return _header_safe(token), self._clock() + max(0.0, life - _MARGIN_SECONDS)


def _header_safe(token: str) -> str:
    if not token.isascii() or not token.isprintable():
        raise ConfigurationError("the token of the Iceberg catalog has characters that no header may have")
    return token
