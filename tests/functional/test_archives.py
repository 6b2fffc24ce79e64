"""Archives in `ingest`: every member once, by its own route, and an account of each. On fakes and PostgreSQL."""

from __future__ import annotations

import gzip
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Self

import pytest

from archive_plant import (
    ARCHIVES,
    AT_DESTINATION,
    CONTENTS,
    FILES,
    FLAT,
    NUMBERS,
    TABLES,
    WRITERS,
    KilledError,
    Plant,
    failed,
    ids_in,
    people,
    succeeded,
    zip_of,
)
from penstock.destinations.bucket.result_metadata import MADE_BY
from penstock.destinations.ports import BucketSink, PublishRule, ignore_upload
from penstock.errors import AccessDeniedError, ServiceUnavailableError
from penstock.limits import MIB
from penstock.model.job_status import JobState
from penstock.model.member import MemberCounts
from penstock.model.object import Content, ObjectHead, Published, Target
from penstock.testing import (
    FaultyObjectStore,
    ManualDeadline,
    MemoryObjectStore,
)
from penstock.testing.objects import MemoryBucketSink
from postgres_database import Database

pytest_plugins = ["postgres_fixtures"]


@pytest.mark.parametrize("key", WRITERS)
def test_every_member_goes_where_its_route_says(key: str) -> None:
    plant = Plant()
    outcome = succeeded(plant.one(plant.put(WRITERS[key](CONTENTS), key)))
    assert plant.lake() == AT_DESTINATION
    assert outcome.receipt
    assert outcome.receipt.bytes_out == sum(map(len, AT_DESTINATION.values()))
    assert [line["number"] for line in plant.results(outcome)] == [1, 2, 3, 4, 5]
    assert set(plant.states(outcome).values()) == {"succeeded"}
    assert outcome.receipt.members == MemberCounts(delivered=5, total=5)
    assert not plant.store.uploads


@pytest.mark.parametrize("key", WRITERS)
def test_what_the_route_leaves_out_or_no_route_takes_is_listed(key: str) -> None:
    plant = Plant(ARCHIVES + 'members = ["*.txt", "*.log.gz", "!large*"]\n' + FILES.replace("in/*", "in/*/a*"))
    outcome = succeeded(plant.one(plant.put(WRITERS[key](CONTENTS), key)))
    assert plant.lake() == {"a.txt": CONTENTS["a.txt"]}
    reasons = {line["name"]: line.get("reason", "") for line in plant.results(outcome)}
    assert reasons["b/c.bin"] == "route 'archives' leaves it out"
    assert reasons["z.log.gz"] == f"no route matches '{key}/z.log.gz'"
    assert outcome.receipt
    assert outcome.receipt.members == MemberCounts(delivered=1, skipped=4, total=1)


def test_the_record_of_an_archive_with_a_bad_member_counts_its_members() -> None:
    plant = Plant(ARCHIVES + FILES)
    data = zip_of({"good.txt": b"good", "bad.txt": b"damaged", "folder/": b""}, zipfile.ZIP_STORED)
    outcome = plant.one(plant.put(data.replace(b"damaged", b"Damaged")))
    status = plant.jobs.get(outcome.job_id)
    assert status
    assert (status.state, status.members) == (JobState.FAILED, MemberCounts(delivered=1, failed=1, total=2))
    assert status.progress.bytes_in == len("good")
    (hint,) = [line["failure"]["hint"] for line in plant.results(outcome) if line["state"] == "failed"]
    assert hint.startswith("Ask the sender for the member again, in another archive")


def test_a_second_event_of_the_same_archive_writes_nothing() -> None:
    plant = Plant()
    source = plant.put(zip_of(CONTENTS))
    succeeded(plant.one(source))
    assert plant.one(source, receives=2).repeat
    assert plant.versions() == len(CONTENTS)


class AskedStore(MemoryObjectStore):
    """Notes which destinations are looked at, and which are written as new."""

    def __init__(self) -> None:
        super().__init__("drops", "lake", "work")
        self.looked: list[str] = []
        self.new: list[bool] = []

    def head(self, bucket: str, key: str, *, version_id: str = "") -> ObjectHead | None:
        self.looked += [key] if bucket == "lake" else []
        return super().head(bucket, key, version_id=version_id)

    def open_sink(
        self,
        target: Target,
        content: Content,
        rule: PublishRule,
        created: Callable[[str], None] = ignore_upload,
        *,
        is_new: bool = False,
    ) -> MemoryBucketSink:
        self.new.append(is_new)
        return super().open_sink(target, content, rule, created, is_new=is_new)


