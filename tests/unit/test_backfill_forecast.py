"""The forecast: what is counted, in which time, and in constant memory."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable, Sequence

import pytest

from backfill_fakes import Clock, MemoryMessages, MemoryRecords, SortedOrigin, Watching, found, selection
from lengths import long
from penstock.backfill.forecasting import LEAST_BACKLOG, MOST_BACKLOG, backlog_of, forecast
from penstock.backfill.model import Forecast, FoundObject
from penstock.backfill.ports import Estimated
from penstock.backfill.sending import Sender
from penstock.backfill.state import BackfillState
from penstock.explain.explanation import StackEnvironment
from penstock.explain.prices import listed_prices
from penstock.limits import GIB, KIB, MIB
from penstock.model.job import Job
from penstock.wiring.backfill import estimator

ENVIRONMENT = StackEnvironment({})


def counted(*objects: FoundObject, rate: float = 100, concurrency: int = 5) -> Forecast:
    return forecast(
        SortedOrigin(objects),
        selection(),
        lambda job: Estimated(0.5, is_large=job.source.size > GIB, dollars=0.25),
        rate=rate,
        concurrency=concurrency,
        prices=(0.5, 0.125),
        counted=lambda _: None,
    )


def test_jobs_are_counted_by_route() -> None:
    expected = counted(found("in/1"), found("in/2", size=2 * GIB), found("orders/1"), found("nowhere"))
    assert (expected.jobs, expected.size, expected.skipped.no_route, expected.entries) == (3, 2 * GIB + 20, 1, 4)
    copy = expected.routes["copy"]
    assert (copy.jobs, copy.large, copy.dollars) == (2, 1, 0.5)
    assert (expected.dollars, expected.requests, expected.requests_dollars) == (0.75, 2, 1.0)


def test_time_is_that_of_the_rate_or_of_the_functions() -> None:
    objects = [found(f"in/{number:03}") for number in range(100)]
    assert counted(*objects, rate=2).seconds == 50
    assert counted(*objects, concurrency=5).seconds == 10


def test_so_many_messages_wait_that_they_take_a_minute() -> None:
    assert backlog_of(0.5, 5) == 600
    assert (backlog_of(0, 5), backlog_of(0.001, 1000), backlog_of(600, 1)) == (
        MOST_BACKLOG,
        MOST_BACKLOG,
        LEAST_BACKLOG,
    )


def test_jobs_are_estimated_by_the_rules_of_the_functions() -> None:
    estimate = estimator(ENVIRONMENT, listed_prices())
    jobs = [selection().job_of(found("in/a.csv.gz", size=size)) for size in (10 * KIB, 100 * MIB, 100 * GIB)]
    small, middle, large = (estimate(job) for job in jobs if isinstance(job, Job))
    assert small.seconds < middle.seconds < large.seconds
    assert small.dollars < middle.dollars < large.dollars
    assert (small.is_large, large.is_large) == (False, True)


def objects(count: int) -> SortedOrigin:
    return SortedOrigin(found(f"{'in' if number % 3 else 'no'}/{number:09}" * 3) for number in range(count))


def foresee(count: int) -> int:
    estimate = estimator(ENVIRONMENT, listed_prices())
    return forecast(
        objects(count), selection(), estimate, rate=100, concurrency=5, prices=(0, 0), counted=lambda _: None
    ).entries


class Discarding(MemoryMessages):
    def send_all(self, bodies: Sequence[str]) -> None:
        """Keep nothing."""


def send(count: int) -> int:
    clock = Clock()
    sender = Sender(
        Discarding(), MemoryRecords(), selection(), Watching(), lambda _: None, 1e9, clock=clock, sleep=clock.sleep
    )
    return sender(objects(count), BackfillState("", backlog=1)).seen


def peak_of(work: Callable[[int], int], count: int) -> int:
    tracemalloc.start()
    try:
        assert work(count) == count
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.timeout(1200)
@pytest.mark.parametrize("work", [foresee, send])
@pytest.mark.parametrize("count", [4000, long(200_000)])
@pytest.mark.long
def test_memory_does_not_grow_with_the_listing(work: Callable[[int], int], count: int) -> None:
    peak_of(work, 100)
    assert peak_of(work, count) < peak_of(work, 1000) + 64 * KIB
