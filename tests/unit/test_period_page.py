"""The report of a period: a whole page, whatever its jobs are called."""

from __future__ import annotations

from dataclasses import replace

import pytest

from job_reports import BEGAN, HOSTILE, failed, succeeded
from penstock.model.job_status import JobStatus
from penstock.operations.history import Period
from penstock.operations.summary import DAY, summarise
from penstock_cli.period_page import compact, period_page
from penstock_cli.period_plots import dollars
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
    heights = [float(str(bar["height"])) for bar in found.of("rect") if "y" in bar]
    assert all(0 < height <= 120 for height in heights)
    names = [str(plot["aria-label"]) for plot in found.of("svg") if "aria-label" in plot]
    assert [name.partition(",")[0] for name in names] == ["Jobs", "Bytes delivered", "Rows", "Cost"]


def test_a_period_without_jobs_has_a_page_without_plots() -> None:
    found = read()
    assert "penstock: 0 jobs" in found.texts
    assert "No job ended or was started in this time." in found.texts
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


def test_costs_are_a_plot_and_the_page_says_by_which_prices() -> None:
    found = read(succeeded().status)
    assert "21 Nov: $0.010" in found.texts
    assert any("the list prices of x" in text for text in found.texts)


def test_reasons_and_durations_have_bars_that_compare_them() -> None:
    slow, quick = succeeded().status, replace(succeeded().status, started_at=succeeded().status.finished_at - 1)
    found = read(slow, quick, failed().status)
    shares = [float(str(bar["width"]).rstrip("%")) for bar in found.of("rect") if "y" not in bar]
    assert shares[0] == 100  # one reason
    assert max(shares[1:]) == 100
    assert min(shares[1:]) >= 1


def test_a_key_of_a_thousand_characters_is_cut_in_the_middle() -> None:
    key = "s3://drops/" + "a" * 1000 + "/the-end.csv"
    found = read(replace(failed().status, source=key))
    (shown,) = (text for text in found.texts if text.endswith("/the-end.csv"))
    assert shown.startswith("s3://drops/aaa")
    assert len(shown) < 260
    assert " ... " in shown


def test_the_start_of_an_id_is_enough() -> None:
    status = failed().status
    found = read(status)
    assert status.job_id[:12] in found.texts
    assert status.job_id not in found.texts


@pytest.mark.parametrize(
    ("number", "shown"),
    [
        (0, "0"),
        (9_999_999, "9,999,999"),
        (10_400_000, "10.4 million"),
        (180_000_000, "180 million"),
        (10**9, "1 billion"),
    ],
)
def test_large_numbers_fit_a_tile(number: int, shown: str) -> None:
    assert compact(number) == shown
