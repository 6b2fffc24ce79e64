"""Where the entries of an archive lie, in a table of 24 bytes for each; another 8 while it is sorted."""

from __future__ import annotations

import heapq
from array import array
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator
from itertools import islice, pairwise

# Values that are sorted, or compared, as objects of Python at once.
_BLOCK = 65_536


class Extents:
    """``end`` of an entry is the least that it may have. Expects every ``start`` to be below its ``end``."""

    def __init__(self) -> None:
        self._starts = array("Q")
        self._ends = array("Q")
        self._names = array("q")

    def add(self, start: int, end: int, name: str) -> None:
        """Add an entry. ``name`` is empty if the entry is not delivered."""
        self._starts.append(start)
        self._ends.append(end)
        if name:
            self._names.append(hash(name))

    def overlap(self) -> int | None:
        """Return a byte that two entries claim; None if there is none. Must be called before `limit`.

        Extents are disjoint exactly if, with starts and ends sorted each for itself, every end is at most the next
        start.
        """
        _sort(self._starts)
        _sort(self._ends)
        pairs = zip(self._ends, islice(self._starts, 1, None), strict=False)
        return next((start for end, start in pairs if end > start), None)

    def limit(self, start: int, otherwise: int) -> int:
        """Return the next start after ``start``; ``otherwise`` if there is none."""
        at = bisect_right(self._starts, start)
        return self._starts[at] if at < len(self._starts) else otherwise

    def repeated_names(self) -> Iterator[int]:
        """Yield the hashes that several names have. Most often these names are equal, but not always."""
        blocks = len(self._names) // _BLOCK + 1
        for block in range(blocks):
            held = [value for value in self._names if value % blocks == block]
            if len(set(held)) < len(held):
                yield from (value for value, count in Counter(held).items() if count > 1)

    def release_names(self) -> None:
        self._names = array("q")


def _sort(values: array[int]) -> None:
    """Sort in place. Directories are mostly in the order of the archive."""
    if all(before <= after for before, after in pairwise(values)):
        return
    blocks = range(0, len(values), _BLOCK)
    for at in blocks:
        values[at : at + _BLOCK] = array("Q", sorted(values[at : at + _BLOCK]))
    with memoryview(values) as view:
        runs = [view[at : at + _BLOCK] for at in blocks]
        merged = array("Q", heapq.merge(*runs))
        for run in runs:
            run.release()
    values[:] = merged
