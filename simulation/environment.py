"""Where a function runs: what a deployment decides, clients, and an environment that keeps its routes for a minute."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from penstock.limits import KIB
from penstock.routes import Routes, parse_routes
from penstock.routes.stack_buckets import StackBuckets
from simulation.rights import DROPS, PLAIN, RESULTS, WORK

# The TTL of the routes in an environment: `wiring.routes`.
ROUTES_TTL = 60.0


@dataclass(frozen=True, slots=True)
class Configuration:
    """What a deployment decides, and the routes that a user edits."""

    routes: str
    large_bytes: int = 6 * KIB
    span_bytes: int = 4 * KIB
    index_spacing: int = 1 * KIB


class Environment:
    """One execution environment of a function, which serves one invocation after another, and knows its routes."""

    def __init__(self, read: Callable[[], str], clock: Callable[[], float]) -> None:
        self._read = read
        self._clock = clock
        self._known: tuple[float, Routes] | None = None

    def routes(self) -> Routes:
        """Return the routes, which are read again after a minute."""
        if self._known is None or self._clock() - self._known[0] > ROUTES_TTL:
            self._known = self._clock(), parsed(self._read())
        return self._known[1]


@lru_cache(maxsize=64)
def parsed(text: str) -> Routes:
    """Return the routes of a text."""
    names = {"source_bucket": DROPS, "destination_bucket": RESULTS, "work_bucket": WORK, "records_table": "records"}
    return parse_routes(text, "routes.toml", names, StackBuckets((DROPS, PLAIN), (RESULTS,)))


@dataclass(frozen=True, slots=True)
class Clients:
    """The clients of a function."""

    s3: Any
    dynamodb: Any
    sqs: Any
    stepfunctions: Any
    functions: Any
    items: Any
