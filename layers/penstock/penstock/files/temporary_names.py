"""Names of temporary files."""

from __future__ import annotations

import re

# Followed by 16 hexadecimal digits.
TEMPORARY_PREFIX = ".penstock-making-"


_TEMPORARY = re.compile(rf"{re.escape(TEMPORARY_PREFIX)}[0-9a-f]{{16}}", re.ASCII)


def is_temporary(name: str) -> bool:
    """Whether the last part of a name is exactly that of a temporary file."""
    return _TEMPORARY.fullmatch(name.rpartition("/")[2]) is not None
