"""Parquet files on this machine: temporary ones in their folders, which are renamed at the end of a run."""

from __future__ import annotations

import os
import secrets
import stat
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

from penstock.codecs.checksum import crc32 as crc32_of
from penstock.destinations.parquet.span_files import SpanFile
from penstock.errors import DiskFullError, FileError
from penstock.files.errors import file_errors
from penstock.files.temporary_names import TEMPORARY_PREFIX
from penstock.model.data_file import DataFile


def local_path(uri: str) -> Path:
    """Return the path of a file on this machine: a path itself, or a ``file:`` URI.

    As readers do, it takes percent signs of a URI as they are: Iceberg's folders hold escaped values.
    """
    return Path(urlsplit(uri).path if uri.startswith("file:") else uri)


class LocalFiles:
    """Implements ``FileStore``. Memory: none of its own. Missing folders are created."""

    def open(self, uri: str, job_id: str, token: str) -> LocalFile:  # noqa: ARG002  # nobody else writes here
        return LocalFile(uri)

    def publish(self, file: SpanFile, job_id: str, token: str) -> None:  # noqa: ARG002  # as above
        with file_errors(file.data.uri):
            os.replace(file.upload_id, local_path(file.data.uri))  # noqa: PTH105  # as AtomicFile

    def discard(self, file: SpanFile) -> None:
        with file_errors(file.data.uri), suppress(FileNotFoundError):
            Path(file.upload_id).unlink()

    def sweep(self, place: str, job_id: str, span: int | None, keep: Collection[str]) -> None:
        """Do nothing: a run that was killed leaves temporary files, as other commands do."""

    def has_files(self, place: str, job_id: str, span: int | None) -> bool:  # noqa: ARG002  # as FileStore says
        """False: a run has no records that could expire."""
        return False

    def close(self) -> None:
        """Nothing is under way."""


class LocalFile:
    """Implements ``StoredFile``. The path of the temporary file stands for the id of an upload."""

    held = 0

    def __init__(self, uri: str) -> None:
        self.uri = uri
        self._path = path = local_path(uri)
        self._temporary = path.with_name(f"{TEMPORARY_PREFIX}{secrets.token_hex(8)}")
        self._size = self._crc32 = 0
        with file_errors(str(path)):
            if path.exists() and not stat.S_ISREG(path.stat().st_mode):
                raise FileError(f"{path} is not a regular file", hint="Choose a regular file, or a new name.")
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = self._temporary.open("xb", buffering=0)

    def write(self, data: bytes | memoryview, /) -> int:
        rest = memoryview(data)
        with file_errors(str(self._path)):
            try:
                while rest:
                    rest = rest[self._file.write(rest) :]
            except DiskFullError as error:
                error.hint = "No file was created. Free some space or choose another path, then run the command again."
                raise
        self._size += len(data)
        self._crc32 = crc32_of(data, self._crc32)
        return len(data)

    def finish(self, data: DataFile) -> SpanFile:
        with file_errors(str(self._path)):
            os.fsync(self._file.fileno())
            self._file.close()
        return SpanFile(data, str(self._temporary), (), self._crc32)

    def discard(self) -> None:
        self._file.close()
        with file_errors(str(self._path)), suppress(FileNotFoundError):
            self._temporary.unlink()
