"""The Iceberg catalog of a command: the sink of a run commits by itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from penstock.aws.cli_errors import RUN_AGAIN, cli_errors
from penstock.destinations.iceberg.catalogs import (
    CatalogClients,
    CatalogSettings,
    open_catalog,
    storage_of,
)
from penstock.destinations.iceberg.ports import Committer, IcebergAccess
from penstock.destinations.iceberg.reader import CatalogTableReader
from penstock.destinations.iceberg.table_editor import CatalogTableEditor
from penstock.wiring.cli_clients import CliClients

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


def access_of_command(clients: CliClients, catalog: str, warehouse: str, s3: Callable[[], S3Client]) -> IcebergAccess:
    """Open the catalog that a command names. Nothing is sent. Raises ConfigurationError for text that names none."""
    settings = CatalogSettings(catalog, warehouse)

    def client(service: str, config: Any, region: str) -> Any:
        return clients.client(service, **({"config": config} if config else {}), region=region)

    def read_secret(name: str) -> str:
        with cli_errors(f"secretsmanager:GetSecretValue on {name}", again=RUN_AGAIN):
            return str(clients.secrets().get_secret_value(SecretId=name)["SecretString"])

    found = CatalogClients(client, clients.credentials, clients.region_name, read_secret, local=True)
    storage = storage_of(found, s3)
    opened = open_catalog(settings, found, storage)

    def committer() -> Committer:
        from penstock.destinations.iceberg.committer import IcebergCommitter  # noqa: PLC0415  # slow to import

        return IcebergCommitter(opened, storage, deletes=not settings.removes_files)

    delete = None if settings.removes_files else storage.delete
    return IcebergAccess(CatalogTableReader(opened), CatalogTableEditor(opened), delete, committer)
