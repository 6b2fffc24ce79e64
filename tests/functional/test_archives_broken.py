"""Archives that are sent to lose, double or confuse members."""

from __future__ import annotations

import bz2
import gzip
from random import Random

import pytest

from archive_plant import (
    ARCHIVES,
    CONTENTS,
    FILES,
    NUMBERS,
    STACK,
    TABLES,
    Plant,
    failed,
    ids_in,
    people,
    succeeded,
    zip_of,
)
from fixtures.tars import tar_of
from machine import Plant as Machine
from machine import redriven
from penstock.delivery import archive_delivery
from penstock.delivery.attempt import Attempt
from penstock.large_jobs.estimate import bytes_per_second, expected_bytes
from penstock.limits import MIB
from penstock.model.job import Job, Progress
from penstock.model.job_status import JobState
from penstock.routes import destination_of, parse_routes
from penstock.testing import ManualDeadline
from postgres_database import Database

pytest_plugins = ["postgres_fixtures"]

LARGE_ROUTES = """
[[route]]
name = "archives"
match = ["*.tar"]
archive = "members"
[[route]]
name = "bad"
match = ["*.tar/bad*"]
destination = "s3://out/{member}"
max_bytes = 3
[[route]]
name = "members"
match = ["*.tar/*"]
destination = "s3://out/{member}"
"""
LENIENT = TABLES.replace("[route.table]", "max_rejects = 1\n[route.table]") + NUMBERS


def test_rows_of_a_delivered_member_are_not_loaded_again_after_its_route_was_edited(database: Database) -> None:
    plant = Plant(ARCHIVES + LENIENT + FILES, database)
    bad = b"x,not a number\n"
    source = plant.put(zip_of({"people-1.csv": people(0, 50), "people-2.csv": people(50, 50) + bad + bad}))
    outcome = failed(plant.one(source), "MembersFailedError", "people-2.csv: ")
    plant.routes = plant.routes.replace("max_rejects = 1", "max_rejects = 2")
    status = plant.jobs.get(outcome.job_id)
    assert status
    assert plant.jobs.reopen(status)
    succeeded(plant.one(source))
    assert ids_in(database) == list(range(100))


def test_damage_before_bytes_that_follow_the_archive_is_found() -> None:
    plant = Plant()
    data = bytearray(gzip.compress(tar_of(CONTENTS) + b"garbage" * 100_000))
    data[-8] ^= 1
    outcome = plant.one(plant.put(bytes(data), "in/a.tar.gz"))
    assert outcome.state is JobState.FAILED, outcome
    assert plant.lake() == {}


def test_an_object_with_the_key_of_a_member_is_no_other_version_of_it() -> None:
    plant = Plant(ARCHIVES + FILES.replace("{member}", "all"))
    archive = plant.put(zip_of({"a.csv": b"member"}))
    later = plant.put(b"object", "in/a.zip/a.csv")
    succeeded(plant.one(later))
    outcome = succeeded(plant.one(archive))
    assert plant.states(outcome) == {"a.csv": "succeeded"}


def test_a_redrive_delivers_members_that_a_route_takes_only_now() -> None:
    made = Machine(LARGE_ROUTES.replace('["*.tar/*"]', '["*.tar/large*"]'), member_bytes=20_000)
    large = b"0123456789abcdef" * 4_000
    members = {"a.txt": b"a", "new.bin": large, "large.bin": large[::-1], "bad.txt": b"long"}
    source = made.upload("a.tar", tar_of(members))
    status = made.run(source)
    assert (status.state, made.store.keys("out")) == (JobState.FAILED, ["large.bin"])
    made.routes_text = LARGE_ROUTES.replace("max_bytes = 3", "")
    made.now += 100
    assert redriven(made, source, status.job_id).state is JobState.SUCCEEDED
    found = {key: made.store.get("out", key) for key in made.store.keys("out")}
    assert {key: stored.data for key, stored in found.items() if stored} == members


