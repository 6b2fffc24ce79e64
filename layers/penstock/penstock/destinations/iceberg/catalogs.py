"""Which catalog is meant: Glue, S3 Tables, a REST catalog, or a file of SQLite."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from botocore.config import Config

from penstock.destinations.iceberg.catalog import Catalog
from penstock.destinations.iceberg.glue import GlueCatalog
from penstock.destinations.iceberg.oauth import BearerToken, CatalogSecret
from penstock.destinations.iceberg.rest import RestCatalog
from penstock.destinations.iceberg.rest_http import Anonymous, Authorization, RestHttp, SigV4
from penstock.destinations.iceberg.storage import LocalStorage, S3Storage, Storage, UriStorage
from penstock.errors import ConfigurationError


class CatalogKind(StrEnum):
    """Kinds of catalogs."""

    GLUE = "glue"
    S3_TABLES = "s3tables"
    REST = "rest"
    SQLITE = "sqlite"


_TABLE_BUCKET = re.compile(r"arn:aws[-a-z0-9]*:s3tables:([-a-z0-9]+):[0-9]{12}:bucket/[a-z0-9_-]{3,63}")

# Services of AWS that speak the REST protocol, or that stand before a catalog that does, by their host.
# https://docs.aws.amazon.com/glue/latest/dg/connect-glu-iceberg-rest.html
_SIGNED = re.compile(r"(?:.+\.)?(glue|s3tables|execute-api)\.([-a-z0-9]+)\.(?:amazonaws\.com|api\.aws)(?:\.cn)?")

# What S3 Tables checks for each call of its REST endpoint.
# https://docs.aws.amazon.com/AmazonS3/latest/userguide/s3-tables-integrating-open-source.html
_S3_TABLES_ACTIONS = {
    "config": "s3tables:GetTableBucket",
    "load": "s3tables:GetTableMetadataLocation and s3tables:GetTableData",
    "create": "s3tables:CreateTable and s3tables:PutTableData",
    "commit": "s3tables:UpdateTableMetadataLocation and s3tables:PutTableData",
}

# A repeated UpdateTable meets the version that its lost answer has made, which is then found by the commit's id.
_GLUE_CONFIG = Config(
    retries={"mode": "standard", "total_max_attempts": 5},
    connect_timeout=5,
    read_timeout=30,
    user_agent_extra="penstock",
)


@dataclass(frozen=True, slots=True)
class CatalogSettings:
    """The catalog of a stack or of a command. ``uri`` is ``glue``, the ARN of a table bucket, ``https://...`` or
    ``sqlite:///path``. ``warehouse``: where new tables lie. ``secret`` names the secret of a REST catalog."""

    uri: str
    warehouse: str = ""
    secret: str = ""

    @property
    def removes_files(self) -> bool:
        """Whether the catalog removes files that no snapshot has, and forbids everybody else to."""
        return self.kind is CatalogKind.S3_TABLES

    @property
    def kind(self) -> CatalogKind:
        """Raises ConfigurationError for text that names no catalog."""
        if self.uri == "glue":
            return CatalogKind.GLUE
        if _TABLE_BUCKET.fullmatch(self.uri):
            return CatalogKind.S3_TABLES
        scheme, separator, _ = self.uri.partition("://")
        kind = {"https": CatalogKind.REST, "http": CatalogKind.REST, "sqlite": CatalogKind.SQLITE}.get(scheme)
        if kind is None or not separator:
            raise ConfigurationError(
                f"{self.uri!r} is not an Iceberg catalog",
                hint="Write glue, the ARN of an S3 table bucket, https://... of a REST catalog, or sqlite:///file.",
            )
        return kind


@dataclass(frozen=True, slots=True)
class CatalogClients:
    """What catalogs need of the place where they run. ``client(service, config, region)`` creates a client of AWS.
    ``secret(name)`` reads a secret. ``local``: files of this machine may be used."""

    client: Callable[[str, Config | None, str], Any]
    credentials: Callable[[], Any]
    region: str
    secret: Callable[[str], str] | None = None
    ca_bundle: str | None = None
    local: bool = False


def storage_of(clients: CatalogClients, s3: Callable[[], Any] | None = None) -> Storage:
    """Return the storage of metadata and manifests. ``s3`` creates the client, if there is one already."""
    found = S3Storage(s3 or (lambda: clients.client("s3", None, "")))
    return UriStorage(found, LocalStorage() if clients.local else None)


def open_catalog(settings: CatalogSettings, clients: CatalogClients, storage: Storage) -> Catalog:
    """Create the catalog. Nothing is sent. Raises ConfigurationError."""
    match settings.kind:
        case CatalogKind.GLUE:
            _check_warehouse(settings.warehouse)
            return GlueCatalog(lambda: clients.client("glue", _GLUE_CONFIG, ""), storage, settings.warehouse)
        case CatalogKind.S3_TABLES:
            return _s3_tables(settings, clients)
        case CatalogKind.REST:
            return _rest(settings, clients)
        case CatalogKind.SQLITE:
            return _sqlite(settings, clients, storage)


def _s3_tables(settings: CatalogSettings, clients: CatalogClients) -> Catalog:
    found = _TABLE_BUCKET.fullmatch(settings.uri)
    region = found[1] if found else clients.region
    endpoint = clients.client("s3tables", None, region).meta.endpoint_url
    http = RestHttp(
        f"{endpoint.rstrip('/')}/iceberg",
        SigV4(clients.credentials, "s3tables", region),
        ca_bundle=clients.ca_bundle,
    )
    return RestCatalog(http, settings.uri, actions=_S3_TABLES_ACTIONS, views=False)


def _rest(settings: CatalogSettings, clients: CatalogClients) -> Catalog:
    base = settings.uri.rstrip("/").removesuffix("/v1")
    signed = _SIGNED.fullmatch(urlsplit(base).hostname or "")
    authorization: Authorization = Anonymous()
    if settings.secret:
        authorization = BearerToken(_secret(settings.secret, clients), base)
    elif signed:
        authorization = SigV4(clients.credentials, signed[1], signed[2])
    http = RestHttp(base, authorization, ca_bundle=clients.ca_bundle)
    # A warehouse that is no URI is a name that only the catalog knows.
    location = settings.warehouse if settings.warehouse.startswith("s3://") else ""
    return RestCatalog(http, settings.warehouse, location=location)


def _secret(name: str, clients: CatalogClients) -> Callable[[], CatalogSecret]:
    read = clients.secret
    if read is None:
        raise ConfigurationError("secrets cannot be read here")
    return lambda: CatalogSecret.parse(name, read(name))


def _sqlite(settings: CatalogSettings, clients: CatalogClients, storage: Storage) -> Catalog:
    from penstock.destinations.iceberg.sqlite import SqliteCatalog  # noqa: PLC0415  # the command only

    if not clients.local:
        raise ConfigurationError("a SQL catalog is for `penstock run` only", hint="Use Glue, S3 Tables or REST.")
    file = Path(settings.uri.removeprefix("sqlite://").removeprefix("/") or ".")
    if settings.uri.startswith("sqlite:////"):
        file = Path(settings.uri.removeprefix("sqlite:///"))
    warehouse = settings.warehouse or str(file.parent)
    if "://" not in warehouse:
        warehouse = str(Path(warehouse).absolute())
    return SqliteCatalog(file.absolute(), storage, warehouse)


def _check_warehouse(warehouse: str) -> None:
    if warehouse and not warehouse.startswith("s3://"):
        raise ConfigurationError(f"the warehouse {warehouse} is not s3://bucket/prefix")
