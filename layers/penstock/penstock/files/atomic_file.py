"""A file that appears complete or not at all."""

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

# Reduced by the user's umask, as for any new file.
_NEW_FILE = 0o666


class AtomicFile:
    """A temporary file in the folder of the final one. ``publish`` renames it.

    It keeps the mode of a file that it replaces. Raises FileError, NameTakenError, DiskFullError.
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
            with suppress(FileNotFoundError):  # published
                os.unlink(self._temporary, dir_fd=self._parent)

    def write(self, offset: int, data: bytes | memoryview) -> None:
        """Write at an offset; threads may write different ranges. Raises DiskFullError, FileError."""
        with file_errors(self._path):
            rest = memoryview(data)
            while rest:
                written = os.pwrite(self.fd, rest, offset)
                offset, rest = offset + written, rest[written:]

    def read(self) -> Iterator[bytes]:
        """Yield the bytes written so far."""
        offset = 0
        while chunk := os.pread(self.fd, READ, offset):
            offset += len(chunk)
            yield chunk

    def publish(self, mtime_ns: int) -> None:
        """Set the mtime, flush the file to disk and rename it. Raises FileError, NameTakenError."""
        with file_errors(self._path):
            os.utime(self.fd, ns=(mtime_ns, mtime_ns))
            os.fsync(self.fd)
            # Replaces a link, not its target.
            os.replace(self._temporary, self._name, src_dir_fd=self._parent, dst_dir_fd=self._parent)

    def _create(self) -> int:
        # Before any download: a folder of the same name is found at once, and a private file stays private throughout.
        mode = self._mode_of(self._existing())
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        fd = os.open(self._temporary, flags, _NEW_FILE if mode is None else mode, dir_fd=self._parent)
        if mode is not None:
            os.fchmod(fd, mode)
        return fd

    def _existing(self) -> os.stat_result | None:
        """Return the status of the file to replace; delete an empty folder of that name."""
        with suppress(FileNotFoundError):
            status = os.stat(self._name, dir_fd=self._parent, follow_symlinks=False)
            if not stat.S_ISDIR(status.st_mode):
                return status
            clear_empty_folder(self._name, self._parent)
        return None

    @staticmethod
    def _mode_of(status: os.stat_result | None) -> int | None:
        """Return the mode to keep, without set-user-id, as the content is new; None for a new file."""
        return status.st_mode & 0o777 if status and stat.S_ISREG(status.st_mode) else None


@contextmanager
def atomic_file(path: Path) -> Iterator[AtomicFile]:
    """Open an AtomicFile at a path; its folder is created if it does not exist."""
    with closing(OpenFolder(str(path.parent))) as folder, AtomicFile(folder, path.name) as file:
        yield file
