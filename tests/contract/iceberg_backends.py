"""The catalogs on which the contract of the Iceberg destination runs, each with other readers and writers beside it."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import quote

import boto3
from botocore.config import Config
from botocore.credentials import Credentials
from pyiceberg.catalog import Catalog as ForeignCatalog
from pyiceberg.catalog import load_catalog

from contract.object_backends import Endpoint
from penstock.destinations.iceberg.catalog import Catalog
from penstock.destinations.iceberg.catalogs import CatalogClients, CatalogSettings, open_catalog, storage_of
from penstock.destinations.iceberg.storage import Storage

REGION = "us-east-1"
_numbers = count(1)


class IcebergBackend(Protocol):
    """A catalog with a namespace. ``warehouse`` is what a REST catalog calls so, and ``prefix`` what comes before its
    paths."""

    namespace: str
    catalog: Catalog
    storage: Storage
    foreign: ForeignCatalog
    """pyiceberg with pyarrow, as another writer or reader uses the catalog."""

    warehouse: str = ""

    @property
    def prefix(self) -> str:
        return quote(self.warehouse, safe="")

    def new_name(self) -> str:
        """Return the name of a table that does not exist."""
        return f"{self.namespace}.table_{next(_numbers)}"


@dataclass
class _Backend(IcebergBackend):
    namespace: str
    catalog: Catalog
    storage: Storage
    foreign: ForeignCatalog
    warehouse: str = ""


def sqlite_backend(folder: Path) -> IcebergBackend:
    """A file of SQLite and a folder."""
    settings = CatalogSettings(f"sqlite:///{folder}/catalog.db", str(folder / "warehouse"))
    clients = CatalogClients(client=_no_client, credentials=lambda: None, region=REGION, local=True)
    storage = storage_of(clients)
    foreign = load_catalog(
        "default", type="sql", uri=f"sqlite:///{folder}/catalog.db", warehouse=f"file://{folder}/warehouse"
    )
    foreign.create_namespace("sales")
    return _Backend("sales", open_catalog(settings, clients, storage), storage, foreign)


def _no_client(*_: Any) -> Any:
    raise AssertionError("a local catalog asks no service")


def glue_backend(endpoint: Endpoint) -> IcebergBackend:
    """The emulator's Glue, with a bucket for the tables."""
    clients = clients_of(endpoint)
    bucket = f"lake-{next(_numbers)}"
    namespace = f"glue_{next(_numbers)}"
    clients.client("s3", None, "").create_bucket(Bucket=bucket)
    clients.client("glue", None, "").create_database(DatabaseInput={"Name": namespace})
    storage = storage_of(clients)
    foreign = load_catalog(
        "glue",
        type="glue",
        warehouse=f"s3://{bucket}/warehouse",
        **{"glue.endpoint": endpoint.url, "glue.region": REGION, **_foreign_s3(endpoint)},
        **{"glue.access-key-id": "test", "glue.secret-access-key": "test"},
    )
    settings = CatalogSettings("glue", f"s3://{bucket}/warehouse")
    return _Backend(namespace, open_catalog(settings, clients, storage), storage, foreign)


def s3_tables_backend(endpoint: Endpoint) -> IcebergBackend:
    """The emulator's S3 Tables, through its REST endpoint."""
    clients = clients_of(endpoint)
    tables = clients.client("s3tables", None, "")
    arn = tables.create_table_bucket(name=f"tables-{next(_numbers)}")["arn"]
    namespace = f"tables_{next(_numbers)}"
    tables.create_namespace(tableBucketARN=arn, namespace=[namespace])
    storage = storage_of(clients)
    foreign = load_catalog(
        "s3tables",
        type="rest",
        uri=f"{endpoint.url}/iceberg",
        warehouse=arn,
        **{"rest.sigv4-enabled": "true", "rest.signing-name": "s3tables", "rest.signing-region": REGION},
        **{"client.access-key-id": "test", "client.secret-access-key": "test", **_foreign_s3(endpoint)},
    )
    return _Backend(namespace, open_catalog(CatalogSettings(arn), clients, storage), storage, foreign, arn)


def clients_of(endpoint: Endpoint) -> CatalogClients:
    """Clients of the emulator, under its root user."""

    def client(service: str, config: Config | None, region: str) -> Any:
        return boto3.client(  # type: ignore[call-overload]  # the service is not a literal
            service,
            endpoint_url=endpoint.url,
            region_name=region or REGION,
            aws_access_key_id="test",
            aws_secret_access_key="test",  # the emulator's well-known root user
            config=(config or Config()).merge(Config(proxies={})),
        )

    return CatalogClients(client, lambda: Credentials("test", "test"), REGION)


def _foreign_s3(endpoint: Endpoint) -> dict[str, str]:
    return {
        "s3.endpoint": endpoint.url,
        "s3.region": REGION,
        "s3.access-key-id": "test",
        "s3.secret-access-key": "test",
    }
