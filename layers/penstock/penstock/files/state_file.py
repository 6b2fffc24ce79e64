"""State files: small, intact after any crash, and locked by one process at a time."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from penstock.errors import FileError, StateFileError, UploadInProgressError

_CHOOSE_STATE = "Choose a writable path with --state FILE."


class DiskStateFile:
    """Implements ``StateFile``."""

    def __init__(self, path: Path) -> None:
        self.path = str(path)

    def load(self) -> str | None:
        return read_state(Path(self.path))

    def save(self, text: str) -> None:
        path = Path(self.path)
        temporary = path.with_name(f"{path.name}.new")
        try:
            with open(temporary, "w", opener=private) as file:  # Path.open takes no opener
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
            _sync_folder(path.parent)
        except OSError as error:
            raise FileError(f"{path} cannot be written: {error.strerror}", hint=_CHOOSE_STATE) from error

    def remove(self) -> None:
        Path(self.path).unlink(missing_ok=True)


def read_state(path: Path) -> str | None:
    """Return the text of a state file, or None. Raises StateFileError if it cannot be read as text."""
    try:
        return path.read_text()
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise StateFileError(f"{path} cannot be read: {error}") from error


def private(path: str, flags: int) -> int:
    """An ``opener`` that makes a file private to the user, for any umask and also if the file exists."""
    descriptor = os.open(path, flags | os.O_CLOEXEC, 0o600)
    os.fchmod(descriptor, 0o600)
    return descriptor


@contextmanager
def hold_state(path: Path, what: str, doing: str = "being uploaded") -> Iterator[DiskStateFile]:
    """Lock a state file until the block ends or the process dies.

    Raises UploadInProgressError, which names ``what``, while another process holds the lock, and FileError.
    """
    # The state file is replaced by a rename, which would drop a lock on it: a separate file is locked instead.
    lock = path.with_name(f"{path.name}.lock")
    descriptor = _lock(lock, f"{what} is already {doing} by another process")
    try:
        yield DiskStateFile(path)
    finally:
        lock.unlink(missing_ok=True)
        os.close(descriptor)


def is_held(path: Path) -> bool:
    """Whether a process holds the lock of a state file."""
    try:
        with path.with_name(f"{path.name}.lock").open("r") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False


def states_in(folder: Path) -> list[Path]:
    """List the state files of a folder, sorted."""
    return sorted(folder.glob("*.json")) if folder.is_dir() else []


def _lock(path: Path, problem: str) -> int:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        while True:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                # Its last holder may have deleted the file after it was opened here. Then the lock guards nothing.
                if _is_current(path, descriptor):
                    return descriptor
            except BlockingIOError as error:
                os.close(descriptor)
                raise UploadInProgressError(problem) from error
            os.close(descriptor)
    except OSError as error:
        raise FileError(f"{path} cannot be written: {error.strerror}", hint=_CHOOSE_STATE) from error


def _is_current(path: Path, descriptor: int) -> bool:
    try:
        return path.stat().st_ino == os.fstat(descriptor).st_ino
    except FileNotFoundError:
        return False


def _sync_folder(folder: Path) -> None:
    """Flush a folder: only then does a rename in it survive a power loss."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
