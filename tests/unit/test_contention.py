"""Many workers at once, simulated: what the retries of the machine and the items of the jobs table are made for."""

from __future__ import annotations

from benchmarks.contention import failed_jobs, one_item, sharded, throttle_retries

from penstock.limits import MOST_WORKERS, fair_workers


def test_the_quota_of_a_new_account_fails_no_job() -> None:
    assert failed_jobs(runs=10, quota=10, concurrency=fair_workers(10), attempts=throttle_retries()) == 0
    # Nor where somebody sets MapConcurrency above it.
    assert failed_jobs(runs=10, quota=10, concurrency=40, attempts=throttle_retries()) == 0


def test_the_simulation_shows_what_thirty_retries_did() -> None:
    assert failed_jobs(runs=10, quota=10, concurrency=40, attempts=30) > 5


def test_ten_thousand_workers_deliver_less_than_a_hundredth_again() -> None:
    assert sharded(10_000, 10_000) < 0.01


def test_the_simulation_shows_what_one_item_did() -> None:
    assert one_item(400, 2_000) > 0.2


def test_workers_follow_the_quota() -> None:
    assert [fair_workers(quota) for quota in (0, 1, 10, 50, 1000)] == [1, 1, 5, 25, MOST_WORKERS]
