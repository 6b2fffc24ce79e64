"""The Iceberg catalog of a stack: who reads the state of tables, and who commits."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING, Any

from penstock.aws.errors import translating
from penstock.aws.session import DEFAULT_CONFIG, invoking_client, secrets_client, session
from penstock.destinations.iceberg.catalog import Catalog
from penstock.destinations.iceberg.catalogs import (
    CatalogClients,
    CatalogSettings,
    open_catalog,
    storage_of,
)
from penstock.destinations.iceberg.finding import CatalogCommitFinder
from penstock.destinations.iceberg.job_files import RecordedFiles
from penstock.destinations.iceberg.ports import IcebergAccess, TableEditor
from penstock.destinations.iceberg.preparation import InvokedEditor
from penstock.destinations.iceberg.reader import CatalogTableReader
from penstock.destinations.iceberg.storage import Storage
from penstock.destinations.iceberg.table_editor import CatalogTableEditor
from penstock.destinations.parquet.versioned_files import S3VersionedFiles
from penstock.errors import ConfigurationError
from penstock.settings import Settings

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

    from penstock.destinations.iceberg.committer import IcebergCommitter


def catalog_of_stack(settings: Settings, s3: Callable[[], S3Client]) -> tuple[Catalog, Storage]:
    """Open the catalog of a stack. Nothing is sent. Raises ConfigurationError if the stack has none."""
    if not settings.iceberg_catalog:
        raise ConfigurationError("the stack has no catalog of Iceberg tables", hint="Deploy with IcebergCatalog.")
    clients = CatalogClients(_client, session().get_credentials, session().get_config_variable("region"), _secret)
    storage = storage_of(clients, s3)
    return open_catalog(settings_of(settings), clients, storage), storage


def committer_of_stack(settings: Settings, s3: Callable[[], S3Client]) -> IcebergCommitter:
    """Build the committer of a stack. Imports pyiceberg."""
    from penstock.destinations.iceberg.committer import IcebergCommitter  # noqa: PLC0415  # 90 MB, for a commit alone

    catalog, storage = catalog_of_stack(settings, s3)
    return IcebergCommitter(catalog, storage, deletes=not settings_of(settings).removes_files)


def access_of_stack(settings: Settings, s3: Callable[[], S3Client]) -> IcebergAccess:
    """Return what the sinks of a stack's functions need. Those that may not change tables ask the function `commit`."""
    catalog, storage = catalog_of_stack(settings, s3)
    editor: TableEditor = CatalogTableEditor(catalog)
    if settings.commit_function:
        editor = InvokedEditor(invoking_client, settings.commit_function)
    delete = None if settings_of(settings).removes_files else storage.delete
    return IcebergAccess(CatalogTableReader(catalog), editor, delete)


def editor_of_stack(settings: Settings, s3: Callable[[], S3Client]) -> TableEditor:
    """Build what creates and changes tables."""
    return CatalogTableEditor(catalog_of_stack(settings, s3)[0])


def settings_of(settings: Settings) -> CatalogSettings:
    """Return the catalog that a stack names."""
    return CatalogSettings(settings.iceberg_catalog, settings.iceberg_warehouse, settings.iceberg_secret)


def finder_of_stack(settings: Settings, s3: Callable[[], S3Client]) -> CatalogCommitFinder:
    """Build what looks for commits in the catalog of a stack."""
    return CatalogCommitFinder(catalog_of_stack(settings, s3)[0])


def job_files(settings: Settings, s3: S3Client) -> RecordedFiles:
    """Return the files of jobs, by the records in the work bucket."""
    return RecordedFiles(S3VersionedFiles(s3, settings.work_bucket))


def _client(service: str, config: Any, region: str) -> Any:
    return session().client(service, config=config or DEFAULT_CONFIG, **({"region_name": region} if region else {}))


def _secret(name: str) -> str:
    with translating(f"secretsmanager:GetSecretValue on {name}"):
        return str(_secrets().get_secret_value(SecretId=name)["SecretString"])


_secrets = cache(secrets_client)
