"""Commits to Iceberg tables, on each kind of catalog, beside another writer."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyiceberg.partitioning import PartitionField, PartitionSpec
from pyiceberg.schema import Schema
from pyiceberg.table.snapshots import Snapshot
from pyiceberg.transforms import IdentityTransform
from pyiceberg.types import LongType, NestedField, StringType

from contract.iceberg_backends import IcebergBackend, glue_backend, s3_tables_backend, sqlite_backend
from contract.object_backends import Endpoint
from iceberg_files import write_file
from penstock.aws.backoff import Backoff
from penstock.destinations.iceberg.catalog import Catalog
from penstock.destinations.iceberg.committer import IcebergCommitter
from penstock.destinations.iceberg.ports import Commit, Committed, IcebergTable
from penstock.destinations.iceberg.reader import CatalogTableReader
from penstock.model.data_file import DataFile

SCHEMA = Schema(NestedField(1, "id", LongType()), NestedField(2, "country", StringType()))
BY_COUNTRY = PartitionSpec(PartitionField(2, 1000, IdentityTransform(), "country"))


@pytest.fixture(params=["sqlite", "glue", "s3tables"])
def backend(request: pytest.FixtureRequest, tmp_path: Path) -> IcebergBackend:
    if request.param == "sqlite":
        return sqlite_backend(tmp_path)
    endpoint: Endpoint = request.getfixturevalue("emulator")
    return glue_backend(endpoint) if request.param == "glue" else s3_tables_backend(endpoint)


class Lake:
    """A table, with what commits to it, and what reads it."""

    def __init__(self, backend: IcebergBackend, spec: PartitionSpec | None = None) -> None:
        self.backend = backend
        self.name = backend.new_name()
        options: dict[str, Any] = {"partition_spec": spec} if spec else {}
        backend.foreign.create_table(self.name, SCHEMA, **options)
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

    def commit(self, commit_id: str, *files: DataFile, catalog: Catalog | None = None, **options: Any) -> Committed:
        committer = IcebergCommitter(
            catalog or self.backend.catalog, self.backend.storage, backoff=Backoff(4), sleep=lambda _: None
        )
        return committer.commit(Commit(commit_id, self.name, files, **options), self.bases.append)

    def rows(self) -> list[int]:
        """The ids, as pyiceberg and pyarrow read them."""
        return sorted(self.backend.foreign.load_table(self.name).scan().to_arrow()["id"].to_pylist())

    def operations(self) -> list[str]:
        return [each.summary.operation.value for each in self.snapshots() if each.summary]

    def snapshots(self) -> list[Snapshot]:
        return self.backend.foreign.load_table(self.name).snapshots()

    def summary(self) -> dict[str, Any]:
        current = self.backend.foreign.load_table(self.name).current_snapshot()
        assert current
        assert current.summary
        return current.summary.additional_properties

    def append_foreign(self, ids: Sequence[int], country: str = "DE") -> None:
        rows = pa.table({"id": list(ids), "country": [country] * len(ids)})
        self.backend.foreign.load_table(self.name).append(rows)


@pytest.fixture
def lake(backend: IcebergBackend) -> Lake:
    return Lake(backend)


def test_files_become_visible_in_one_snapshot_that_carries_the_id_of_the_commit(lake: Lake) -> None:
    files = [lake.file(str(number), [number]) for number in range(3)]

    done = lake.commit("c1", *files)

    assert lake.rows() == [0, 1, 2]
    assert [snapshot.snapshot_id for snapshot in lake.snapshots()] == [done.snapshot]
    summary = lake.summary()
    assert (summary["penstock.commit-id"], summary["total-records"], summary["added-data-files"]) == ("c1", "3", "3")
    assert lake.bases == [None]


def test_commits_follow_each_other_and_those_of_another_writer(lake: Lake) -> None:
    lake.commit("c1", lake.file("a", [1]))
    lake.append_foreign([2])
    lake.commit("c2", lake.file("b", [3]))
    lake.append_foreign([4])
    assert lake.rows() == [1, 2, 3, 4]
    assert lake.operations() == ["append"] * 4
    assert lake.summary()["total-records"] == "4"


def test_a_commit_that_is_in_is_not_made_again(lake: Lake) -> None:
    file = lake.file("a", [1])
    first = lake.commit("c1", file)
    lake.append_foreign([2])
    again = lake.commit("c1", file, base=None, is_retry=True)
    assert (again.snapshot, again.was_in) == (first.snapshot, True)
    assert lake.rows() == [1, 2]
