"""What botocore reads a part from: so that whoever waits sees it move, and a slow line is not taken for a dead one."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager

from penstock.aws.s3.body_port import Body, Moved
from penstock.errors import PenstockError


class _UnreadableError(BaseException):
    """Carries an error of the file through botocore, which would take any Exception for one of the network and try
    again."""

    def __init__(self, error: PenstockError) -> None:
        super().__init__(error)
        self.error = error


class PartBody:
    """The bytes of a part, without copying them. ``moved`` hears of each piece, and of less when it is sent again."""

    def __init__(self, body: Body, moved: Moved) -> None:
        self._body = body
        self._pieces = body.pieces()
        self._moved = moved
        self._at = 0

    def __len__(self) -> int:
        return len(self._body)

    def read(self, size: int = -1) -> memoryview:  # noqa: ARG002  # whoever sends asks for less than is good
        """The next piece, whatever size is asked for."""
        try:
            piece = next(self._pieces, memoryview(b""))
        except PenstockError as error:
            raise _UnreadableError(error) from error
        self._at += len(piece)
        if piece:
            self._moved(len(piece))
        return piece

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """As of a file. Going back means that it is sent again."""
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: len(self._body)}[whence]
        to = start + offset
        if to < self._at:
            self._moved(to - self._at)
        self._at = to
        self._pieces = self._body.pieces(to)
        return to

    def give_back(self) -> None:
        """What was read has not arrived."""
        self._moved(-self._at)
        self._at = 0


@contextmanager
def progress_body(body: Body, moved: Moved) -> Iterator[PartBody]:
    """A body on its way; an error in the block means that nothing of it has moved.

    Raises what reading it raises, at once.
    """
    part = PartBody(body, moved)
    try:
        yield part
    except _UnreadableError as stopped:
        part.give_back()
        raise stopped.error from None
    except BaseException:
        part.give_back()
        raise
