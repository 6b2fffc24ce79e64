"""Defers the garbage collector while batches are made and released.

A batch is tens of thousands of lists, in none of which there is a cycle: reference counts free them. The collector
looks through them nevertheless, at every 700th by default, and takes a quarter of a load's CPU for it.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

# More containers than the batches that are in memory together have.
ENOUGH = 250_000


@contextmanager
def gc_deferred() -> Iterator[None]:
    """Let the collector wait for this many new containers. Cycles of other code are still collected."""
    thresholds = gc.get_threshold()
    gc.set_threshold(ENOUGH, *thresholds[1:])
    try:
        yield
    finally:
        gc.set_threshold(*thresholds)
