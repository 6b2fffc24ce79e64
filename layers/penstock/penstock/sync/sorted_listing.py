"""Listings in the order of their names' UTF-8 bytes, from services that keep no order.

S3 promises it for general purpose buckets alone: directory buckets and some gateways list as they please.
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

_AT_ONCE = 1000

# The names that buckets of S3 Express One Zone have, and their access points.
_DIRECTORY_BUCKETS = ("--x-s3", "--xa-s3")


def is_sorted_by_contract(endpoint: str, bucket: str) -> bool:
    """Whether S3 itself promises sorted listings of a bucket. ``endpoint`` is empty for AWS."""
    return not endpoint and not bucket.endswith(_DIRECTORY_BUCKETS)


def sorted_files(files: Iterable[RemoteFile]) -> Iterator[RemoteFile]:
    """All files, sorted; a name that was listed twice comes once, as it was listed last.

    Memory: 2 MiB, however many there are; the rest lies in a temporary file that vanishes by itself. Raises
    DiskFullError.
    """
    # A base without a name is a temporary one of SQLite, which sorts what does not fit its cache on disk.
    with closing(sqlite3.connect("", check_same_thread=False, isolation_level=None)) as base:
        try:
            base.execute(
                "CREATE TABLE listed (name BLOB, bucket TEXT, key TEXT, size INTEGER, etag TEXT, modified REAL)"
            )
            base.execute("BEGIN")
            rest = iter(files)
            while some := list(islice(rest, _AT_ONCE)):
                base.executemany("INSERT INTO listed VALUES (?, ?, ?, ?, ?, ?)", map(_row, some))
            yield from _last_of_each(base.execute("SELECT * FROM listed ORDER BY name, rowid"))
        except sqlite3.OperationalError as error:
            raise DiskFullError(f"a listing could not be sorted in the folder for temporary files: {error}") from error


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
