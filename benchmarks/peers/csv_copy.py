"""A limit: COPY alone, of a file in the page cache, as it is. PostgreSQL parses it. The event names the file."""

import os
from pathlib import Path
from typing import Any

import psycopg

BLOCK = 64 * 1024


def handler(event: dict[str, Any], _context: object) -> None:
    with (
        psycopg.connect(os.environ["PENSTOCK_POSTGRES_DSN"]) as connection,
        connection.cursor() as cursor,
        cursor.copy("COPY sightings FROM STDIN (FORMAT csv, HEADER)") as copy,
        Path(event["file"]).open("rb") as file,
    ):
        while block := file.read(BLOCK):
            copy.write(block)
