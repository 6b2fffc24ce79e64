"""One task per file, all at once: aiohttp within its limit of requests, asyncpg's ``executemany`` on a pool.

Session and pool are kept between events. A file is a transaction.
"""

import asyncio
import json
from collections.abc import Callable
from datetime import date
from decimal import Decimal
from typing import Any

import aiohttp
import asyncpg
from benchmarks.peers.documents_rows import DSN, by_type, inserts, objects, s3
from yarl import URL

INSERTS = inserts(lambda number: f"${number}")
CONVERTERS: dict[str, Callable[[Any], Any]] = {"release_date": date.fromisoformat, "budget": Decimal}
CONNECTIONS = 10


async def open_all() -> tuple[aiohttp.ClientSession, asyncpg.Pool]:
    return aiohttp.ClientSession(), await asyncpg.create_pool(DSN, min_size=CONNECTIONS, max_size=CONNECTIONS)


loop = asyncio.new_event_loop()
session, pool = loop.run_until_complete(open_all())


def handler(event: dict[str, Any], _context: object) -> None:
    loop.run_until_complete(take_all(event))


async def take_all(event: dict[str, Any]) -> None:
    await asyncio.gather(*(take(bucket, key) for bucket, key in objects(event)))


async def take(bucket: str, key: str) -> None:
    url = s3.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": key})
    async with session.get(URL(url, encoded=True)) as response:
        response.raise_for_status()
        records = json.loads(await response.read())
    async with pool.acquire() as connection, connection.transaction():
        for kind, rows in by_type(records, convert).items():
            await connection.executemany(INSERTS[kind], rows)


def convert(name: str, value: Any) -> Any:
    return CONVERTERS[name](value) if name in CONVERTERS and value is not None else value