def test_small_members_are_put_with_one_request_each_where_the_first_key_is_free() -> None:
    store = AskedStore()
    plant = Plant(store=store)
    succeeded(plant.one(plant.put(zip_of({f"{n:02}.txt": b"%d" % n for n in range(20)}))))
    assert len(store.looked) == 1
    assert store.new == [True] * 20
    succeeded(plant.one(plant.put(zip_of({f"{n:02}.txt": b"new %d" % n for n in range(20)}))))
    assert store.new == [True] * 20 + [False] * 20
    assert plant.lake()["07.txt"] == b"new 7"


class DyingSink:
    """Dies before it publishes. Wraps a ``BucketSink``."""

    def __init__(self, inner: BucketSink, deaths: Deaths) -> None:
        self.inner = inner
        self.deaths = deaths

    def __enter__(self) -> Self:
        self.inner.__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        self.inner.__exit__(*error)

    def write(self, chunk: bytes | memoryview) -> None:
        self.inner.write(chunk)

    def publish(self, *, crc32: int | None) -> Published:
        self.deaths.left -= 1
        if self.deaths.left < 0:
            raise self.deaths.error
        return self.inner.publish(crc32=crc32)


@dataclass
class Deaths:
    """After ``left`` members, every publication raises ``error``."""

    left: int
    error: Exception


@pytest.mark.parametrize("error", [KilledError(), ServiceUnavailableError("S3 is down")])
@pytest.mark.parametrize("key", WRITERS)
@pytest.mark.parametrize("after", range(5))
def test_the_next_attempt_delivers_what_is_missing(key: str, after: int, error: Exception) -> None:
    plant = Plant()
    source = plant.put(WRITERS[key](CONTENTS), key)
    deaths = Deaths(after, error)
    plant.objects = FaultyObjectStore(plant.store, sink=lambda good: DyingSink(good, deaths))
    if isinstance(error, KilledError):
        with pytest.raises(KilledError):
            plant.one(source)
        plant.clock.now += 3600
    else:
        assert plant.one(source).retry
    before = plant.versions()
    assert before <= after
    plant.objects = plant.store
    outcome = succeeded(plant.one(source, receives=2))
    assert plant.lake() == AT_DESTINATION
    assert plant.versions() == len(CONTENTS)
    assert len(plant.results(outcome)) == len(CONTENTS)


def damaged(data: bytes, content: bytes) -> bytes:
    """Change a byte of a stored member."""
    at = data.index(content)
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


BAD = damaged(zip_of(CONTENTS, zipfile.ZIP_STORED), CONTENTS["b/c.bin"])


def test_a_damaged_member_is_not_published_and_the_others_are() -> None:
    plant = Plant()
    outcome = failed(plant.one(plant.put(BAD)), "MembersFailedError", "s3://drops/in/a.zip: 1 member not delivered: ")
    assert outcome.failure
    assert "b/c.bin: s3://drops/in/a.zip/b/c.bin: CRC32" in outcome.failure.message.replace("the CRC32", "CRC32")
    assert f"s3://work/jobs/{outcome.job_id}/members.jsonl" in outcome.failure.message
    assert plant.lake() == {name: data for name, data in AT_DESTINATION.items() if name != "b/c.bin"}
    assert plant.states(outcome)["b/c.bin"] == "failed"
    assert not plant.store.uploads


def test_a_failure_ends_an_archive_whose_route_says_so() -> None:
    plant = Plant(ARCHIVES + 'on_member_failure = "fail"\n' + FILES)
    contents = {"a": b"good", "b": b"x" * 2_000_000, "c": b"never"}
    data = damaged(zip_of(contents, zipfile.ZIP_STORED), contents["b"])
    failed(plant.one(plant.put(data)), "MembersFailedError", "; 1 member not begun")
    assert plant.lake() == {"a": b"good"}


def test_a_redrive_delivers_the_missing_members_only() -> None:
    plant = Plant()
    deaths = Deaths(3, ServiceUnavailableError("never"))
    source = plant.put(zip_of(CONTENTS))
    plant.objects = FaultyObjectStore(plant.store, sink=lambda good: RefusingSink(good, deaths))
    outcome = failed(plant.one(source), "MembersFailedError", "2 members not delivered")
    delivered = plant.versions()
    assert delivered == 3
    status = plant.jobs.get(outcome.job_id)
    assert status
    assert plant.jobs.reopen(status)
    plant.objects = plant.store
    succeeded(plant.one(source, receives=1))
    assert plant.lake() == AT_DESTINATION
    assert plant.versions() == len(CONTENTS)


class RefusingSink(DyingSink):
    """Is refused by a permission."""

    def publish(self, *, crc32: int | None) -> Published:
        self.deaths.left -= 1
        if self.deaths.left < 0:
            raise AccessDeniedError("s3:PutObject on lake")
        return self.inner.publish(crc32=crc32)


