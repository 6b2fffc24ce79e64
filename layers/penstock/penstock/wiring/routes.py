"""Read the routes of a stack, and cache them."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from penstock.jobs.ports import Texts
from penstock.routes import Routes, StackBuckets, parse_routes
from penstock.routes.stack_buckets import meaning
from penstock.settings import Settings

ROUTES = "routes.toml"

# A warm function caches its routes for this long: a changed file takes effect within a minute.
ROUTES_TTL_SECONDS = 60.0


def routes_reader(
    settings: Settings, texts: Texts, clock: Callable[[], float] = time.monotonic
) -> Callable[[], Routes]:
    """Return a function that returns the routes, and reads them again after ROUTES_TTL_SECONDS."""
    uri = settings.routes_uri or str(packaged_routes())
    buckets = StackBuckets(settings.source_buckets, settings.destination_buckets)
    stack = {
        "source_bucket": meaning(settings.own_source_bucket, buckets.sources),
        "destination_bucket": meaning(settings.own_destination_bucket, buckets.destinations),
        "work_bucket": settings.work_bucket,
        "records_table": settings.records_table,
    }
    known: tuple[float, Routes] | None = None

    def read() -> Routes:
        nonlocal known
        if known is None or clock() - known[0] > ROUTES_TTL_SECONDS:
            known = (clock(), parse_routes(texts.read(uri), uri, stack, buckets))
        return known[1]

    return read


def packaged_routes() -> Path:
    """Return the routes file of the package, for a stack without RoutesUri."""
    return Path(__file__).parents[1] / ROUTES
