"""A repeat of an object delivers nothing, by the rule of its route: `once = "version" | "key" | "content"`."""

from __future__ import annotations

from dataclasses import replace

import pytest

from functional.test_ingest import ROUTES, STACK, TEXT, Plant
from penstock.codecs.checksum import crc64nvme
from penstock.errors import JobStandsError
from penstock.jobs.repeats import repeat
from penstock.model.identity import digest
from penstock.model.job import Failure, Job
from penstock.model.job_status import JobState
from penstock.model.object import Source
from penstock.model.source import ByteSource
from penstock.routes import destination_of, parse_routes
from penstock.testing import FaultyObjectStore, ManualDeadline, MemoryJobStore

OTHER = TEXT.replace(b"row", b"ROW")


def plant(once: str) -> Plant:
    return Plant(routes=f'{ROUTES}once = "{once}"\n')


def route(name: str) -> str:
    return f'[[route]]\nname = "{name}"\nmatch = "{name}/*"\ndestination = "s3://lake/{{stem}}"\nonce = "content"\n'


class Unread(FaultyObjectStore):
    """Objects that nobody may read."""

    def open_source(self, source: Source, *, start: int = 0, end: int | None = None) -> ByteSource:
        raise AssertionError(f"{source.uri} was read from {start} to {end}")


def failed(plant: Plant, source: Source, *, rows: int) -> str:
    """Let the job of a source fail after some rows."""
    outcome = plant.one(source)
    status = plant.jobs.jobs[outcome.job_id]
    plant.jobs.change(
        status.job_id,
        state=JobState.FAILED,
        failure=Failure("RowError", "bad", ""),
        progress=replace(status.progress, rows=rows),
    )
    return status.job_id


def test_the_same_bytes_under_another_name_are_a_repeat() -> None:
    station = plant("content")
    first = station.one(station.drop("in/a.plain", TEXT))
    again = station.one(station.drop("in/b.plain", TEXT))
    assert again.state is JobState.SUCCEEDED
    status = station.jobs.jobs[again.job_id]
    assert status.repeat_of == first.job_id
    assert status.warnings == (
        f"nothing was delivered: by content it is a repeat of s3://drops/in/a.plain, delivered by job {first.job_id}",
    )
    assert station.store.keys("lake") == ["in/a.plain"]


def test_other_bytes_of_the_same_length_are_none() -> None:
    station = plant("content")
    for key, data in (("a.plain", TEXT), ("b.plain", OTHER)):
        assert not station.jobs.jobs[station.one(station.drop(key, data)).job_id].repeat_of
    assert station.store.keys("lake") == ["a.plain", "b.plain"]


@pytest.mark.parametrize("stored", ["first", "second", "both"])
def test_a_checksum_that_s3_has_and_one_that_was_computed_are_the_same(stored: str) -> None:
    station = plant("content")
    checksum = crc64nvme([TEXT])
    numbers = {"first": (0,), "second": (1,), "both": (0, 1)}[stored]
    for number in range(2):
        given = checksum if number in numbers else ""
        outcome = station.one(station.store.put("drops", f"{number}.plain", TEXT, parts=3, crc64nvme=given))
    assert station.jobs.jobs[outcome.job_id].repeat_of


def test_an_object_with_a_stored_checksum_is_not_read_for_it() -> None:
    station = plant("content")
    station.one(station.drop("a.plain", TEXT))
    source = station.store.put("drops", "b.plain", TEXT, crc64nvme=crc64nvme([TEXT]))
    station.objects = Unread(station.store)
    assert station.jobs.jobs[station.one(source).job_id].repeat_of


def test_the_same_key_is_a_repeat_whatever_its_bytes() -> None:
    station = plant("key")
    first = station.one(station.drop("a.plain", TEXT))
    second = station.one(station.drop("a.plain", OTHER))
    assert station.jobs.jobs[second.job_id].repeat_of == first.job_id
    assert station.delivered("a.plain") == TEXT
    assert not station.jobs.jobs[station.one(station.drop("b.plain", TEXT)).job_id].repeat_of