def test_a_large_member_is_not_delivered_again_after_its_route_was_edited() -> None:
    made = Machine(LARGE_ROUTES, member_bytes=20_000)
    source = made.upload("a.tar", tar_of({"large.bin": b"0123456789abcdef" * 4_000, "bad.txt": b"too long"}))
    status = made.run(source)
    assert status.state is JobState.FAILED
    made.routes_text = LARGE_ROUTES.replace("max_bytes = 3", "").replace("{member}", "edited/{member}")
    made.now += 100
    assert made.jobs.reopen(status)
    made.ingest(source)
    made.execute(made.jobs.jobs[status.job_id].execution)
    assert made.jobs.jobs[status.job_id].state is JobState.SUCCEEDED
    assert made.store.keys("out") == ["edited/bad.txt", "large.bin"]


@pytest.mark.parametrize("limit", [{"MOST_ENTRIES": 4}, {"MOST_NAMES": 20}])
def test_an_archive_that_is_read_in_order_has_a_limit_of_entries(
    limit: dict[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in limit.items():
        monkeypatch.setattr(archive_delivery, name, value)
    made = Machine(LARGE_ROUTES.replace('"*.tar"', '"*.tar.bz2"').replace("*.tar/", "*.tar.bz2/"))
    status = made.run(made.upload("a.tar.bz2", bz2.compress(tar_of(CONTENTS))))
    assert status.failure
    assert (status.state, status.failure.error) == (JobState.FAILED, "TimeLimitError")
    entries, names = limit.get("MOST_ENTRIES", 10_000), limit.get("MOST_NAMES", 2_097_152)
    assert f"more than {entries:,} entries, or {names:,} bytes in their names" in status.failure.message
    assert "A zip, a plain tar or a tar.gz may have more" in status.failure.message
    assert made.store.keys("out") == []


def test_the_account_of_entries_with_long_names_is_bounded() -> None:
    """Such an archive is for the state machine: here there is none."""
    plant = Plant(ARCHIVES)
    source = plant.put(zip_of({f"{number:05}{'m' * 1000}": b"" for number in range(2_100)}))
    failed(plant.one(source), "TimeLimitError", "more than 10,000 entries, or 2,097,152 bytes in their names")


def test_an_archive_is_alive_while_a_member_that_is_left_out_is_read() -> None:
    """Else the lease runs out, and a copy of the event takes the job over."""
    plant = Plant(ARCHIVES + 'members = ["small"]\n' + FILES)
    source = plant.put(gzip.compress(tar_of({"large": bytes(8 * MIB), "small": b"1"})), "in/a.tar.gz")
    routes = parse_routes(plant.routes, "routes.toml", STACK)
    route, head = routes.route_of(source), plant.store.head("drops", source.key)
    assert route
    assert head
    beats: list[Progress] = []
    job = Job(source, route, destination_of(route, source))
    plant.archives()(Attempt(job, head, 1, routes, beats.append, ManualDeadline(900), 10.0))
    assert plant.lake() == {"small": b"1"}
    # Every 256 KiB, when the archive is checked and again when it is delivered.
    assert len(beats) > 60


@pytest.mark.parametrize(("passes", "ends"), [(1.5, JobState.FAILED), (2.5, JobState.SUCCEEDED)])
def test_an_archive_that_is_read_in_order_needs_the_time_of_two_passes(passes: float, ends: JobState) -> None:
    """It is checked, then delivered. If the time ended in between, some of its members would be there."""
    made = Machine(LARGE_ROUTES.replace('"*.tar"', '"*.tar.bz2"').replace("*.tar/", "*.tar.bz2/"))
    data = bz2.compress(tar_of({"a": Random(1).randbytes(300_000)}))
    codec = "bzip2"
    seconds = expected_bytes(codec, len(data)) / bytes_per_second(codec, 128 * MIB, parsed=False)
    made.deadlines = lambda: ManualDeadline(10 + passes * seconds)
    status = made.run(made.upload("a.tar.bz2", data))
    assert status.state is ends, status
    assert made.store.keys("out") == (["a"] if ends is JobState.SUCCEEDED else [])


def test_bytes_behind_a_zip_are_ignored_with_a_warning() -> None:
    data = zip_of({"a.txt": b"a"}) + b"\r\n"
    plant = Plant()
    outcome = succeeded(plant.one(plant.put(data)))
    assert (plant.states(outcome), plant.lake()) == ({"a.txt": "succeeded", "": "skipped"}, {"a.txt": b"a"})
    made = Machine(LARGE_ROUTES.replace("*.tar", "*.zip"))
    assert made.run(made.upload("a.zip", data)).state is JobState.SUCCEEDED
    assert made.store.keys("out") == ["a.txt"]
