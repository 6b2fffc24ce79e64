"""The catalog of AWS Glue: a table names its metadata file, and is updated only at the version that was read.

https://docs.aws.amazon.com/glue/latest/dg/aws-glue-api-catalog-tables.html#aws-glue-api-catalog-tables-UpdateTable
https://iceberg.apache.org/docs/latest/aws/#optimistic-locking
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from penstock.aws.errors import code_of, translating
from penstock.destinations.iceberg.catalog import Change, LoadedTable, NewTable
from penstock.destinations.iceberg.glue_columns import glue_columns
from penstock.destinations.iceberg.metadata_changes import new_metadata
from penstock.destinations.iceberg.metadata_pointers import deleting_unused, read_metadata, write_metadata
from penstock.destinations.iceberg.names import TableName
from penstock.destinations.iceberg.storage import Storage
from penstock.errors import (
    CommitInDoubtError,
    DestinationMissingError,
    InvalidTableError,
    PenstockError,
    PublishConflictError,
    ServiceUnavailableError,
)

if TYPE_CHECKING:
    from mypy_boto3_glue.client import GlueClient

_MISSING = "EntityNotFoundException"
_LOCATION, _PREVIOUS = "metadata_location", "previous_metadata_location"

# What UpdateTable takes of what GetTable returns; the rest is Glue's own.
_KEPT = ("Description", "Owner", "Retention", "PartitionKeys", "TableType", "LastAccessTime", "LastAnalyzedTime")


class GlueCatalog:
    """Implements ``Catalog``. ``warehouse`` is the URI under which new tables lie; without it, the location of their
    database.

    Memory: also the metadata that were read last, without their history. Metadata files never change.
    """

    def __init__(self, connect: Callable[[], GlueClient], storage: Storage, warehouse: str = "") -> None:
        self._connect = connect
        self._storage = storage
        self._warehouse = warehouse.rstrip("/")
        self._client: GlueClient | None = None
        self._last: tuple[str, dict[str, Any]] = "", {}

    def load(self, name: TableName, *, history: bool = False) -> LoadedTable | None:
        database, table = glue_names(name)
        with translating(f"glue:GetTable on {name}"):
            try:
                found: Mapping[str, Any] = self._glue.get_table(DatabaseName=database, Name=table)["Table"]
            except ClientError as error:
                if code_of(error) == _MISSING:
                    return None
                raise
        location = metadata_location(name, found)
        known, document = self._last
        if history or location != known:
            document = read_metadata(self._storage, name, location, history=history)
        if not history:
            self._last = location, document
        return LoadedTable(name, document, location, found)

    def create(self, table: NewTable) -> None:
        database, name = glue_names(table.name)
        document = new_metadata(table, table.location or self._location_of(database, name))
        uri = write_metadata(self._storage, document)
        parameters = {**table.properties, "table_type": "ICEBERG", _LOCATION: uri}
        right = f"glue:CreateTable on {table.name}"
        with deleting_unused(self._storage, uri, may_be_used=_was_repeated), translating(right):
            try:
                self._glue.create_table(DatabaseName=database, TableInput=_input(name, {}, parameters, document))
            except ClientError as error:
                if code_of(error) == "AlreadyExistsException":
                    raise PublishConflictError(f"{table.name} exists already") from error
                if code_of(error) == _MISSING:
                    raise _no_database(database) from error
                raise

    def commit(self, base: LoadedTable, change: Change) -> None:
        database, name = glue_names(base.name)
        found: Mapping[str, Any] = base.token
        uri = write_metadata(self._storage, change.document, base.location)
        parameters = {**found.get("Parameters", {}), _LOCATION: uri, _PREVIOUS: base.location}
        right = f"glue:UpdateTable on {base.name}"
        with deleting_unused(self._storage, uri, may_be_used=_was_repeated):
            try:
                with translating(right):
                    self._update(database, _input(name, found, parameters, change.document), found["VersionId"])
            except ServiceUnavailableError as error:
                raise CommitInDoubtError(f"no answer: {error}") from error

    def _update(self, database: str, table: Any, version: str) -> None:
        try:
            # Without SkipArchive each version would be archived, up to the quota of versions.
            self._glue.update_table(
                DatabaseName=database,
                TableInput=table,
                SkipArchive=True,
                VersionId=version,
            )
        except ClientError as error:
            if code_of(error) == "ConcurrentModificationException":
                raise PublishConflictError(f"{database}.{table['Name']} was changed by another writer") from error
            if code_of(error) == _MISSING:
                raise PublishConflictError(f"{database}.{table['Name']} was dropped in the meantime") from error
            raise

    def _location_of(self, database: str, table: str) -> str:
        if self._warehouse:
            return f"{self._warehouse}/{database}/{table}"
        with translating(f"glue:GetDatabase on {database}"):
            try:
                found = self._glue.get_database(Name=database)["Database"].get("LocationUri", "")
            except ClientError as error:
                if code_of(error) == _MISSING:
                    raise _no_database(database) from error
                raise
        if not found.startswith("s3://"):
            raise InvalidTableError(
                f"there is no location for the new table {database}.{table}",
                hint="Set the parameter IcebergWarehouse to s3://bucket/prefix, or give the Glue database a location.",
            )
        return f"{found.rstrip('/')}/{table}"

    @property
    def _glue(self) -> GlueClient:
        self._client = self._client or self._connect()
        return self._client


def glue_names(name: TableName) -> tuple[str, str]:
    """Return database and table. Glue folds names to lower case. Raises InvalidTableError."""
    if str(name) != str(name).lower():
        raise InvalidTableError(
            f"{name} has capital letters, which Glue does not keep", hint=f"Write {str(name).lower()}."
        )
    return name.single_namespace, name.table


def metadata_location(name: TableName, found: Mapping[str, Any]) -> str:
    """Return the URI of the metadata file. Raises InvalidTableError for what is no table of Iceberg."""
    parameters = found.get("Parameters") or {}
    if target := found.get("TargetTable"):
        meant = f"{target.get('DatabaseName')}.{target.get('Name')}"
        raise InvalidTableError(f"{name} is a link to {meant} in Glue", hint="Name the table itself.")
    if parameters.get("table_type", "").upper() != "ICEBERG":
        what = "a view" if "VIEW" in found.get("TableType", "") else "a table, but not an Iceberg table,"
        raise InvalidTableError(f"{name} is {what} in Glue", hint="Name an Iceberg table, or a table that is missing.")
    if not parameters.get(_LOCATION):
        raise InvalidTableError(
            f"the Iceberg table {name} has no {_LOCATION} in Glue", hint="Register its metadata file, or drop it."
        )
    return str(parameters[_LOCATION])


def _input(name: str, found: Mapping[str, Any], parameters: Mapping[str, str], document: Mapping[str, Any]) -> Any:
    kept = {key: found[key] for key in _KEPT if found.get(key)}
    storage = {**(found.get("StorageDescriptor") or {}), "Columns": glue_columns(document)}
    storage["Location"] = document["location"]
    return {"TableType": "EXTERNAL_TABLE", **kept, "Name": name, "Parameters": parameters, "StorageDescriptor": storage}


def _was_repeated(error: PenstockError) -> bool:
    """Whether the client has sent the request more than once: an earlier one may be in, whose answer was lost."""
    cause = error.__cause__
    answered = isinstance(cause, ClientError)
    return not answered or cause.response["ResponseMetadata"].get("RetryAttempts", 0) > 0  # type: ignore[union-attr]


def _no_database(database: str) -> DestinationMissingError:
    return DestinationMissingError(
        f"the database {database} does not exist in Glue",
        hint=f"Create it: aws glue create-database --database-input Name={database}",
    )
