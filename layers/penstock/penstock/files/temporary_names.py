"""Names of files that are being written."""

from __future__ import annotations

import re

# Files in the making are called so, and 16 hexadecimal digits more.
MAKING = ".penstock-making-"


_IN_MAKING = re.compile(rf"{re.escape(MAKING)}[0-9a-f]{{16}}", re.ASCII)


def in_making(name: str) -> bool:
    """Whether a name, or the last part of one, is that of a file in the making. No other name is taken for one."""
    return _IN_MAKING.fullmatch(name.rpartition("/")[2]) is not None
