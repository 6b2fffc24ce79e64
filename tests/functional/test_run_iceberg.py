"""`penstock run` into Iceberg tables: each run is one snapshot, which other readers read."""

from __future__ import annotations

import io
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import fastavro
import pytest
from pyiceberg.catalog import load_catalog
from pyiceberg.schema import Schema
from pyiceberg.types import DecimalType, FloatType, IntegerType, ListType, LongType, NestedField, StringType, StructType

import penstock
from penstock.delivery import sampling
from penstock.destinations.iceberg.committer import IcebergCommitter
from penstock.errors import (
    CommitInDoubtError,
    DestinationMissingError,
    InvalidRouteError,
    InvalidTableError,
    PublishConflictError,
)

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


def test_a_table_made_from_a_sample_takes_no_other_spelling_later(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    """A code in a column of numbers is a reject, behind the sample and in later files (docs/adr/0012)."""
    monkeypatch.setattr(sampling, "SAMPLE_BYTES", 1_000)
    numbers = "".join(f"{n},DE,1.5\n" for n in range(10, 400))
    first = lake.run(f"id,country,amount\n{numbers}0042,FR,1.5\n", create=True, max_rejects=5)
    assert (first.rows, first.rejects) == (390, 1)
    second = lake.run("id,country,amount\n0043,FR,1.5\n44,IT,1.5\n", max_rejects=5)
    assert (second.rows, second.rejects) == (1, 1)
    assert lake.table.schema().find_field("id").doc == "inferred by penstock: integer"
    assert [number for number, *_ in lake.rows()] == sorted([*range(10, 400), 44])


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


WIDENED = [
    (IntegerType(), 5, 2**40, "long"),
    (FloatType(), 0.5, 1e300, "double"),
    (DecimalType(4, 2), 1.5, 123.45, "decimal(5, 2)"),
]


def test_columns_are_widened_as_iceberg_can_and_other_values_are_rejects(lake: Lake) -> None:
    names = ["a", "b", "c"]
    lake.made_elsewhere(
        *(NestedField(number, name, kind[0]) for number, (name, kind) in enumerate(zip(names, WIDENED, strict=True), 1))
    )
    texts = [",".join(str(kind[place]) for kind in WIDENED) for place in (1, 2)]
    text = "\n".join(["a,b,c", *texts, "n/a,1,1", "1,1,1.125", ""])
    assert lake.run(text, evolve="add", max_rejects=3).rejects == 3
    assert lake.run(text, evolve="widen", max_rejects=2).rejects == 2
    assert [str(field.field_type) for field in lake.table.schema().fields] == [kind[3] for kind in WIDENED]
    rows = [tuple(map(float, row.values())) for row in lake.table.scan().to_arrow().to_pylist()]
    assert sorted(rows) == [(5, 0.5, 1.5), (5, 0.5, 1.5), (2**40, 1e300, 123.45)]


@pytest.mark.parametrize("evolve", ["add", None])
def test_a_field_that_first_appears_after_the_sample_is_loaded(evolve: str | None, lake: Lake) -> None:
    """With ``evolve`` it becomes a column, without it goes to the column that is there."""
    held = [NestedField(2, "late", StringType())] if evolve is None else []
    lake.made_elsewhere(NestedField(1, "id", LongType()), *held)
    text = "".join(f'{{"id": {number}}}\n' for number in range(20_000)) + '{"id": -1, "late": "x"}\n{"id": -2}\n'
    lake.run(text, "orders.jsonl", evolve=evolve, memory=128)
    rows = lake.table.scan().to_arrow().to_pylist()
    assert len(rows) == 20_002
    assert [row for row in rows if row["late"]] == [{"id": -1, "late": "x"}]


def test_a_header_alone_creates_no_table_whose_columns_would_be_guesses(lake: Lake) -> None:
    with pytest.raises(DestinationMissingError, match=r"sales\.orders") as caught:
        lake.run("id,country\n", create=True)
    assert "no record has shown the types" in caught.value.hint


def test_a_declared_type_widens_the_column_before_the_first_row(lake: Lake) -> None:
    lake.made_elsewhere(NestedField(1, "a", IntegerType()), NestedField(2, "b", DecimalType(4, 2)))
    routes = lake.folder / "routes.toml"
    routes.write_text("""
[[route]]
name = "orders"
match = "*"
destination = "iceberg:sales.orders"
[route.table]
evolve = "widen"
columns = [{ name = "a", type = "integer" }, { name = "b", type = "numeric(9,2)" }]
""")
    assert lake.run(f"a,b\n{2**40},1234567.89\n", to="", routes=routes).rows == 1
    assert [str(field.field_type) for field in lake.table.schema().fields] == ["long", "decimal(9, 2)"]


def test_what_is_hashed_or_masked_is_in_no_file_as_it_was(lake: Lake) -> None:
    """Not in the rows, nor in the bounds of pages, of files and of manifests."""
    routes = lake.folder / "routes.toml"
    routes.write_text("""
[[route]]
name = "people"
match = "*"
destination = "iceberg:sales.orders"
max_rejects = 1
[route.table]
create = true
partition_by = ["mail"]
compression = "none"
columns = [{ name = "id", type = "integer" }, { name = "mail", hash = "sha256" }, { name = "iban", mask = "keep:4" }]
""")
    text = "id,mail,iban\n1,ann@secret.example,DE-SECRET-3000\nx,bob@secret.example,DE-SECRET-4000\n"
    assert lake.run(text, "people.csv", to="", routes=routes, rejects=lake.folder / "rejects.jsonl").rejects == 1
    (row,) = lake.table.scan().to_arrow().to_pylist()
    assert (row["mail"], row["iban"]) == (sha256(b"ann@secret.example").hexdigest(), "**********3000")
    files = [path for path in lake.folder.rglob("*") if path.is_file() and path.suffix not in (".csv", ".toml")]
    assert {path.suffix for path in files} == {".parquet", ".avro", ".json", ".jsonl", ".db"}
    for path in files:
        held = path.read_bytes()
        if path.suffix == ".avro":
            held = repr(list(fastavro.reader(io.BytesIO(held)))).encode()
        assert b"secret" not in held.lower()


@pytest.mark.parametrize(("required", "hint"), [(True, "make it optional in the table"), (False, "it is null then")])
def test_a_column_that_cannot_be_written_is_named_with_a_way_out(required: bool, hint: str, lake: Lake) -> None:
    inner = StructType(NestedField(3, "city", StringType()))
    lake.made_elsewhere(NestedField(1, "id", LongType()), NestedField(2, "home", inner, required=required))
    with pytest.raises(InvalidTableError, match="column 'home' has the type struct, which is not written") as caught:
        lake.run("id,home\n1,x\n")
    assert hint in caught.value.hint
    if not required:
        assert lake.run("id\n1\n").rows == 1


@pytest.mark.parametrize("partition", ["day(id)", "amount"])
def test_partitions_of_inferred_columns_are_checked_before_the_table_is_made(partition: str, lake: Lake) -> None:
    with pytest.raises(InvalidTableError, match=r"partition_by: .* takes"):
        lake.run(create=True, partition_by=[partition])
    with pytest.raises(DestinationMissingError):
        lake.run()
