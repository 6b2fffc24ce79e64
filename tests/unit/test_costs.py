"""What things cost, by AWS's published prices."""

from __future__ import annotations

import pytest

from penstock.explain.costs import Usage, index_invocations, of_invocation, of_machine, of_records
from penstock.explain.prices import listed_prices
from penstock.limits import GIB, MIB

PRICES = listed_prices()


def test_a_gibibyte_for_a_million_seconds_costs_what_lambda_asks() -> None:
    assert Usage(GIB, seconds=1e6, invocations=0).dollars(PRICES) == pytest.approx(16.6667)


@pytest.mark.parametrize(
    ("usage", "dollars"),
    [
        (Usage(0, 0, invocations=1_000_000), 0.20 + 5.00 + 1.25),  # with its trace and 2.5 GB of log
        (Usage(0, 0, 0, transitions=1000), 0.025),
        (Usage(0, 0, 0, puts=1000), 0.005),
        (Usage(0, 0, 0, gets=1000), 0.0004),
        (Usage(0, 0, 0, writes=1_000_000), 0.625),
        (Usage(0, 0, 0, messages=1_000_000), 0.40),
        (Usage(0, 0, 0, events=1_000_000), 1.00),
        (Usage(0, 0, 0, announcements=1_000_000), 0.20 + 1.25 + 25_000 * 0.0000166667),
    ],
)
def test_each_kind_of_request_has_its_price(usage: Usage, dollars: float) -> None:
    assert usage.dollars(PRICES) == pytest.approx(dollars)


@pytest.mark.parametrize(("seconds", "invocations"), [(0, 0), (1, 1), (889, 1), (890, 2), (8890, 10)])
def test_an_index_pass_goes_on_in_as_many_invocations_as_it_needs(seconds: float, invocations: int) -> None:
    assert index_invocations(seconds) == invocations


def test_a_machine_costs_more_than_one_invocation_of_the_same_work() -> None:
    alone = of_invocation(memory=1769 * MIB, source=10**9, busy=100, parts=500)
    machine = of_machine(memory=1769 * MIB, source=10**9, spans=10, busy=106, parts=500, indexing=30, entries=100)
    assert machine.dollars(PRICES) > alone.dollars(PRICES)
    assert machine.seconds == pytest.approx(136.6)


def test_records_of_a_million_small_jobs_cost_what_the_documents_say() -> None:
    assert of_records(1_000_000, PRICES) == pytest.approx((3.75, 1.875))
    assert of_records(1_000_000, PRICES, burst=True) == pytest.approx((1.25, 0.625))


def test_two_usages_add_up_in_all_but_their_memory() -> None:
    assert Usage(GIB, 1.5, *range(2, 10)) + Usage(GIB, 1, *[1] * 8) == Usage(GIB, 2.5, *range(3, 11))
