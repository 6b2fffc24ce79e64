"""Files of typed records as rows of three tables; examples/media has the same as a route."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import boto3

DSN = os.environ["PENSTOCK_POSTGRES_DSN"]
COLUMNS = {
    "song": ("songs", ("artist_name", "title", "year", "release")),
    "movie": ("movies", ("original_title", "original_language", "budget", "is_adult", "release_date")),
    "app": ("apps", ("name", "genre", "rating", "version", "size_bytes")),
}

s3 = boto3.client("s3")


def objects(event: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Bucket and key of every notification in an event of SQS. No key is one that S3 would encode."""
    for message in event["Records"]:
        for record in json.loads(message["body"])["Records"]:
            yield record["s3"]["bucket"]["name"], record["s3"]["object"]["key"]


def inserts(placeholder: Callable[[int], str]) -> dict[str, str]:
    """A statement a type, with a driver's placeholders, which are counted from 1."""
    statements = {}
    for kind, (table, names) in COLUMNS.items():
        values = ", ".join(placeholder(number) for number in range(1, len(names) + 1))
        statements[kind] = f"INSERT INTO {table} ({', '.join(names)}) VALUES ({values})"
    return statements


def by_type(records: Sequence[dict[str, Any]], convert: Callable[[str, Any], Any]) -> dict[str, list[tuple[Any, ...]]]:
    """The rows of each type, in the order of its columns."""
    rows: dict[str, list[tuple[Any, ...]]] = {}
    for record in records:
        names = COLUMNS[record["type"]][1]
        rows.setdefault(record["type"], []).append(tuple(convert(name, record["data"].get(name)) for name in names))
    return rows
