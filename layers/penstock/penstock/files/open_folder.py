"""A destination folder that is opened once, so that a link created meanwhile cannot redirect a write outside it."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from threading import Lock

from penstock.files.errors import file_errors, identity
from penstock.files.temporary_names import is_temporary

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC

# Also opens a folder without read permission. macOS has no such flag.
_TRAVERSE = getattr(os, "O_PATH", os.O_RDONLY) | os.O_DIRECTORY | os.O_CLOEXEC


class OpenFolder:
    """A folder that is created and opened at the first write. Threads may share it; ``close`` it at the end."""

    def __init__(self, root: str) -> None:
        self._root = os.path.abspath(root)  # noqa: PTH100  # resolve() would lose the link that the user named
        self._lock = Lock()
        self._fd = -1

    def close(self) -> None:
        with self._lock:
            if self._fd >= 0:
                os.close(self._fd)
            self._fd = -1

    def path(self, name: str) -> str:
        """Return the path of a file, to show."""
        return os.path.join(self._root, *name.split("/"))  # noqa: PTH118  # one spelling with LocalFolder

    @contextmanager
    def parent_of(self, name: str) -> Iterator[int]:
        """Open the parent folder of a name, and create missing folders. Raises FileError, NameTakenError.

        Links to folders within this folder are followed.
        """
        with file_errors(self.path(name)), self._parent(name, make=True) as fd:
            yield fd

    def remove(self, name: str) -> None:
        """Delete a file or a link. Raises FileError for a path through a link: the file behind it may also have
        another path here, under which it must be kept."""
        missing = suppress(FileNotFoundError, NotADirectoryError)
        with file_errors(self.path(name)), missing, self._parent(name, make=False) as parent:
            os.unlink(name.rpartition("/")[2], dir_fd=parent)

    @contextmanager
    def _parent(self, name: str, *, make: bool) -> Iterator[int]:
        fd = os.dup(self._opened(make=make))
        try:
            for part in name.split("/")[:-1]:
                below = self._entered(fd, part, make=make)
                os.close(fd)
                fd = below
            yield fd
        finally:
            os.close(fd)

    def _opened(self, *, make: bool) -> int:
        with self._lock:
            if self._fd < 0:
                if make:
                    os.makedirs(self._root, exist_ok=True)  # noqa: PTH103  # one spelling with the paths here
                self._fd = os.open(self._root, _FOLDER)
            return self._fd

    def _entered(self, above: int, part: str, *, make: bool) -> int:
        try:
            return os.open(part, _FOLDER | os.O_NOFOLLOW, dir_fd=above)
        except FileNotFoundError:
            if not make:
                raise
            with suppress(FileExistsError):  # another thread created it
                os.mkdir(part, dir_fd=above)
            return os.open(part, _FOLDER | os.O_NOFOLLOW, dir_fd=above)
        except OSError as error:
            if error.errno not in {errno.ENOTDIR, errno.ELOOP}:
                raise
        if not make and stat.S_ISLNK(os.stat(part, dir_fd=above, follow_symlinks=False).st_mode):
            raise OSError(errno.ELOOP, f"{part!r} is a symbolic link; nothing is deleted through a link")
        return self._followed(above, part)

    def _followed(self, above: int, part: str) -> int:
        """Open the target of a link, and check the opened folder itself, as a path may change."""
        try:
            fd = os.open(part, _FOLDER, dir_fd=above)
        except NotADirectoryError as error:
            raise NotADirectoryError(errno.ENOTDIR, f"{part!r} is a file, not a folder") from error
        if _is_within(fd, identity(os.fstat(self._fd))):
            return fd
        os.close(fd)
        raise OSError(errno.EXDEV, f"the symbolic link {part!r} points outside {self._root}")


def clear_empty_folder(name: str, parent: int) -> None:
    """Delete a folder that holds only empty folders and temporary files of a killed run.

    Raises IsADirectoryError for any other folder.
    """
    if any(not is_temporary(file) for _, _, files, _ in os.fwalk(name, dir_fd=parent) for file in files):
        raise IsADirectoryError(errno.EISDIR, "a folder with files has this name")
    try:
        for _, folders, files, fd in os.fwalk(name, topdown=False, dir_fd=parent):
            for file in files:
                os.unlink(file, dir_fd=fd)
            for folder in folders:
                os.rmdir(folder, dir_fd=fd)
        os.rmdir(name, dir_fd=parent)
    except OSError as error:
        raise IsADirectoryError(errno.EISDIR, f"a folder has this name: {error.strerror}") from error


def _is_within(fd: int, root: tuple[int, int]) -> bool:
    """Whether a folder is ``root`` or within it: follow ``..`` up to the root, as the kernel does."""
    current, at = identity(os.fstat(fd)), os.dup(fd)
    try:
        while current != root:
            above = os.open("..", _TRAVERSE, dir_fd=at)
            os.close(at)
            at, below, current = above, current, identity(os.fstat(above))
            if current == below:
                return False
        return True
    finally:
        os.close(at)
