"""Look at the start of a stream without losing it."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import chain


def peek(chunks: Iterable[bytes], size: int) -> tuple[bytes, Iterable[bytes]]:
    """Return the first ``size`` bytes (fewer if there are no more), and an iterable of all chunks."""
    rest = iter(chunks)
    first: list[bytes] = []
    have = 0
    for chunk in rest:
        first.append(chunk)
        have += len(chunk)
        if have >= size:
            break
    head = first[0] if len(first) == 1 else b"".join(first)
    return head[:size], chain((head,) if head else (), rest)
