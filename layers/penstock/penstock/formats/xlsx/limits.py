"""How large a workbook may be."""

from __future__ import annotations

from dataclasses import dataclass

from penstock.limits import GIB, MIB, RUNTIME_BYTES
from penstock.model.route import DEFAULT_RATIO


@dataclass(frozen=True, slots=True)
class WorkbookLimits:
    """``file_bytes``: the file itself, in /tmp. ``strings_bytes``: shared strings in memory, their UTF-8 and 8 bytes
    each. ``expanded_bytes`` and ``ratio``: any one part, decompressed. By default, what fits the smallest function.
    """

    file_bytes: int = 400 * MIB
    strings_bytes: int = 24 * MIB
    expanded_bytes: int = 16 * GIB
    ratio: float = DEFAULT_RATIO

    @classmethod
    def within(cls, memory: int, disk: int) -> WorkbookLimits:
        """For a function of so many bytes of memory and of /tmp, some of which others have left full."""
        return cls(file_bytes=disk * 3 // 4, strings_bytes=max(cls().strings_bytes, (memory - RUNTIME_BYTES) // 2))
