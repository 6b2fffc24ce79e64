"""What two trees have of each name: both walks, side by side, a file at a time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from heapq import merge
from itertools import groupby

from penstock.errors import UnsortedListingError
from penstock.sync.filters import Filters
from penstock.sync.model import File, SyncError


@dataclass(frozen=True, slots=True)
class Pair:
    """A name, and the file that either tree has of it."""

    name: str
    source: File | None
    destination: File | None


def pairs(
    source: Iterator[File | SyncError], destination: Iterator[File | SyncError], filters: Filters
) -> Iterator[Pair | SyncError]:
    """Every name of either tree that the filters accept. Both walks must go by the UTF-8 bytes of their names.

    Raises UnsortedListingError where one does not: what stands in both would be taken for missing.
    """
    both = merge(
        ((True, file) for file in in_order(source)), ((False, file) for file in in_order(destination)), key=_order
    )
    for _, found in groupby(both, key=_order):
        files = dict(found)
        name = next(iter(files.values())).name
        if filters.accept(name):
            ours, theirs = files.get(True), files.get(False)
            if isinstance(ours, SyncError) or isinstance(theirs, SyncError):
                yield from (file for file in files.values() if isinstance(file, SyncError))
            else:
                yield Pair(name, ours, theirs)


def in_order(walk: Iterator[File | SyncError]) -> Iterator[File | SyncError]:
    """The walk, as long as it is sorted. Raises UnsortedListingError."""
    last = b""
    for file in walk:
        name = file.name.encode(errors="surrogateescape")
        if name < last:
            raise UnsortedListingError(f"{file.name!r} was listed behind {last.decode(errors='backslashreplace')!r}")
        last = name
        yield file


def _order(found: tuple[bool, File | SyncError]) -> bytes:
    return found[1].name.encode(errors="surrogateescape")
