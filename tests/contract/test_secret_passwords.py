"""Passwords of archives in Secrets Manager."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from moto import mock_aws

from penstock.aws.secret_passwords import TTL_SECONDS, SecretPasswords
from penstock.errors import AccessDeniedError, ConfigurationError, RequestRefusedError, ServiceUnavailableError


@pytest.fixture
def secrets() -> Iterator[Any]:
    with mock_aws():
        yield boto3.client("secretsmanager")


@pytest.mark.parametrize(
    ("stored", "password"),
    [
        ("s3cret", b"s3cret"),
        ("two words \n", b"two words "),
        ("üß", "üß".encode()),
        (json.dumps({"password": "s3cret\n", "user": "u"}), b"s3cret\n"),
        (' {"password": "{"}', b"{"),
    ],
)
def test_a_secret_is_the_password_or_json_with_it_by_name_or_arn(secrets: Any, stored: str, password: bytes) -> None:
    arn = secrets.create_secret(Name="archive", SecretString=stored)["ARN"]
    passwords = SecretPasswords(lambda: secrets)
    assert (passwords("archive"), passwords(arn)) == (password, password)


@pytest.mark.parametrize(
    ("stored", "message"),
    [
        ("{s3cret}", "is malformed JSON"),
        ('{"password": s3cret}', "is malformed JSON"),
        ('{"Password": "s3cret"}', "without a text 'password'"),
        ('{"password": ["s3cret"]}', "without a text 'password'"),
        ('{"password": "", "x": "s3cret"}', "without a text 'password'"),
        ("\n", "has no text"),
        ('{"password": "s3cret\\ud800"}', "is not valid Unicode"),
    ],
)
def test_a_secret_without_a_password_is_an_error_that_does_not_show_it(secrets: Any, stored: str, message: str) -> None:
    secrets.create_secret(Name="archive", SecretString=stored)
    with pytest.raises(ConfigurationError, match="the secret archive ") as caught:
        SecretPasswords(lambda: secrets)("archive")
    assert message in caught.value.message
    shown = [caught.value.message, caught.value.hint, repr(caught.value.__cause__), repr(caught.value.__context__)]
    assert "s3cret" not in "".join(shown[:3])


def test_a_binary_secret_and_one_that_is_missing_are_named(secrets: Any) -> None:
    secrets.create_secret(Name="binary", SecretBinary=b"s3cret")
    passwords = SecretPasswords(lambda: secrets)
    with pytest.raises(ConfigurationError, match="the secret binary has no text"):
        passwords("binary")
    with pytest.raises(RequestRefusedError, match="secretsmanager:GetSecretValue on nothing"):
        passwords("nothing")


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


class Counting:
    """A client that counts its requests."""

    def __init__(self, client: Any) -> None:
        self.client = client
        self.requests = 0

    def get_secret_value(self, *, SecretId: str) -> Any:  # noqa: N803  # boto3's name
        self.requests += 1
        return self.client.get_secret_value(SecretId=SecretId)


def test_a_secret_is_read_once_a_minute_so_that_a_corrected_one_is_used(secrets: Any) -> None:
    secrets.create_secret(Name="archive", SecretString="old")
    client, clock = Counting(secrets), Clock()
    passwords = SecretPasswords(lambda: client, clock)
    assert [passwords("archive") for _ in range(1000)] == [b"old"] * 1000
    assert client.requests == 1
    secrets.put_secret_value(SecretId="archive", SecretString="new")
    clock.now += TTL_SECONDS + 1
    assert passwords("archive") == b"new"
    assert client.requests == 2


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("AccessDeniedException", AccessDeniedError),
        ("DecryptionFailure", RequestRefusedError),
        ("ThrottlingException", ServiceUnavailableError),
        ("InternalServiceError", ServiceUnavailableError),
    ],
)
def test_what_the_service_refuses_has_its_kind_and_names_the_right(code: str, kind: type[Exception]) -> None:
    class Refusing:
        def get_secret_value(self, *, SecretId: str) -> Any:  # noqa: N803  # boto3's name
            status = 500 if code.startswith("Internal") else 400
            response: Any = {"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": status}}
            raise ClientError(response, "GetSecretValue")

    with pytest.raises(kind, match="secretsmanager:GetSecretValue on archive"):
        SecretPasswords(Refusing)("archive")
