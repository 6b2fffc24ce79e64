"""The mark of a column that was made from a sample: a text that its table keeps with it (docs/adr/0012)."""

from __future__ import annotations

import re
from collections.abc import Sequence

MARK = "inferred by penstock: "
BETWEEN = " | "
MARKED = re.compile(re.escape(MARK) + r"([^;\n]*)")


def mark_of(spellings: Sequence[str]) -> str:
    """Return the mark of a column with these spellings."""
    return MARK + BETWEEN.join(spellings)


def marked_spellings(text: str) -> tuple[str, ...]:
    """Return the spellings that a mark in a text names; none without a mark."""
    found = MARKED.search(text)
    return tuple(name.strip() for name in found[1].split(BETWEEN.strip())) if found else ()