def test_two_members_with_one_destination_fail_before_anything_is_written() -> None:
    plant = Plant(ARCHIVES + FLAT)
    contents = {"x/a.csv": b"1", "b.csv": b"2", "y/a.csv.gz": gzip.compress(b"3")}
    outcome = failed(
        plant.one(plant.put(zip_of(contents))),
        "InvalidRouteError",
        "members 'x/a.csv' and 'y/a.csv.gz' would both be written to s3://lake/a.csv; nothing was delivered",
    )
    assert plant.lake() == {}
    assert outcome.failure
    assert "{member}" in outcome.failure.hint


@pytest.mark.parametrize("key", ["in/a.zip", "in/a.tar.gz"])
def test_an_archive_that_was_overwritten_is_not_read_on(key: str) -> None:
    plant = Plant()
    source = plant.put(WRITERS[key](CONTENTS), key)
    newer = plant.put(WRITERS[key]({"a.txt": b"newer"}), key)
    outcome = plant.one(source)
    assert outcome.state is JobState.SUPERSEDED
    assert plant.lake() == {}
    succeeded(plant.one(newer))
    assert plant.lake() == {"a.txt": b"newer"}
    assert plant.one(source, receives=2).state is JobState.SUPERSEDED


def test_a_member_of_an_older_archive_never_replaces_that_of_a_newer_one() -> None:
    plant = Plant()
    older = plant.put(zip_of({"a.txt": b"older"}))

    class Overtaking(DyingSink):
        """Lets the newer archive be delivered before the older one is published."""

        def publish(self, *, crc32: int | None) -> Published:
            if deaths.left:
                deaths.left = 0
                other = Plant(store=plant.store)
                succeeded(other.one(plant.put(zip_of({"a.txt": b"newer"}))))
            return self.inner.publish(crc32=crc32)

    deaths = Deaths(1, KilledError())
    plant.objects = FaultyObjectStore(plant.store, sink=lambda good: Overtaking(good, deaths))
    outcome = plant.one(older)
    assert plant.lake()["a.txt"] == b"newer"
    assert outcome.state is JobState.SUCCEEDED
    assert plant.states(outcome) == {"a.txt": "superseded"}
    assert outcome.receipt
    assert outcome.receipt.members.superseded == 1


def test_an_archive_within_an_archive_is_refused_and_named() -> None:
    plant = Plant(ARCHIVES.replace("in/*.zip", "*.zip"))
    data = zip_of({"inner.zip": zip_of({"a": b"1"}), "b.txt": b"2"})
    outcome = failed(plant.one(plant.put(data)), "MembersFailedError", "inner.zip: ")
    assert outcome.failure
    assert "an archive within an archive is not taken apart" in outcome.failure.message
    assert plant.states(outcome) == {"inner.zip": "failed", "b.txt": "skipped"}


def test_a_bomb_is_refused_before_anything_is_written() -> None:
    plant = Plant(ARCHIVES + 'max_bytes = "10 MiB"\n' + FILES)
    data = zip_of({"a.txt": b"1", "bomb": bytes(11 * MIB)})
    failed(plant.one(plant.put(data)), "ExpansionLimitError", "the ceiling of route 'archives'")
    assert plant.lake() == {}


def test_a_member_larger_than_its_route_allows_is_refused_alone() -> None:
    plant = Plant(ARCHIVES + FILES + 'max_bytes = "1 MiB"\n')
    outcome = failed(plant.one(plant.put(zip_of(CONTENTS))), "MembersFailedError", "large.txt: ")
    assert plant.states(outcome)["large.txt"] == "failed"
    assert len(plant.lake()) == 4


@pytest.mark.parametrize("key", WRITERS)
def test_content_that_is_no_archive_is_refused(key: str) -> None:
    plant = Plant()
    content = b"id,name\n" * 1000
    data = gzip.compress(content) if key.endswith(".gz") else content
    outcome = plant.one(plant.put(data, key))
    assert outcome.state is JobState.FAILED, outcome
    assert plant.lake() == {}


