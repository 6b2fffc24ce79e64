"""Connect to PostgreSQL by a DSN, a secret, or an IAM authentication token."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeAlias

import psycopg
from psycopg.conninfo import conninfo_to_dict
from psycopg.rows import TupleRow

from penstock.aws.errors import translating as translating_aws
from penstock.destinations.postgres.errors import translating_connect
from penstock.errors import ConfigurationError

Connection: TypeAlias = psycopg.Connection[TupleRow]
Connect: TypeAlias = Callable[[], Connection]
Parameters: TypeAlias = dict[str, Any]


class SecretsClient(Protocol):
    """The part of boto3's Secrets Manager client that is used."""

    def get_secret_value(self, *, SecretId: str) -> Any: ...  # noqa: N803  # boto3's name


class TokenClient(Protocol):
    """The part of boto3's RDS client that is used. It signs the token without a request to a service."""

    def generate_db_auth_token(self, *, DBHostname: str, Port: int, DBUsername: str) -> str: ...  # noqa: N803


# Defaults for libpq; the DSN may override them. Connections are encrypted. A peer that is gone, as after a failover, is
# detected within a minute.
DEFAULTS: Parameters = {
    "sslmode": "require",
    "application_name": "penstock",
    "connect_timeout": 10,
    "keepalives_idle": 20,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "tcp_user_timeout": 60_000,
}
# The hosts of RDS, Aurora and RDS Proxy, and the authorities that sign their certificates. The file names its origin.
RDS_HOSTS = (".rds.amazonaws.com", ".rds.amazonaws.com.cn")
RDS_AUTHORITIES = Path(__file__).parents[2] / "rds-ca.pem"
# The DSN cannot override these: values would be written wrongly.
FIXED: Parameters = {"client_encoding": "UTF8"}

# The names in a secret that RDS manages, and those of libpq.
_SECRET_FIELDS = {"host": "host", "port": "port", "dbname": "dbname", "username": "user", "password": "password"}


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Timeouts in seconds, applied by the server. ``idle`` ends the transaction of a loader that died with its
    connection open, which holds locks until then."""

    statement: float = 300
    lock: float = 30
    idle: float = 60


def by_dsn(dsn: str, timeouts: Timeouts = Timeouts()) -> Connect:
    """Connect by a URI or a key-value string. Raises ConfigurationError if it is neither."""
    parameters = _parsed(dsn, "the DSN")
    return lambda: _connect(parameters, timeouts)


def by_secret(arn: str, client: Callable[[], SecretsClient], dsn: str = "", timeouts: Timeouts = Timeouts()) -> Connect:
    """Connect by a secret: a DSN, or the JSON of a secret that RDS manages. ``dsn`` supplies the options that the
    secret lacks (RDS's own has only user and password). The secret is read for every connection, so that a rotated
    password is used at once.
    """
    base = _parsed(dsn, "the DSN")

    def connect() -> Connection:
        with translating_aws(f"secretsmanager:GetSecretValue on {arn}"):
            text = client().get_secret_value(SecretId=arn)["SecretString"]
        parameters = {**base, **_secret_parameters(arn, text)}
        if not parameters.get("host"):
            raise ConfigurationError(f"neither the secret {arn} nor the DSN contains a host")
        return _connect(parameters, timeouts)

    return connect


def by_iam(dsn: str, client: Callable[[], TokenClient], timeouts: Timeouts = Timeouts()) -> Connect:
    """Connect with an IAM authentication token as the password. The DSN has host, port, user and database.

    https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/UsingWithRDS.IAMDBAuth.html
    """
    parameters = _parsed(dsn, "the DSN")
    if not (parameters.get("host") and parameters.get("user")):
        raise ConfigurationError("the DSN for IAM authentication lacks a host or a user")
    host, port, user = str(parameters["host"]), int(parameters.get("port") or 5432), str(parameters["user"])

    def connect() -> Connection:
        with translating_aws(f"rds-db:connect as {user} on {host}"):
            token = client().generate_db_auth_token(DBHostname=host, Port=port, DBUsername=user)
        return _connect({**parameters, "password": token}, timeouts)

    return connect


def _parsed(dsn: str, name: str) -> Parameters:
    try:
        return conninfo_to_dict(dsn)
    except psycopg.ProgrammingError:
        # libpq's message may quote a password.
        raise ConfigurationError(
            f"{name} is malformed", hint="Write postgresql://user@host:port/database?option=value, or option=value ..."
        ) from None


def _secret_parameters(arn: str, text: str) -> Parameters:
    if not text.lstrip().startswith("{"):
        return _parsed(text.strip(), f"the DSN in the secret {arn}")
    try:
        secret = json.loads(text)
    except ValueError:
        raise ConfigurationError(f"the secret {arn} is malformed JSON") from None
    return {name: secret[field] for field, name in _SECRET_FIELDS.items() if secret.get(field)}


def _connect(parameters: Parameters, timeouts: Timeouts) -> Connection:
    given = {**DEFAULTS, **_proof(parameters), **parameters, **FIXED}
    name = given.get("dbname") or given.get("user")
    database = f"{f'database {name!r}' if name else 'the database'} on {given.get('host') or 'the local socket'}"
    with translating_connect(database):
        # Without prepared statements and startup options, the connection also works through transaction poolers.
        connection = psycopg.connect(**given, autocommit=True, prepare_threshold=None)
        try:
            _settle(connection, timeouts)
        except BaseException:
            connection.close()
            raise
    return connection


def _proof(parameters: Parameters) -> Parameters:
    """Return the options that verify the name of an RDS server, unless the DSN chooses a weaker mode."""
    hosts = str(parameters.get("host", "")).lower().split(",")
    mode = str(parameters.get("sslmode", "verify-full"))
    # With sslrootcert, libpq verifies the certificate also in the modes that only encrypt.
    if not mode.startswith("verify-") or not all(host.endswith(RDS_HOSTS) for host in hosts):
        return {}
    return {"sslmode": mode, "sslrootcert": str(RDS_AUTHORITIES)}


def _settle(connection: Connection, timeouts: Timeouts) -> None:
    connection.isolation_level = psycopg.IsolationLevel.READ_COMMITTED
    settings = {
        "statement_timeout": _milliseconds(timeouts.statement),
        "lock_timeout": _milliseconds(timeouts.lock),
        "idle_in_transaction_session_timeout": _milliseconds(timeouts.idle),
        "TimeZone": "UTC",
        "DateStyle": "ISO, YMD",
        # Chunks do not wait for the disk, but `finish` does: all earlier commits are then on disk too. If the server
        # crashes before, it loses ledger entries and rows of the last moments together, and they are loaded again.
        "synchronous_commit": "off",
    }
    calls = ", ".join("set_config(%s, %s, false)" for _ in settings)
    connection.execute(f"SELECT {calls}", [word for pair in settings.items() for word in pair])


def _milliseconds(seconds: float) -> str:
    return str(round(seconds * 1000))
