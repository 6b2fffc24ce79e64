"""The number of records that a footer declares."""

from __future__ import annotations

import re

# So that no number is too long to be read.
_MOST_DIGITS = 20
_COUNT = re.compile(r"[0-9]+|[0-9]{1,3}(?:[., '\u00a0\u2019\u202f][0-9]{3})+")
_NO_DIGIT = re.compile(r"[^0-9]")


def declared_count(text: str) -> int | None:
    """Return the number in a text such as ``1234``, ``1,234`` or ``1.234``; None if it is none."""
    if not _COUNT.fullmatch(text.strip()):
        return None
    digits = _NO_DIGIT.sub("", text).lstrip("0") or "0"
    return int(digits) if len(digits) <= _MOST_DIGITS else None
