"""The sources of an upload: local files and pipes."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path

from penstock.errors import FileChangedError, FileError
from penstock.limits import KIB
from penstock.model.upload import FileIdentity

SAMPLE = 64 * KIB

_RESUME = "Then run the same command again: it resumes the upload."


class OpenFile:
    """Implements ``LocalSource`` on a file descriptor: all bytes come from the file that was opened."""

    def __init__(self, path: Path, descriptor: int) -> None:
        self.path = str(path)
        self._descriptor = descriptor
        self._stat = os.fstat(descriptor)
        if not stat.S_ISREG(self._stat.st_mode):
            raise FileError(f"{path} is not a regular file", hint=f"Upload its output: penstock upload - ... < {path}")
        size = self._stat.st_size
        starts = sorted({0, max(0, size // 2 - SAMPLE // 2), max(0, size - SAMPLE)})
        samples = tuple(sha256(os.pread(descriptor, SAMPLE, start)).hexdigest() for start in starts)
        self.identity = FileIdentity(size, self._stat.st_mtime_ns, self._stat.st_ino, samples)

    def read_into(self, buffer: memoryview, offset: int) -> None:
        done = 0
        while done < len(buffer):
            try:
                size = os.preadv(self._descriptor, [buffer[done:]], offset + done)
            except OSError as error:
                raise FileError(f"{self.path} cannot be read: {error.strerror}", hint=_RESUME) from error
            if not size:
                raise self._changed(f"it ends at byte {offset + done:,}, not at {self.identity.size:,}")
            done += size
        self._compare(os.fstat(self._descriptor))

    def check(self) -> None:
        try:
            now = Path(self.path).stat()
        except FileNotFoundError as error:
            raise FileChangedError(
                f"{self.path} was deleted or moved while it was read",
                hint=f"Nothing was published. Restore the file. {_RESUME}",
            ) from error
        except OSError as error:
            raise FileError(f"{self.path} can no longer be read: {error.strerror}", hint=_RESUME) from error
        if (now.st_dev, now.st_ino) != (self._stat.st_dev, self._stat.st_ino):
            raise self._changed("another file replaced it")
        self._compare(now)

    def _compare(self, now: os.stat_result) -> None:
        if now.st_size != self._stat.st_size:
            raise self._changed(f"its size was {self._stat.st_size:,} bytes and is now {now.st_size:,}")
        if now.st_mtime_ns != self._stat.st_mtime_ns:
            raise self._changed("another process wrote to it")

    def _changed(self, how: str) -> FileChangedError:
        return FileChangedError(
            f"{self.path} changed while it was read: {how}",
            hint="Nothing was published. When the file no longer changes, run the same command with --restart.",
        )


def named(path: Path) -> Path:
    """Return the absolute path of a file. Links are not resolved, so that the user recognises the path."""
    return Path(os.path.abspath(path))  # noqa: PTH100  # pathlib would resolve links, or leave ".."


@contextmanager
def open_file(path: Path) -> Iterator[OpenFile]:
    """Open a regular file; links are followed. Raises FileError with the system's reason."""
    absolute = named(path)
    if absolute.is_dir():
        raise FileError(f"{path} is a folder", hint="Upload a folder with `penstock sync`.")
    try:
        # Without O_NONBLOCK, open() waits on a pipe that has no writer.
        descriptor = os.open(absolute, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as error:
        raise FileError(
            f"{path} cannot be read: {error.strerror}", hint="Correct the path or its permissions."
        ) from error
    try:
        yield OpenFile(absolute, descriptor)
    finally:
        os.close(descriptor)


class PipeReader:
    """Fills buffers from a descriptor. A thread that waits on a Python file would block the exit of the process."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def __call__(self, buffer: memoryview) -> int:
        done = 0
        while done < len(buffer):
            try:
                size = os.readv(self._descriptor, [buffer[done:]])
            except OSError as error:
                raise FileError(f"standard input cannot be read: {error.strerror}") from error
            if not size:
                break
            done += size
        return done
