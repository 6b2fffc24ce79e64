"""asyncpg's ``executemany`` over the csv module, with ON CONFLICT."""

import asyncio
from typing import Any

from benchmarks.peers.csv_asyncpg import execute
from benchmarks.peers.csv_rows import UPSERT


def handler(event: dict[str, Any], _context: object) -> None:
    asyncio.run(execute(UPSERT, event))
