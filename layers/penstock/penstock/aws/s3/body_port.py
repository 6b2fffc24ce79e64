"""The body of a request that may be sent more than once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Protocol

Moved = Callable[[int], None]


"""Hears of bytes as they go, and of fewer than none when some have to go again."""


class Body(Protocol):
    """The bytes of a part or of a small object, which may have to go more than once."""

    def __len__(self) -> int: ...

    def pieces(self, start: int = 0) -> Iterator[memoryview]:
        """The bytes from ``start`` on; each piece is valid until the next. One thread at a time.

        Raises FileError, and FileChangedError when they are not what they were.
        """
