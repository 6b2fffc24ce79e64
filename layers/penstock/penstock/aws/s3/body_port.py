"""The body of a request that may be sent more than once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Protocol

Moved = Callable[[int], None]
"""Called with the number of bytes sent; negative when bytes must be resent."""


class Body(Protocol):
    """The bytes of a part or of a small object, which may be sent more than once."""

    def __len__(self) -> int: ...

    def pieces(self, start: int = 0) -> Iterator[memoryview]:
        """Yield the bytes from ``start``. Each piece is valid until the next one. For one thread at a time.

        Raises FileError, and FileChangedError if the bytes have changed.
        """
