"""Connections from a DSN, a secret or IAM, and the errors if a connection fails."""

from __future__ import annotations

import json
import socket
import traceback
from collections.abc import Iterator
from typing import Any

import boto3
import psycopg
import pytest
from moto import mock_aws
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from penstock.destinations.postgres.connect import Timeouts, by_dsn, by_iam, by_secret
from penstock.errors import (
    AccessDeniedError,
    ConfigurationError,
    DestinationMissingError,
    PenstockError,
    RequestRefusedError,
    ServiceUnavailableError,
)
from postgres_database import Database

pytest_plugins = ["postgres_fixtures"]


@pytest.fixture
def secrets() -> Iterator[Any]:
    with mock_aws():
        yield boto3.client("secretsmanager")


class Tokens:
    """A fake of RDS's client whose signed token is a password."""

    def __init__(self, password: str) -> None:
        self.password = password
        self.asked: dict[str, object] = {}

    def generate_db_auth_token(self, **asked: object) -> str:
        self.asked = asked
        return self.password


def test_a_session_has_its_settings(database: Database) -> None:
    with by_dsn(database.dsn, Timeouts(statement=7, lock=2.5, idle=9))() as connection:
        found = connection.execute(
            """
            SELECT current_setting('application_name'), current_setting('client_encoding'),
                   current_setting('statement_timeout'), current_setting('lock_timeout'),
                   current_setting('idle_in_transaction_session_timeout'), current_setting('TimeZone'),
                   current_setting('DateStyle')
            """
        ).fetchone()
    assert found == ("penstock", "UTF8", "7s", "2500ms", "9s", "UTC", "ISO, YMD")


def test_the_dsn_overrules_what_it_names(database: Database) -> None:
    with by_dsn(make_conninfo(database.dsn, application_name="mine"))() as connection:
        assert connection.execute("SELECT current_setting('application_name')").fetchone() == ("mine",)


def test_a_connection_is_encrypted_unless_the_dsn_says_otherwise(database: Database) -> None:
    parameters = {**conninfo_to_dict(database.dsn)}
    del parameters["sslmode"]
    with pytest.raises(ConfigurationError, match="server does not support SSL, but SSL was required"):
        by_dsn(make_conninfo("", **parameters))()


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"password": "wrong"}, AccessDeniedError, "password authentication failed"),
        ({"user": "nobody"}, AccessDeniedError, "password authentication failed"),
        ({"password": ""}, AccessDeniedError, "no password supplied"),
        ({"dbname": "nowhere"}, DestinationMissingError, 'database "nowhere" does not exist'),
        ({"port": 1}, ServiceUnavailableError, "refused"),
        ({"host": "nowhere.invalid"}, ServiceUnavailableError, "nowhere.invalid"),
    ],
)
def test_a_connection_that_is_not_made_says_why(
    database: Database, change: dict[str, Any], error: type[PenstockError], message: str
) -> None:
    with pytest.raises(error, match=message) as caught:
        by_dsn(make_conninfo(database.dsn, **change))()
    assert caught.value.hint
    assert str(conninfo_to_dict(database.dsn)["password"]) not in str(caught.value)


def test_a_role_that_may_not_log_in_is_denied(database: Database) -> None:
    database.execute(f"CREATE ROLE {database.schema}_mute PASSWORD 'x'")
    try:
        with pytest.raises(AccessDeniedError, match="is not permitted to log in"):
            by_dsn(make_conninfo(database.dsn, user=f"{database.schema}_mute", password="x"))()
    finally:
        database.execute(f"DROP ROLE {database.schema}_mute")


def test_a_server_that_does_not_answer_is_given_up(database: Database) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        with pytest.raises(ServiceUnavailableError, match="timeout"):
            by_dsn(make_conninfo(database.dsn, host="127.0.0.1", port=port, connect_timeout=2))()


def test_an_invalid_port_is_not_a_network_error() -> None:
    with pytest.raises(ConfigurationError, match=r'^the database on 127\.0\.0\.1: invalid port number: "99999"$'):
        by_dsn("host=127.0.0.1 port=99999")()


def test_what_libpq_says_over_several_lines_is_one() -> None:
    with pytest.raises(ServiceUnavailableError) as caught:
        by_dsn("host=127.0.0.1 port=1 dbname=shop")()
    assert caught.value.message.startswith("database 'shop' on 127.0.0.1: connection to server")
    assert "\n" not in caught.value.message


