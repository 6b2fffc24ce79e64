"""Counts what a backfill would send: one pass over the origin, in constant memory."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable

from penstock.backfill.model import BackfillCounts, Forecast, Missing, RouteForecast, Skip
from penstock.backfill.ports import Estimator, Origin
from penstock.backfill.selection import Selection
from penstock.backfill.sending import RECORDS
from penstock.limits import SMALL_OBJECT

# A live event waits about so many seconds behind a backfill: SQS delivers in no order, so that it waits for the
# messages that were there before. A smaller bound would let the functions idle between two looks at the queue, whose
# count lags behind by up to a minute.
# https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_GetQueueAttributes.html
BACKLOG_SECONDS = 60.0
LEAST_BACKLOG, MOST_BACKLOG = 20, 10_000


def forecast(
    origin: Origin,
    selection: Selection,
    estimate: Estimator,
    *,
    rate: float,
    concurrency: int,
    prices: tuple[float, float],
    counted: Callable[[int], None],
) -> Forecast:
    """Read the origin once. ``prices`` are those of a request of its listing and of a GET; ``counted`` is called with
    the number of objects so far."""
    routes: defaultdict[str, RouteForecast] = defaultdict(RouteForecast)
    skipped = BackfillCounts()
    messages = 0.0
    for number, found in enumerate(origin.objects(), 1):
        if isinstance(found, Missing):
            skipped.skip(Skip.MISSING)
        elif isinstance(job := selection.job_of(found), Skip):
            skipped.skip(job, found.storage_class)
        else:
            expected, sums = estimate(job), routes[job.route.name]
            sums.jobs += 1
            sums.size += found.size
            sums.dollars += expected.dollars
            sums.large += expected.is_large
            messages += 1 / RECORDS if found.size <= SMALL_OBJECT else 1
            sums.seconds += 0.0 if expected.is_large else expected.seconds
            sums.large_seconds += expected.seconds if expected.is_large else 0.0
        if number % 1000 == 0:
            counted(number)
    jobs = sum(route.jobs for route in routes.values())
    small = sum(route.seconds for route in routes.values())
    large = sum(route.large_seconds for route in routes.values())
    requests = 2 * (origin.requests + origin.reads)
    listing = 2 * (origin.requests * prices[0] + origin.reads * prices[1])
    return Forecast(
        routes=dict(sorted(routes.items())),
        skipped=skipped,
        seconds=max(jobs / rate, small / concurrency, large / concurrency),
        dollars=sum(route.dollars for route in routes.values()),
        backlog=backlog_of(small / messages if messages else 0.0, concurrency),
        requests=requests,
        requests_dollars=listing,
    )


def backlog_of(seconds: float, concurrency: int) -> int:
    """Return how many messages may wait, each for so many seconds of an invocation on average."""
    messages = BACKLOG_SECONDS * concurrency / seconds if seconds else MOST_BACKLOG
    return int(min(max(messages, LEAST_BACKLOG), MOST_BACKLOG))
