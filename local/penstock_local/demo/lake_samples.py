"""The records that the demo writes to a lake, read back by libraries that are not Penstock's: pyarrow and pyiceberg."""

from __future__ import annotations

import csv
import gzip
import io
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

from penstock_local.demo.load_samples import LoadSample
from penstock_local.stack import Stack

TRIPS = 20_000
COUNTRIES = ("DE", "FR", "PT")
FILES = 5  # small jobs that share commits

Row = dict[str, Any]


def trips(start: int, count: int) -> list[Row]:
    """Rows of every kind of column."""
    return [
        {
            "trip": number,
            "country": COUNTRIES[number % len(COUNTRIES)],
            "driver": None if number % 7 == 0 else f'Driver "{number % 90}", Zürich',
            "price": Decimal(number % 100_000).scaleb(-2).quantize(Decimal("0.01")),
            "distance": number / 8,
            "shared": number % 2 == 0,
            "booked": date(2026, 1, 1) + timedelta(days=number % 300),
            "ended": datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=number, microseconds=number % 10**6),
        }
        for number in range(start, start + count)
    ]


def as_csv(rows: list[Row]) -> bytes:
    """The rows as a partner would send them."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(rows[0])
    for row in rows:
        texts = {**row, "shared": str(row["shared"]).lower(), "ended": row["ended"].isoformat()}
        writer.writerow("" if value is None else str(value) for value in texts.values())
    return out.getvalue().encode()


def parquet_sample() -> LoadSample:
    """A file that becomes Parquet files, one for each country."""
    rows = trips(0, TRIPS)
    file = ("lake/files/trips.csv.gz", gzip.compress(as_csv(rows), 1))
    return LoadSample("lake/files/ (to Parquet)", (file,), TRIPS, 0, lambda stack: _wrong_files(stack, rows))


def iceberg_sample(catalog: str) -> LoadSample:
    """Files that become one table of a catalog, in few commits."""
    rows = trips(0, TRIPS)
    share = TRIPS // FILES
    files = tuple(
        (f"lake/tables/{catalog}-{number}.csv", as_csv(rows[number * share : (number + 1) * share]))
        for number in range(FILES)
    )
    label = f"lake/tables/ ({FILES} files, {catalog})"
    return LoadSample(label, files, TRIPS, 0, lambda stack: _wrong_table(stack, rows))


def _wrong_files(stack: Stack, expected: list[Row]) -> str:
    from pyarrow import parquet  # noqa: PLC0415  # half a second

    s3 = stack.client("s3")
    found: list[Row] = []
    for entry in s3.list_objects_v2(Bucket=stack.destination_bucket, Prefix="lake/").get("Contents", []):
        body = s3.get_object(Bucket=stack.destination_bucket, Key=entry["Key"])["Body"].read()
        country = entry["Key"].partition("country=")[2].partition("/")[0]
        found += [{**row, "country": country} for row in parquet.ParquetFile(io.BytesIO(body)).read().to_pylist()]
    return _difference(found, expected)


def _wrong_table(stack: Stack, expected: list[Row]) -> str:
    table = open_table(stack, "trips")
    return _difference(table.scan().to_arrow().to_pylist(), expected)


def open_table(stack: Stack, name: str) -> Any:
    """A table of the stack's catalog, as pyiceberg and pyarrow read it."""
    from pyiceberg.catalog import load_catalog  # noqa: PLC0415  # half a second

    keys = {"access-key-id": stack.access_key_id, "secret-access-key": stack.secret_access_key}
    common = {f"{kind}.{key}": value for kind in ("s3", "glue", "client") for key, value in keys.items()}
    common |= {"s3.endpoint": stack.endpoint, "s3.region": stack.region}
    if stack.iceberg_catalog == "glue":
        catalog = load_catalog(
            "glue", type="glue", **common, **{"glue.endpoint": stack.endpoint, "glue.region": stack.region}
        )
    else:
        signing = {"rest.sigv4-enabled": "true", "rest.signing-name": "s3tables", "rest.signing-region": stack.region}
        where = {"uri": f"{stack.endpoint}/iceberg", "warehouse": stack.iceberg_catalog}
        catalog = load_catalog("tables", type="rest", **where, **common, **signing)
    return catalog.load_table(f"{stack.iceberg_namespace}.{name}")


def _difference(found: list[Row], expected: list[Row]) -> str:
    ordered = sorted(found, key=lambda row: row["trip"])
    if ordered == expected:
        return ""
    pairs = zip(ordered, expected, strict=False)
    first = next((pair for pair in pairs if pair[0] != pair[1]), "the number of rows")
    return f"{len(found):,} rows, {len(expected):,} expected; first difference: {first}"
