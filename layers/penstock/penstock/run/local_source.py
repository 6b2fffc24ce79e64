"""The bytes of files of this machine, and of what comes through a pipe."""

from __future__ import annotations

import os
import stat
from collections.abc import Generator
from pathlib import Path
from tempfile import SpooledTemporaryFile

from penstock.errors import FileChangedError, FileError
from penstock.files.errors import file_errors
from penstock.limits import KIB, MIB

PIECE = 256 * KIB

# So much of a pipe that has to be read twice stays in memory; the rest of it goes to a temporary file.
REPLAYED = 8 * MIB


class FileSource:
    """A file, as it is now. Implements ``ByteSource``, as often as it is asked. Memory: a piece of 256 KiB.

    Raises FileError for what is no regular file or cannot be read, FileChangedError when it is not what it was.
    """

    def __init__(self, path: Path) -> None:
        self.path = os.path.abspath(path)  # noqa: PTH100  # links stay: the name is what the person knows it by
        self._shown = str(path)
        with file_errors(self._shown):
            now = Path(path).stat()
        if not stat.S_ISREG(now.st_mode):
            kind = "is a folder" if stat.S_ISDIR(now.st_mode) else "is not a regular file"
            raise FileError(f"{path} {kind}", hint="Give a file; what comes through a pipe is called -.")
        self._state = _state(now)
        self._ctime_ns = now.st_ctime_ns

    @property
    def size(self) -> int:
        return self._state[0]

    @property
    def version(self) -> str:
        """Differs once somebody has written to the file, also where its size and time of modification were put back."""
        size, mtime_ns, _, inode = self._state
        return f"{size}-{mtime_ns}-{self._ctime_ns}-{inode}"

    def chunks(self) -> Generator[bytes, None, None]:
        with file_errors(self._shown), Path(self.path).open("rb", buffering=0) as file:
            self._check(file.fileno())
            while piece := file.read(PIECE):
                yield piece
            self._check(file.fileno())

    def _check(self, descriptor: int) -> None:
        if _state(os.fstat(descriptor)) != self._state:
            raise FileChangedError(f"{self._shown}: changed while it was being read")


class PipeSource:
    """What comes through a descriptor. Implements ``ByteSource``; ``size`` is the most that it may be.

    ``replay``: what the first reading has read is kept, in a temporary file if it is long, for the second one, which
    goes on behind it.
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
