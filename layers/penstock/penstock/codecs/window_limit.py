"""Refuse streams that need more memory than the function has, before the memory is allocated."""

from __future__ import annotations

from penstock.errors import BadHeaderError
from penstock.limits import MIB, memory_for_window

_LARGEST_FUNCTION = 10_240 * MIB


def check_window(needed: int, window: int, what: str, *, offset: int) -> None:
    """Raises BadHeaderError if ``needed`` bytes exceed ``window``; its hint is the memory to set."""
    if needed <= window:
        return
    memory = memory_for_window(needed)
    raise BadHeaderError(
        f"{what} of {needed:,} bytes exceeds the {window:,} that the function's memory allows",
        offset=offset,
        hint=f"Set MemorySize to {memory // MIB} or more."
        if memory <= _LARGEST_FUNCTION
        else f"No function is large enough; compress it with a smaller {what}.",
    )
