"""A CSV of items as boto3 wants them: one dict each, numbers exact."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import boto3

TABLE = "records"
CONVERTERS: dict[str, Callable[[str], Any]] = {
    **dict.fromkeys(("severity", "humidity"), int),
    **dict.fromkeys(("latitude", "longitude", "distance"), Decimal),
    **dict.fromkeys(("rain", "stop"), "true".__eq__),
}

s3 = boto3.client("s3")


def items(bucket: str, key: str) -> Iterator[dict[str, Any]]:
    """Those of an object, while it is read."""
    body: Any = s3.get_object(Bucket=bucket, Key=key)["Body"]  # the stubs know less of it than io does
    with io.TextIOWrapper(body, encoding="utf-8", newline="") as text:
        for record in csv.DictReader(text):
            yield {name: CONVERTERS[name](value) if name in CONVERTERS else value for name, value in record.items()}
