"""Names of files that are being written."""

from __future__ import annotations

import re

# Files in the making are called so, and 16 hexadecimal digits more.
TEMPORARY_PREFIX = ".penstock-making-"


_TEMPORARY = re.compile(rf"{re.escape(TEMPORARY_PREFIX)}[0-9a-f]{{16}}", re.ASCII)


def is_temporary(name: str) -> bool:
    """Whether a name, or the last part of one, is that of a file in the making. No other name is taken for one."""
    return _TEMPORARY.fullmatch(name.rpartition("/")[2]) is not None
