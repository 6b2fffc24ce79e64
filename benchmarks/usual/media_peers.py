"""Media files into PostgreSQL, as people write it: a plain loop, and one task per file on aiohttp and asyncpg."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from decimal import Decimal
from typing import Any

import aiohttp
import asyncpg
import boto3
import psycopg
from yarl import URL

COLUMNS = {
    "song": ("songs", ("artist_name", "title", "year", "release")),
    "movie": ("movies", ("original_title", "original_language", "budget", "is_adult", "release_date")),
    "app": ("apps", ("name", "genre", "rating", "version", "size_bytes")),
}
CONNECTIONS = 10
REQUESTS = 100  # aiohttp's own default

Take = Callable[[Sequence[str]], None]


def by_type(records: Sequence[dict[str, Any]], convert: Callable[[str, Any], Any]) -> dict[str, list[tuple[Any, ...]]]:
    """The rows of each type, in the order of its columns."""
    rows: dict[str, list[tuple[Any, ...]]] = {}
    for record in records:
        names = COLUMNS[record["type"]][1]
        rows.setdefault(record["type"], []).append(tuple(convert(name, record["data"].get(name)) for name in names))
    return rows


@contextmanager
def plain_loop(endpoint: str, bucket: str, dsn: str) -> Iterator[Take]:
    """A file after the other: boto3, json, executemany, commit."""
    s3: Any = boto3.client("s3", endpoint_url=endpoint)
    statements = {
        kind: f"INSERT INTO {table} ({', '.join(names)}) VALUES ({', '.join(['%s'] * len(names))})"
        for kind, (table, names) in COLUMNS.items()
    }

    def take(keys: Sequence[str]) -> None:
        for key in keys:
            records = json.loads(s3.get_object(Bucket=bucket, Key=key)["Body"].read())
            with connection.cursor() as cursor:
                for kind, rows in by_type(records, lambda _, value: value).items():
                    cursor.executemany(statements[kind], rows)
            connection.commit()

    with psycopg.connect(dsn) as connection:
        yield take


@contextmanager
def one_task_per_file(endpoint: str, bucket: str, dsn: str) -> Iterator[Take]:
    """All at once, within aiohttp's limit of requests and a pool of connections; a file is a transaction."""
    statements = {
        kind: f"INSERT INTO {table} ({', '.join(names)}) VALUES ({', '.join(f'${n + 1}' for n in range(len(names)))})"
        for kind, (table, names) in COLUMNS.items()
    }
    converters: dict[str, Callable[[Any], Any]] = {"release_date": date.fromisoformat, "budget": Decimal}

    def convert(name: str, value: Any) -> Any:
        return converters[name](value) if name in converters and value is not None else value

    async def open_all() -> tuple[aiohttp.ClientSession, asyncpg.Pool]:
        session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=REQUESTS))
        return session, await asyncpg.create_pool(dsn, min_size=CONNECTIONS, max_size=CONNECTIONS)

    s3: Any = boto3.client("s3", endpoint_url=endpoint)
    loop = asyncio.new_event_loop()
    session, pool = loop.run_until_complete(open_all())

    async def take_one(key: str) -> None:
        url = s3.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": key})
        async with session.get(URL(url, encoded=True)) as response:
            response.raise_for_status()
            records = json.loads(await response.read())
        async with pool.acquire() as connection, connection.transaction():
            for kind, rows in by_type(records, convert).items():
                await connection.executemany(statements[kind], rows)

    async def take_all(keys: Sequence[str]) -> None:
        await asyncio.gather(*map(take_one, keys))

    async def close_all() -> None:
        await session.close()
        await pool.close()

    try:
        yield lambda keys: loop.run_until_complete(take_all(keys))
    finally:
        loop.run_until_complete(close_all())
        loop.close()
