"""Looks for commits in a catalog, without pyiceberg."""

from __future__ import annotations

from penstock.destinations.iceberg.catalog import Catalog
from penstock.destinations.iceberg.finding import find_commit
from penstock.destinations.iceberg.names import TableName
from penstock.errors import CommitInDoubtError


class CatalogFinder:
    """Implements ``CommitFinder``. Memory: as `CatalogTableReader`, with the history of the table."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog

    def find(self, table: str, commit_id: str, base: int | None) -> int | None:
        loaded = self._catalog.load(TableName.parse(table), history=True)
        if loaded is None:
            raise CommitInDoubtError(
                f"{table}: nobody knows whether commit {commit_id} was in: the table does not exist any more",
                hint="If the table was created again, redrive the job.",
            )
        return find_commit(table, loaded.document, commit_id, base)
