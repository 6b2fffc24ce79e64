"""pandas: ``read_csv`` in chunks, ``to_sql`` with many rows in an INSERT."""

import os
from typing import Any

import boto3
import pandas as pd  # type: ignore[import-untyped]  # without stubs; requirements/bench.txt
import sqlalchemy
from benchmarks.peers.where import ends

FRAME = 10_000  # rows; what examples of `read_csv(chunksize=...)` take
INSERT = 1_000  # rows of one INSERT: 65,535 parameters are the limit

s3 = boto3.client("s3")
engine = sqlalchemy.create_engine(
    os.environ["PENSTOCK_POSTGRES_DSN"].replace("postgresql://", "postgresql+psycopg://"),
    poolclass=sqlalchemy.NullPool,
)


def handler(event: dict[str, Any], _context: object) -> None:
    bucket, key, *_ = ends(event)
    body = s3.get_object(Bucket=bucket, Key=key)["Body"]
    with engine.begin() as connection:
        for frame in pd.read_csv(body, chunksize=FRAME, parse_dates=["seen_at", "reported_on"]):
            frame.to_sql("sightings", connection, if_exists="append", index=False, method="multi", chunksize=INSERT)
