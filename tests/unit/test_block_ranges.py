"""Small ranges of a source share the requests of blocks."""

from __future__ import annotations

from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from random import Random

import pytest

from penstock.delivery.block_ranges import BlockRanges
from penstock.errors import ServiceUnavailableError

DATA = Random(1).randbytes(1000)


class Ranges:
    """Counts requests. ``failures``: how many of the first ones fail."""

    def __init__(self, failures: int = 0) -> None:
        self.asked: list[tuple[int, int]] = []
        self.failures = failures

    @property
    def size(self) -> int:
        return len(DATA)

    def read(self, start: int, end: int) -> Generator[bytes, None, None]:
        self.asked.append((start, end))
        if len(self.asked) <= self.failures:
            raise ServiceUnavailableError("S3 is down")
        for at in range(start, end, 7):
            yield DATA[at : min(at + 7, end)]


def read(ranges: BlockRanges, start: int, end: int) -> bytes:
    return b"".join(ranges.read(start, end))


@pytest.mark.parametrize("block", [1, 7, 64, 999, 1000, 5000])
def test_any_range_is_what_the_source_has(block: int) -> None:
    ranges, random = BlockRanges(Ranges(), block=block, blocks=2), Random(block)
    for _ in range(200):
        start, end = sorted((random.randint(0, len(DATA)), random.randint(0, len(DATA))))
        assert read(ranges, start, end) == DATA[start:end]


def test_ranges_of_one_block_share_its_request() -> None:
    source = Ranges()
    ranges = BlockRanges(source, block=100)
    for start in range(200, 300, 10):
        read(ranges, start, start + 10)
    assert source.asked == [(200, 300)]


def test_a_range_longer_than_a_block_has_a_request_of_its_own() -> None:
    source = Ranges()
    read(BlockRanges(source, block=100), 250, 351)
    assert source.asked == [(250, 351)]


def test_the_block_that_was_not_used_for_longest_is_forgotten() -> None:
    source = Ranges()
    ranges = BlockRanges(source, block=100, blocks=2)
    for start in (0, 100, 0, 200, 0, 100):
        read(ranges, start, start + 1)
    assert source.asked == [(0, 100), (100, 200), (200, 300), (100, 200)]


def test_threads_that_need_a_block_wait_for_one_request() -> None:
    source = Ranges()
    ranges = BlockRanges(source, block=500)
    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(lambda start: read(ranges, start, start + 5), range(0, 1000, 5)))
    assert b"".join(found) == DATA
    assert sorted(source.asked) == [(0, 500), (500, 1000)]


def test_a_request_that_failed_is_sent_again_for_the_next_one() -> None:
    ranges = BlockRanges(Ranges(failures=1), block=100)
    with pytest.raises(ServiceUnavailableError):
        read(ranges, 0, 1)
    assert read(ranges, 0, 1) == DATA[:1]
