"""The public fakes fail exactly where they are told to, and are otherwise as good as what they wrap."""

from __future__ import annotations

import pytest

from penstock.destinations.ports import Verdict
from penstock.errors import DestinationMissingError, RequestRefusedError, RetryableError, SupersededError
from penstock.limits import PartPlan, S3Limits
from penstock.model.object import Content, Target
from penstock.testing import (
    FailingSink,
    FailingSource,
    FaultyObjectStore,
    ManualDeadline,
    MemoryByteSource,
    MemoryObjectStore,
    Moment,
    ShortReads,
    changed,
    reset,
    slow_down,
)

DATA = bytes(range(256)) * 4
TARGET = Target("lake", "out")
TINY = PartPlan(first=100, largest=400, growth=2, s3=S3Limits(min_part=100))


def replace(existing: object) -> Verdict:
    return Verdict.REPLACE


@pytest.mark.parametrize("at", [0, 1, 63, 64, 65, 1000, 1024])
def test_a_failing_source_yields_exactly_so_many_bytes_first(at: int) -> None:
    error = reset()
    got: list[bytes] = []
    with pytest.raises(RetryableError) as caught:
        got.extend(FailingSource(MemoryByteSource(DATA, piece=64), at, error).chunks())
    assert caught.value is error
    assert b"".join(got) == DATA[:at]


def test_a_source_that_is_to_fail_behind_its_end_does_not() -> None:
    assert b"".join(FailingSource(MemoryByteSource(DATA), len(DATA) + 1, reset()).chunks()) == DATA


def test_short_reads_change_the_pieces_only_and_the_same_way_each_time() -> None:
    def pieces(seed: int) -> list[bytes]:
        return list(ShortReads(MemoryByteSource(DATA, piece=100), longest=7, seed=seed).chunks())

    assert b"".join(pieces(1)) == DATA
    assert {len(piece) for piece in pieces(1)} == set(range(1, 8))
    assert pieces(1) == pieces(1) != pieces(2)


def test_faults_are_the_errors_that_the_adapter_raises() -> None:
    assert isinstance(slow_down(), RetryableError)
    assert isinstance(reset(), RetryableError)
    assert isinstance(changed(), SupersededError)


@pytest.mark.parametrize(
    ("moment", "stands"), [(Moment.WRITE, False), (Moment.PUBLISH, False), (Moment.PUBLISHED, True)]
)
def test_a_failing_sink_fails_at_its_moment_and_leaves_what_that_moment_leaves(moment: Moment, stands: bool) -> None:
    good = MemoryObjectStore("lake", plan=TINY)
    store = FaultyObjectStore(good, sink=lambda sink: FailingSink(sink, reset(), moment, at=300))

    def deliver() -> None:
        with store.open_sink(TARGET, Content(), replace) as sink:
            for start in range(0, len(DATA), 50):
                sink.write(DATA[start : start + 50])
            sink.publish(crc32=None)

    with pytest.raises(RetryableError):
        deliver()
    assert (store.head("lake", "out") is not None) == stands
    assert good.uploads == {}


def test_a_faulty_store_wraps_what_it_opens_and_nothing_else() -> None:
    good = MemoryObjectStore("drops")
    source = good.put("drops", "in", DATA)
    store = FaultyObjectStore(good, source=lambda inner: FailingSource(inner, 10, changed()))
    assert store.head("drops", "in") == good.head("drops", "in")
    with pytest.raises(SupersededError):
        list(store.open_source(source).chunks())
    good.create_upload(Target("drops", "out"))
    store.sweep(Target("drops", "out"))
    assert good.uploads == {}


def test_the_store_in_memory_refuses_parts_that_are_too_small() -> None:
    store = MemoryObjectStore("lake", plan=PartPlan(first=10, largest=10))
    with store.open_sink(TARGET, Content(), replace) as sink:
        sink.write(DATA)
        with pytest.raises(RequestRefusedError, match="EntityTooSmall"):
            sink.publish(crc32=None)
    assert store.keys("lake") == []


def test_the_store_in_memory_knows_its_buckets_and_lists_what_stands() -> None:
    store = MemoryObjectStore("drops")
    for key in ("b", "a", "deleted"):
        store.put("drops", key, DATA)
    store.delete("drops", "deleted")
    assert store.keys("drops") == ["a", "b"]
    with pytest.raises(DestinationMissingError):
        store.put("lake", "key", DATA)


def test_time_passes_only_when_told_to() -> None:
    deadline = ManualDeadline(10)
    assert (deadline.remaining(), deadline.remaining()) == (10, 10)
    deadline.pass_time(4)
    assert deadline.remaining() == 6
    ticking = ManualDeadline(10, per_look=1)
    assert [ticking.remaining() for _ in range(3)] == [10, 9, 8]
