"""By hand: the object as it is into a temporary table, then one INSERT ... ON CONFLICT."""

import os
from typing import Any

import boto3
import psycopg
from benchmarks.peers.where import ends

BLOCK = 64 * 1024
UPSERT = """
INSERT INTO sightings SELECT DISTINCT ON (id) * FROM staged ORDER BY id
ON CONFLICT (id) DO UPDATE SET
  seen_at = EXCLUDED.seen_at, reported_on = EXCLUDED.reported_on, place = EXCLUDED.place, birds = EXCLUDED.birds,
  latitude = EXCLUDED.latitude, longitude = EXCLUDED.longitude, distance = EXCLUDED.distance, wind = EXCLUDED.wind,
  rare = EXCLUDED.rare, note = EXCLUDED.note
"""

s3 = boto3.client("s3")


def handler(event: dict[str, Any], _context: object) -> None:
    bucket, key, *_ = ends(event)
    body = s3.get_object(Bucket=bucket, Key=key)["Body"]
    with psycopg.connect(os.environ["PENSTOCK_POSTGRES_DSN"]) as connection, connection.cursor() as cursor:
        cursor.execute("CREATE TEMPORARY TABLE staged (LIKE sightings) ON COMMIT DROP")
        with cursor.copy("COPY staged FROM STDIN (FORMAT csv, HEADER)") as copy:
            for block in body.iter_chunks(BLOCK):
                copy.write(block)
        cursor.execute(UPSERT)
