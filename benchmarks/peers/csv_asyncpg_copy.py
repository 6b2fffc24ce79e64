"""asyncpg's ``copy_records_to_table`` over the csv module: COPY in PostgreSQL's binary format."""

import asyncio
from typing import Any

import asyncpg
from benchmarks.peers.csv_rows import COLUMNS, DSN, rows
from benchmarks.peers.where import ends


def handler(event: dict[str, Any], _context: object) -> None:
    asyncio.run(load(event))


async def load(event: dict[str, Any]) -> None:
    bucket, key, *_ = ends(event)
    connection = await asyncpg.connect(DSN)
    await connection.copy_records_to_table("sightings", records=rows(bucket, key), columns=list(COLUMNS))
    await connection.close()
