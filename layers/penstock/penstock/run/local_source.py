"""The bytes of local files and of pipes."""

from __future__ import annotations

import os
import stat
from collections.abc import Generator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from tempfile import SpooledTemporaryFile

from penstock.errors import FileChangedError, FileError
from penstock.files.errors import file_errors
from penstock.limits import KIB, MIB

PIECE = 256 * KIB

# Bytes kept in memory of a pipe that must be read twice; beyond that they go to a temporary file.
REPLAYED = 8 * MIB


class FileSource:
    """A file in its current state. Implements ``ByteSource`` and ``RangeReader``; can be read repeatedly. Memory: a
    piece of 256 KiB.

    Raises FileError if it is not a regular file or cannot be read, FileChangedError if it has changed.
    """

    def __init__(self, path: Path) -> None:
        self.path = os.path.abspath(path)  # noqa: PTH100  # resolve() would lose the link that the user named
        self._shown = str(path)
        with file_errors(self._shown):
            now = Path(path).stat()
        if not stat.S_ISREG(now.st_mode):
            kind = "is a folder" if stat.S_ISDIR(now.st_mode) else "is not a regular file"
            raise FileError(f"{path} {kind}", hint="Give a regular file, or - for standard input.")
        self._state = _state(now)
        self._ctime_ns = now.st_ctime_ns

    @property
    def size(self) -> int:
        return self._state[0]

    @property
    def version(self) -> str:
        """Changes with every write to the file, even if its size and mtime are restored."""
        size, mtime_ns, _, inode = self._state
        return f"{size}-{mtime_ns}-{self._ctime_ns}-{inode}"

    @property
    def modified(self) -> str:
        """When the file was last modified, in ISO 8601."""
        return datetime.fromtimestamp(self._state[1] // 10**9, UTC).isoformat().replace("+00:00", "Z")

    def chunks(self) -> Generator[bytes, None, None]:
        with file_errors(self._shown), Path(self.path).open("rb", buffering=0) as file:
            self._check(file.fileno())
            while piece := file.read(PIECE):
                yield piece
            self._check(file.fileno())

    def read(self, start: int, end: int) -> Generator[bytes, None, None]:
        with file_errors(self._shown), Path(self.path).open("rb", buffering=0) as file:
            self._check(file.fileno())
            file.seek(start)
            while start < end and (piece := file.read(min(PIECE, end - start))):
                start += len(piece)
                yield piece
            self._check(file.fileno())

    def _check(self, descriptor: int) -> None:
        if _state(os.fstat(descriptor)) != self._state:
            raise FileChangedError(f"{self._shown}: the file changed while it was being read")


@dataclass(frozen=True, slots=True)
class FileRange:
    """Bytes ``start`` to ``end`` of a file. Implements ``ByteSource``."""

    file: FileSource
    start: int
    end: int | None

    @property
    def size(self) -> int:
        return self.file.size

    def chunks(self) -> Generator[bytes, None, None]:
        yield from self.file.read(self.start, self.size if self.end is None else self.end)


class PipeSource:
    """The bytes of a descriptor. Implements ``ByteSource``; ``size`` is the maximum size.

    ``replay``: the bytes of the first reading are kept, in a temporary file if there are many. The second reading
    returns them and then continues.
    """

    def __init__(self, descriptor: int, size: int, *, replay: bool = False) -> None:
        self.size = size
        self._descriptor = descriptor
        self._kept = SpooledTemporaryFile(REPLAYED) if replay else None  # noqa: SIM115  # the second reading closes it
        self._begun = False

    def chunks(self) -> Generator[bytes, None, None]:
        if self._kept and self._begun:
            with self._kept as kept:
                self._kept = None
                kept.seek(0)
                while piece := kept.read(PIECE):
                    yield piece
        self._begun = True
        while piece := self._read():
            if self._kept:
                self._kept.write(piece)
            yield piece

    def _read(self) -> bytes:
        with file_errors("standard input"):
            return os.read(self._descriptor, PIECE)


def _state(status: os.stat_result) -> tuple[int, int, int, int]:
    return status.st_size, status.st_mtime_ns, status.st_dev, status.st_ino
