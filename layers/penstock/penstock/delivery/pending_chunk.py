"""The chunk that a database is loading while the next one is built."""

from __future__ import annotations

from collections.abc import Callable
from typing import Self


class PendingChunk:
    """The chunk that the database is loading. The exit waits for it, also after an error, so its result is known."""

    def __init__(self) -> None:
        self._pending: Callable[[], None] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.settle()

    def begin(self, pending: Callable[[], None]) -> None:
        """Set the function that waits for a submitted chunk."""
        self._pending = pending

    def settle(self) -> None:
        """Wait for the chunk, if there is one."""
        pending, self._pending = self._pending, None
        if pending:
            pending()
