"""Threads that take one part each, until none is left."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from threading import Lock, Thread
from typing import TypeAlias


class Buffer:
    """Memory that is used again and again, of the size that it was last asked for."""

    def __init__(self) -> None:
        self._data = bytearray()

    def of(self, size: int) -> bytearray:
        """``size`` bytes of it, valid until it is asked for again. All parts but the last have one size."""
        if len(self._data) != size:
            self._data = bytearray()  # freed before more is taken
            self._data = bytearray(size)
        return self._data


Work: TypeAlias = Callable[[int, Buffer], None]


class WorkerPool:
    """So many threads, each with one buffer of its own: memory is threads x what they ask for.

    They are daemons: a part under way does not keep a process alive that was told to end.
    """

    def __init__(self, threads: int) -> None:
        self._threads = threads
        self._lock = Lock()
        self._errors: list[BaseException] = []
        self._stopped = False

    def run(self, work: Work, numbers: Iterable[int]) -> None:
        """Do ``work`` for every number, in about that order. The first error stops the rest and is raised.

        Parts under way are waited for, but not on KeyboardInterrupt: they may take long, and are sent again.
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
            except BaseException as error:  # noqa: BLE001  # raised again by run(), in the thread that asked
                self._errors.append(error)
                self._stopped = True

    def _next(self, turns: Iterator[int]) -> int | None:
        with self._lock:
            return None if self._stopped else next(turns, None)
