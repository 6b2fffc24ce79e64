"""How a file is cut: never smaller, larger or more than S3 allows."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.errors import ConfigurationError, OutputTooLargeError
from penstock.limits import GIB, MIB, S3, TIB
from penstock.upload.parts import OWN_BYTES, plan_file, plan_stream


@given(st.integers(0, S3.max_object))
def test_parts_cover_the_file_and_keep_to_s3s_limits(size: int) -> None:
    plan = plan_file(size)
    assert S3.min_part <= plan.part_size <= S3.max_part
    assert plan.count <= S3.max_parts
    if size:
        assert plan.offset(plan.count) + plan.length(plan.count) == size
        assert 0 < plan.length(plan.count) <= plan.part_size


@pytest.mark.parametrize(
    ("size", "part_size", "count"),
    [
        (0, 8 * MIB, 0),
        (8 * MIB, 8 * MIB, 1),
        (8 * MIB + 1, 8 * MIB, 2),
        (80_000 * MIB, 8 * MIB, 10_000),
        (80_000 * MIB + 1, 9 * MIB, 8_889),
        (S3.max_object, 5 * GIB, 10_000),
    ],
)
def test_parts_are_of_8_mib_until_10_000_do_not_suffice(size: int, part_size: int, count: int) -> None:
    plan = plan_file(size)
    assert (plan.part_size, plan.count) == (part_size, count)


def test_a_file_beyond_s3s_largest_object_is_refused() -> None:
    with pytest.raises(OutputTooLargeError, match="the file has 53,687,091,200,001 bytes"):
        plan_file(S3.max_object + 1)


@pytest.mark.parametrize("part_size", [1, 5_000_000, 5 * MIB - 1, 5 * GIB + 1])
def test_a_part_size_that_s3_refuses_is_refused_before_anything_is_sent(part_size: int) -> None:
    with pytest.raises(ConfigurationError, match="5 MiB to 5,120 MiB"):
        plan_file(100 * MIB, part_size=part_size)
    with pytest.raises(ConfigurationError):
        plan_stream(1, part_size=part_size)


def test_a_part_size_of_which_there_would_be_too_many_names_the_smallest_that_fits() -> None:
    with pytest.raises(ConfigurationError) as refused:
        plan_file(100_000 * MIB, part_size=5 * MIB)
    assert "at least 10 MiB" in refused.value.hint
    assert plan_file(100_000 * MIB, part_size=10 * MIB).count == 10_000


def test_parts_of_a_stream_grow_so_that_they_hold_more_than_a_tebibyte() -> None:
    plan = plan_stream(10).parts
    assert (plan.size(1), plan.size(1001), plan.size(10_000)) == (8 * MIB, 16 * MIB, 512 * MIB)
    assert plan.capacity > 2 * TIB


def test_parts_of_a_stream_are_no_smaller_than_asked_for() -> None:
    plan = plan_stream(10, part_size=1 * GIB).parts
    assert (plan.size(1), plan.size(10_000)) == (1 * GIB, 1 * GIB)


@given(threads=st.integers(1, 256), memory=st.integers(128 * MIB, 8 * GIB))
def test_a_stream_fits_the_memory_that_there_is_to_its_last_part(threads: int, memory: int) -> None:
    plan = plan_stream(threads, memory=memory)
    assert 1 <= plan.threads <= threads
    assert OWN_BYTES + plan.threads * plan.parts.size(10_000) <= memory
    assert plan.parts.size(1) == 8 * MIB


def test_the_smallest_container_carries_a_stream_of_150_gib_on_three_threads() -> None:
    plan = plan_stream(10, memory=128 * MIB)
    assert (plan.threads, plan.parts.capacity > 150 * GIB) == (3, True)


def test_a_part_size_that_is_asked_for_stays_whatever_the_memory() -> None:
    plan = plan_stream(10, part_size=64 * MIB, memory=64 * MIB)
    assert (plan.threads, plan.parts.size(1)) == (1, 64 * MIB)
