"""Sources of one batch: an error at their end is known before any row is loaded."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice

from penstock.model.record import Batch


def single_batch(batches: Iterable[Batch]) -> Iterator[tuple[Batch, bool]]:
    """Batches, each with whether it is the only one. The first is held until a second one comes, or the source ends: an
    error at the end of a source of one batch is found before the batch is loaded."""
    rest = iter(batches)
    held = list(islice(rest, 2))
    for batch in held:
        yield batch, len(held) == 1
    held.clear()
    for batch in rest:
        yield batch, False