@pytest.mark.parametrize("dsn", ["postgresql://[", "host", "nonsense=1"])
def test_an_invalid_dsn_is_an_error(dsn: str) -> None:
    with pytest.raises(ConfigurationError, match="the DSN is malformed"):
        by_dsn(dsn)


# A secret


def test_a_secret_may_be_a_dsn(database: Database, secrets: Any) -> None:
    arn = secrets.create_secret(Name="dsn", SecretString=f" {database.dsn}\n")["ARN"]
    with by_secret(arn, lambda: secrets)() as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)


def test_a_secret_may_be_managed_and_rotated_by_rds(database: Database, secrets: Any) -> None:
    parameters = conninfo_to_dict(database.dsn)
    fields = {"host": "host", "port": "port", "dbname": "dbname", "username": "user", "password": "password"}
    secret = {"engine": "postgres", **{field: parameters[name] for field, name in fields.items()}}
    arn = secrets.create_secret(Name="rds", SecretString=json.dumps({**secret, "password": "old"}))["ARN"]
    connect = by_secret(arn, lambda: secrets, "sslmode=disable")
    with pytest.raises(AccessDeniedError):
        connect()
    secrets.put_secret_value(SecretId=arn, SecretString=json.dumps(secret))
    with connect() as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)


def test_a_secret_need_not_name_more_than_user_and_password(database: Database, secrets: Any) -> None:
    parameters = conninfo_to_dict(database.dsn)
    secret = {"username": parameters.pop("user"), "password": parameters.pop("password")}
    arn = secrets.create_secret(Name="rds", SecretString=json.dumps(secret))["ARN"]
    with by_secret(arn, lambda: secrets, make_conninfo("", **parameters))() as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)


@pytest.mark.parametrize("text", ['{"password": s3cret}', '{"password": "s3cret"}', "s3cret words", "password=s3cret"])
def test_an_invalid_secret_is_an_error_that_does_not_show_it(secrets: Any, text: str) -> None:
    arn = secrets.create_secret(Name="strange", SecretString=text)["ARN"]
    with pytest.raises(ConfigurationError) as caught:
        by_secret(arn, lambda: secrets)()
    assert arn in str(caught.value)
    assert "s3cret" not in "".join(traceback.format_exception(caught.value))


def test_a_secret_that_is_missing_is_named(secrets: Any) -> None:
    with pytest.raises(RequestRefusedError, match="secretsmanager:GetSecretValue on nothing"):
        by_secret("nothing", lambda: secrets)()


# IAM


def test_a_token_is_the_password(database: Database) -> None:
    parameters = conninfo_to_dict(database.dsn)
    tokens = Tokens(str(parameters["password"]))
    with by_iam(make_conninfo(database.dsn, password=""), lambda: tokens)() as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)
    expected = {
        "DBHostname": parameters["host"],
        "Port": int(str(parameters["port"])),
        "DBUsername": parameters["user"],
    }
    assert tokens.asked == expected


def test_a_token_that_is_refused_names_the_right(database: Database) -> None:
    with pytest.raises(AccessDeniedError, match="CONNECT to database"):
        by_iam(database.dsn, lambda: Tokens("wrong"))()


def test_iam_needs_host_and_user() -> None:
    with pytest.raises(ConfigurationError, match="lacks a host or a user"):
        by_iam("dbname=music", lambda: Tokens(""))


def test_boto3_signs_such_tokens() -> None:
    client = boto3.client("rds")
    asked: list[str] = []

    class Recorded:
        def generate_db_auth_token(self, **wanted: Any) -> str:
            asked.append(client.generate_db_auth_token(**wanted))
            return asked[0]

    with pytest.raises(ServiceUnavailableError):
        by_iam("host=127.0.0.1 port=1 user=penstock dbname=music", Recorded)()
    assert asked[0].startswith("127.0.0.1:1/?Action=connect&DBUser=penstock&")


def test_what_is_not_of_the_connection_is_not_hidden(database: Database) -> None:
    with by_dsn(database.dsn)() as connection, pytest.raises(psycopg.errors.UndefinedTable):
        connection.execute("SELECT * FROM nowhere")
