"""Routes to a lake on a deployed stack, under its roles: Parquet files, and tables of both catalogs, read back by
libraries that are not Penstock's."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pyarrow import parquet

from lengths import IS_LONG
from penstock_local.access import decisions
from penstock_local.demo.lake_samples import Row, as_csv, open_table, trips
from penstock_local.stack import Stack, function_logs, running
from stack_jobs import Item, command, job_of, upload, wait_for

FILES, EACH = (50 if IS_LONG else 8), 40
LARGE = 130_000  # 12 MB: more than LargeBytes, so that the state machine loads it in spans
COLUMNS = """
columns = [
    { name = "trip", type = "integer", nullable = false },
    { name = "country" },
    { name = "driver" },
    { name = "price", type = "numeric(12,2)" },
    { name = "distance", type = "float" },
    { name = "shared", type = "boolean" },
    { name = "booked", type = "date" },
    { name = "ended", type = "timestamp" },
]
"""
ROUTES = "".join(
    f"""
[[route]]
name = "lake {name}"
match = ["lake/{name}/*"]
destination = "{destination}"
[route.table]
{options}{COLUMNS}"""
    for name, destination, options in (
        ("files", "parquet:s3://{destination_bucket}/lake/", 'partition_by = ["country"]'),
        ("small", "iceberg:lake.small", 'create = true\npartition_by = ["country"]'),
        ("large", "iceberg:lake.large", "create = true"),
        ("later", "iceberg:lake.later", ""),
        ("bad", "iceberg:lake.bad", "create = true"),
    )
)


def ordered(rows: list[Row]) -> list[Row]:
    return sorted(rows, key=lambda row: row["trip"])


def rows_of(stack: Stack, table: str) -> list[Row]:
    return ordered(open_table(stack, table).scan().to_arrow().to_pylist())


def send_small(stack: Stack) -> list[Item]:
    s3 = stack.client("s3")
    for number in range(FILES):
        body = as_csv(trips(number * EACH, EACH))
        s3.put_object(Bucket=stack.source_bucket, Key=f"lake/small/{number}.csv", Body=body)
    return [job_of(stack, f"lake/small/{number}.csv", patience=120) for number in range(FILES)]


def refusals(stack: Stack) -> list[Any]:
    """Requests to catalogs and to files of tables that a role was refused."""
    return [one for one in decisions(stack) if not one.allowed and one.action.startswith(("glue:", "s3tables:"))]


def test_a_file_becomes_parquet_files_by_partition(stack: Stack) -> None:
    expected = trips(0, 300)
    assert upload(stack, "lake/files/trips.csv", as_csv(expected))["state"]["S"] == "succeeded"
    s3, found = stack.client("s3"), []
    for entry in s3.list_objects_v2(Bucket=stack.destination_bucket, Prefix="lake/")["Contents"]:
        body = s3.get_object(Bucket=stack.destination_bucket, Key=entry["Key"])["Body"].read()
        country = entry["Key"].partition("country=")[2].partition("/")[0]
        found += [{**row, "country": country} for row in parquet.ParquetFile(io.BytesIO(body)).read().to_pylist()]
    assert ordered(found) == expected


def test_many_small_files_are_in_the_table_once_by_few_commits(stack: Stack) -> None:
    assert {item["state"]["S"] for item in send_small(stack)} == {"succeeded"}
    assert rows_of(stack, "small") == trips(0, FILES * EACH)
    assert len(open_table(stack, "small").snapshots()) <= max(3, FILES // 5)
    assert not refusals(stack)


@pytest.mark.long
def test_a_load_that_failed_for_want_of_its_table_is_redriven(stack: Stack) -> None:
    key, expected = "lake/later/trips.csv", trips(0, 50)
    failed = upload(stack, key, as_csv(expected))
    reported = json.loads(command(stack, "status", f"s3://{stack.source_bucket}/{key}", "--json").stdout)
    assert (reported["state"], reported["failure"]["error"]) == ("failed", "DestinationMissingError")
    model = open_table(stack, "small")
    model.catalog.create_table("lake.later", schema=model.schema(), location=f"{model.location()}-later")
    command(stack, "redrive", failed["pk"]["S"].removeprefix("job#"))
    wait_for(stack, key, lambda item: item["state"]["S"] == "succeeded", "succeed")
    assert rows_of(stack, "later") == expected


@pytest.mark.long
def test_a_large_file_is_in_the_table_once_by_one_commit(stack: Stack) -> None:
    check_large(stack)


def check_large(stack: Stack) -> None:
    key = "lake/large/trips.csv"
    stack.client("s3").put_object(Bucket=stack.source_bucket, Key=key, Body=as_csv(trips(0, LARGE)))
    item = job_of(stack, key, patience=180)
    assert item["state"]["S"] == "succeeded", item
    # A step that fails may leave the job's success to `abort`.
    assert not [line.text for line in function_logs(stack, ["plan", "finish", "abort"]) if "Traceback" in line.text]
    assert rows_of(stack, "large") == trips(0, LARGE)
    assert len(open_table(stack, "large").snapshots()) == 1


@pytest.fixture(scope="module")
def s3_tables(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A stack whose catalog is an S3 table bucket."""
    routes: Path = tmp_path_factory.mktemp("lake") / "routes.toml"
    routes.write_text(ROUTES)
    sizes = {"LargeBytes": str(10 * 10**6), "SpanBytes": str(8 * 1024**2), "MemorySize": "256"}
    with running(routes=routes, parameters=sizes, iceberg="s3tables") as stack:
        yield stack


