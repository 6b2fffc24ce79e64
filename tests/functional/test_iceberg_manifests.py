"""Manifests of commits: merged before there are too many, split before they are too large; and other writers'."""

from __future__ import annotations

import struct

import pyarrow as pa
import pytest
from pyiceberg.manifest import ManifestFile
from pyiceberg.types import LongType

from contract.iceberg_backends import IcebergBackend, sqlite_backend
from iceberg_lake import BY_COUNTRY, Lake
from penstock.destinations.iceberg import manifests
from penstock.destinations.iceberg.names import TableName
from penstock.errors import InvalidTableError
from penstock.model.data_file import ColumnStatistics, DataFile


@pytest.fixture(scope="module")
def backend(tmp_path_factory: pytest.TempPathFactory) -> IcebergBackend:
    """A catalog of a file, which is the fastest."""
    return sqlite_backend(tmp_path_factory.mktemp("lake"))


@pytest.fixture
def lake(backend: IcebergBackend) -> Lake:
    return Lake(backend)


def manifests_of(lake: Lake) -> list[ManifestFile]:
    found = lake.foreign()
    snapshot = found.current_snapshot()
    assert snapshot
    return snapshot.manifests(found.io)


def set_properties(lake: Lake, **properties: str) -> None:
    named = {name.replace("__", ".").replace("_", "-"): value for name, value in properties.items()}
    lake.foreign().transaction().set_properties(named).commit_transaction()


def test_many_small_manifests_become_one_whose_files_keep_their_snapshots(lake: Lake) -> None:
    set_properties(lake, commit__manifest__min_count_to_merge="4")
    snapshots = [lake.commit(f"c{number}", lake.file(str(number), [number])).snapshot for number in range(5)]
    merged = manifests_of(lake)
    assert [manifest.existing_files_count for manifest in merged] == [0, 4]
    entries = merged[1].fetch_manifest_entry(lake.foreign().io)
    assert sorted(entry.snapshot_id or 0 for entry in entries) == sorted(snapshots[:4])
    assert sorted(entry.sequence_number or 0 for entry in entries) == [1, 2, 3, 4]
    assert lake.rows() == [0, 1, 2, 3, 4]
    assert lake.orphans() == set()


def test_a_table_can_forbid_it(lake: Lake) -> None:
    set_properties(lake, commit__manifest__min_count_to_merge="2", commit__manifest_merge__enabled="false")
    for number in range(3):
        lake.commit(f"c{number}", lake.file(str(number), [number]))
    assert len(manifests_of(lake)) == 3


def test_manifests_of_other_partition_specs_and_large_ones_are_not_merged(lake: Lake) -> None:
    set_properties(lake, commit__manifest__min_count_to_merge="2", commit__manifest__target_size_bytes="1")
    for number in range(3):
        lake.commit(f"c{number}", lake.file(str(number), [number]))
    assert len(manifests_of(lake)) == 3


def test_a_commit_of_many_files_has_several_manifests(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(manifests, "TARGET_BYTES", 1)
    lake.commit("c1", *(lake.file(str(number), [number]) for number in range(3)))
    assert [manifest.added_files_count for manifest in manifests_of(lake)] == [1, 1, 1]
    assert lake.rows() == [0, 1, 2]


def test_too_many_manifests_and_damaged_ones_are_refused_by_name(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(2):
        lake.commit(f"c{number}", lake.file(str(number), [number]))
    [newest, _] = manifests_of(lake)
    lake.backend.storage.write(newest.manifest_path, b"Obj\x01 damaged")
    with pytest.raises(InvalidTableError, match=r"the manifest .* cannot be read"):
        lake.commit("r", replace=True)
    monkeypatch.setattr(manifests, "MAX_MANIFESTS", 1)
    with pytest.raises(InvalidTableError, match=rf"{lake.name} has more than 1 manifests"):
        lake.commit("c3", lake.file("3", [3]))


def test_a_table_of_version_1_is_appended_to_and_replaced(backend: IcebergBackend) -> None:
    lake = Lake(backend, BY_COUNTRY, properties={"format-version": "1"})
    lake.append_foreign([1], "DE")
    lake.append_foreign([2], "FR")
    lake.commit("c1", lake.file("a", [3], "FR"))
    assert lake.rows() == [1, 2, 3]
    lake.commit("c2", lake.file("b", [4], "FR"), replace=True)
    assert lake.rows() == [1, 4]
    lake.append_foreign([5], "FR")
    assert (lake.rows(), lake.foreign().format_version) == ([1, 4, 5], 1)


def test_files_of_an_older_schema_are_committed_by_their_field_ids(lake: Lake) -> None:
    file = lake.file("a", [1], "DE")
    with lake.foreign().update_schema() as change:
        change.delete_column("country")
        change.rename_column("id", "number")
    lake.commit("c1", file)
    assert lake.foreign().scan().to_arrow().to_pylist() == [{"number": 1}]


def test_bounds_of_a_column_that_was_widened_are_widened_too(backend: IcebergBackend) -> None:
    lake = Lake(backend, schema=pa.schema([("id", pa.int32()), ("country", pa.string())]))
    low, high = struct.pack("<i", -5), struct.pack("<i", 5)
    file = lake.file("a", [-5, 5])
    with lake.foreign().update_schema() as change:
        change.update_column("id", LongType())
    bounded = DataFile(file.uri, file.size, file.rows, (), (ColumnStatistics(1, 9, 2, 0, None, low, high),))
    lake.commit("c1", bounded)
    [manifest] = manifests_of(lake)
    [entry] = manifest.fetch_manifest_entry(lake.foreign().io)
    assert entry.data_file.lower_bounds == {1: struct.pack("<q", -5)}
    assert entry.data_file.upper_bounds == {1: struct.pack("<q", 5)}
    assert list(lake.foreign().scan("id > 5").plan_files()) == []
    assert lake.rows() == [-5, 5]


def test_metadata_that_another_writer_has_left_is_kept(lake: Lake) -> None:
    lake.append_foreign([1])
    lake.foreign().manage_snapshots().create_tag(lake.snapshots()[0].snapshot_id, "audit").commit()
    lake.commit("c1", lake.file("a", [2]))
    loaded = lake.backend.catalog.load(TableName.parse(lake.name), history=True)
    assert loaded
    assert set(loaded.document["refs"]) == {"main", "audit"}
    assert [each["snapshot-id"] for each in loaded.document["snapshot-log"]] == [
        each.snapshot_id for each in lake.snapshots()
    ]
