"""Defers the garbage collector while batches are made and released.

A batch is tens of thousands of lists, in none of which there is a cycle: reference counts free them. The collector
looks through them nevertheless, at every 700th by default, and takes a quarter of a load's CPU for it.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock

# More containers than the batches that are in memory together have.
ENOUGH = 250_000


class _Deferral:
    """The collector belongs to the process, and loads may overlap in several threads: the first load to start defers
    it, and the last one to end restores its thresholds."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._loads = 0
        self._thresholds = gc.get_threshold()

    def start(self) -> None:
        with self._lock:
            if not self._loads:
                self._thresholds = gc.get_threshold()
                gc.set_threshold(ENOUGH, *self._thresholds[1:])
            self._loads += 1

    def end(self) -> None:
        with self._lock:
            self._loads -= 1
            if not self._loads:
                gc.set_threshold(*self._thresholds)


_deferral = _Deferral()


@contextmanager
def gc_deferred() -> Iterator[None]:
    """Let the collector wait for this many new containers. Cycles of other code are still collected."""
    _deferral.start()
    try:
        yield
    finally:
        _deferral.end()
