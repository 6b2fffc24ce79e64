"""Merge the walks of two trees into pairs by name, one file at a time."""

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
    """A name, and the file of that name in each tree."""

    name: str
    source: File | None
    destination: File | None


def pairs(
    source: Iterator[File | SyncError], destination: Iterator[File | SyncError], filters: Filters
) -> Iterator[Pair | SyncError]:
    """Yield every name of either tree that the filters accept. Both walks must be sorted by the names' UTF-8 bytes.

    Raises UnsortedListingError if one is not sorted: a file in both trees could seem to be missing in one.
    """
    both = merge(
        ((True, file) for file in in_order(source)), ((False, file) for file in in_order(destination)), key=_order
    )
    for _, found in groupby(both, key=_order):
        files = dict(found)
        name = next(iter(files.values())).name
        if filters.accept(name):
            left, right = files.get(True), files.get(False)
            if isinstance(left, SyncError) or isinstance(right, SyncError):
                yield from (file for file in files.values() if isinstance(file, SyncError))
            else:
                yield Pair(name, left, right)


def in_order(walk: Iterator[File | SyncError]) -> Iterator[File | SyncError]:
    """Yield the walk and check its order. Raises UnsortedListingError."""
    last = b""
    for file in walk:
        name = file.name.encode(errors="surrogateescape")
        if name < last:
            raise UnsortedListingError(f"{file.name!r} was listed after {last.decode(errors='backslashreplace')!r}")
        last = name
        yield file


def _order(found: tuple[bool, File | SyncError]) -> bytes:
    return found[1].name.encode(errors="surrogateescape")
