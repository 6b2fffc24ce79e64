"""A file that appears whole or not at all."""

from __future__ import annotations

import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from penstock.files.errors import READ, file_errors
from penstock.files.open_folder import OpenFolder, clear_empty_folder
from penstock.files.temporary_names import TEMPORARY_PREFIX

# What the user's umask leaves of it, as for any new file.
_NEW_FILE = 0o666


class AtomicFile:
    """A file in the making, beside the one that it will be. Nobody sees it before ``publish``.

    A file that it replaces leaves it its mode. Raises FileError, NameTakenError, DiskFullError.
    """

    def __init__(self, folder: OpenFolder, name: str) -> None:
        self._path = folder.path(name)
        self._name = name.rpartition("/")[2]
        self._temporary = f"{TEMPORARY_PREFIX}{secrets.token_hex(8)}"
        with ExitStack() as opened:
            self._parent = opened.enter_context(folder.parent_of(name))
            with file_errors(self._path):
                self.fd = self._create()
            self._open = opened.pop_all()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None:
        with self._open:
            os.close(self.fd)
            with suppress(FileNotFoundError):  # nothing to find after publish
                os.unlink(self._temporary, dir_fd=self._parent)

    def write(self, offset: int, data: bytes | memoryview) -> None:
        """Write at an offset; threads may write different ranges. Raises DiskFullError, FileError."""
        with file_errors(self._path):
            rest = memoryview(data)
            while rest:
                written = os.pwrite(self.fd, rest, offset)
                offset, rest = offset + written, rest[written:]

    def read(self) -> Iterator[bytes]:
        """All that was written."""
        offset = 0
        while chunk := os.pread(self.fd, READ, offset):
            offset += len(chunk)
            yield chunk

    def publish(self, mtime_ns: int) -> None:
        """Make it the file, on disk before its name is, with this mtime. Raises FileError, NameTakenError."""
        with file_errors(self._path):
            os.utime(self.fd, ns=(mtime_ns, mtime_ns))
            os.fsync(self.fd)
            # Replaces a link, not what it leads to.
            os.replace(self._temporary, self._name, src_dir_fd=self._parent, dst_dir_fd=self._parent)

    def _create(self) -> int:
        # Before anything is fetched: what is in the way shows now, and what a private file becomes is private at once.
        mode = self._mode_of(self._existing())
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        fd = os.open(self._temporary, flags, _NEW_FILE if mode is None else mode, dir_fd=self._parent)
        if mode is not None:
            os.fchmod(fd, mode)
        return fd

    def _existing(self) -> os.stat_result | None:
        """What has the name now, and is to be replaced."""
        with suppress(FileNotFoundError):
            status = os.stat(self._name, dir_fd=self._parent, follow_symlinks=False)
            if not stat.S_ISDIR(status.st_mode):
                return status
            clear_empty_folder(self._name, self._parent)
        return None

    @staticmethod
    def _mode_of(status: os.stat_result | None) -> int | None:
        """None for a new file. Without set-user-id: the bytes are others'."""
        return status.st_mode & 0o777 if status and stat.S_ISREG(status.st_mode) else None


@contextmanager
def atomic_file(path: Path) -> Iterator[AtomicFile]:
    """One file, whose folder is made where there is none."""
    with closing(OpenFolder(str(path.parent))) as folder, AtomicFile(folder, path.name) as file:
        yield file
