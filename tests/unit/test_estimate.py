"""How long things take: what the CPU needs, or what the network does."""

from __future__ import annotations

import pytest

from penstock.explain.explanation import indexing_seconds
from penstock.large_jobs.estimate import VCPU, bytes_per_second
from penstock.limits import MIB
from penstock.model.route import Store


@pytest.mark.parametrize(
    ("codec", "store", "memory", "rate"),
    [
        # In and out pass the same 75 MB/s.
        ("identity", Store.BUCKET, VCPU, 37.5e6),
        ("gzip", Store.BUCKET, VCPU, 75e6 * 6 / 7),
        ("gzip", Store.BUCKET, 10_240 * MIB, 75e6 * 6 / 7),
        # CPU.
        ("gzip", Store.BUCKET, VCPU // 10, 25e6),
        ("bzip2", Store.BUCKET, VCPU, 30e6),
        ("gzip", Store.POSTGRESQL, VCPU, 25e6),
        ("identity", Store.DYNAMODB, VCPU, 25e6),
    ],
)
def test_the_slower_of_cpu_and_network_counts(codec: str, store: Store, memory: int, rate: float) -> None:
    assert bytes_per_second(codec, store, memory) == pytest.approx(rate)


def test_an_index_pass_reads_and_sends_nothing() -> None:
    assert indexing_seconds(75_000_000, 100_000_000, VCPU) == pytest.approx(1)
    assert indexing_seconds(75_000_000, 900_000_000, VCPU) == pytest.approx(2)
