"""What two trees have of each name: both walks, side by side, a file at a time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from heapq import merge
from itertools import groupby

from penstock.mirror.filters import Filters
from penstock.trees import File, Trouble


@dataclass(frozen=True, slots=True)
class Pair:
    """A name, and the file that either tree has of it."""

    name: str
    source: File | None
    destination: File | None


def pairs(
    source: Iterator[File | Trouble], destination: Iterator[File | Trouble], filters: Filters
) -> Iterator[Pair | Trouble]:
    """Every name of either tree that the filters accept. Both walks must go by the UTF-8 bytes of their names."""
    both = merge(((True, file) for file in source), ((False, file) for file in destination), key=_order)
    for _, found in groupby(both, key=_order):
        files = dict(found)
        name = next(iter(files.values())).name
        if filters.accept(name):
            ours, theirs = files.get(True), files.get(False)
            if isinstance(ours, Trouble) or isinstance(theirs, Trouble):
                yield from (file for file in files.values() if isinstance(file, Trouble))
            else:
                yield Pair(name, ours, theirs)


def _order(found: tuple[bool, File | Trouble]) -> bytes:
    return found[1].name.encode(errors="surrogateescape")
