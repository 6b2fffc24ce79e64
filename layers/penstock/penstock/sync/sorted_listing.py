"""Sort listings by the names' UTF-8 bytes, for services that do not.

S3 guarantees this order for general purpose buckets only, not for directory buckets. Some gateways have no order.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing
from itertools import islice
from typing import TypeAlias

from penstock.errors import DiskFullError
from penstock.sync.model import RemoteFile

_Row: TypeAlias = tuple[bytes, str, str, int, str, float]

_BATCH_ROWS = 1000


def sorted_files(files: Iterable[RemoteFile]) -> Iterator[RemoteFile]:
    """Yield all files, sorted; for a name that was listed twice, only the last entry.

    Memory: 2 MiB for any number of files; the rest is in a temporary file that SQLite deletes. Raises DiskFullError.
    """
    # An empty name means a temporary database, which SQLite moves to disk when it outgrows its cache.
    with closing(sqlite3.connect("", check_same_thread=False, isolation_level=None)) as connection:
        try:
            connection.execute(
                "CREATE TABLE listed (name BLOB, bucket TEXT, key TEXT, size INTEGER, etag TEXT, modified REAL)"
            )
            connection.execute("BEGIN")
            rest = iter(files)
            while batch := list(islice(rest, _BATCH_ROWS)):
                connection.executemany("INSERT INTO listed VALUES (?, ?, ?, ?, ?, ?)", map(_row, batch))
            yield from _last_of_each(connection.execute("SELECT * FROM listed ORDER BY name, rowid"))
        except sqlite3.OperationalError as error:
            raise DiskFullError(f"the listing could not be sorted in the temporary folder: {error}") from error


def _row(file: RemoteFile) -> _Row:
    return file.name.encode(), file.bucket, file.key, file.size, file.etag, file.modified


def _last_of_each(rows: Iterable[_Row]) -> Iterator[RemoteFile]:
    last: RemoteFile | None = None
    for name, bucket, key, size, etag, modified in rows:
        file = RemoteFile(name.decode(), bucket, key, size, etag, modified)
        if last is not None and last.name != file.name:
            yield last
        last = file
    if last is not None:
        yield last
