"""Where connections to PostgreSQL come from: a DSN, a secret, or a token of IAM."""

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
    """What is used of boto3's Secrets Manager client."""

    def get_secret_value(self, *, SecretId: str) -> Any: ...  # noqa: N803  # boto3's name


class TokenClient(Protocol):
    """What is used of boto3's RDS client; it asks no service, it signs."""

    def generate_db_auth_token(self, *, DBHostname: str, Port: int, DBUsername: str) -> str: ...  # noqa: N803


# Of libpq; the DSN may overrule them. Encrypted unless it says otherwise. A peer that is gone, as after a failover,
# is noticed within a minute.
DEFAULTS: Parameters = {
    "sslmode": "require",
    "application_name": "penstock",
    "connect_timeout": 10,
    "keepalives_idle": 20,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "tcp_user_timeout": 60_000,
}
# RDS, Aurora and RDS Proxy, whose certificates lead to the authorities in the file (its head says where it is from).
RDS_HOSTS = (".rds.amazonaws.com", ".rds.amazonaws.com.cn")
RDS_AUTHORITIES = Path(__file__).parents[2] / "rds-ca.pem"
# Without these the loader would not write what it was given.
FIXED: Parameters = {"client_encoding": "UTF8"}

# The names in a secret that RDS manages, and libpq's.
_SECRET_FIELDS = {"host": "host", "port": "port", "dbname": "dbname", "username": "user", "password": "password"}


@dataclass(frozen=True, slots=True)
class Timeouts:
    """In seconds, kept by the server. ``idle`` ends a transaction whose loader has died with its connection open; it
    held locks until then."""

    statement: float = 300
    lock: float = 30
    idle: float = 60


def by_dsn(dsn: str, timeouts: Timeouts = Timeouts()) -> Connect:
    """Connect by a URI or a key-value string. Raises ConfigurationError when it is neither."""
    parameters = _parsed(dsn, "the DSN")
    return lambda: _connect(parameters, timeouts)


def by_secret(arn: str, client: Callable[[], SecretsClient], dsn: str = "", timeouts: Timeouts = Timeouts()) -> Connect:
    """Connect by a secret: a DSN, or the JSON of a secret that RDS manages. What it does not name (RDS's own names
    user and password only), ``dsn`` does. It is read for every connection: a rotated password is the current one.
    """
    base = _parsed(dsn, "the DSN")

    def connect() -> Connection:
        with translating_aws(f"secretsmanager:GetSecretValue on {arn}"):
            text = client().get_secret_value(SecretId=arn)["SecretString"]
        parameters = {**base, **_secret_parameters(arn, text)}
        if not parameters.get("host"):
            raise ConfigurationError(f"neither the secret {arn} nor the DSN names a host")
        return _connect(parameters, timeouts)

    return connect


def by_iam(dsn: str, client: Callable[[], TokenClient], timeouts: Timeouts = Timeouts()) -> Connect:
    """Connect with a token of IAM for a password: host, port, user and database come from the DSN.

    https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/UsingWithRDS.IAMDBAuth.html
    """
    parameters = _parsed(dsn, "the DSN")
    if not (parameters.get("host") and parameters.get("user")):
        raise ConfigurationError("a DSN for IAM authentication names host and user")
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
        # libpq's message quotes what may be a password.
        raise ConfigurationError(
            f"{name} is malformed", hint="Write postgresql://user@host:port/database?option=value, or option=value ..."
        ) from None


def _secret_parameters(arn: str, text: str) -> Parameters:
    if not text.lstrip().startswith("{"):
        return _parsed(text.strip(), f"the secret {arn}, if it is to be a DSN,")
    try:
        secret = json.loads(text)
    except ValueError:
        raise ConfigurationError(f"the secret {arn} is malformed JSON") from None
    return {name: secret[field] for field, name in _SECRET_FIELDS.items() if secret.get(field)}


def _connect(parameters: Parameters, timeouts: Timeouts) -> Connection:
    given = {**DEFAULTS, **_proof(parameters), **parameters, **FIXED}
    name = given.get("dbname") or given.get("user")
    place = f"{f'database {name!r}' if name else 'the database'} on {given.get('host') or 'the local socket'}"
    with translating_connect(place):
        # Without prepared statements and startup options it also works through poolers of transactions.
        connection = psycopg.connect(**given, autocommit=True, prepare_threshold=None)
        try:
            _settle(connection, timeouts)
        except BaseException:
            connection.close()
            raise
    return connection


def _proof(parameters: Parameters) -> Parameters:
    """How the server is to prove its name, where the DSN does not say so and Penstock knows who vouches for it."""
    hosts = str(parameters.get("host", "")).lower().split(",")
    mode = str(parameters.get("sslmode", "verify-full"))
    # With authorities at hand libpq would check them also where no more than encryption is asked for.
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
        # Chunks do not wait for the disk, `finish` does: what it finds committed is then on disk, in order. Should
        # the server crash before, ledger and rows of the last moments are missing together, and are loaded again.
        "synchronous_commit": "off",
    }
    calls = ", ".join("set_config(%s, %s, false)" for _ in settings)
    connection.execute(f"SELECT {calls}", [word for pair in settings.items() for word in pair])


def _milliseconds(seconds: float) -> str:
    return str(round(seconds * 1000))