@pytest.mark.parametrize("key", WRITERS)
def test_an_archive_that_is_cut_off_delivers_nothing(key: str) -> None:
    plant = Plant()
    data = WRITERS[key](CONTENTS)
    outcome = plant.one(plant.put(data[: len(data) // 2], key))
    assert outcome.state is JobState.FAILED, outcome
    assert outcome.failure
    assert f"s3://drops/{key}: " in outcome.failure.message
    assert plant.lake() == {}


def test_an_archive_that_does_not_fit_the_time_is_retried_and_goes_on() -> None:
    plant = Plant()
    source = plant.put(zip_of({f"{n:04}.txt": b"%d" % n for n in range(300)}))
    outcome = plant.one(source, deadline=ManualDeadline(60, per_look=0.05))
    assert outcome.state is JobState.FAILED or outcome.retry
    assert outcome.failure
    assert outcome.failure.error == "TimeLimitError"


def test_a_member_has_the_identity_of_its_own_job() -> None:
    plant = Plant()
    outcome = succeeded(plant.one(plant.put(zip_of(CONTENTS))))
    ids = {line["name"]: line["job_id"] for line in plant.results(outcome)}
    assert len(set(ids.values())) == len(CONTENTS)
    for name in AT_DESTINATION:
        stored = plant.store.get("lake", name)
        assert stored
        assert stored.head.metadata[MADE_BY] == ids[name]


# Tables.


MIXED = {"people-1.csv": people(0, 500), "read me.txt": b"text", "people-2.csv": people(500, 700)}


@pytest.mark.parametrize("key", WRITERS)
def test_members_go_to_a_table_and_to_a_bucket(key: str, database: Database) -> None:
    plant = Plant(ARCHIVES + TABLES + FILES, database)
    source = plant.put(WRITERS[key](MIXED), key)
    outcome = succeeded(plant.one(source))
    assert ids_in(database) == list(range(1200))
    assert plant.lake() == {"read me.txt": b"text"}
    assert outcome.receipt
    assert outcome.receipt.rows == 1200


@pytest.mark.parametrize("key", WRITERS)
def test_rows_are_loaded_once_although_the_function_was_killed(key: str, database: Database) -> None:
    plant = Plant(ARCHIVES + TABLES + FILES, database)
    source = plant.put(WRITERS[key](MIXED | {"z.txt": b"z"}), key)
    deaths = Deaths(0, KilledError())
    plant.objects = FaultyObjectStore(plant.store, sink=lambda good: DyingSink(good, deaths))
    with pytest.raises(KilledError):
        plant.one(source)
    plant.objects, plant.clock.now = plant.store, plant.clock.now + 3600
    outcome = succeeded(plant.one(source, receives=2))
    assert ids_in(database) == list(range(1200))
    assert plant.lake() == {"read me.txt": b"text", "z.txt": b"z"}
    assert outcome.receipt
    assert outcome.receipt.rows == 1200


def test_rejects_are_counted_for_each_member(database: Database) -> None:
    plant = Plant(
        ARCHIVES + TABLES.replace("[route.table]", "max_rejects = 1\n[route.table]") + NUMBERS + FILES, database
    )
    bad = b"x,not a number\n"
    contents = {"people-1.csv": people(0, 50) + bad, "people-2.csv": people(50, 50) + bad + bad}
    outcome = failed(plant.one(plant.put(zip_of(contents))), "MembersFailedError", "people-2.csv: ")
    assert plant.states(outcome) == {"people-1.csv": "succeeded", "people-2.csv": "failed"}
    assert set(range(50)) <= set(ids_in(database))


@pytest.mark.parametrize("key", WRITERS)
def test_an_interrupted_redrive_forgets_nothing_that_was_delivered(key: str, database: Database) -> None:
    plant = Plant(ARCHIVES + TABLES + NUMBERS + FILES, database)
    source = plant.put(WRITERS[key]({"a.txt": b"a", "people-1.csv": people(0, 50)}), key)
    plant.objects = FaultyObjectStore(
        plant.store, sink=lambda good: DyingSink(good, Deaths(0, AccessDeniedError("no")))
    )
    outcome = failed(plant.one(source), "MembersFailedError", "a.txt: ")
    status = plant.jobs.get(outcome.job_id)
    assert status
    assert plant.jobs.reopen(status)
    error = ServiceUnavailableError("S3 is down")
    plant.objects = FaultyObjectStore(plant.store, sink=lambda good: DyingSink(good, Deaths(0, error)))
    assert isinstance(plant.one(source).retry, ServiceUnavailableError)
    plant.objects, plant.clock.now = plant.store, plant.clock.now + 1000
    plant.routes = plant.routes.replace("[route.table]", "max_rejects = 1\n[route.table]")
    outcome = succeeded(plant.one(source))
    assert plant.states(outcome) == dict.fromkeys(("a.txt", "people-1.csv"), "succeeded")
    assert ids_in(database) == list(range(50))
    status = plant.jobs.get(outcome.job_id)
    assert status
    assert status.progress.rows == 50


def test_members_that_replace_and_add_to_one_table_are_refused(database: Database) -> None:
    adding = TABLES.replace('name = "people"', 'name = "more"').replace("people*", "people-2*")
    plant = Plant(ARCHIVES + adding + TABLES + 'mode = "replace"\n' + FILES, database)
    failed(
        plant.one(plant.put(zip_of(MIXED))),
        "InvalidRouteError",
        "members 'people-1.csv' and 'people-2.csv' would both be written to postgresql:people",
    )
    assert plant.lake() == {}
    assert database.tables() == set()
