"""How large a source may be that is not read as a stream: a workbook, or one with blocks or row groups."""

from __future__ import annotations

from dataclasses import dataclass

from penstock.limits import GIB, MIB, RUNTIME_BYTES
from penstock.model.route import DEFAULT_RATIO


@dataclass(frozen=True, slots=True)
class ReadLimits:
    """``file_bytes``: files in /tmp. ``strings_bytes``: shared strings of a workbook in memory, their UTF-8 and 8 bytes
    each. ``expanded_bytes`` and ``ratio``: any one part of it, decompressed. ``block_bytes``: what is in memory of a
    block or of a row group. By default, what fits the smallest function.
    """

    file_bytes: int = 400 * MIB
    strings_bytes: int = 24 * MIB
    expanded_bytes: int = 16 * GIB
    ratio: float = DEFAULT_RATIO
    block_bytes: int = 24 * MIB

    @classmethod
    def within(cls, memory: int, disk: int) -> ReadLimits:
        """For a function of so many bytes of memory and of /tmp, some of which others have left full."""
        half = max(cls().block_bytes, (memory - RUNTIME_BYTES) // 2)
        return cls(file_bytes=disk * 3 // 4, strings_bytes=half, block_bytes=half)


def memory_for_block(size: int) -> int:
    """Return the bytes of memory of a function whose ``block_bytes`` are so many, in whole MiB."""
    return RUNTIME_BYTES + -(-size // MIB) * 2 * MIB
