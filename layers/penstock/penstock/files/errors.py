"""Errors of local files."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from penstock.errors import DiskFullError, FileError, NameTakenError
from penstock.limits import MIB

READ = 1 * MIB


_KIND_OF: Mapping[int, type[FileError]] = {
    errno.ENOSPC: DiskFullError,
    errno.EDQUOT: DiskFullError,
    errno.EISDIR: NameTakenError,
    errno.ENOTDIR: NameTakenError,
}


@contextmanager
def file_errors(path: str) -> Iterator[None]:
    """Raise FileError with the path for OSError; DiskFullError or NameTakenError where they apply."""
    try:
        yield
    except OSError as error:
        raise _KIND_OF.get(error.errno or 0, FileError)(f"{path}: {error.strerror or error}") from error


def identity(status: os.stat_result) -> tuple[int, int]:
    """Identify a file or folder independently of its path."""
    return status.st_dev, status.st_ino
