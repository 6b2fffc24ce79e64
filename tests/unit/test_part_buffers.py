"""Buffers are few, used again, and never more bytes than allowed."""

from __future__ import annotations

import random
import zlib
from threading import Event, Thread

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.aws.s3.part_buffers import BufferPool, PartBuffer


def fill(buffer: PartBuffer, data: bytes) -> int:
    return buffer.fill(memoryview(data))


@given(st.lists(st.binary(max_size=40), max_size=12), st.integers(1, 100), st.integers(1, 3))
def test_a_buffer_holds_what_fits_however_often_it_was_used_before(
    chunks: list[bytes], capacity: int, uses: int
) -> None:
    buffer = PartBuffer(capacity)
    for _ in range(uses):
        buffer.clear()
        taken = sum(fill(buffer, chunk) for chunk in chunks)
        assert bytes(buffer.body()) == b"".join(chunks)[:capacity]
        assert taken == len(buffer.body())
        assert buffer.full == (taken == capacity)
        assert buffer.crc32 == zlib.crc32(buffer.body())


def test_a_small_object_takes_no_more_memory_than_it_has_bytes() -> None:
    buffer = PartBuffer(8 * 1024 * 1024)
    fill(buffer, b"small")
    assert buffer.body().__sizeof__() < 1000


def test_a_full_buffer_is_handed_out_without_a_copy_and_used_again() -> None:
    pool = BufferPool(limit=20, count=2)
    buffer = pool.take(10)
    fill(buffer, b"0123456789")
    memory = buffer.body()
    pool.give(buffer)
    again = pool.take(10)
    fill(again, b"abcdefghij")
    assert again.body() is memory
    assert memory == b"abcdefghij"


@pytest.mark.parametrize(("limit", "count"), [(30, 3), (1000, 3), (30, 1000)], ids=["both", "by count", "by bytes"])
def test_no_more_buffers_than_allowed_are_out_at_once(limit: int, count: int) -> None:
    pool = BufferPool(limit, count)
    first, *_ = [pool.take(10) for _ in range(3)]
    got = Event()

    def wait_for_one() -> None:
        pool.take(10)
        got.set()

    waiting = Thread(target=wait_for_one)
    waiting.start()
    assert not got.wait(0.05)
    pool.give(first)
    waiting.join()
    assert got.is_set()
    assert pool.allocated == 30


def test_larger_parts_take_the_place_of_smaller_ones() -> None:
    pool = BufferPool(limit=30, count=3)
    small = [pool.take(10) for _ in range(3)]
    for buffer in small:
        pool.give(buffer)
    assert pool.take(20).capacity == 20
    assert pool.allocated == 20


def test_many_threads_never_hold_more_than_the_limit() -> None:
    pool = BufferPool(limit=64, count=4)
    seen: list[int] = []

    def work(seed: int) -> None:
        for capacity in sorted(random.Random(seed).choices([8, 16, 32], k=50)):
            buffer = pool.take(capacity)
            seen.append(pool.allocated)
            pool.give(buffer)

    threads = [Thread(target=work, args=(seed,)) for seed in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(seen) == 300
    assert max(seen) <= 64
