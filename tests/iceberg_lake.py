"""An Iceberg table for tests, with what commits to it, what reads it, and what goes wrong between."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Literal

import pyarrow as pa
from pyiceberg.partitioning import PartitionField, PartitionSpec
from pyiceberg.schema import Schema
from pyiceberg.table import Table
from pyiceberg.table.snapshots import Snapshot
from pyiceberg.transforms import IdentityTransform
from pyiceberg.types import LongType, NestedField, StringType

from contract.iceberg_backends import IcebergBackend
from iceberg_files import write_file
from penstock.aws.backoff import Backoff
from penstock.destinations.iceberg.catalog import Catalog, Change, LoadedTable, NewTable
from penstock.destinations.iceberg.committer import IcebergCommitter
from penstock.destinations.iceberg.metadata_changes import changed
from penstock.destinations.iceberg.names import TableName
from penstock.destinations.iceberg.ports import Commit, Committed, IcebergTable
from penstock.destinations.iceberg.reader import CatalogTableReader
from penstock.destinations.parquet.local_files import local_path
from penstock.errors import AccessDeniedError, CommitInDoubtError, PublishConflictError
from penstock.model.data_file import DataFile

SCHEMA = Schema(NestedField(1, "id", LongType()), NestedField(2, "country", StringType()))
BY_COUNTRY = PartitionSpec(PartitionField(2, 1000, IdentityTransform(), "country"))

Fault = Literal["lost before", "lost after", "late", "sent twice", "conflict", "refused"]


class FaultyCatalog:
    """A catalog whose commits go wrong, in this order; then they succeed. ``between``: what happens
    before each commit, and ``before_load`` before the table is read.

    - ``lost before``: the request does not arrive. ``lost after``: the answer does not.
    - ``late``: the request arrives before the next one does.
    - ``sent twice``: the client sends it again after a lost answer, and meets its own change.
    - ``conflict``: another writer was faster. ``refused``: the right to commit is missing.
    """

    def __init__(self, catalog: Catalog, *faults: Fault | None, between: Iterable[Callable[[], object]] = ()) -> None:
        self._catalog = catalog
        self._faults = list(faults)
        self._between = iter(between)
        self._late: list[tuple[LoadedTable, Change]] = []
        self.before_load: list[Callable[[], object]] = []
        self.commits = 0

    def load(self, name: TableName, *, history: bool = False) -> LoadedTable | None:
        if self.before_load:
            self.before_load.pop(0)()
        return self._catalog.load(name, history=history)

    def create(self, table: NewTable) -> None:
        self._catalog.create(table)

    def commit(self, base: LoadedTable, change: Change) -> None:
        self.commits += 1
        next(self._between, lambda: None)()
        self.deliver()
        fault = self._faults.pop(0) if self._faults else None
        match fault:
            case "lost before":
                raise CommitInDoubtError("injected")
            case "lost after":
                self._catalog.commit(base, change)
                raise CommitInDoubtError("injected")
            case "late":
                self._late.append((base, change))
                raise CommitInDoubtError("injected")
            case "sent twice":
                self._catalog.commit(base, change)
                raise PublishConflictError("injected")
            case "conflict":
                raise PublishConflictError("injected")
            case "refused":
                raise AccessDeniedError("glue:UpdateTable on injected")
            case None:
                self._catalog.commit(base, change)

    def deliver(self) -> None:
        """Let late requests arrive. They fail if another one was faster."""
        while self._late:
            try:
                self._catalog.commit(*self._late.pop())
            except PublishConflictError:
                continue


class Lake:
    """A table, with what commits to it, and what reads it."""

    def __init__(
        self,
        backend: IcebergBackend,
        spec: PartitionSpec | None = None,
        schema: Schema | pa.Schema = SCHEMA,
        properties: dict[str, str] | None = None,
    ) -> None:
        self.backend = backend
        self.name = backend.new_name()
        options: dict[str, Any] = {"properties": properties or {}, **({"partition_spec": spec} if spec else {})}
        backend.foreign.create_table(self.name, schema, **options)
        self.bases: list[int | None] = []

    @property
    def table(self) -> IcebergTable:
        found = CatalogTableReader(self.backend.catalog).read(self.name)
        assert found
        return found

    def file(self, name: str, ids: Sequence[int], country: str = "DE") -> DataFile:
        partition = [("country", country)] if self.table.partition else []
        columns = {"id": ids, "country": [country] * len(ids)}
        return write_file(self.backend.storage, self.table, name, columns, partition=partition)

    def request(self, commit_id: str, *files: DataFile, **options: Any) -> Commit:
        return Commit(commit_id, self.name, files, **options)

    def commit(
        self, commit_id: str, *files: DataFile, catalog: Catalog | None = None, tries: int = 4, **options: Any
    ) -> Committed:
        committer = IcebergCommitter(
            catalog or self.backend.catalog, self.backend.storage, backoff=Backoff(tries), sleep=lambda _: None
        )
        return committer.commit(self.request(commit_id, *files, **options), self.bases.append)

    def find(self, commit_id: str, base: int | None) -> int | None:
        return IcebergCommitter(self.backend.catalog, self.backend.storage).find(self.name, commit_id, base)

    def foreign(self) -> Table:
        return self.backend.foreign.load_table(self.name)

    def orphans(self) -> set[str]:
        """The metadata files, manifests and data files under the table that no snapshot and no log names."""
        found = self.foreign()
        log = [entry.metadata_file for entry in found.metadata.metadata_log]
        named = {found.metadata_location, *log, *(each.manifest_list for each in found.snapshots())}
        for manifest in (one for each in found.snapshots() for one in each.manifests(found.io)):
            entries = manifest.fetch_manifest_entry(found.io, discard_deleted=False)
            named |= {manifest.manifest_path, *(entry.data_file.file_path for entry in entries)}
        root = local_path(found.location())
        return {str(file) for file in root.rglob("*") if file.is_file()} - {str(local_path(one)) for one in named}

    def rows(self) -> list[int]:
        """The ids, as pyiceberg and pyarrow read them."""
        return sorted(self.foreign().scan().to_arrow()["id"].to_pylist())

    def operations(self) -> list[str]:
        return [each.summary.operation.value for each in self.snapshots() if each.summary]

    def snapshots(self) -> list[Snapshot]:
        return self.foreign().snapshots()

    def summary(self) -> dict[str, Any]:
        current = self.foreign().current_snapshot()
        assert current
        assert current.summary
        return current.summary.additional_properties

    def rewrite(self) -> None:
        """Make the snapshot of a writer that has rewritten files, as compaction does."""
        loaded = self.backend.catalog.load(TableName.parse(self.name), history=True)
        assert loaded
        current = loaded.document["snapshots"][-1]
        new = {"snapshot-id": current["snapshot-id"] + 1, "parent-snapshot-id": current["snapshot-id"]}
        new |= {"sequence-number": current["sequence-number"] + 1, "summary": {"operation": "replace"}}
        updates = [
            {"action": "add-snapshot", "snapshot": {**current, **new}},
            {"action": "set-snapshot-ref", "ref-name": "main", "type": "branch", "snapshot-id": new["snapshot-id"]},
        ]
        self.backend.catalog.commit(loaded, Change((), updates, changed(loaded, updates)))

    def append_foreign(self, ids: Sequence[int], country: str = "DE") -> None:
        rows = pa.table({"id": list(ids), "country": [country] * len(ids)})
        self.foreign().append(rows)
