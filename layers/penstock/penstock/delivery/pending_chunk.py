"""The chunk that a database is working on, while the next one is made."""

from __future__ import annotations

from collections.abc import Callable
from typing import Self


class PendingChunk:
    """The one chunk that the database is working on. Left in any way, it is waited for: it is in, or it is not."""

    def __init__(self) -> None:
        self._pending: Callable[[], None] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.settle()

    def begin(self, pending: Callable[[], None]) -> None:
        """Remember how to wait for a chunk that was submitted."""
        self._pending = pending

    def settle(self) -> None:
        """Wait for it."""
        pending, self._pending = self._pending, None
        if pending:
            pending()
