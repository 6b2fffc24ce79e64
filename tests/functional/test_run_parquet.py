"""`penstock.run` into Parquet files on this machine, read back by pyarrow and DuckDB."""

from __future__ import annotations

import datetime as dt
import gzip
import zipfile
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest

import penstock
from lake_machine import lake_plant, route, rows_of
from penstock.model.job_status import JobState
from penstock.routes import parse_routes
from penstock.testing.lake import MemoryLake

CSV = """id,country,price,ordered_at,day,ok
1,DE,1.25,2024-01-02T03:04:05Z,2024-01-02,true
2,FR,,2024-01-02T23:59:59.123456Z,,false
3,,-0.5,2024-02-01T00:00:00+02:00,2024-02-29,
"""


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "orders.csv.gz"
    path.write_bytes(gzip.compress(CSV.encode()))
    return path


def files(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def queried(query: str) -> list[Any]:
    with duckdb.connect() as connection:
        return connection.execute(query).fetchall()


def test_one_file_has_typed_columns(source: Path, tmp_path: Path) -> None:
    receipt = penstock.run(source, to=tmp_path / "out/x.parquet")
    assert (receipt.rows, receipt.target) == (3, f"parquet:{tmp_path}/out/x.parquet")
    assert files(tmp_path / "out") == ["x.parquet"]
    table = pq.read_table(tmp_path / "out/x.parquet")
    utc = dt.UTC
    assert table.to_pylist() == [
        {
            "id": 1,
            "country": "DE",
            "price": Decimal("1.250000000"),
            "ordered_at": dt.datetime(2024, 1, 2, 3, 4, 5, tzinfo=utc),
            "day": dt.date(2024, 1, 2),
            "ok": True,
        },
        {
            "id": 2,
            "country": "FR",
            "price": None,
            "ordered_at": dt.datetime(2024, 1, 2, 23, 59, 59, 123456, tzinfo=utc),
            "day": None,
            "ok": False,
        },
        {
            "id": 3,
            "country": None,
            "price": Decimal("-0.500000000"),
            "ordered_at": dt.datetime(2024, 1, 31, 22, tzinfo=utc),
            "day": dt.date(2024, 2, 29),
            "ok": None,
        },
    ]


def test_folders_of_partitions_are_read_by_pyarrow_and_duckdb(source: Path, tmp_path: Path) -> None:
    for _ in range(2):  # the second run replaces the files of the first
        penstock.run(source, to=f"parquet:{tmp_path}/out", partition_by=["country", "month(ordered_at)"])
    assert [name.rpartition("/")[0] for name in files(tmp_path / "out")] == [
        "country=DE/ordered_at_month=2024-01",
        "country=FR/ordered_at_month=2024-01",
        "country=__HIVE_DEFAULT_PARTITION__/ordered_at_month=2024-01",
    ]
    read = ds.dataset(tmp_path / "out", partitioning="hive").to_table(columns=["id", "country"]).to_pylist()
    expected = [(1, "DE"), (2, "FR"), (3, None)]
    assert sorted((row["id"], row["country"]) for row in read) == expected
    found = queried(f"SELECT id, country FROM '{tmp_path}/out/**/*.parquet' ORDER BY id")
    assert found == expected


@pytest.mark.parametrize("compression", ["snappy", "gzip", "none", "zstd"])
def test_the_compression_is_that_of_the_option(source: Path, tmp_path: Path, compression: Any) -> None:
    penstock.run(source, to=tmp_path / "x.parquet", compression=compression)
    named = pq.read_metadata(tmp_path / "x.parquet").row_group(0).column(0).compression
    assert named == {"none": "UNCOMPRESSED"}.get(compression, compression.upper())


def test_a_source_without_rows_is_a_file_without_rows(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("id,name\n")
    penstock.run(tmp_path / "a.csv", to=tmp_path / "x.parquet")
    assert pq.read_table(tmp_path / "x.parquet").to_pydict() == {"id": [], "name": []}


def test_too_many_rejects_leave_no_file(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("id\n" + "1\n" * 200_000 + "x\n")
    with pytest.raises(penstock.PermanentError, match="nothing of it is in"):
        penstock.run(tmp_path / "a.csv", to=f"parquet:{tmp_path}/out", rejects=tmp_path / "r")
    assert files(tmp_path / "out") == []


def test_an_archive_needs_a_folder(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("a.csv", "id\n1\n")
        archive.writestr("b.csv", "id\n2\n")
    with pytest.raises(penstock.InvalidRouteError, match="each of its members would write the one file"):
        penstock.run(tmp_path / "a.zip", to=tmp_path / "x.parquet")
    penstock.run(tmp_path / "a.zip", to=f"parquet:{tmp_path}/out/")
    assert queried(f"SELECT id FROM '{tmp_path}/out/*.parquet' ORDER BY id") == [(1,), (2,)]


def test_a_parquet_file_is_still_copied(source: Path, tmp_path: Path) -> None:
    penstock.run(source, to=tmp_path / "x.parquet")
    penstock.run(tmp_path / "x.parquet", to=tmp_path / "y.parquet")
    assert (tmp_path / "y.parquet").read_bytes() == (tmp_path / "x.parquet").read_bytes()


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ('mode = "upsert"', "mode: must be append for parquet"),
        ("create = true", "create: means nothing for parquet"),
        ('evolve = "add"', "each file has a schema of its own"),
        ('key = ["id"]', "key: is for tables"),
        ("atomic = true", "atomic: is not supported"),
        ('partition_by = ["week(born)"]', "'week' is not one of"),
        ('partition_by = ["born", "nobody"]', "'nobody' is not one of the columns"),
        ('partition_by = ["hour(born)"]', "column 'born' is date; hour takes timestamp"),
        ('partition_by = ["id", "id"]', "'id' is named twice"),
        ('partition_by = ["id", "name", "born"]', "names every column"),
        ('compression = "lzo"', "must be one of zstd"),
    ],
)
def test_what_means_nothing_is_refused_by_name(table: str, message: str) -> None:
    with pytest.raises(penstock.InvalidRouteError) as refused:
        parse_routes(route(table=table), "routes.toml", {"source_bucket": "drops"})
    assert message in str(refused.value)


def test_options_of_files_are_for_destinations_that_write_some() -> None:
    text = route(table='partition_by = ["id"]', place="postgresql:people")
    with pytest.raises(penstock.InvalidRouteError, match="partition_by: is for destinations that write files"):
        parse_routes(text, "routes.toml", {"source_bucket": "drops"})


@pytest.mark.parametrize("place", ["s3://drops/in/", "s3://{source_bucket}/{dir}"])
def test_files_that_would_be_routed_again_are_refused(place: str) -> None:
    text = route(place=f"parquet:{place}").replace('match = "*"', 'match = "in/*"')
    with pytest.raises(penstock.InvalidRouteError, match="matches route 'people' again"):
        parse_routes(text, "routes.toml", {"source_bucket": "drops"})


def test_a_choice_sends_records_to_several_prefixes() -> None:
    lake = MemoryLake()
    columns = 'columns = [{ name = "id", type = "integer" }, { name = "file", from = "$key" }]'
    text = f"""
    [[route]]
    name = "events"
    match = "*"
    destination = "parquet"
    [route.choice]
    field = "kind"
    [route.choice.tables.a]
    name = "s3://lake/a/{{base}}/"
    {columns}
    [route.choice.tables.b]
    name = "s3://lake/b/"
    {columns}
    """
    plant = lake_plant(lake, text)
    lines = "".join(f'{{"kind": "{"ab"[n % 2]}", "id": {n}}}\n' for n in range(300))
    status = plant.run(plant.upload("e.jsonl", lines.encode()))
    assert status.state is JobState.SUCCEEDED, status
    assert rows_of(lake) == list(range(300))
    assert set(rows_of(lake, "file")) == {"e.jsonl"}
    assert {uri.rpartition("/")[0] for uri in lake.objects} == {"s3://lake/a/e.jsonl", "s3://lake/b"}


@pytest.mark.parametrize("content", ["a.csv:", "a.json:[]"])
def test_a_source_without_columns_does_not_leave_an_earlier_file_in_place_of_its_own(
    content: str, tmp_path: Path
) -> None:
    name, _, text = content.partition(":")
    (tmp_path / name).write_text(text)
    (tmp_path / "x.parquet").write_text("of yesterday")
    with pytest.raises(penstock.PermanentError, match=r"x\.parquet: the source has no column"):
        penstock.run(tmp_path / name, to=tmp_path / "x.parquet")
    assert penstock.run(tmp_path / name, to=f"parquet:{tmp_path}/out/").rows == 0
    assert files(tmp_path / "out") == []


def test_a_parquet_file_is_not_compressed_as_a_whole(source: Path, tmp_path: Path) -> None:
    with pytest.raises(penstock.InvalidRouteError, match=r"x\.parquet\.gz: a Parquet file is not compressed") as caught:
        penstock.run(source, to=tmp_path / "x.parquet.gz")
    assert "x.parquet:" in caught.value.hint
    assert not (tmp_path / "x.parquet.gz").exists()


@pytest.mark.parametrize("name", ["x.pq", "X.PARQUET"])
def test_other_names_of_parquet_files_are_files_too(name: str, source: Path, tmp_path: Path) -> None:
    penstock.run(source, to=tmp_path / name)
    assert pq.read_table(tmp_path / name).num_rows == 3
    penstock.run(source, to=f"parquet:{tmp_path}/in/{name}")
    assert files(tmp_path / "in") == [name]


@pytest.mark.parametrize(
    ("name", "to"), [("x.avro", "x.csv"), ("x.parquet", "s3://lake/x.csv.gz"), ("x.csv", "x.xlsx")]
)
def test_a_copy_does_not_get_the_name_of_another_format(name: str, to: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text("a\n1\n")
    with pytest.raises(penstock.InvalidRouteError, match="are not converted to the format") as caught:
        penstock.run(tmp_path / name, to=to if to.startswith("s3:") else tmp_path / to)
    assert "FILE.parquet" in caught.value.hint
    assert [path.name for path in tmp_path.iterdir()] == [name]
