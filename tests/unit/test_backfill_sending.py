"""Sending a backfill: what is sent, how fast, and where it goes on after any interruption."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial

import pytest

from backfill_fakes import (
    Clock,
    MemoryMessages,
    MemoryRecords,
    SortedOrigin,
    UnsortedOrigin,
    Watching,
    found,
    selection,
)
from penstock.backfill.model import BackfillCounts, FoundObject, Missing
from penstock.backfill.ports import Origin
from penstock.backfill.selection import Selection
from penstock.backfill.sending import BATCH_BYTES, MESSAGES, RECORDS, Sender
from penstock.backfill.state import BackfillState, from_text, to_text
from penstock.errors import ConfigurationError, ServiceUnavailableError, StateFileError
from penstock.limits import MIB
from penstock.model.job_status import JobState
from penstock.routes import StackBuckets

KEYS = [f"in/{number:05}" for number in range(350)]


class KilledError(BaseException):
    """The process ends."""


@dataclass
class Plant:
    queue: MemoryMessages = field(default_factory=MemoryMessages)
    records: MemoryRecords = field(default_factory=MemoryRecords)
    observer: Watching = field(default_factory=Watching)
    clock: Clock = field(default_factory=Clock)
    selection: Selection = field(default_factory=selection)
    saved: str = field(default_factory=lambda: to_text(BackfillState("options", backlog=100)))
    saves: bool = True

    def send(self, origin: Origin, rate: float = 1e9) -> BackfillCounts:
        sender = Sender(
            self.queue, self.records, self.selection, self.observer, self.save, rate, self.clock, self.clock.sleep
        )
        return sender(origin, from_text(self.saved, "state"))

    def save(self, state: BackfillState) -> None:
        if self.saves:
            self.saved = to_text(state)

    def keys(self) -> list[str]:
        return [source.key for source in self.queue.sources()]


@pytest.fixture
def plant() -> Plant:
    return Plant()


def objects(keys: list[str] = KEYS, **more: object) -> list[FoundObject]:
    return [found(key, **more) for key in keys]  # type: ignore[arg-type]


def test_every_object_is_sent_once_in_order(plant: Plant) -> None:
    counts = plant.send(SortedOrigin(objects()))
    assert plant.keys() == KEYS
    assert (counts.sent, counts.seen) == (350, 350)


def test_a_source_is_that_of_its_event_without_a_sequencer(plant: Plant) -> None:
    plant.send(SortedOrigin(objects(["in/a b+é%2F\t"])))
    (source,) = plant.queue.sources()
    assert (source.bucket, source.key, source.size, source.etag, source.version_id) == (
        "drops",
        "in/a b+é%2F\t",
        10,
        "e1",
        "v1",
    )
    assert (source.listed, source.sequencer, source.event_time) == (True, "", "1970-01-01T00:16:40+00:00")


def test_small_objects_share_a_message_and_messages_a_request(plant: Plant) -> None:
    plant.send(SortedOrigin(objects()))
    assert len(plant.queue.bodies) == -(-350 // RECORDS)
    assert max(plant.queue.batches) == MESSAGES


def test_a_larger_object_has_a_message_of_its_own_in_its_place(plant: Plant) -> None:
    plant.send(SortedOrigin([found("in/a"), found("in/b", size=2 * MIB), found("in/c"), found("in/d")]))
    assert plant.keys() == ["in/a", "in/b", "in/c", "in/d"]
    assert len(plant.queue.bodies) == 3


def test_long_keys_stay_below_the_size_of_a_request(plant: Plant) -> None:
    plant.send(SortedOrigin(objects([f"in/{number:05}" + "é" * 507 for number in range(300)])))
    assert len(plant.keys()) == 300
    bodies = iter(plant.queue.bodies)
    sizes = [sum(len(next(bodies).encode()) for _ in range(count)) for count in plant.queue.batches]
    assert max(sizes) <= BATCH_BYTES
    assert len(sizes) > 3


def test_what_is_on_record_is_not_sent(plant: Plant) -> None:
    plant.records.states = {KEYS[0]: JobState.SUCCEEDED, KEYS[1]: JobState.RUNNING, KEYS[2]: JobState.FAILED}
    counts = plant.send(SortedOrigin(objects(KEYS[:5])))
    assert plant.keys() == KEYS[3:5]
    assert (counts.sent, counts.done, counts.failed) == (2, 2, 1)


def test_what_is_left_out_is_counted_by_its_reason(plant: Plant) -> None:
    plant.selection = selection(patterns=["in/*", "other", "quarantine/*"])
    entries: list[FoundObject | Missing] = [
        found("in/1"),
        found("in/2", storage_class="GLACIER", archived=True),
        found("in/3", storage_class="DEEP_ARCHIVE", archived=True),
        Missing("s3://drops/in/4", "in/4"),
        found("orders/1"),
        found("other"),
        found("quarantine/orders/1"),
    ]
    counts = plant.send(SortedOrigin(entries))
    assert (counts.sent, counts.filtered, counts.no_route, counts.moved, counts.missing) == (1, 1, 1, 1, 1)
    assert counts.archived == {"GLACIER": 1, "DEEP_ARCHIVE": 1}


def test_an_empty_folder_marker_is_treated_like_its_event(plant: Plant) -> None:
    plant.send(SortedOrigin([found("in/folder/", size=0), found("outside/", size=0)]))
    assert plant.keys() == ["in/folder/"]


def test_a_route_by_name_sends_only_what_that_route_takes(plant: Plant) -> None:
    plant.selection = selection(names=["copy"])
    counts = plant.send(SortedOrigin([found("in/1"), found("orders/1")]))
    assert plant.keys() == ["in/1"]
    assert counts.filtered == 1


def test_times_are_from_since_and_before_until(plant: Plant) -> None:
    plant.selection = selection(since=1000.0, until=2000.0)
    plant.send(SortedOrigin([found(f"in/{at:04}", modified=at) for at in (999, 1000, 1999, 2000)]))
    assert plant.keys() == ["in/1000", "in/1999"]


def test_an_unknown_route_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="'order'") as refused:
        selection(names=["order"])
    assert "orders, copy" in refused.value.hint


def test_a_bucket_that_the_stack_cannot_read_is_refused(plant: Plant) -> None:
    plant.selection = selection(buckets=StackBuckets(("others",), ()))
    with pytest.raises(ConfigurationError, match="drops") as refused:
        plant.send(SortedOrigin([found("in/1")]))
    assert "SourceBucketNames" in refused.value.hint


def test_again_marks_every_source_so_that_its_job_is_new(plant: Plant) -> None:
    plant.send(SortedOrigin(objects(KEYS[:1])))
    plant.saved, plant.selection = Plant().saved, selection(again="n1")
    plant.send(SortedOrigin(objects(KEYS[:1])))
    once, again = plant.queue.sources()
    assert again.again == "n1"
    assert once.identity != again.identity


class TestPace:
    def test_the_rate_is_kept(self, plant: Plant) -> None:
        plant.send(SortedOrigin(objects()), rate=50)
        assert 250 / 50 <= plant.clock.now <= 350 / 50

    @pytest.mark.parametrize("rate", [0.5, 3, 7, 25])
    def test_a_low_rate_sends_no_more_than_a_second_at_once(self, plant: Plant, rate: float) -> None:
        plant.send(SortedOrigin(objects(KEYS[:60])), rate=rate)
        assert plant.keys() == KEYS[:60]
        bodies = iter(plant.queue.bodies)
        sizes = [sum(next(bodies).count('"eTag"') for _ in range(count)) for count in plant.queue.batches]
        assert max(sizes) <= max(1, rate)

    def test_a_deep_queue_pauses_until_it_is_less_deep(self, plant: Plant) -> None:
        depths = iter([101, 150, 100, *[0] * 1000])
        plant.queue.depth = lambda: next(depths)
        plant.send(SortedOrigin(objects()))
        assert plant.observer.pauses == [101, 150]

    def test_nothing_is_caught_up_after_a_pause(self, plant: Plant) -> None:
        depths = iter([0, *[500] * 50, *[0] * 1000])
        plant.queue.depth = lambda: next(depths)
        plant.send(SortedOrigin(objects()), rate=50)
        assert plant.clock.now >= 50 * 2 + 150 / 50


class TestInterruption:
    @pytest.mark.parametrize("saves", [True, False], ids=["interrupted", "killed"])
    @pytest.mark.parametrize("place", ["before", "after"])
    def test_at_any_request_loses_nothing(self, saves: bool, place: str) -> None:
        """``after``: SQS has the messages, and the answer is lost."""
        for fatal in range(1, 5):
            plant = Plant(saves=True)
            setattr(plant.queue, place, failing(fatal, partial(setattr, plant, "saves", saves)))
            with pytest.raises(KilledError):
                plant.send(SortedOrigin(objects()))
            setattr(plant.queue, place, lambda: None)
            plant.saves = True
            counts = plant.send(SortedOrigin(objects()))
            assert set(plant.keys()) == set(KEYS)
            assert counts.seen == 350
            # What one request held, and without a last save what the last second held, is sent again.
            assert len(plant.keys()) <= 350 + (100 if saves else 350)

    def test_goes_on_behind_what_was_sent(self, plant: Plant) -> None:
        plant.queue.before = failing(3, lambda: None)
        with pytest.raises(KilledError):
            plant.send(SortedOrigin(objects()))
        assert len(plant.keys()) == 200
        plant.queue.before = lambda: None
        plant.send(SortedOrigin(objects()))
        assert plant.keys() == KEYS

    def test_of_an_unsorted_listing_begins_again_and_sends_nothing_that_is_on_record(self, plant: Plant) -> None:
        entries = [replace(found(key), position="") for key in reversed(KEYS)]
        plant.queue.before = failing(3, lambda: None)
        with pytest.raises(KilledError):
            plant.send(UnsortedOrigin(entries))
        plant.queue.before = lambda: None
        plant.records.states = dict.fromkeys(plant.keys(), JobState.SUCCEEDED)
        plant.send(UnsortedOrigin(entries))
        assert sorted(plant.keys()) == KEYS

    def test_by_a_failing_service_keeps_the_state(self, plant: Plant) -> None:
        def fail() -> None:
            raise ServiceUnavailableError("busy")

        plant.queue.before = fail
        with pytest.raises(ServiceUnavailableError):
            plant.send(SortedOrigin(objects()))
        assert from_text(plant.saved, "state").position == ""


def failing(fatal: int, then: Callable[[], None]) -> Callable[[], None]:
    """Fails at one call."""
    calls: Iterator[int] = iter(range(1, 1000))

    def fail() -> None:
        if next(calls) == fatal:
            then()
            raise KilledError

    return fail


def test_a_state_survives_its_file() -> None:
    counts = BackfillCounts(1, 2, 3, 4, 5, 6)
    counts.archived["GLACIER"] = 7
    state = BackfillState("digest", "in/é\x01", 1.5, None, "n1", 100, 50, 2.5, counts)
    assert from_text(to_text(state), "state") == state


@pytest.mark.parametrize(
    "text", ["", "{}", "[1]", '{"penstock_backfill": 2}', '{"penstock_backfill": 1, "counts": 3}', '{"counts": {}}']
)
def test_another_file_is_no_state(text: str) -> None:
    with pytest.raises(StateFileError, match="somewhere"):
        from_text(text, "somewhere")
