"""Passwords of archives in Secrets Manager."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from threading import Lock
from typing import Any, Protocol

from penstock.aws.errors import translating
from penstock.errors import ConfigurationError

# A secret is read again after this time: a corrected password takes effect within a minute, as corrected routes do.
TTL_SECONDS = 60.0

_FIELD = "password"


class SecretsClient(Protocol):
    """The part of boto3's Secrets Manager client that is used."""

    def get_secret_value(self, *, SecretId: str) -> Any: ...  # noqa: N803  # boto3's name


class SecretPasswords:
    """Returns the password in a secret, by its name or ARN, and keeps it for TTL_SECONDS. For several threads at once.

    A secret is the password itself, or a JSON object with the key ``password``. Memory: a secret has at most 64 KiB,
    and routes name only a few.

    A call raises ConfigurationError for a secret without a password, RequestRefusedError if there is no such secret,
    AccessDeniedError, and ServiceUnavailableError. No message contains a value.
    """

    def __init__(self, client: Callable[[], SecretsClient], clock: Callable[[], float] = time.monotonic) -> None:
        self._client = client
        self._clock = clock
        self._known: dict[str, tuple[float, bytes]] = {}
        self._lock = Lock()

    def __call__(self, name: str) -> bytes:
        with self._lock:
            known = self._known.get(name)
            if known is None or self._clock() - known[0] > TTL_SECONDS:
                known = self._known[name] = (self._clock(), self._read(name))
            return known[1]

    def _read(self, name: str) -> bytes:
        with translating(f"secretsmanager:GetSecretValue on {name}"):
            text = self._client().get_secret_value(SecretId=name).get("SecretString", "")
        if password := _password(name, text):
            try:
                return password.encode()
            except UnicodeEncodeError:
                # As with json: the error holds the password.
                raise ConfigurationError(
                    f"the secret {name} is not valid Unicode", hint="Store half of a surrogate pair in no password."
                ) from None
        raise ConfigurationError(f"the secret {name} has no text", hint="Store the password as text, not as binary.")


def _password(name: str, text: str) -> str:
    if not text.lstrip().startswith("{"):
        return text.rstrip("\r\n")
    # The text of an error of json may quote the secret.
    try:
        password = json.loads(text).get(_FIELD)
    except (ValueError, RecursionError):
        raise ConfigurationError(
            f"the secret {name} is malformed JSON",
            hint=f'A password that begins with a brace must be in JSON: {{"{_FIELD}": "..."}}.',
        ) from None
    if not isinstance(password, str) or not password:
        raise ConfigurationError(
            f"the secret {name} is JSON without a text {_FIELD!r}", hint=f'Store {{"{_FIELD}": "..."}}.'
        )
    return password
