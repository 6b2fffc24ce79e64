"""The contents of members of an archive that is read in order: each is there once, when its turn comes."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from tempfile import SpooledTemporaryFile
from types import TracebackType
from typing import Self

from penstock.errors import DiskFullError, ExpansionLimitError
from penstock.limits import KIB, MIB

# Kept in memory up to this size; beyond it, in a temporary file. A function has 512 MB of them.
IN_MEMORY, IN_FILE = 4 * MIB, 400 * MIB
_PIECE = 256 * KIB


@dataclass(frozen=True, slots=True)
class StreamedMember:
    """A member that can be read once. Implements ``ByteSource``."""

    size: int
    pieces: Iterator[bytes]

    def chunks(self) -> Generator[bytes, None, None]:
        yield from self.pieces


class SpooledMember(AbstractContextManager["SpooledMember"]):
    """A member that can be read again, as inferred columns need. Implements ``ByteSource``. Memory: IN_MEMORY.

    Raises ExpansionLimitError for more than ``most`` bytes, and DiskFullError.
    """

    def __init__(self, size: int, pieces: Iterator[bytes], most: int = IN_FILE) -> None:
        if size > most:
            raise ExpansionLimitError(
                f"a member for a table has {size:,} bytes, and its archive is read in order: the limit is {most:,}",
                hint="Send a zip or a plain tar, whose members are read on their own.",
            )
        self.size = size
        self._file = SpooledTemporaryFile(IN_MEMORY)  # noqa: SIM115  # closed by the context
        self._pieces = pieces

    def __enter__(self) -> Self:
        for piece in self._pieces:
            self._write(piece)
        return self

    def _write(self, piece: bytes) -> None:
        try:
            self._file.write(piece)
        except OSError as error:
            self._file.close()
            raise DiskFullError(
                f"a member of {self.size:,} bytes does not fit the temporary files: {error.strerror}",
                hint="Send a zip or a plain tar, whose members are read on their own.",
            ) from error

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None:
        self._file.close()

    def chunks(self) -> Generator[bytes, None, None]:
        self._file.seek(0)
        while piece := self._file.read(_PIECE):
            yield piece
