"""aws-sdk-pandas: ``s3.read_csv`` in chunks into ``postgresql.to_sql`` in its mode "upsert"."""

from typing import Any

import awswrangler as wr
from benchmarks.peers.csv_frames import INSERT, connect, frames


def handler(event: dict[str, Any], _context: object) -> None:
    with connect() as connection:
        for frame in frames(event):
            wr.postgresql.to_sql(
                frame,
                connection,
                "sightings",
                "public",
                mode="upsert",
                upsert_conflict_columns=["id"],
                chunksize=INSERT,
            )
