"""What both aws-sdk-pandas peers do: frames of an object, and a connection."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any, cast
from urllib.parse import urlsplit

import awswrangler as wr
import pg8000
from benchmarks.peers.where import ends

FRAME = 10_000  # rows
INSERT = 1_000  # rows of one INSERT


def frames(event: dict[str, Any]) -> Iterator[Any]:
    bucket, key, *_ = ends(event)
    read = wr.s3.read_csv([f"s3://{bucket}/{key}"], chunksize=FRAME, parse_dates=["seen_at", "reported_on"])
    return cast("Iterator[Any]", read)


def connect() -> Any:
    at = urlsplit(os.environ["PENSTOCK_POSTGRES_DSN"])
    return pg8000.connect(
        at.username, host=at.hostname, port=at.port, password=at.password, database=at.path.strip("/")
    )
