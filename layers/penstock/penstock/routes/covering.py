"""Routes that never get a key, because one before takes everything that they match."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase

from penstock.model.route import Route
from penstock.routes.patterns import tokens


def never_taken(routes: Sequence[Route]) -> Iterator[tuple[Route, Route]]:
    """Routes that cannot match, each with the last of those before it that take its keys."""
    for number, route in enumerate(routes):
        takers = [_taker(pattern, route.source_bucket, routes[:number]) for pattern in route.match]
        known = [taker for taker in takers if taker]
        if known and len(known) == len(takers):
            yield route, max(known, key=routes.index)


def covers(one: str, other: str) -> bool:
    """Whether every text that ``other`` matches is matched by ``one``.

    True is certain. False may be wrong where wildcards stand side by side, or sets overlap.
    """
    a, b = tokens(one), tokens(other)
    # reached[j]: a[:i] covers b[:j].
    reached = [True] + [False] * len(b)
    for sign in a:
        if sign == "*":
            first = reached.index(True) if True in reached else len(b) + 1
            reached = [j >= first for j in range(len(b) + 1)]
        else:
            reached = [False, *(reached[j] and _one_covers(sign, b[j]) for j in range(len(b)))]
    return reached[-1]


def _one_covers(sign: str, other: str) -> bool:
    """The same for two tokens of one character each; ``sign`` is no star."""
    if other == "*":
        return False
    if sign in ("?", other):
        return True
    return len(other) == 1 and other != "?" and fnmatchcase(other, sign)


def _taker(pattern: str, bucket: str, before: Sequence[Route]) -> Route | None:
    return next(
        (
            route
            for route in before
            if covers(route.source_bucket, bucket) and any(covers(one, pattern) for one in route.match)
        ),
        None,
    )
