"""Part sizes and the division of memory: every size of function from Lambda's smallest to its largest, none drawn."""

from __future__ import annotations

from itertools import pairwise

import pytest

from penstock.errors import ConfigurationError, OutputTooLargeError
from penstock.limits import GIB, MIB, RUNTIME_BYTES, S3, Budget, PartPlan, S3Limits

BUDGETS = {megabytes: Budget.of(megabytes * MIB) for megabytes in range(128, 10_240 + 1)}
PLANS = {megabytes: PartPlan.within(budget) for megabytes, budget in BUDGETS.items()}

# A plan's parts are counted one by one for these: all of them would take minutes.
COUNTED = sorted({*range(128, 10_240, 211), 191, 192, 199, 200, 511, 512, 10_240})


def breaking(law: dict[int, bool]) -> list[int]:
    """The memories, in MB, for which a law does not hold."""
    return [megabytes for megabytes, holds in law.items() if not holds]


def test_the_buffers_fit_into_every_function() -> None:
    law = {
        megabytes: RUNTIME_BYTES + 2 * budget.read_chunk + 2 * budget.step + budget.window + budget.buffer_bytes
        <= megabytes * MIB
        for megabytes, budget in BUDGETS.items()
    }
    assert breaking(law) == []


def test_every_function_has_buffers_for_its_uploads_and_the_part_being_filled() -> None:
    law = {
        megabytes: (budget.uploads + 1) * PLANS[megabytes].size(1) <= budget.buffer_bytes
        for megabytes, budget in BUDGETS.items()
    }
    assert breaking(law) == []


def test_every_function_sends_at_least_two_parts_at_once_and_never_fewer_than_a_smaller_one() -> None:
    uploads = [budget.uploads for budget in BUDGETS.values()]
    assert uploads == sorted(uploads)
    assert [uploads.count(number) for number in (2, 3, 8)] == [200 - 128, 512 - 200, 10_241 - 512]


def test_parts_are_larger_where_there_is_little_cpu() -> None:
    law = {
        megabytes: plan.first % MIB == 0
        and (8 * MIB < plan.first <= 16 * MIB if megabytes < 512 else plan.first == 8 * MIB)
        for megabytes, plan in PLANS.items()
    }
    assert breaking(law) == []


def test_the_largest_part_still_leaves_one_in_flight() -> None:
    law = {
        megabytes: 2 * plan.size(S3.max_parts) <= BUDGETS[megabytes].buffer_bytes for megabytes, plan in PLANS.items()
    }
    assert breaking(law) == []


def test_parts_never_shrink_and_keep_within_the_limits_of_s3() -> None:
    def keeps(plan: PartPlan) -> bool:
        ends = [plan.size(number) for first in range(1, S3.max_parts, 1000) for number in (first, first + 999)]
        return S3.min_part <= ends[0] and ends == sorted(ends) and ends[-1] <= S3.max_part

    assert breaking({megabytes: keeps(plan) for megabytes, plan in PLANS.items()}) == []


@pytest.mark.parametrize("megabytes", COUNTED)
def test_capacity_is_the_sum_of_all_parts_and_none_is_smaller_than_the_one_before(megabytes: int) -> None:
    plan = PLANS[megabytes]
    sizes = [plan.size(number) for number in range(1, S3.max_parts + 1)]
    assert plan.capacity == min(sum(sizes), S3.max_object)
    assert all(one <= following for one, following in pairwise(sizes))


def test_the_smallest_function_can_write_far_more_than_it_can_decode_in_15_minutes() -> None:
    assert PLANS[128].capacity > 100 * GIB


def test_one_part_too_many_is_refused_with_the_capacity() -> None:
    plan = PartPlan(first=4, largest=16, growth=2, s3=S3Limits(min_part=4, max_part=64, max_parts=5))
    assert [plan.size(n) for n in range(1, 6)] == [4, 4, 8, 8, 16]
    with pytest.raises(OutputTooLargeError, match="exceeds 40 bytes"):
        plan.size(6)


def test_less_memory_than_lambda_gives_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="127 MiB"):
        Budget.of(127 * MIB)
