"""How long things take: what the CPU needs, or what the network does."""

from __future__ import annotations

import pytest

from penstock.explain.explanation import indexing_seconds
from penstock.large_jobs.estimate import VCPU, bytes_per_second
from penstock.limits import MIB


@pytest.mark.parametrize(
    ("codec", "store", "memory", "rate"),
    [
        # In and out pass the same 75 MB/s.
        ("identity", "bucket", VCPU, 37.5e6),
        ("gzip", "bucket", VCPU, 75e6 * 6 / 7),
        ("gzip", "bucket", 10_240 * MIB, 75e6 * 6 / 7),
        # CPU.
        ("gzip", "bucket", VCPU // 10, 25e6),
        ("bzip2", "bucket", VCPU, 30e6),
        ("gzip", "postgresql", VCPU, 25e6),
        ("identity", "dynamodb", VCPU, 25e6),
    ],
)
def test_the_slower_of_cpu_and_network_counts(codec: str, store: str, memory: int, rate: float) -> None:
    assert bytes_per_second(codec, memory, parsed=store != "bucket") == pytest.approx(rate)


def test_an_index_pass_reads_and_sends_nothing() -> None:
    assert indexing_seconds(75_000_000, 100_000_000, VCPU) == pytest.approx(1)
    assert indexing_seconds(75_000_000, 900_000_000, VCPU) == pytest.approx(2)
