"""Reads the state of tables without pyiceberg."""

from __future__ import annotations

from penstock.destinations.iceberg.catalog import Catalog
from penstock.destinations.iceberg.metadata import table_of
from penstock.destinations.iceberg.names import TableName
from penstock.destinations.iceberg.ports import IcebergTable


class CatalogTableReader:
    """Implements ``TableReader``. Memory: the text of the metadata twice, at most 64 MiB; its history is not kept."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog

    def read(self, name: str) -> IcebergTable | None:
        loaded = self._catalog.load(TableName.parse(name))
        return table_of(name, loaded.document) if loaded else None
