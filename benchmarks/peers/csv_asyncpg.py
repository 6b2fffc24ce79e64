"""asyncpg's ``executemany`` over the csv module."""

import asyncio
from typing import Any

import asyncpg
from benchmarks.peers.csv_rows import DSN, INSERT, rows
from benchmarks.peers.where import ends


def handler(event: dict[str, Any], _context: object) -> None:
    asyncio.run(execute(INSERT, event))


async def execute(statement: str, event: dict[str, Any]) -> None:
    """For every row of the object that the event is about."""
    bucket, key, *_ = ends(event)
    connection = await asyncpg.connect(DSN)
    await connection.executemany(statement, rows(bucket, key))
    await connection.close()
