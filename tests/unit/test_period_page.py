"""The report of a period: a whole page, whatever its jobs are called."""

from __future__ import annotations

from dataclasses import replace

import pytest

from job_reports import BEGAN, HOSTILE, failed, succeeded
from penstock.model.job_status import JobStatus
from penstock.operations.history import Period
from penstock.operations.summary import DAY, summarise
from penstock_cli.period_page import dollars, period_page
from unit.test_report_page import Reader

WEEK = Period(BEGAN - 6 * DAY, BEGAN + DAY)


def read(*jobs: JobStatus, period: Period = WEEK) -> Reader:
    return Reader(
        period_page(summarise(jobs, period, lambda _: 0.01), stack="penstock", now=BEGAN, prices="prices of x")
    )


def test_every_element_is_closed_and_nothing_is_loaded_or_run() -> None:
    hostile = replace(failed().status, source=f"s3://drops/{HOSTILE}", route=HOSTILE)
    found = read(hostile, succeeded().status)
    assert found.open == []
    assert not {"script", "link", "img", "iframe", "object", "base", "a"} & {name for name, _ in found.elements}
    assert HOSTILE not in "".join(found.texts)
    assert any("<script>" in text for text in found.texts)


def test_each_bar_says_what_it_shows() -> None:
    done = succeeded().status
    found = read(done, failed().status)
    assert found.texts.count("21 Nov: 1 succeeded") == 1
    assert found.texts.count("21 Nov: 1 failed") == 1
    heights = [float(str(bar["height"])) for bar in found.of("rect")]
    assert all(0 < height <= 120 for height in heights)
    names = [str(plot["aria-label"]) for plot in found.of("svg")]
    assert [name.partition(",")[0] for name in names] == ["Jobs", "Bytes delivered", "Rows"]


def test_a_period_without_jobs_has_a_page_without_plots() -> None:
    found = read()
    assert "penstock: 0 jobs" in found.texts
    assert found.of("svg") == []


def test_bars_of_a_day_are_hours() -> None:
    found = read(succeeded().status, period=Period(BEGAN - DAY / 2, BEGAN + DAY / 2))
    assert any(text.startswith("21 Nov ") and ":" in text for text in found.texts)


@pytest.mark.parametrize(
    ("amount", "shown"),
    [(0.0, "$0.00"), (1234.5, "$1,234.50"), (0.0021, "$0.0021"), (0.1, "$0.10"), (2.6e-06, "$0.0000026")],
)
def test_dollars_have_two_digits_that_say_something(amount: float, shown: str) -> None:
    assert dollars(amount) == shown
