"""Jobs of listed objects beside those of events: one delivery for each upload, and the newest content at the end."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import islice, permutations

import pytest

from functional import test_ingest, test_small_batches
from functional.test_ingest import TINY_PARTS
from functional.test_small_batches import people
from lengths import IS_LONG
from penstock.jobs.events import notification
from penstock.jobs.ingest import Ingest, Report
from penstock.model.job_status import JobState
from penstock.model.object import Source
from penstock.routes import parse_routes
from penstock.testing import ManualDeadline, MemoryJobStore, MemoryObjectStore
from postgres_database import Database

pytest_plugins = ["postgres_fixtures"]

VERSIONED = pytest.mark.parametrize("unversioned", [(), ("drops",)], ids=["versions", "none"])


def listed(source: Source, again: str = "") -> Source:
    """What a listing finds of an upload."""
    return replace(source, sequencer="", listed=True, again=again)


def handle(ingest: Ingest, *messages: Sequence[Source], receives: int = 1) -> Report:
    records = [
        {
            "messageId": f"message-{number}",
            "receiptHandle": f"handle-{number}",
            "body": notification(*sources),
            "eventSource": "aws:sqs",
            "eventSourceARN": "arn:aws:sqs:us-east-1:000000000000:penstock-ingest",
            "attributes": {"ApproximateReceiveCount": str(receives)},
        }
        for number, sources in enumerate(messages)
    ]
    return ingest.handle({"Records": records}, ManualDeadline(900))


# A bucket


class Copies(test_ingest.Plant):
    """Copies objects of one key, by events and by listings."""

    def upload(self, data: bytes) -> Source:
        return self.drop("a.plain", data)

    def arrive(self, source: Source) -> JobState | None:
        (outcome,) = handle(self.ingest(), [source]).outcomes
        return outcome.state

    @property
    def result(self) -> bytes:
        return self.delivered("a.plain")


@pytest.fixture
def copies(unversioned: tuple[str, ...]) -> Copies:
    return Copies(store=MemoryObjectStore("drops", "lake", "work", unversioned=unversioned, plan=TINY_PARTS))


@VERSIONED
class TestACopy:
    def test_of_an_object_without_an_event(self, copies: Copies) -> None:
        assert copies.arrive(listed(copies.upload(b"one"))) is JobState.SUCCEEDED
        assert copies.result == b"one"

    def test_is_made_once_for_a_repeated_listing(self, copies: Copies) -> None:
        source = listed(copies.upload(b"one"))
        copies.arrive(source)
        published = copies.store.get("lake", "a.plain")
        copies.arrive(source)
        assert copies.store.get("lake", "a.plain") is published

    def test_is_not_made_of_what_an_event_has_delivered(self, copies: Copies) -> None:
        source = copies.upload(b"one")
        copies.arrive(source)
        published = copies.store.get("lake", "a.plain")
        assert copies.arrive(listed(source)) is JobState.SUCCEEDED
        assert copies.store.get("lake", "a.plain") is published

    def test_replaces_an_older_result_whose_event_was_the_last(self, copies: Copies) -> None:
        copies.arrive(copies.upload(b"old"))
        copies.arrive(listed(copies.upload(b"new")))
        assert copies.result == b"new"

    def test_replaces_the_result_of_another_meaning_of_the_route(self, copies: Copies) -> None:
        source = copies.upload(b"one")
        copies.arrive(source)
        before = copies.store.get("lake", "a.plain")
        copies.routes = copies.routes.replace("100 MiB", "200 MiB")
        assert copies.arrive(listed(source)) is JobState.SUCCEEDED
        assert copies.store.get("lake", "a.plain") is not before

    def test_is_not_made_of_an_object_that_was_overwritten(self, copies: Copies) -> None:
        old = copies.upload(b"old")
        new = copies.upload(b"new")
        assert copies.arrive(listed(old)) is JobState.SUPERSEDED
        copies.arrive(new)
        assert copies.arrive(listed(old)) is JobState.SUPERSEDED
        assert copies.result == b"new"

    def test_is_not_made_of_an_object_that_was_deleted(self, copies: Copies) -> None:
        old = copies.upload(b"old")
        copies.store.delete("drops", "a.plain")
        assert copies.arrive(listed(old)) is JobState.SUPERSEDED

    @pytest.mark.long
    def test_ends_with_the_newest_content_in_any_order(self, copies: Copies) -> None:
        """Events of three uploads and listings of each arrive in any order after the last upload."""
        for order in islice(permutations(range(6)), 0, None, 1 if IS_LONG else 7):
            plant = Copies(store=MemoryObjectStore("drops", "lake", unversioned=copies.store._unversioned))
            uploads = [plant.upload(data) for data in (b"one", b"two", b"one" if order[0] % 2 else b"three")]
            newest = plant.store.get("drops", "a.plain")
            arrivals = [*uploads, *map(listed, uploads)]
            for number in order:
                plant.arrive(arrivals[number])
            assert newest
            assert plant.result == newest.data, order

    def test_ends_with_the_newest_content_while_objects_are_uploaded(self, copies: Copies) -> None:
        """Arrivals of each upload in any order between, and after, the uploads."""
        contents = (b"one", b"two", b"one")
        for late in range(1 << 4):
            plant = Copies(store=MemoryObjectStore("drops", "lake", unversioned=copies.store._unversioned))
            waiting: list[Source] = []
            for number, data in enumerate(contents):
                source = plant.upload(data)
                waiting += [source, listed(source)]
                if late >> number & 1:
                    waiting.reverse()
                for arrival in waiting[number % 2 :]:
                    plant.arrive(arrival)
                waiting = waiting[: number % 2] if late & 8 else waiting
            for arrival in waiting:
                plant.arrive(arrival)
            assert plant.result == b"one", late

    def test_is_made_again_by_again(self, copies: Copies) -> None:
        source = copies.upload(b"one")
        copies.arrive(source)
        before = copies.store.get("lake", "a.plain")
        assert copies.arrive(listed(source, "n1")) is JobState.SUCCEEDED
        after = copies.store.get("lake", "a.plain")
        assert after is not before
        copies.arrive(listed(source, "n1"))
        assert copies.store.get("lake", "a.plain") is after

    def test_whose_record_has_expired_is_found_at_the_destination(self, copies: Copies) -> None:
        source = listed(copies.upload(b"one"))
        copies.arrive(source)
        published = copies.store.get("lake", "a.plain")
        copies.jobs = MemoryJobStore(copies.clock)
        assert copies.arrive(source) is JobState.SUCCEEDED
        assert copies.store.get("lake", "a.plain") is published

    def test_keeps_a_newer_result_whose_record_has_expired(self, copies: Copies) -> None:
        copies.arrive(copies.upload(b"old"))
        copies.jobs = MemoryJobStore(copies.clock)
        copies.arrive(listed(copies.upload(b"new")))
        assert copies.result == b"new"

    def test_that_was_interrupted_is_taken_over(self, copies: Copies) -> None:
        source = listed(copies.upload(b"one"))
        copies.objects = Interrupted(copies.store)  # type: ignore[assignment]  # its attributes are those of the store
        with pytest.raises(KeyboardInterrupt):
            copies.arrive(source)
        copies.objects = copies.store
        assert copies.arrive(source) is None  # its lease has not ended
        copies.clock.now += 61
        assert copies.arrive(source) is JobState.SUCCEEDED
        assert copies.result == b"one"


@VERSIONED
class TestWhileAJobRuns:
    @pytest.mark.parametrize("first", [listed, lambda source: source], ids=["listed", "event"])
    @pytest.mark.parametrize("second", [listed, lambda source: source], ids=["listed", "event"])
    def test_a_newer_upload_wins(
        self, copies: Copies, first: Callable[[Source], Source], second: Callable[[Source], Source]
    ) -> None:
        def upload() -> None:
            copies.objects = copies.store
            copies.arrive(second(copies.upload(b"new")))

        old = first(copies.upload(b"old"))
        copies.objects = Meanwhile(copies.store, upload)  # type: ignore[assignment]  # as above
        state = copies.arrive(old)
        assert copies.result == b"new"
        assert state is JobState.SUPERSEDED

    def test_its_own_event_delivers_the_same(self, copies: Copies, unversioned: tuple[str, ...]) -> None:
        source = copies.upload(b"one")
        seen: list[JobState | None] = []

        def arrive() -> None:
            copies.objects = copies.store
            seen.append(copies.arrive(source))

        copies.objects = Meanwhile(copies.store, arrive)  # type: ignore[assignment]  # as above
        state = copies.arrive(listed(source))
        # The same job is running; without versions it is another one, whose newer order lets the first yield.
        assert (seen, state) == ([JobState.SUCCEEDED], JobState.SUPERSEDED) if unversioned else ([None], state)
        assert copies.result == b"one"


class Meanwhile:
    """A store in which something happens when the first source is opened."""

    def __init__(self, store: MemoryObjectStore, happen: Callable[[], None]) -> None:
        self._store = store
        self._happen = happen

    def __getattr__(self, name: str) -> object:
        if name == "open_source":
            self._happen()
        return getattr(self._store, name)


class Interrupted:
    """A store whose function is killed when it opens a source."""

    def __init__(self, store: MemoryObjectStore) -> None:
        self._store = store

    def __getattr__(self, name: str) -> object:
        if name == "open_source":
            raise KeyboardInterrupt
        return getattr(self._store, name)


# A table


class Rows(test_small_batches.Plant):
    """Appends rows to a table."""

    def __init__(self, database: Database, unversioned: tuple[str, ...], mode: str = "append") -> None:
        routes = people(mode=mode)
        super().__init__(database, routes if mode == "upsert" else routes.replace('key = ["id"]', ""))
        self.store = self.reader = MemoryObjectStore("drops", unversioned=unversioned)

    def upload(self, number: int) -> Source:
        return self.drop(f"{number}.csv", f"id,name\n{number},name {number}\n".encode())

    def arrive(self, *messages: Sequence[Source]) -> Report:
        return handle(self.ingest(), *messages)

    def count(self) -> int:
        return len(self.ids("people"))


@pytest.fixture
def rows(database: Database, unversioned: tuple[str, ...]) -> Rows:
    return Rows(database, unversioned)


@VERSIONED
class TestAppendedRows:
    def test_of_many_listed_objects_share_transactions(self, rows: Rows) -> None:
        found = [listed(rows.upload(number)) for number in range(20)]
        rows.arrive(found[:10], found[10:])
        assert rows.ids("people") == list(range(20))
        assert rows.transactions("people") == 1

    @pytest.mark.parametrize("together", [True, False], ids=["together", "alone"])
    @pytest.mark.long
    def test_are_added_once_by_events_and_listings(self, rows: Rows, together: bool) -> None:
        uploads = [rows.upload(number) for number in range(6)]
        found = list(map(listed, uploads))
        arrivals = [uploads[:4], found, uploads[2:], found]
        for arrival in arrivals:
            for part in [arrival] if together else [[source] for source in arrival]:
                rows.arrive(part)
        assert rows.ids("people") == list(range(6))

    def test_of_one_message_with_an_event_and_a_listing_are_added_once(self, rows: Rows) -> None:
        uploads = [rows.upload(number) for number in range(3)]
        report = rows.arrive(uploads, list(map(listed, uploads)))
        assert rows.ids("people") == list(range(3))
        assert not report.returned

    @pytest.mark.long
    def test_whose_records_have_expired_are_known_to_the_ledger(self, rows: Rows) -> None:
        found = [listed(rows.upload(number)) for number in range(4)]
        rows.arrive(found[:3])
        rows.arrive(found[3:])
        rows.forget_jobs()
        rows.arrive(found)
        rows.forget_jobs()
        for source in found:
            rows.arrive([source])
        assert rows.ids("people") == list(range(4))
        assert {status.state for status in rows.jobs.jobs.values()} == {JobState.SUCCEEDED}

    def test_whose_ledger_is_pruned_are_known_to_the_record(self, rows: Rows, database: Database) -> None:
        found = [listed(rows.upload(number)) for number in range(4)]
        rows.arrive(found)
        database.execute("DELETE FROM penstock_ledger")
        rows.arrive(found)
        assert rows.count() == 4

    def test_of_a_batch_that_was_killed_before_its_records_are_added_once(self, rows: Rows) -> None:
        """The batch of an event has committed, and the function died."""
        uploads = [rows.upload(number) for number in range(3)]
        rows.arrive(uploads)
        rows.jobs.jobs.clear()
        report = rows.arrive(list(map(listed, uploads)))
        rows.arrive(uploads)
        rows.arrive(list(map(listed, uploads)))
        assert rows.ids("people") == list(range(3))
        assert len(report.outcomes) == 3

    def test_are_added_again_by_again_once(self, rows: Rows) -> None:
        uploads = [rows.upload(number) for number in range(3)]
        rows.arrive(uploads)
        for _ in range(2):
            rows.arrive([listed(source, "n1") for source in uploads])
        assert rows.count() == 6


@VERSIONED
@pytest.mark.parametrize("mode", ["replace", "upsert"])
@pytest.mark.long
def test_a_table_ends_with_the_newest_content(database: Database, unversioned: tuple[str, ...], mode: str) -> None:
    for order in islice(permutations(range(4)), 0, None, 1 if IS_LONG else 5):
        rows = Rows(database, unversioned, mode)
        database.execute("DROP TABLE IF EXISTS people, penstock_ledger")
        uploads = [rows.drop("a.csv", f"id,name\n1,{name}\n".encode()) for name in ("old", "new")]
        arrivals = [*uploads, *map(listed, uploads)]
        for number in order:
            rows.arrive([arrivals[number]])
        assert database.execute("SELECT name FROM people") == [("new",)], order


def test_rows_of_events_on_unversioned_buckets_are_added_again_after_the_retention(database: Database) -> None:
    """As documented: the ledger knows them by the sequencer of the event."""
    rows = Rows(database, ("drops",))
    uploads = [rows.upload(number) for number in range(2)]
    rows.arrive(uploads)
    rows.forget_jobs()
    rows.arrive(list(map(listed, uploads)))
    assert rows.count() == 4


ROUTE = """
[[route]]
name = "copy"
match = ["in/*"]
destination = "s3://lake/{key}"
"""
COMMENTED = """
# Copies what arrives.
[[route]]
destination="s3://lake/{key}"   # the lake
match = [
  "in/*",
]
name    = 'copy'
"""


def test_a_comment_changes_no_job_and_a_meaning_does() -> None:
    texts = [ROUTE, COMMENTED, ROUTE.replace("lake/", "lake/new/")]
    digests = [parse_routes(text, "routes.toml", {"source_bucket": "drops"}).routes[0].digest for text in texts]
    assert digests[0] == digests[1] != digests[2]
