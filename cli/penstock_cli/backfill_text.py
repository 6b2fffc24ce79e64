"""The forecast and the result of a backfill, as text and as JSON."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

from penstock.backfill.model import BackfillCounts, Forecast
from penstock_cli import job_text
from penstock_cli.output import styled
from penstock_cli.params import human_size
from penstock_cli.table import aligned


def forecast_lines(expected: Forecast, *, rate: float, prices: str, again: bool = False) -> Iterator[str]:
    """Yield what would be done. ``again``: also what is done already."""
    if expected.jobs:
        rows = [("route", "jobs", "size", "large", "dollars")]
        rows += [
            (name, f"{route.jobs:,}", human_size(route.size), f"{route.large:,}", dollars(route.dollars))
            for name, route in expected.routes.items()
        ]
        yield from aligned([tuple(map(styled, row)) for row in rows], right={1, 2, 3, 4})
    fewer = "" if again else ", fewer if some are done already"
    yield (
        f"{expected.jobs:,} objects, {human_size(expected.size)}: about {job_text.duration(expected.seconds)} at "
        f"{rate:,.0f} objects a second at most, {dollars(expected.dollars)} ({prices}){fewer}"
    )
    yield from skipped_lines(expected.skipped)
    yield (
        f"listing: {expected.requests:,} requests in two passes, {dollars(expected.requests_dollars)}; pauses while "
        f"more than {expected.backlog:,} messages wait, so that new objects wait a minute at most"
    )


def skipped_lines(counts: BackfillCounts) -> Iterator[str]:
    """Yield what is not sent, and why."""
    if counts.filtered:
        yield f"not selected: {counts.filtered:,}"
    if counts.no_route:
        yield f"no route: {counts.no_route:,}"
    if counts.moved:
        yield f"moved after their jobs: {counts.moved:,}"
    if counts.missing:
        yield f"missing: {counts.missing:,} do not exist"
    for name, number in sorted(counts.archived.items()):
        yield f"archived: {number:,} in {name}: restore them, then name them with --from FILE"


def result_lines(counts: BackfillCounts, began: float) -> Iterator[str]:
    """Yield what was done."""
    yield (
        f"sent: {counts.sent:,}, already done: {counts.done:,}, no route: {counts.no_route:,}, "
        f"failed: {counts.failed:,}"
    )
    yield from (line for line in skipped_lines(counts) if not line.startswith("no route"))
    if counts.failed:
        yield "Their jobs have failed before: `penstock redrive JOB` after the cause is fixed, or --again."
    if counts.sent:
        since = datetime.fromtimestamp(began, UTC).strftime("%Y-%m-%dT%H:%M:%S")
        yield f"Follow the jobs with `penstock watch`, and see `penstock jobs --since {since} --state failed`."


def forecast_json(expected: Forecast) -> dict[str, object]:
    """Return the forecast for programs."""
    return {
        "jobs": expected.jobs,
        "bytes": expected.size,
        "seconds": round(expected.seconds, 1),
        "dollars": round(expected.dollars, 6),
        "routes": {
            name: {"jobs": route.jobs, "bytes": route.size, "large": route.large, "dollars": round(route.dollars, 6)}
            for name, route in expected.routes.items()
        },
        "backlog": expected.backlog,
        "requests": expected.requests,
        "requests_dollars": round(expected.requests_dollars, 6),
        "skipped": skipped_json(expected.skipped),
    }


def skipped_json(counts: BackfillCounts) -> dict[str, object]:
    """Return what is not sent, for programs."""
    return {
        "not_selected": counts.filtered,
        "no_route": counts.no_route,
        "moved": counts.moved,
        "missing": counts.missing,
        "archived": counts.archived,
    }


def result_json(counts: BackfillCounts) -> dict[str, object]:
    """Return the result for programs."""
    return {"sent": counts.sent, "done": counts.done, "failed": counts.failed, "skipped": skipped_json(counts)}


def dollars(amount: float) -> str:
    """Format an amount of money."""
    return f"${amount:,.2f}" if amount >= 1 else f"${amount:.4f}"
