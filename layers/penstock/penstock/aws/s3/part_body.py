"""The file object from which botocore reads a part: it reports progress, and each piece has its own timeout."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager

from penstock.aws.s3.body_port import Body, Moved
from penstock.errors import PenstockError


class _UnreadableError(BaseException):
    """Passes an error of the file through botocore, which would retry any Exception as a network error."""

    def __init__(self, error: PenstockError) -> None:
        super().__init__(error)
        self.error = error


class PartBody:
    """The bytes of a part, without copies. ``moved`` is called for each piece; negative when bytes are resent."""

    def __init__(self, body: Body, moved: Moved) -> None:
        self._body = body
        self._pieces = body.pieces()
        self._moved = moved
        self._at = 0

    def __len__(self) -> int:
        return len(self._body)

    def read(self, size: int = -1) -> memoryview:  # noqa: ARG002  # callers ask for less than is efficient
        """Return the next piece, regardless of ``size``."""
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
        """Seek as in a file. Seeking back means that the bytes are resent."""
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: len(self._body)}[whence]
        to = start + offset
        if to < self._at:
            self._moved(to - self._at)
        self._at = to
        self._pieces = self._body.pieces(to)
        return to

    def give_back(self) -> None:
        """Report that the bytes read so far did not arrive."""
        self._moved(-self._at)
        self._at = 0


@contextmanager
def progress_body(body: Body, moved: Moved) -> Iterator[PartBody]:
    """Yield a body to send. After an error in the block, its progress is reset.

    Errors of reading the body are raised at once, without retries.
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
