"""A small SQLite file in the user's cache directory, with digests of files and metadata of objects."""

from __future__ import annotations

import json
import logging
import os
import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from threading import Lock
from types import TracebackType
from typing import Any, Self

from penstock.files.state_file import private
from penstock.sync.model import LocalFile, ObjectMetadata, RemoteFile

log = logging.getLogger(__name__)

_SCHEMA = """
CREATE TABLE IF NOT EXISTS digests (
    path BLOB, algorithm TEXT, state TEXT, digest TEXT, PRIMARY KEY (path, algorithm)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS facts (uri TEXT PRIMARY KEY, version TEXT, facts TEXT) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS names (root BLOB, name TEXT, content TEXT, PRIMARY KEY (root, name)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS names_by_content ON names (root, content);
CREATE TABLE IF NOT EXISTS objects (
    bucket TEXT, key TEXT, size INTEGER, etag TEXT, modified REAL, PRIMARY KEY (bucket, key)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS objects_by_size ON objects (bucket, size);
"""

# Another process may be committing.
_BUSY_SECONDS = 10.0


class DigestCache:
    """Implements ``DigestStore``, ``MetadataStore`` and ``ContentIndex``; a context manager.

    Processes share the file; threads share the connection. If the file cannot be opened, read or written, an empty
    cache in memory replaces it. A damaged file is deleted, and created again when it is next opened. ``service``
    distinguishes buckets of different endpoints.
    """

    def __init__(self, path: Path, service: str = "") -> None:
        self._path = path
        self._service = service
        self._lock = Lock()
        self._connection = _connect(path)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None:
        with self._lock:
            self._connection.close()

    def digests(self, file: LocalFile) -> Mapping[str, str]:
        rows = self._run(
            "SELECT algorithm, digest FROM digests WHERE path = ? AND state = ?", (os.fsencode(file.path), file.state)
        )
        return {str(algorithm): str(digest) for algorithm, digest in rows}

    def remember_digest(self, file: LocalFile, algorithm: str, digest: str) -> None:
        self._run("REPLACE INTO digests VALUES (?, ?, ?, ?)", (os.fsencode(file.path), algorithm, file.state, digest))

    def facts(self, file: RemoteFile) -> ObjectMetadata | None:
        rows = self._run("SELECT facts FROM facts WHERE uri = ? AND version = ?", (self._uri(file), file.version))
        for (text,) in rows:
            found = json.loads(str(text))
            return ObjectMetadata(**{**found, "part_sizes": tuple(found["part_sizes"])})
        return None

    def remember_facts(self, file: RemoteFile, facts: ObjectMetadata) -> None:
        self._run("REPLACE INTO facts VALUES (?, ?, ?)", (self._uri(file), file.version, json.dumps(asdict(facts))))

    def names(self, root: str, content: str) -> Sequence[str]:
        rows = self._run("SELECT name FROM names WHERE root = ? AND content = ?", (os.fsencode(root), content))
        return [str(name) for (name,) in rows]

    def all_names(self, root: str) -> Sequence[str]:
        rows = self._run("SELECT name FROM names WHERE root = ? ORDER BY name", (os.fsencode(root),))
        return [str(name) for (name,) in rows]

    def remember_name(self, root: str, content: str, name: str) -> None:
        self._run("REPLACE INTO names VALUES (?, ?, ?)", (os.fsencode(root), name, content))

    def forget_names(self, root: str) -> None:
        self._run("DELETE FROM names WHERE root = ?", (os.fsencode(root),))

    def objects(self, bucket: str, prefix: str, size: int) -> Sequence[RemoteFile]:
        rows = self._run(
            "SELECT key, etag, modified FROM objects WHERE bucket = ? AND size = ?", (self._named(bucket), size)
        )
        return [
            RemoteFile(key.removeprefix(prefix), bucket, key, size, etag, modified)
            for key, etag, modified in rows
            if key.startswith(prefix)
        ]

    def remember_object(self, file: RemoteFile) -> None:
        values = (self._named(file.bucket), file.key, file.size, file.etag, file.modified)
        self._run("REPLACE INTO objects VALUES (?, ?, ?, ?, ?)", values)

    def _named(self, bucket: str) -> str:
        return f"{self._service} {bucket}"

    def _uri(self, file: RemoteFile) -> str:
        return self._named(file.uri)

    def _run(self, statement: str, values: tuple[object, ...]) -> list[tuple[Any, ...]]:
        with self._lock:
            try:
                return self._connection.execute(statement, values).fetchall()
            except sqlite3.Error as error:
                _warn(self._path, error)
                if not isinstance(error, sqlite3.OperationalError):
                    _discard(self._path)
                self._connection = _in_memory()
                return []


def _connect(path: Path) -> sqlite3.Connection:
    """Open the database at a path; replace a damaged one; fall back to memory if the file cannot be used."""
    for _ in range(2):
        try:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            # SQLite gives its -wal and -shm files the mode of this file.
            os.close(private(str(path), os.O_RDWR | os.O_CREAT))
            return _ready(sqlite3.connect(path, timeout=_BUSY_SECONDS, check_same_thread=False, isolation_level=None))
        except (OSError, sqlite3.OperationalError) as error:
            _warn(path, error)
            break
        except sqlite3.DatabaseError:
            _discard(path)
    return _in_memory()


def _in_memory() -> sqlite3.Connection:
    return _ready(sqlite3.connect(":memory:", check_same_thread=False, isolation_level=None))


def _ready(connection: sqlite3.Connection) -> sqlite3.Connection:
    # With a write-ahead log, readers never wait, and a writer waits for the disk only now and then.
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = NORMAL")
    connection.executescript(_SCHEMA)
    return connection


def _discard(path: Path) -> None:
    """Delete the files. Another process may do so at the same time."""
    for suffix in ("", "-wal", "-shm"):
        with suppress(OSError):
            Path(f"{path}{suffix}").unlink()


def _warn(path: Path, error: Exception) -> None:
    log.warning("%s: %s; digests and metadata are not cached in this run", path, error)
