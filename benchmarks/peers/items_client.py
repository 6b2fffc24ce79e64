"""What one writes by hand over the csv module: the serializer, 25 at a time, what is left again."""

from itertools import islice
from typing import Any

import boto3
from benchmarks.peers.items_rows import TABLE, items
from benchmarks.peers.where import ends
from boto3.dynamodb.types import TypeSerializer

dynamodb = boto3.client("dynamodb")
serialize = TypeSerializer().serialize


def handler(event: dict[str, Any], _context: object) -> None:
    bucket, key, *_ = ends(event)
    rest = items(bucket, key)
    while batch := list(islice(rest, 25)):
        puts = [{"PutRequest": {"Item": {name: serialize(value) for name, value in item.items()}}} for item in batch]
        left: Any = {TABLE: puts}
        while left:
            left = dynamodb.batch_write_item(RequestItems=left)["UnprocessedItems"]
