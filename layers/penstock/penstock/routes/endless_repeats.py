"""Find repeats in a regular expression for which Python's engine may take very long on a line."""

from __future__ import annotations

import re._constants as op  # type: ignore[import-not-found]  # the parts of an expression have no public names
import re._parser as parser  # type: ignore[import-not-found]
from collections.abc import Iterable
from typing import Any

_REPEATS = (op.MAX_REPEAT, op.MIN_REPEAT)


def endless_repeat(pattern: str) -> str:
    """Return what may take very long, empty if nothing does. The pattern is one that Python reads.

    A repeat of any character at the begin takes the length of a line squared, for what a search does anyway.

    An optional part, and a repeat of a fixed length such as ``\\d{3}``, end in one way only.
    """
    nodes = list(parser.parse(pattern))
    if nodes and nodes[0][0] in _REPEATS and nodes[0][1][2][0][0] is op.ANY:
        return "begins with a repeat of any character"
    return _problem(nodes, repeated=False)


def _problem(nodes: Iterable[tuple[Any, Any]], *, repeated: bool) -> str:
    for kind, what in nodes:
        if kind in _REPEATS:
            least, most, inner = what
            if repeated and least != most:
                return "has a repeat within a repeat"
            found = _problem(inner, repeated=repeated or int(most) > 1)
        elif kind is op.BRANCH:
            if repeated:
                return "has alternatives within a repeat"
            found = next(filter(None, (_problem(choice, repeated=False) for choice in what[1])), "")
        elif kind is op.SUBPATTERN:
            found = _problem(what[-1], repeated=repeated)
        elif kind in (op.ASSERT, op.ASSERT_NOT):
            found = _problem(what[1], repeated=repeated)
        else:
            continue
        if found:
            return found
    return ""
