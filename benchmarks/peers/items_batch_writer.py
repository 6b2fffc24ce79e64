"""boto3's ``batch_writer`` over the csv module."""

from typing import Any

import boto3
from benchmarks.peers.items_rows import TABLE, items
from benchmarks.peers.where import ends

table = boto3.resource("dynamodb").Table(TABLE)


def handler(event: dict[str, Any], _context: object) -> None:
    bucket, key, *_ = ends(event)
    with table.batch_writer() as writer:
        for item in items(bucket, key):
            writer.put_item(Item=item)
