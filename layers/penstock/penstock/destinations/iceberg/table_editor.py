"""Creates tables, adds columns and widens their types, by the catalog's requests alone.

Each change is conditional on the schema that was read, and is worked out again on the newest one after a conflict or a
lost answer: so any number of jobs may make the same change at once.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from penstock.aws.backoff import Backoff
from penstock.aws.retry import retrying
from penstock.destinations.iceberg.catalog import Catalog, Change, LoadedTable, NewTable
from penstock.destinations.iceberg.metadata import check_version, table_of
from penstock.destinations.iceberg.metadata_changes import FIRST_PARTITION_ID, changed
from penstock.destinations.iceberg.names import TableName
from penstock.destinations.iceberg.ports import IcebergTable
from penstock.destinations.iceberg.schema_changes import grown_schema, new_schema
from penstock.destinations.parquet.destination import check_files
from penstock.destinations.parquet.partitions import Partition
from penstock.errors import (
    CommitInDoubtError,
    DestinationMissingError,
    InvalidTableError,
    PublishConflictError,
)
from penstock.model.table import Table

TRIES = Backoff(attempts=10, base=0.2, cap=5.0)

# Of new tables. Other writers keep to the codec that Penstock uses, too.
_PROPERTIES = {"write.parquet.compression-codec": "zstd"}


class CatalogTableEditor:
    """Implements ``TableEditor``. Memory: the metadata of the table as JSON, about five times its size, if it is
    changed."""

    def __init__(
        self, catalog: Catalog, *, backoff: Backoff = TRIES, sleep: Callable[[float], object] = time.sleep
    ) -> None:
        self._catalog = catalog
        self._backoff = backoff
        self._sleep = sleep

    def prepare(self, table: Table) -> tuple[IcebergTable, Sequence[tuple[str, str]]]:
        return retrying(
            lambda: self._prepare(TableName.parse(table.name), table),
            on=(PublishConflictError, CommitInDoubtError),
            backoff=self._backoff,
            sleep=self._sleep,
        )

    def _prepare(self, name: TableName, table: Table) -> tuple[IcebergTable, Sequence[tuple[str, str]]]:
        loaded = self._catalog.load(name)
        if loaded is None:
            self._create(name, table)
            loaded = self._loaded(name)
        check_version(table.name, loaded.document)
        refused: Sequence[tuple[str, str]] = ()
        if table.grows:
            schema, refused = grown_schema(table, loaded.document)
            if schema:
                self._change(self._loaded(name, history=True), table)
                loaded = self._loaded(name)
        return table_of(table.name, loaded.document), refused

    def _create(self, name: TableName, table: Table) -> None:
        if not table.create:
            raise DestinationMissingError(
                f"the Iceberg table {name} does not exist", hint="Create it, or add create = true to the route."
            )
        if table.guessed or not table.columns:
            raise InvalidTableError(
                f"the Iceberg table {name} does not exist, and no record has shown the types of its columns",
                hint="Declare the columns in the route.",
            )
        schema = new_schema(table.columns)
        made = NewTable(name, schema, partition_spec_of(table, schema), properties=_PROPERTIES)
        try:
            self._catalog.create(made)
        except PublishConflictError:
            # Another job was faster; or this one, if an answer was lost.
            self._loaded(name)

    def _change(self, loaded: LoadedTable, table: Table) -> None:
        document = loaded.document
        schema, _ = grown_schema(table, document)
        if schema is None:
            return
        updates: list[Mapping[str, Any]] = [
            {"action": "add-schema", "schema": schema},
            {"action": "set-current-schema", "schema-id": -1},
        ]
        requirements: list[Mapping[str, Any]] = [
            {"type": "assert-current-schema-id", "current-schema-id": document["current-schema-id"]},
            {"type": "assert-last-assigned-field-id", "last-assigned-field-id": document["last-column-id"]},
        ]
        if document.get("table-uuid"):
            requirements.append({"type": "assert-table-uuid", "uuid": document["table-uuid"]})
        self._catalog.commit(loaded, Change(requirements, updates, changed(loaded, updates)))

    def _loaded(self, name: TableName, *, history: bool = False) -> LoadedTable:
        loaded = self._catalog.load(name, history=history)
        if loaded is None:
            raise PublishConflictError(f"{name} was dropped while it was being prepared")
        return loaded


def partition_spec_of(table: Table, schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return the partition spec of a new table. Raises InvalidTableError."""
    # What a sample has shown was not known when the route was read.
    if problem := check_files(table):
        raise InvalidTableError(f"{table.name}: {': '.join(problem)}")
    ids = {field["name"]: field["id"] for field in schema["fields"]}
    fields: list[dict[str, Any]] = []
    for text in table.files.partition_by:
        try:
            found = Partition.parse(text)
        except ValueError as error:
            raise InvalidTableError(f"{table.name}: partition_by: {error}") from error
        if found.column not in ids:
            raise InvalidTableError(f"{table.name}: partition_by: {found.column!r} is not one of the columns")
        if found.name in ids and found.name != found.column:
            raise InvalidTableError(f"{table.name}: partition_by: the partition {found.name!r} is a column, too")
        field_id = FIRST_PARTITION_ID + len(fields)
        fields.append(
            {"source-id": ids[found.column], "field-id": field_id, "transform": found.transform, "name": found.name}
        )
    return {"spec-id": 0, "fields": fields}
