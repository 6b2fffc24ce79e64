"""Where routes are read from, and how often."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from penstock.jobs.ports import Texts
from penstock.routes import Routes, parse_routes
from penstock.settings import Settings

ROUTES = "routes.toml"

# How long a warm function may go on with routes it has read: a changed file takes effect within a minute.
ROUTES_TTL_SECONDS = 60.0


def routes_reader(
    settings: Settings, texts: Texts, clock: Callable[[], float] = time.monotonic
) -> Callable[[], Routes]:
    """A function that answers the routes, read again once they are ROUTES_TTL_SECONDS old."""
    uri = settings.routes_uri or str(packaged_routes())
    stack = {
        "source_bucket": settings.source_bucket,
        "destination_bucket": settings.destination_bucket,
        "work_bucket": settings.work_bucket,
        "records_table": settings.records_table,
    }
    known: tuple[float, Routes] | None = None

    def read() -> Routes:
        nonlocal known
        if known is None or clock() - known[0] > ROUTES_TTL_SECONDS:
            known = (clock(), parse_routes(texts.read(uri), uri, stack))
        return known[1]

    return read


def packaged_routes() -> Path:
    """The routes that are part of the package: those of a stack without RoutesUri."""
    return Path(__file__).parents[1] / ROUTES
