"""A folder that is written to, opened once: whatever links are swapped in on the way, nothing is written outside."""

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

# Enough to go up from a folder that may not be listed; macOS has no such flag.
_PASSING = getattr(os, "O_PATH", os.O_RDONLY) | os.O_DIRECTORY | os.O_CLOEXEC


class OpenFolder:
    """Made and opened when it is first written to. Threads may share it; ``close`` it at the end."""

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
        """Where a file of that name lies, for people."""
        return os.path.join(self._root, *name.split("/"))  # noqa: PTH118  # one spelling with LocalFolder

    @contextmanager
    def parent_of(self, name: str) -> Iterator[int]:
        """A descriptor of the folder that holds a name; folders on the way are made. Raises FileError, NameTakenError.

        Links on the way are followed as long as they stay in the folder.
        """
        with file_errors(self.path(name)), self._parent(name, make=True) as fd:
            yield fd

    def remove(self, name: str) -> None:
        """Delete a file, or a link. Raises FileError for a name that leads through a link: what lies behind it may have
        another name here, by which it is to stay."""
        gone = suppress(FileNotFoundError, NotADirectoryError)
        with file_errors(self.path(name)), gone, self._parent(name, make=False) as parent:
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
            with suppress(FileExistsError):  # another thread has made it
                os.mkdir(part, dir_fd=above)
            return os.open(part, _FOLDER | os.O_NOFOLLOW, dir_fd=above)
        except OSError as error:
            if error.errno not in {errno.ENOTDIR, errno.ELOOP}:
                raise
        if not make and stat.S_ISLNK(os.stat(part, dir_fd=above, follow_symlinks=False).st_mode):
            raise OSError(errno.ELOOP, f"{part!r} is a symbolic link, and nothing is deleted through one")
        return self._followed(above, part)

    def _followed(self, above: int, part: str) -> int:
        """What a link leads to. It is judged by the folder that was opened, not by a path that may change."""
        try:
            fd = os.open(part, _FOLDER, dir_fd=above)
        except NotADirectoryError as error:
            raise NotADirectoryError(errno.ENOTDIR, f"{part!r} is a file, and no folder") from error
        if _leads_to(fd, identity(os.fstat(self._fd))):
            return fd
        os.close(fd)
        raise OSError(errno.EXDEV, f"the symbolic link {part!r} leads out of {self._root}")


def clear_empty_folder(name: str, parent: int) -> None:
    """Delete a folder in which only empty folders are, and files that a killed run has left in the making.

    Raises IsADirectoryError for a folder that holds anything else.
    """
    if any(not is_temporary(file) for _, _, files, _ in os.fwalk(name, dir_fd=parent) for file in files):
        raise IsADirectoryError(errno.EISDIR, "a folder that holds files stands there")
    try:
        for _, folders, files, fd in os.fwalk(name, topdown=False, dir_fd=parent):
            for file in files:
                os.unlink(file, dir_fd=fd)
            for folder in folders:
                os.rmdir(folder, dir_fd=fd)
        os.rmdir(name, dir_fd=parent)
    except OSError as error:
        raise IsADirectoryError(errno.EISDIR, f"a folder stands there: {error.strerror}") from error


def _leads_to(fd: int, root: tuple[int, int]) -> bool:
    """Whether a folder is ``root`` or lies in it: by going up, as the kernel does."""
    here, at = identity(os.fstat(fd)), os.dup(fd)
    try:
        while here != root:
            above = os.open("..", _PASSING, dir_fd=at)
            os.close(at)
            at, below, here = above, here, identity(os.fstat(above))
            if here == below:
                return False
        return True
    finally:
        os.close(at)
