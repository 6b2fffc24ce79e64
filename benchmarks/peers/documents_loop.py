"""A file after the other: boto3, json, psycopg's ``executemany``, commit. The connection is kept between events."""

import json
from typing import Any

import psycopg
from benchmarks.peers.documents_rows import DSN, by_type, inserts, objects, s3

INSERTS: Any = inserts(lambda _: "%s")

connection = psycopg.connect(DSN)


def handler(event: dict[str, Any], _context: object) -> None:
    for bucket, key in objects(event):
        records = json.loads(s3.get_object(Bucket=bucket, Key=key)["Body"].read())
        with connection.cursor() as cursor:
            for kind, rows in by_type(records, lambda _, value: value).items():
                cursor.executemany(INSERTS[kind], rows)
        connection.commit()
