"""The table of benchmarks/sample_csv.py as Python values, which drivers with binary protocols want."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Callable, Iterator
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import boto3

DSN = os.environ["PENSTOCK_POSTGRES_DSN"]
COLUMNS: dict[str, Callable[[str], Any]] = {
    "id": int,
    "seen_at": datetime.fromisoformat,
    "reported_on": date.fromisoformat,
    "place": str,
    "birds": int,
    "latitude": float,
    "longitude": float,
    "distance": Decimal,
    "wind": Decimal,
    "rare": "true".__eq__,
    "note": str,
}
INSERT = f"INSERT INTO sightings VALUES ({', '.join(f'${number + 1}' for number in range(len(COLUMNS)))})"
UPSERT = f"{INSERT} ON CONFLICT (id) DO UPDATE SET {', '.join(f'{name} = EXCLUDED.{name}' for name in COLUMNS)}"

s3 = boto3.client("s3")


def rows(bucket: str, key: str) -> Iterator[tuple[Any, ...]]:
    """Those of an object, while it is read."""
    converters = tuple(COLUMNS.values())
    body: Any = s3.get_object(Bucket=bucket, Key=key)["Body"]  # the stubs know less of it than io does
    with io.TextIOWrapper(body, encoding="utf-8", newline="") as text:
        reader = csv.reader(text)
        next(reader)
        for record in reader:
            yield tuple([convert(value) if value else None for convert, value in zip(converters, record, strict=True)])
