"""Part sizes and the division of memory, from Lambda's smallest function to its largest."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.errors import ConfigurationError, OutputTooLargeError
from penstock.limits import GIB, MIB, RUNTIME_BYTES, S3, Budget, PartPlan, S3Limits

memories = st.integers(128, 10_240).map(lambda megabytes: megabytes * MIB)


@given(memories)
def test_the_buffers_fit_into_the_function(memory: int) -> None:
    budget = Budget.of(memory)
    reading = 2 * budget.read_chunk + 2 * budget.step + budget.window
    assert RUNTIME_BYTES + reading + budget.buffer_bytes <= memory


@given(memories)
def test_every_function_has_buffers_for_its_uploads_and_the_part_being_filled(memory: int) -> None:
    budget = Budget.of(memory)
    plan = PartPlan.within(budget)
    uploads = 2 if memory < 192 * MIB else budget.uploads
    assert (uploads + 1) * plan.size(1) <= budget.buffer_bytes


@given(memories)
def test_parts_are_larger_where_there_is_little_cpu(memory: int) -> None:
    size = PartPlan.within(Budget.of(memory)).first
    assert size % MIB == 0
    assert (8 * MIB < size <= 16 * MIB) if memory < 512 * MIB else size == 8 * MIB


@given(memories)
def test_the_largest_part_still_leaves_one_in_flight(memory: int) -> None:
    budget = Budget.of(memory)
    assert 2 * PartPlan.within(budget).size(S3.max_parts) <= budget.buffer_bytes


@given(memories, st.integers(1, S3.max_parts - 1))
def test_parts_never_shrink_and_keep_within_the_limits_of_s3(memory: int, number: int) -> None:
    plan = PartPlan.within(Budget.of(memory))
    assert S3.min_part <= plan.size(number) <= plan.size(number + 1) <= S3.max_part


def test_the_smallest_function_can_write_far_more_than_it_can_decode_in_15_minutes() -> None:
    assert PartPlan.within(Budget.of(128 * MIB)).capacity > 100 * GIB


@given(memories)
def test_capacity_is_the_sum_of_all_parts(memory: int) -> None:
    plan = PartPlan.within(Budget.of(memory))
    assert plan.capacity == min(sum(plan.size(n) for n in range(1, S3.max_parts + 1)), S3.max_object)


def test_one_part_too_many_is_refused_with_the_capacity() -> None:
    plan = PartPlan(first=4, largest=16, growth=2, s3=S3Limits(min_part=4, max_part=64, max_parts=5))
    assert [plan.size(n) for n in range(1, 6)] == [4, 4, 8, 8, 16]
    with pytest.raises(OutputTooLargeError, match="exceeds 40 bytes"):
        plan.size(6)


def test_less_memory_than_lambda_gives_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="127 MiB"):
        Budget.of(127 * MIB)
