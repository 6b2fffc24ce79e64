"""A REST catalog behind bearer tokens, and services that lose requests and answers on the wire."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace

import pytest

from catalog_proxy import CatalogProxy, catalog_proxy
from contract.iceberg_backends import IcebergBackend, clients_of, glue_backend, s3_tables_backend
from contract.object_backends import Endpoint
from iceberg_lake import Lake
from lengths import long
from penstock.destinations.iceberg.catalog import Catalog
from penstock.destinations.iceberg.catalogs import CatalogSettings, open_catalog
from penstock.destinations.iceberg.names import TableName
from penstock.destinations.iceberg.reader import CatalogTableReader
from penstock.errors import (
    AccessDeniedError,
    CommitInDoubtError,
    ConfigurationError,
    InvalidTableError,
    ServiceUnavailableError,
)

OAUTH = {"credential": "id:secret", "scope": "PRINCIPAL_ROLE:ALL"}


@pytest.fixture(scope="module")
def tables(emulator: Endpoint) -> IcebergBackend:
    return s3_tables_backend(emulator)


@pytest.fixture
def proxy(emulator: Endpoint) -> Iterator[CatalogProxy]:
    with catalog_proxy(f"{emulator.url}/iceberg") as server:
        yield server


def rest(proxy: CatalogProxy, tables: IcebergBackend, secret: object = None, path: str = "") -> Catalog:
    """A REST catalog that happens to hold the tables of a table bucket."""
    clients = replace(clients_of(Endpoint(proxy.url)), secret=lambda _: json.dumps(secret))
    settings = CatalogSettings(f"{proxy.url}{path}", tables.warehouse, "catalog-secret" if secret else "")
    return open_catalog(settings, clients, tables.storage)


@pytest.fixture
def lake(tables: IcebergBackend) -> Lake:
    return Lake(tables)


def test_a_token_of_the_secret_is_sent(proxy: CatalogProxy, tables: IcebergBackend, lake: Lake) -> None:
    proxy.tokens = ["given"]
    found = CatalogTableReader(rest(proxy, tables, {"token": "given"})).read(lake.name)
    assert found
    assert found.location == lake.table.location


def test_a_token_that_is_refused_is_not_shown(proxy: CatalogProxy, tables: IcebergBackend, lake: Lake) -> None:
    proxy.tokens = ["other"]
    with pytest.raises(ConfigurationError, match="status 401") as refused:
        CatalogTableReader(rest(proxy, tables, {"token": "hidden"})).read(lake.name)
    assert "hidden" not in str(refused.value)
    assert "Renew the credentials" in refused.value.hint


def test_a_token_is_bought_once_and_again_when_it_is_refused(
    proxy: CatalogProxy, tables: IcebergBackend, lake: Lake
) -> None:
    proxy.tokens = []
    reader = CatalogTableReader(rest(proxy, tables, OAUTH))
    assert reader.read(lake.name)
    assert reader.read(lake.name)
    assert proxy.sold == [
        {
            "grant_type": "client_credentials",
            "client_id": "id",
            "client_secret": "secret",
            "scope": "PRINCIPAL_ROLE:ALL",
        }
    ]
    proxy.tokens.clear()
    assert reader.read(lake.name)
    assert len(proxy.sold) == 2


def test_a_credential_that_buys_nothing_is_an_access_error(
    proxy: CatalogProxy, tables: IcebergBackend, lake: Lake
) -> None:
    proxy.tokens = []
    with pytest.raises(AccessDeniedError, match=r"an OAuth2 token of .*invalid_client: no such client") as refused:
        CatalogTableReader(rest(proxy, tables, {"credential": "id:hidden"})).read(lake.name)
    assert "hidden" not in str(refused.value)


@pytest.mark.parametrize("secret", [{}, {"token": 1}, {"token": "a", "credential": "b"}, [1], {"scope": "x"}])
def test_secrets_without_one_of_both_are_refused(
    proxy: CatalogProxy, tables: IcebergBackend, lake: Lake, secret: object
) -> None:
    with pytest.raises(ConfigurationError, match="the secret catalog-secret"):
        CatalogTableReader(rest(proxy, tables, secret or {"token": ""})).read(lake.name)


def test_a_service_that_fails_for_a_moment_is_asked_again(
    proxy: CatalogProxy, tables: IcebergBackend, lake: Lake
) -> None:
    proxy.fail(f"/tables/{lake.name.partition('.')[2]}", 503, "dropped", "lost", 429)
    assert CatalogTableReader(rest(proxy, tables)).read(lake.name)


def test_a_permission_that_is_missing_is_named(emulator: Endpoint, tables: IcebergBackend, lake: Lake) -> None:
    with catalog_proxy(emulator.url) as server:
        glue = open_catalog(CatalogSettings("glue"), clients_of(Endpoint(server.url)), tables.storage)
        server.fail("GetTable", 403)
        with pytest.raises(AccessDeniedError, match=r"glue:GetTable on sales\.orders"):
            glue.load(TableName.parse("sales.orders"))
        s3_tables = open_catalog(CatalogSettings(tables.warehouse), clients_of(Endpoint(server.url)), tables.storage)
        server.fail("/tables/", 403)
        with pytest.raises(AccessDeniedError, match=f"s3tables:GetTableData on {lake.name}"):
            s3_tables.load(TableName.parse(lake.name))


@pytest.mark.long
def test_a_service_that_stays_away_is_retryable(proxy: CatalogProxy, tables: IcebergBackend, lake: Lake) -> None:
    proxy.fail("/config", *[503] * 9)
    with pytest.raises(ServiceUnavailableError, match="status 503"):
        CatalogTableReader(rest(proxy, tables)).read(lake.name)


def test_what_is_no_catalog_is_named(proxy: CatalogProxy, tables: IcebergBackend) -> None:
    proxy.fail("/tables/x", 200)
    with pytest.raises(InvalidTableError, match=r"answers for sales\.x without metadata"):
        CatalogTableReader(rest(proxy, tables)).read("sales.x")


@pytest.mark.parametrize("uri", ["http://example.com", "ftp://x", "arn:aws:s3:::bucket", "", "glues", "sqlite:///x.db"])
def test_catalogs_that_are_none_or_that_are_not_safe_are_refused(tables: IcebergBackend, uri: str) -> None:
    clients = clients_of(Endpoint("http://127.0.0.1:1"))
    with pytest.raises(ConfigurationError):
        open_catalog(CatalogSettings(uri), clients, tables.storage)


class TestOnTheWire:
    """Commits whose requests and answers are lost between client and service: botocore's client repeats requests to
    Glue, and meets its own change."""

    @pytest.fixture
    def glue(self, emulator: Endpoint) -> Iterator[CatalogProxy]:
        with catalog_proxy(emulator.url) as server:
            yield server

    @pytest.mark.parametrize(
        "faults", [("lost", 503), *map(long, [("lost",), ("dropped",), (500,), ("dropped", 503, "lost")])]
    )
    def test_glue_has_the_rows_once(self, emulator: Endpoint, glue: CatalogProxy, faults: tuple[str | int]) -> None:
        lake = Lake(glue_backend(emulator))
        lake.append_foreign([0])
        faulty = open_catalog(CatalogSettings("glue"), clients_of(Endpoint(glue.url)), lake.backend.storage)
        glue.fail("UpdateTable", *faults)  # type: ignore[arg-type]  # they are faults
        lake.commit("c1", lake.file("a", [1]), catalog=faulty)
        assert lake.rows() == [0, 1]
        assert len(lake.snapshots()) == 2
        assert any("UpdateTable" in line for line in glue.requests)

    @pytest.mark.parametrize("faults", [("lost", "dropped", 503), *map(long, [("lost",), (500,), (502, 504)])])
    def test_a_rest_catalog_has_the_rows_once(
        self, proxy: CatalogProxy, tables: IcebergBackend, lake: Lake, faults: tuple[str | int]
    ) -> None:
        lake.append_foreign([0])
        name = lake.name.partition(".")[2]
        proxy.fail(f"POST /v1/{tables.prefix}/namespaces/{tables.namespace}/tables/{name}", *faults)  # type: ignore[arg-type]
        lake.commit("c1", lake.file("a", [1]), catalog=rest(proxy, tables))
        assert lake.rows() == [0, 1]
        assert len(lake.snapshots()) == 2

    @pytest.mark.long
    def test_a_lost_answer_without_another_one_leaves_it_in_doubt(
        self, proxy: CatalogProxy, tables: IcebergBackend, lake: Lake
    ) -> None:
        name = lake.name.partition(".")[2]
        faulty = rest(proxy, tables)
        proxy.fail(f"POST /v1/{tables.prefix}/namespaces/{tables.namespace}/tables/{name}", "lost")
        proxy.fail(f"GET /v1/{tables.prefix}/namespaces/{tables.namespace}/tables/{name}", None, *[503] * 20)
        with pytest.raises(CommitInDoubtError, match="nobody knows whether commit c1 is in"):
            lake.commit("c1", lake.file("a", [1]), catalog=faulty)
        assert lake.rows() == [1]
