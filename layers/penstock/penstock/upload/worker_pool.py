"""Threads that process parts, one at a time each, until none is left."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from threading import Lock, Thread
from typing import TypeAlias


class Buffer:
    """Reusable memory of the size last requested."""

    def __init__(self) -> None:
        self._data = bytearray()

    def of(self, size: int) -> bytearray:
        """Return ``size`` bytes, valid until the next call. All parts except the last have the same size."""
        if len(self._data) != size:
            self._data = bytearray()  # freed before the next allocation
            self._data = bytearray(size)
        return self._data


Work: TypeAlias = Callable[[int, Buffer], None]


class WorkerPool:
    """``threads`` threads with one buffer each. Memory: threads x buffer size.

    The threads are daemons: a part in progress does not keep an interrupted process alive.
    """

    def __init__(self, threads: int) -> None:
        self._threads = threads
        self._lock = Lock()
        self._errors: list[BaseException] = []
        self._stopped = False

    def run(self, work: Work, numbers: Iterable[int]) -> None:
        """Call ``work`` with every number, in about that order. The first error stops the others and is raised.

        Parts in progress are waited for, except on KeyboardInterrupt: they may take long, and are sent again later.
        """
        turns = iter(numbers)
        threads = [Thread(target=self._take_turns, args=(work, turns), daemon=True) for _ in range(self._threads)]
        for thread in threads:
            thread.start()
        try:
            for thread in threads:
                thread.join()
        finally:
            self._stopped = True
        if self._errors:
            raise self._errors[0]

    def _take_turns(self, work: Work, turns: Iterator[int]) -> None:
        buffer = Buffer()
        while (number := self._next(turns)) is not None:
            try:
                work(number, buffer)
            except BaseException as error:  # noqa: BLE001  # raised again by run(), in the caller's thread
                self._errors.append(error)
                self._stopped = True

    def _next(self, turns: Iterator[int]) -> int | None:
        with self._lock:
            return None if self._stopped else next(turns, None)
