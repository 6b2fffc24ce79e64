"""Locks between the processes of a user: file locks, which the system releases when a process dies."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path

from penstock.files.errors import file_errors


class FileLocks:
    """Implements ``Locks`` with 256 files that are never deleted. Two names may share a file; one then waits."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @contextmanager
    def held(self, name: str) -> Iterator[None]:
        path = self._folder / sha256(name.encode()).hexdigest()[:2]
        with file_errors(str(path)):
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            lock = path.open("w")
        with lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
