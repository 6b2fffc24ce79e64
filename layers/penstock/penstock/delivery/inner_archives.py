"""The bytes of an archive that is a member of another: a part of the object, or a temporary file."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from tempfile import SpooledTemporaryFile
from threading import Lock

from penstock.delivery.walked_members import IN_FILE, IN_MEMORY
from penstock.errors import DiskFullError, ExpansionLimitError
from penstock.limits import KIB
from penstock.model.source import RangeReader

_PIECE = 256 * KIB
WAY_OUT = "Store it uncompressed in a zip or a plain tar, or send it as an object of its own."


@dataclass(frozen=True, slots=True)
class PartOfRanges:
    """Implements ``RangeReader``: ``size`` bytes of another, from ``start``."""

    reader: RangeReader
    start: int
    size: int

    def read(self, start: int, end: int) -> Generator[bytes, None, None]:
        """Raises the errors of ``reader``."""
        yield from self.reader.read(self.start + start, self.start + min(end, self.size))


class SpooledArchive:
    """An inner archive in a temporary file. Implements ``RangeReader``, for several threads. Memory: IN_MEMORY.

    ``name`` is shown in errors. Raises ExpansionLimitError for more than IN_FILE bytes, and DiskFullError.
    """

    def __init__(self, name: str, size: int, pieces: Iterable[bytes]) -> None:
        self._check(name, size)
        self._lock = Lock()
        self._file = SpooledTemporaryFile(IN_MEMORY)  # noqa: SIM115  # `close` closes it
        self.size = 0
        try:
            for piece in pieces:
                self.size += len(piece)
                self._check(name, self.size)
                self._file.write(piece)
        except OSError as error:
            self.close()
            raise DiskFullError(
                f"{name}: the inner archive does not fit the temporary files: {error.strerror}", hint=WAY_OUT
            ) from error
        except BaseException:
            self.close()
            raise

    def read(self, start: int, end: int) -> Generator[bytes, None, None]:
        while start < end:
            with self._lock:
                self._file.seek(start)
                piece = self._file.read(min(_PIECE, end - start))
            if not piece:
                return
            yield piece
            start += len(piece)

    def close(self) -> None:
        """Delete the file."""
        self._file.close()

    @staticmethod
    def _check(name: str, size: int) -> None:
        if size > IN_FILE:
            raise ExpansionLimitError(
                f"{name}: the inner archive has {size:,} bytes, and must be read from its end, but it is compressed: "
                f"the limit is {IN_FILE:,}",
                hint=WAY_OUT,
            )


@dataclass(slots=True)
class _Spool:
    users: int = 0
    lock: Lock = field(default_factory=Lock)
    file: SpooledArchive | None = None


class Spools:
    """Inner archives in temporary files, each for as long as somebody reads it. For several threads at once."""

    def __init__(self) -> None:
        self._spools: dict[tuple[str, ...], _Spool] = {}
        self._lock = Lock()

    def holds(self, key: tuple[str, ...]) -> bool:
        """Whether somebody holds the file ``key``."""
        with self._lock:
            return key in self._spools

    @contextmanager
    def holding(self, key: tuple[str, ...], spool: Callable[[], SpooledArchive]) -> Iterator[SpooledArchive]:
        """Hold the file ``key`` for the duration of the context. ``spool`` makes it, unless another holds it."""
        with self._lock:
            one = self._spools.setdefault(key, _Spool())
            one.users += 1
        try:
            with one.lock:
                file = one.file = one.file or spool()
            yield file
        finally:
            with self._lock:
                one.users -= 1
                if not one.users:
                    del self._spools[key]
                    if one.file:
                        one.file.close()
