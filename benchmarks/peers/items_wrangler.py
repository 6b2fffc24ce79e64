"""aws-sdk-pandas: ``s3.read_csv`` in chunks into ``dynamodb.put_df``, which takes no floats."""

from decimal import Decimal
from typing import Any

import awswrangler as wr
from benchmarks.peers.items_rows import TABLE
from benchmarks.peers.where import ends

FRAME = 10_000  # rows
EXACT = dict.fromkeys(("latitude", "longitude", "distance"), Decimal)


def handler(event: dict[str, Any], _context: object) -> None:
    bucket, key, *_ = ends(event)
    for frame in wr.s3.read_csv([f"s3://{bucket}/{key}"], chunksize=FRAME, converters=EXACT):
        wr.dynamodb.put_df(frame, TABLE)