@pytest.mark.long
@pytest.mark.xdist_group("stack")
@pytest.mark.timeout(900)
def test_tables_of_a_table_bucket_take_small_and_large_files(s3_tables: Stack) -> None:
    assert {item["state"]["S"] for item in send_small(s3_tables)} == {"succeeded"}
    assert rows_of(s3_tables, "small") == trips(0, FILES * EACH)
    check_large(s3_tables)
    assert not refusals(s3_tables)


@pytest.mark.long
@pytest.mark.xdist_group("stack")
@pytest.mark.timeout(900)
def test_a_large_load_into_a_table_bucket_that_failed_is_redriven(s3_tables: Stack) -> None:
    key, source = "lake/later/trips.csv", s3_tables.source_bucket
    s3_tables.client("s3").put_object(Bucket=source, Key=key, Body=as_csv(trips(0, LARGE)))
    failed = job_of(s3_tables, key, patience=180)
    assert (failed["state"]["S"], failed["failure"]["M"]["error"]["S"]) == ("failed", "DestinationMissingError")
    model = open_table(s3_tables, "small")
    model.catalog.create_table("lake.later", schema=model.schema())
    command(s3_tables, "redrive", failed["pk"]["S"].removeprefix("job#"))
    wait_for(s3_tables, key, lambda item: item["state"]["S"] == "succeeded", "succeed", patience=180)
    assert rows_of(s3_tables, "later") == trips(0, LARGE)
    assert not refusals(s3_tables)


@pytest.mark.long
@pytest.mark.xdist_group("stack")
@pytest.mark.timeout(900)
def test_a_large_load_into_a_table_bucket_that_fails_shows_no_row_and_may_be_corrected(s3_tables: Stack) -> None:
    key, body = "lake/bad/trips.csv", as_csv(trips(0, LARGE))
    s3, source = s3_tables.client("s3"), s3_tables.source_bucket
    s3.put_object(Bucket=source, Key=key, Body=body + b"none,DE,,,,,,\n")  # in the last span
    failed = job_of(s3_tables, key, patience=180)
    assert failed["state"]["S"] == "failed", failed
    assert rows_of(s3_tables, "bad") == []
    s3.put_object(Bucket=source, Key=key, Body=body)
    wait_for(s3_tables, key, lambda item: item["state"]["S"] == "succeeded", "succeed", patience=180)
    assert rows_of(s3_tables, "bad") == trips(0, LARGE)
    assert len(open_table(s3_tables, "bad").snapshots()) == 1
    assert not refusals(s3_tables)
