"""What botocore reads a part from: so that whoever waits sees it move, and a slow line is not taken for a dead one."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager

from penstock.limits import KIB
from penstock.ports import Moved

# A bytearray would go to the socket in one call: for a part of 8 MiB on a home's uplink that is a minute without a sign
# of life, all of which counts as one timeout. A file would go in steps of 16 KiB, with a copy of each.
PIECE = 256 * KIB


class PartBody:
    """The bytes of a part, without copying them. ``moved`` hears of each piece, and of less when it is sent again."""

    def __init__(self, data: bytearray, moved: Moved) -> None:
        self._data = memoryview(data)
        self._moved = moved
        self._at = 0

    def __len__(self) -> int:
        return len(self._data)

    def read(self, size: int = -1) -> memoryview:  # noqa: ARG002  # whoever sends asks for less than is good
        """The next piece, whatever size is asked for."""
        piece = self._data[self._at : self._at + PIECE]
        self._at += len(piece)
        if piece:
            self._moved(len(piece))
        return piece

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """As of a file. Going back means that it is sent again."""
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: len(self._data)}[whence]
        to = start + offset
        if to < self._at:
            self._moved(to - self._at)
        self._at = to
        return to

    def give_back(self) -> None:
        """What was read has not arrived."""
        self._moved(-self._at)
        self._at = 0


@contextmanager
def going(data: bytearray, moved: Moved) -> Iterator[PartBody]:
    """A body on its way; an error in the block means that nothing of it has moved."""
    body = PartBody(data, moved)
    try:
        yield body
    except BaseException:
        body.give_back()
        raise
