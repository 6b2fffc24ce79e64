"""Fixtures: a real PostgreSQL server, and an empty schema for each test.

A test module requests them with ``pytest_plugins = ["postgres_fixtures"]``. The environment variable
PENSTOCK_TEST_POSTGRES_DSN names another server than the one of the wheel. Its role must be able to create databases.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import closing, nullcontext

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo

from penstock_local import postgres
from postgres_database import Database

# Queries are short and need no statistics, and nothing replicates the server.
SETTINGS = {**postgres.DISPOSABLE, "autovacuum": "off", "wal_level": "minimal", "max_wal_senders": "0"}


@pytest.fixture(scope="session")
def postgres_dsn(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    given = os.environ.get("PENSTOCK_TEST_POSTGRES_DSN")
    with (
        nullcontext(given) if given else postgres.running(tmp_path_factory.mktemp("postgres"), settings=SETTINGS) as dsn
    ):
        assert dsn
        name = sql.Identifier(f"penstock_test_{secrets.token_hex(4)}")
        with psycopg.connect(dsn, autocommit=True) as admin:
            admin.execute(sql.SQL("CREATE DATABASE {}").format(name))
            try:
                yield make_conninfo(dsn, dbname=name.as_string(admin).strip('"'))
            finally:
                admin.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(name))


@pytest.fixture
def database(postgres_dsn: str) -> Iterator[Database]:
    schema = f"test_{secrets.token_hex(4)}"
    with closing(Database(make_conninfo(postgres_dsn, options=f"-csearch_path={schema}"), schema)) as database:
        database.execute(f"CREATE SCHEMA {schema}")
        yield database
        database.execute(f"DROP SCHEMA {schema} CASCADE")
