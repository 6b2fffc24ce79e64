"""Find routes that never get a key, because earlier routes match all of their keys."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase

from penstock.model.route import Route
from penstock.routes.matching import overlap
from penstock.routes.patterns import tokens


def never_taken(routes: Sequence[Route]) -> Iterator[tuple[Route, Route]]:
    """Yield each route that never gets a key, with the last of the earlier routes that take its keys."""
    for number, route in enumerate(routes):
        takers = [_taker(pattern, route, routes[:number]) for pattern in route.match]
        known = [taker for taker in takers if taker]
        if known and len(known) == len(takers):
            yield route, max(known, key=routes.index)


def covers(wide: str, narrow: str) -> bool:
    """Whether ``wide`` matches every text that ``narrow`` matches.

    True is certain. False may be wrong for adjacent wildcards and for sets that overlap.
    """
    a, b = tokens(wide), tokens(narrow)
    # reached[j]: a[:i] covers b[:j].
    reached = [True] + [False] * len(b)
    for sign in a:
        if sign == "*":
            first = reached.index(True) if True in reached else len(b) + 1
            reached = [j >= first for j in range(len(b) + 1)]
        else:
            reached = [False, *(reached[j] and _token_covers(sign, b[j]) for j in range(len(b)))]
    return reached[-1]


def _token_covers(sign: str, other: str) -> bool:
    """Whether a token for one character covers another token; ``sign`` is not a star."""
    if other == "*":
        return False
    if sign in ("?", other):
        return True
    return len(other) == 1 and other != "?" and fnmatchcase(other, sign)


def _taker(pattern: str, taken: Route, before: Sequence[Route]) -> Route | None:
    """Return the earlier route that takes all keys of a pattern. None takes more than its kind of keys.

    A route that takes archives apart leaves members to later routes, also archives among them that these take apart. A
    route for members leaves objects.
    """

    def leaves_members(route: Route) -> bool:
        archives = [f"{earlier}/*" for earlier in route.match] if route.takes_apart else []
        return bool(archives) and (not taken.takes_apart or any(overlap(pattern, archive) for archive in archives))

    return next(
        (
            route
            for route in before
            if not leaves_members(route)
            and (not route.is_for_members or taken.is_for_members)
            and covers(route.source_bucket, taken.source_bucket)
            and any(covers(earlier, pattern) for earlier in route.match)
        ),
        None,
    )
