"""Read a local folder; its files are walked in the order of S3 listings."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from operator import itemgetter
from pathlib import Path
from typing import BinaryIO

from penstock.errors import FileChangedError, FileError
from penstock.files.errors import READ, file_errors, identity
from penstock.files.temporary_names import is_temporary
from penstock.sync.model import LocalFile, SyncError

_KINDS = {stat.S_IFIFO: "a named pipe", stat.S_IFSOCK: "a socket", stat.S_IFCHR: "a device", stat.S_IFBLK: "a device"}


class LocalFolder:
    """Implements ``LocalTree``. ``folder`` is as the user wrote it. Memory: the names of a folder, 1 MiB a reader.

    Symbolic links are followed, or skipped if ``follow`` is False. A link to a folder that contains it is an error, as
    is a broken link.
    """

    def __init__(self, folder: str, *, follow: bool = True, must_exist: bool = True) -> None:
        self._shown = folder
        self.root = os.path.abspath(folder)  # noqa: PTH100  # resolve() would lose the link that the user named
        self._follow = follow
        self._must_exist = must_exist

    def walk(self) -> Iterator[LocalFile | SyncError]:
        """Raises FileError if the folder itself cannot be read, before the other tree is asked for anything."""
        if not self._must_exist and not os.path.lexists(self.root):
            return iter(())
        with file_errors(self._shown):
            if not Path(self.root).is_dir():
                raise FileError(f"{self._shown}: {'not a folder' if self._exists() else 'no such folder'}")
            above = (identity(os.stat(self.root)),)  # noqa: PTH116  # one spelling with the entries below
            with os.scandir(self.root):
                pass
        return self._folder(self.root, "", above)

    def location(self, name: str) -> str:
        return os.path.join(self._shown, *name.split("/"))  # noqa: PTH118  # "./a" stays "./a", as the user wrote it

    def path(self, name: str) -> str:
        """Return the absolute path of a file."""
        return os.path.join(self.root, *name.split("/"))  # noqa: PTH118  # as above

    def look(self, name: str) -> LocalFile | None:
        """Return a file, or None if it does not exist. Raises FileError if it is not a regular file."""
        path = self.path(name)
        with file_errors(path):
            try:
                found = _file(name, path, os.stat(path))  # noqa: PTH116  # as above
            except (FileNotFoundError, NotADirectoryError):
                return None
        if isinstance(found, SyncError):
            raise FileError(str(found))
        return found

    def chunks(self, file: LocalFile) -> Iterator[bytes]:
        with self.opened(file) as stream:
            while chunk := stream.read(READ):
                yield chunk

    @contextmanager
    def opened(self, file: LocalFile) -> Iterator[BinaryIO]:
        """Open the file, unbuffered. Raises FileChangedError on entry or exit if it has changed since the walk."""
        with file_errors(file.path), Path(file.path).open("rb", buffering=0) as stream:
            _unchanged(file, stream)
            yield stream
            _unchanged(file, stream)

    def _exists(self) -> bool:
        return os.path.lexists(self.root)

    def _folder(self, path: str, prefix: str, above: tuple[tuple[int, int], ...]) -> Iterator[LocalFile | SyncError]:
        found: list[tuple[bytes, os.DirEntry[str], os.stat_result | OSError]] = []
        try:
            with os.scandir(path) as entries:
                found += [_stat_entry(entry) for entry in entries if self._takes(entry)]
        except OSError as error:
            yield SyncError(prefix, path, error.strerror or str(error))
        # A folder sorts with its trailing slash, as the names of its files do.
        for _, entry, status in sorted(found, key=itemgetter(0)):
            name = prefix + entry.name
            if isinstance(status, OSError):
                yield SyncError(name, entry.path, _reason(entry, status))
            elif stat.S_ISDIR(status.st_mode):
                yield from self._subfolder(entry.path, name, above, identity(status))
            elif not is_temporary(name):  # left by a killed run
                yield _file(name, entry.path, status)

    def _takes(self, entry: os.DirEntry[str]) -> bool:
        return self._follow or not entry.is_symlink()

    def _subfolder(
        self, path: str, name: str, above: tuple[tuple[int, int], ...], identity: tuple[int, int]
    ) -> Iterator[LocalFile | SyncError]:
        if identity in above:
            yield SyncError(f"{name}/", path, "the symbolic link points to a folder that contains it")
        else:
            yield from self._folder(path, f"{name}/", (*above, identity))


def _stat_entry(entry: os.DirEntry[str]) -> tuple[bytes, os.DirEntry[str], os.stat_result | OSError]:
    try:
        status: os.stat_result | OSError = entry.stat()
        slash = b"/" if entry.is_dir() else b""
    except OSError as error:
        status, slash = error, b""
    return os.fsencode(entry.name) + slash, entry, status


def _file(name: str, path: str, status: os.stat_result) -> LocalFile | SyncError:
    try:
        name.encode()
    except UnicodeEncodeError:
        return SyncError(name, ascii(path), "the name is not UTF-8, so it cannot be a key")
    if not stat.S_ISREG(status.st_mode):
        return SyncError(name, path, f"is {_KINDS.get(stat.S_IFMT(status.st_mode), 'not a regular file')}, skipped")
    return LocalFile(name, path, status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_dev, status.st_ino)


def _reason(entry: os.DirEntry[str], error: OSError) -> str:
    if entry.is_symlink() and error.errno in (errno.ENOENT, errno.ELOOP):
        return "the symbolic link is broken"
    return error.strerror or str(error)


def _unchanged(file: LocalFile, stream: BinaryIO) -> None:
    now = _file(file.name, file.path, os.fstat(stream.fileno()))
    if not isinstance(now, LocalFile) or now.state != file.state:
        raise FileChangedError(f"{file.path}: the file changed while it was being read")
