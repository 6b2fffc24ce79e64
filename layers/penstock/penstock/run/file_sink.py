"""Write a local file that appears complete or not at all."""

from __future__ import annotations

import stat
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

from penstock.codecs.checksum import crc32 as crc32_of
from penstock.errors import ChecksumMismatchError, DiskFullError, FileError
from penstock.files.atomic_file import atomic_file
from penstock.files.errors import file_errors
from penstock.model.object import Published


class FileSink:
    """Writes a temporary file and renames it. Implements ``BucketSink``. Memory: none of its own.

    Missing folders are created. Raises FileError, and DiskFullError.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._size = self._crc32 = 0
        self._open = ExitStack()

    def __enter__(self) -> Self:
        with file_errors(str(self._path)):
            if self._path.exists() and not stat.S_ISREG(self._path.stat().st_mode):
                raise FileError(f"{self._path} is not a regular file", hint="Choose a regular file, or a new name.")
        self._file = self._open.enter_context(atomic_file(self._path))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None:
        self._open.close()

    def write(self, chunk: bytes | memoryview) -> None:
        with _disk_hint():
            self._file.write(self._size, chunk)
        self._size += len(chunk)
        self._crc32 = crc32_of(chunk, self._crc32)

    def publish(self, *, crc32: int | None) -> Published:
        if crc32 not in (None, self._crc32):
            raise ChecksumMismatchError(
                f"the source declares CRC32 {crc32:08x}, but the bytes for {self._path} have {self._crc32:08x}",
                offset=0,
            )
        with _disk_hint():
            self._file.publish(time.time_ns())
        return Published(self._size, self._crc32, 0, "")


@contextmanager
def _disk_hint() -> Iterator[None]:
    try:
        yield
    except DiskFullError as error:
        error.hint = "No file was created. Free some space or choose another path, then run the command again."
        raise
