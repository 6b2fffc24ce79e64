"""The jobs of a period, and what they add up to."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import pytest

from penstock.explain.costs import Usage, of_job
from penstock.explain.prices import listed_prices
from penstock.model.job import Failure, Progress
from penstock.model.job_status import JobState, JobStatus, Phase
from penstock.operations.history import PAGE, JobHistory, Period
from penstock.operations.summary import DAY, HOUR, MOST_BARS, MOST_GROUPS, SLOWEST, summarise
from penstock.testing import MemoryJobRecords, MemoryJobStore, MemoryJobTimes

NOON = 1_760_011_200.0  # 2025-10-09 12:00 UTC
WEEK = Period(NOON - 7 * DAY, NOON)


def job(number: int, *, ended: float = 0.0, began: float = NOON - HOUR, **changes: object) -> JobStatus:
    state = JobState.SUCCEEDED if ended else JobState.RUNNING
    status = JobStatus(
        job_id=f"{number:032x}",
        state=state,
        source=f"s3://drops/{number}.csv",
        route="orders",
        target="postgresql:orders",
        size=100,
        progress=Progress(100, 300, 10, 1),
        attempts=1,
        started_at=began,
        updated_at=ended or began,
        finished_at=ended,
    )
    return replace(status, **changes)  # type: ignore[arg-type]  # the caller names fields


def history(*jobs: JobStatus) -> JobHistory:
    store = MemoryJobStore(lambda: NOON)
    store.jobs.update({status.job_id: status for status in jobs})
    return JobHistory(MemoryJobTimes(store), MemoryJobRecords(store))


def numbers(found: Iterator[JobStatus]) -> list[int]:
    return [int(status.job_id, 16) for status in found]


def test_unfinished_jobs_come_first_then_ended_ones_the_last_first() -> None:
    found = history(
        job(1, ended=NOON - 20),
        job(2, ended=NOON - 10),
        job(3, began=NOON - 50),
        job(4, began=NOON - 40),
    )
    assert numbers(found(WEEK)) == [4, 3, 2, 1]


def test_the_end_of_the_period_is_not_part_of_it_and_its_beginning_is() -> None:
    found = history(job(1, ended=WEEK.since), job(2, ended=WEEK.until), job(3, began=WEEK.until))
    assert numbers(found(WEEK)) == [1]


def test_states_and_routes_choose_jobs() -> None:
    found = history(
        job(1, ended=NOON - 20, state=JobState.FAILED),
        job(2, ended=NOON - 10, route="items"),
        job(3, began=NOON - 50),
    )
    assert numbers(found(WEEK, states=[JobState.FAILED])) == [1]
    assert numbers(found(WEEK, states=[JobState.RUNNING])) == [3]
    assert numbers(found(WEEK, routes=["items"])) == [2]
    assert numbers(found(WEEK, states=[JobState.FAILED], routes=["items"])) == []


def test_records_are_read_page_by_page_and_no_further_than_they_are_wanted() -> None:
    store = MemoryJobStore(lambda: NOON)
    store.jobs.update({one.job_id: one for one in (job(n, ended=NOON - 1 - n) for n in range(3 * PAGE))})
    pages: list[int] = []

    class Records(MemoryJobRecords):
        def read(self, ids: Sequence[str]) -> Sequence[JobStatus]:
            pages.append(len(ids))
            return super().read(ids)

    found = JobHistory(MemoryJobTimes(store), Records(store))(WEEK, states=[JobState.SUCCEEDED])
    assert next(found).finished_at == NOON - 1
    assert pages == [PAGE]
    assert len(list(found)) == 3 * PAGE - 1


def test_a_job_that_ended_while_the_index_was_read_is_listed_once() -> None:
    store = MemoryJobStore(lambda: NOON)
    ended = job(1, ended=NOON - 5)
    store.jobs[ended.job_id] = ended

    class Lagging(MemoryJobTimes):
        def unfinished(self) -> list[str]:
            return [ended.job_id]

    assert numbers(JobHistory(Lagging(store), MemoryJobRecords(store))(WEEK)) == [1]


def test_a_summary_adds_up_states_bytes_rows_and_costs() -> None:
    failed = job(2, ended=NOON - 10, state=JobState.FAILED, failure=Failure("CorruptSourceError", "damaged", ""))
    summary = summarise([job(1, ended=NOON - 20), failed, job(3)], WEEK, lambda _: 0.5)
    total = summary.total
    assert (total.jobs, total.succeeded, total.failed, total.others) == (3, 1, 1, 1)
    assert (total.bytes_in, total.bytes_out, total.rows, total.rejects) == (300, 900, 30, 3)
    assert total.dollars == 1.5
    assert summary.routes["orders"] == total


def test_a_large_member_is_a_job_whose_bytes_and_rows_are_counted_by_its_archive() -> None:
    member = job(2, ended=NOON - 10, archive_job="a" * 32)
    total = summarise([job(1, ended=NOON - 20), member], WEEK, lambda _: 0.5).total
    assert (total.jobs, total.succeeded, total.dollars) == (2, 2, 1.0)
    assert (total.bytes_in, total.bytes_out, total.rows, total.rejects) == (100, 300, 10, 1)


def test_each_job_is_in_the_bar_of_its_end() -> None:
    summary = summarise([job(1, ended=WEEK.since), job(2, ended=WEEK.until - 1)], WEEK, lambda _: 0.0)
    assert [bar.jobs for bar in summary.bars] == [1, 0, 0, 0, 0, 0, 0, 1]
    assert summary.width == DAY
    assert summary.begin == WEEK.since - DAY / 2  # midnight


@pytest.mark.parametrize(
    ("days", "bars", "width"), [(1, 24, HOUR), (2, 48, HOUR), (30, 31, DAY), (365, 61, 6 * DAY), (0.01, 1, HOUR)]
)
def test_bars_are_hours_days_or_several_days(days: float, bars: int, width: float) -> None:
    summary = summarise([], Period(NOON - days * DAY, NOON), lambda _: 0.0)
    assert (len(summary.bars), summary.width) == (bars, width)
    assert len(summary.bars) <= MOST_BARS + 1


def test_the_latest_of_each_reason_and_the_slowest_jobs_are_kept() -> None:
    def failed(number: int, error: str) -> JobStatus:
        failure = Failure(error, f"message {number}", "")
        return job(number, ended=NOON - 100 + number, state=JobState.FAILED, failure=failure)

    jobs = [failed(n, "CorruptSourceError" if n % 2 else "RejectLimitError") for n in range(20)]
    jobs += [job(100 + n, ended=NOON - 5, began=NOON - 5 - n) for n in range(20)]
    summary = summarise(jobs, WEEK, lambda _: 0.0)
    assert {name: (reason.count, reason.latest.job_id) for name, reason in summary.reasons.items()} == {
        "CorruptSourceError": (10, f"{19:032x}"),
        "RejectLimitError": (10, f"{18:032x}"),
    }
    assert len(summary.slowest) == SLOWEST
    assert [round(one.seconds) for one in summary.slowest][:2] == sorted((one.seconds for one in jobs), reverse=True)[
        :2
    ]


def test_more_routes_than_a_report_shows_are_added_up() -> None:
    summary = summarise([job(n, ended=NOON - 5, route=f"r{n}") for n in range(MOST_GROUPS + 5)], WEEK, lambda _: 0.0)
    assert len(summary.routes) == MOST_GROUPS + 1
    assert summary.routes["others"].jobs == 5
    assert [name for name, _ in summary.busiest][:2] == ["r0", "r1"]
    assert summary.busiest[-1][0] == "others"


def price(status: JobStatus) -> float:
    return of_job(status, listed_prices())


def test_the_price_of_a_job_follows_its_seconds_and_memory() -> None:
    one = job(1, ended=NOON - 10, began=NOON - 20, memory_size=1 << 30)
    longer = job(1, ended=NOON - 10, began=NOON - 40, memory_size=1 << 30)
    assert price(longer) - price(one) == pytest.approx(Usage(1 << 30, 20, 0, writes=10).dollars(listed_prices()))
    assert price(job(1, ended=NOON - 10)) == pytest.approx(
        Usage(0, 0, 0, gets=1, writes=2, events=1).dollars(listed_prices())
    )


def test_the_price_of_an_execution_has_its_index_pass_and_its_spans() -> None:
    phases = ((Phase.PLAN, NOON - 100), (Phase.INDEX, NOON - 90), (Phase.SPANS, NOON - 40))
    large = job(1, ended=NOON - 10, memory_size=1 << 30, execution="e", spans=10, codec="gzip", phases=phases)
    without = replace(large, phases=((Phase.PLAN, NOON - 100), (Phase.SPANS, NOON - 40)))
    assert price(large) - price(without) > Usage(1 << 30, 50, 0).dollars(listed_prices())
    assert price(replace(large, spans=20)) > price(large)