def test_by_default_only_the_same_version_is_delivered_once() -> None:
    station = Plant()
    for key in ("a.plain", "a.plain", "b.plain"):
        assert not station.jobs.jobs[station.one(station.drop(key, TEXT)).job_id].repeat_of
    assert station.store.keys("lake") == ["a.plain", "b.plain"]


def test_another_delivery_of_the_first_event_is_no_repeat_of_itself() -> None:
    station = plant("content")
    source = station.drop("a.plain", TEXT)
    assert station.one(source).job_id == station.one(source).job_id
    assert not station.jobs.jobs[station.one(source).job_id].repeat_of


def test_a_job_that_failed_without_a_row_loses_its_claim() -> None:
    station = plant("content")
    failed(station, station.drop("a.plain", TEXT), rows=0)
    assert not station.jobs.jobs[station.one(station.drop("b.plain", TEXT)).job_id].repeat_of


def test_a_job_that_failed_after_some_rows_keeps_its_claim_and_is_named() -> None:
    station = plant("content")
    first = failed(station, station.drop("a.plain", TEXT), rows=7)
    outcome = station.one(station.drop("b.plain", TEXT))
    assert outcome.state is JobState.FAILED
    assert outcome.failure
    assert f"job {first} has failed after 7 rows" in outcome.failure.message
    assert outcome.failure.hint == f"Go on with that job: penstock redrive {first}."


def test_a_superseded_job_loses_its_claim_unless_rows_could_be_there_twice() -> None:
    station = plant("content")
    source = station.drop("a.plain", TEXT)
    first = failed(station, source, rows=7)
    station.jobs.change(first, state=JobState.SUPERSEDED)
    assert not station.jobs.jobs[station.one(station.drop("b.plain", TEXT)).job_id].repeat_of

    text = '[[route]]\nname = "r"\nmatch = "*"\ndestination = "postgresql:t"\nonce = "content"\n'
    (adding,) = parse_routes(text, "routes.toml", STACK).routes
    jobs = MemoryJobStore(lambda: 0.0)
    jobs.jobs[first] = station.jobs.jobs[first]
    jobs.once[digest("r", source.again, str(len(TEXT)), crc64nvme([TEXT]))] = first
    head = station.store.head("drops", "a.plain")
    assert head
    job = Job(source, adding, destination_of(adding, source))
    with pytest.raises(JobStandsError, match="was superseded after 7 rows") as caught:
        repeat(station.store, jobs, job, head, lambda: None)
    assert caught.value.hint == "Delete these rows, and deliver this object with: penstock backfill --again."


def test_a_repeat_waits_for_a_job_that_is_at_work() -> None:
    station = plant("content")
    first = station.one(station.drop("a.plain", TEXT)).job_id
    station.jobs.change(first, state=JobState.RUNNING)
    waiting = station.drop("b.plain", TEXT)
    outcome = station.one(waiting)
    assert outcome.state is None
    assert outcome.failure
    assert outcome.failure.error == "JobInProgressError"
    station.jobs.change(first, state=JobState.SUCCEEDED)
    assert station.jobs.jobs[station.one(waiting).job_id].repeat_of == first


def test_an_object_that_cannot_be_read_in_time_says_how_it_can_be_told() -> None:
    station = plant("content")
    outcome = station.one(station.drop("a.plain", TEXT), deadline=ManualDeadline(900, per_look=400))
    assert outcome.state is JobState.FAILED
    assert outcome.failure
    assert "--checksum-algorithm CRC64NVME" in outcome.failure.hint


def test_two_routes_deliver_the_same_bytes() -> None:
    station = Plant(routes="".join(route(name) for name in ("one", "two")))
    for key in ("one/a.plain", "two/a.plain"):
        assert not station.jobs.jobs[station.one(station.drop(key, TEXT)).job_id].repeat_of
