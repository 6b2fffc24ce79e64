"""`penstock run` into Iceberg tables: each run is one snapshot, which other readers read."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from pyiceberg.catalog import load_catalog
from pyiceberg.schema import Schema
from pyiceberg.types import ListType, LongType, NestedField, StringType

import penstock
from penstock.destinations.iceberg.committer import IcebergCommitter
from penstock.errors import CommitInDoubtError, DestinationMissingError, InvalidRouteError, PublishConflictError

ROWS = "id,country,amount\n1,DE,1.25\n2,FR,2.5\n3,DE,3.75\n"


@dataclass
class Lake:
    folder: Path

    def run(self, text: str = ROWS, name: str = "orders.csv", **options: Any) -> Any:
        source = self.folder / name
        source.write_text(text)
        catalog = f"sqlite:///{self.folder}/catalog.db"
        given: dict[str, Any] = {"to": "iceberg:sales.orders", "catalog": catalog} | options
        return penstock.run(source, warehouse=str(self.folder / "warehouse"), **given)

    @property
    def table(self) -> Any:
        catalog = load_catalog("default", type="sql", uri=f"sqlite:///{self.folder}/catalog.db")
        return catalog.load_table("sales.orders")

    def made_elsewhere(self, *fields: NestedField) -> None:
        """Create the table by pyiceberg, at a `file:` URI."""
        warehouse = f"file://{self.folder}/warehouse"
        catalog = load_catalog("default", type="sql", uri=f"sqlite:///{self.folder}/catalog.db", warehouse=warehouse)
        catalog.create_namespace("sales")
        catalog.create_table("sales.orders", Schema(*fields))

    def rows(self) -> list[tuple[Any, ...]]:
        found = self.table.scan().to_arrow().to_pylist()
        return sorted((row["id"], row["country"], str(row["amount"])) for row in found)

    def snapshots(self) -> int:
        return len(self.table.snapshots())

    def data_files(self) -> int:
        return len(list(self.folder.glob("warehouse/**/*.parquet")))


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(tmp_path)


def test_a_run_creates_a_table_and_another_one_appends_to_it(lake: Lake) -> None:
    assert lake.run(create=True).rows == 3
    lake.run("id,country,amount\n4,IT,4\n")
    assert [(number, country) for number, country, _ in lake.rows()] == [(1, "DE"), (2, "FR"), (3, "DE"), (4, "IT")]
    assert [float(amount) for *_, amount in lake.rows()] == [1.25, 2.5, 3.75, 4.0]
    assert lake.snapshots() == 2


def test_a_run_replaces_the_table_or_the_partitions_that_it_has_rows_for(lake: Lake) -> None:
    lake.run(create=True, partition_by=["country"])
    lake.run("id,country,amount\n9,DE,9.00\n", mode="replace", replaces="partitions")
    assert [row[:2] for row in lake.rows()] == [(2, "FR"), (9, "DE")]
    lake.run("id,country,amount\n7,IT,7.00\n", mode="replace")
    assert [row[:2] for row in lake.rows()] == [(7, "IT")]


def test_upsert_is_refused_by_name(lake: Lake) -> None:
    with pytest.raises(InvalidRouteError, match='"upsert" is not possible for iceberg'):
        lake.run(mode="upsert", key=["id"])


def test_a_missing_table_is_named(lake: Lake) -> None:
    with pytest.raises(DestinationMissingError, match=r"sales\.orders"):
        lake.run()


def test_a_table_without_a_namespace_is_refused(lake: Lake) -> None:
    with pytest.raises(InvalidRouteError, match=r"iceberg:namespace\.table"):
        lake.run(to="iceberg:orders")


@pytest.mark.parametrize(("error", "files"), [(PublishConflictError, 1), (CommitInDoubtError, 2)])
def test_the_files_of_a_commit_that_is_not_in_are_deleted_and_those_of_one_in_doubt_stay(
    error: type[Exception], files: int, lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake.run(create=True)

    def fail(*_: Any) -> None:
        raise error("no luck")

    monkeypatch.setattr(IcebergCommitter, "commit", fail)
    with pytest.raises(error):
        lake.run()
    assert (lake.snapshots(), lake.data_files()) == (1, files)


def test_the_files_of_a_table_at_a_file_uri_are_where_its_readers_look(lake: Lake) -> None:
    lake.made_elsewhere(NestedField(1, "id", LongType()))
    lake.run("id\n1\n")
    assert lake.table.scan().to_arrow().to_pylist() == [{"id": 1}]
    assert lake.data_files() == 1


def test_a_null_in_a_required_column_or_list_is_a_reject(lake: Lake) -> None:
    tags = ListType(3, StringType(), element_required=True)
    lake.made_elsewhere(NestedField(1, "id", LongType(), required=True), NestedField(2, "tags", tags))
    assert lake.run("id,tags\n,{}\n1,{}\n", max_rejects=1).rejects == 1
    text = '{"id": 2, "tags": ["a"]}\n{"id": null}\n{"id": 3, "tags": [null]}\n{"tags": []}\n'
    assert lake.run(text, "orders.jsonl", max_rejects=3).rejects == 3
    assert sorted(row["id"] for row in lake.table.scan().to_arrow().to_pylist()) == [1, 2]
