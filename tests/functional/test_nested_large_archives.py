"""Archives within large archives: their members are planned, delivered and redriven with those around them."""

from __future__ import annotations

import gzip
import random
import zipfile
from collections.abc import Mapping
from functools import partial
from typing import Any

import pytest

from archive_plant import Writer, zip_of
from fixtures.tars import tar_of
from machine import Plant, redriven
from machine_faults import FaultPlan, FaultyPlant
from machine_sources import in_blocks
from penstock.destinations.bucket.result_metadata import MADE_BY
from penstock.errors import AccessDeniedError
from penstock.large_jobs import member_batches
from penstock.model.job_status import JobState
from penstock.operations.archive_members import ArchiveMembers

ROUTES = """
[[route]]
name = "archives"
match = ["*.tar", "*.zip", "*.tar.gz"]
archive = "members"

[[route]]
name = "inner"
match = ["*/inner*"]
archive = "members"

[[route]]
name = "members"
match = ["*"]
destination = "s3://out/{member}"
"""
SMALL = {f"small/{number}.txt": b"%d" % number * 50 for number in range(25)}
LARGE = b"0123456789abcdef" * 4_000


def plain_tar(contents: Mapping[str, bytes]) -> bytes:
    return tar_of(dict(contents))


def packed_tar(contents: Mapping[str, bytes]) -> bytes:
    return gzip.compress(plain_tar(contents))


stored_zip: Writer = partial(zip_of, method=zipfile.ZIP_STORED)
OUTER: Mapping[str, Writer] = {
    "a.zip": zip_of,
    "stored.zip": stored_zip,
    "a.tar": plain_tar,
    "a.tar.gz": lambda contents: in_blocks(plain_tar(contents)),
}
# An inner archive does not stand in these as it is.
PACKED = ("a.zip", "a.tar.gz")
WITHIN: Mapping[str, Writer] = {"inner.zip": stored_zip, "inner.tar": plain_tar, "inner.tar.gz": packed_tar}


@pytest.fixture(autouse=True)
def _small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(member_batches, "MOST_ENTRIES", 10)


def plant(**options: Any) -> Plant:
    return Plant(ROUTES, member_bytes=20_000, **options)


def delivered(made: Plant) -> dict[str, bytes]:
    found = ((key, made.store.get("out", key)) for bucket, key in made.store._versions if bucket == "out")
    return {key: stored.data for key, stored in found if stored}


def versions(made: Plant) -> set[int]:
    return {len(found) for (bucket, _), found in made.store._versions.items() if bucket == "out"}


def below(name: str, contents: Mapping[str, bytes]) -> dict[str, bytes]:
    return {f"{name}/{member}": data for member, data in contents.items()}


@pytest.mark.parametrize("outer", OUTER)
@pytest.mark.parametrize("inner", WITHIN)
def test_members_of_inner_archives_are_in_the_batches(outer: str, inner: str) -> None:
    made = plant()
    status = made.run(
        made.upload(outer, OUTER[outer]({"first.txt": b"1", inner: WITHIN[inner](SMALL), "last.txt": b"2"}))
    )
    assert status.state is JobState.SUCCEEDED, status
    assert delivered(made) == {"first.txt": b"1", **below(inner, SMALL), "last.txt": b"2"}
    assert (status.spans, status.spans_done) == (3, 3)
    assert versions(made) == {1}
    listed = [result.name for result in ArchiveMembers(made.files, status).results()]
    assert sorted(listed) == sorted(delivered(made))


@pytest.mark.parametrize("outer", OUTER)
@pytest.mark.parametrize("inner", WITHIN)
def test_a_large_member_of_an_inner_archive_has_a_job_of_its_own_if_it_can_be_entered(outer: str, inner: str) -> None:
    made = plant()
    members = {"large.bin": LARGE, "small.txt": b"1"}
    status = made.run(made.upload(outer, OUTER[outer]({inner: WITHIN[inner](members)})))
    assert status.state is JobState.SUCCEEDED, status
    assert delivered(made) == below(inner, members)
    children = [job for job in made.jobs.jobs.values() if job.job_id != status.job_id]
    in_order = inner == "inner.tar.gz" or (outer in PACKED and inner == "inner.tar")
    assert [job.source for job in children] == ([] if in_order else [f"s3://drops/{outer}/{inner}/large.bin"])
    for child in children:
        # Its bytes stand in the object, unless the inner archive is compressed there.
        assert (child.spans > 2) == (outer not in PACKED)
        stored = made.store.get("out", f"{inner}/large.bin")
        assert stored
        assert stored.head.metadata[MADE_BY] == child.job_id
    assert made.store.uploads == {}


@pytest.mark.parametrize("outer", OUTER)
@pytest.mark.parametrize("inner", WITHIN)
def test_two_members_with_one_destination_across_both_levels_fail_the_job(outer: str, inner: str) -> None:
    made = plant()
    made.routes_text = made.routes_text.replace("{member}", "{member_base}")
    status = made.run(made.upload(outer, OUTER[outer]({"a/same.txt": b"1", inner: WITHIN[inner]({"same.txt": b"2"})})))
    assert status.failure
    assert status.failure.error == "InvalidRouteError"
    assert f"'a/same.txt' and '{inner}/same.txt' would both be written to s3://out/same.txt" in status.failure.message
    assert delivered(made) == {}


@pytest.mark.parametrize("outer", OUTER)
@pytest.mark.parametrize("inner", WITHIN)
def test_a_damaged_inner_archive_fails_alone_and_can_be_delivered_as_a_file(outer: str, inner: str) -> None:
    made = plant()
    whole = WITHIN[inner](SMALL)
    cut = whole[:20_000] if inner == "inner.tar" else whole[:-50]
    source = made.upload(outer, OUTER[outer](SMALL | {inner: cut}))
    status = made.run(source)
    assert (status.state, delivered(made)) == (JobState.FAILED, SMALL)
    assert status.failure
    assert f"1 member was not delivered: {inner}: s3://drops/{outer}/{inner}: " in status.failure.message
    kept = '[[route]]\nname = "kept"\nmatch = "*/inner*"\narchive = "keep"\ndestination = "s3://out/{member}"\n'
    made.routes_text = kept + made.routes_text
    made.now += 100
    assert redriven(made, source, status.job_id).state is JobState.SUCCEEDED
    assert delivered(made) == SMALL | {inner: cut}
    assert versions(made) == {1}


def test_a_redrive_delivers_the_missing_members_of_inner_archives_alone() -> None:
    made = plant()
    bad = '[[route]]\nname = "bad"\nmatch = ["*/bad*"]\ndestination = "s3://out/{member}"\nmax_bytes = 10\n'
    made.routes_text = bad + made.routes_text
    members = SMALL | {"bad.txt": b"too long for its route", "bad.bin": LARGE}
    data = stored_zip({inner: write(members) for inner, write in WITHIN.items()})
    source = made.upload("a.zip", data)
    status = made.run(source)
    expected = {name: data for inner in WITHIN for name, data in below(inner, SMALL).items()}
    assert (status.state, delivered(made)) == (JobState.FAILED, expected)
    assert status.failure
    assert "6 members were not delivered: inner.zip/bad.txt: " in status.failure.message
    made.routes_text = made.routes_text.replace("max_bytes = 10", "")
    made.now += 100
    again = redriven(made, source, status.job_id)
    assert again.state is JobState.SUCCEEDED, again
    assert delivered(made) == {name: data for inner in WITHIN for name, data in below(inner, members).items()}
    assert versions(made) == {1}


def test_a_large_member_of_an_inner_archive_is_retried_by_the_redrive() -> None:
    made = plant()
    source = made.upload("a.tar", plain_tar({"inner.tar": plain_tar({"large.bin": LARGE})}))
    refused = iter([AccessDeniedError("s3:PutObject")])

    def refuse(step: str) -> None:
        if step == "work" and (error := next(refused, None)):
            raise error

    made.fail = refuse
    status = made.run(source)
    assert (status.state, delivered(made)) == (JobState.FAILED, {})
    made.now += 100
    assert redriven(made, source, status.job_id).state is JobState.SUCCEEDED
    assert delivered(made) == {"inner.tar/large.bin": LARGE}


@pytest.mark.parametrize("rate", [0.01, 0.04])
def test_every_member_is_delivered_once_despite_faults(rate: float) -> None:
    members = dict(list(SMALL.items())[:12]) | {"large.bin": LARGE[:40_000], "last.txt": b"last"}
    expected = {name: data for inner in WITHIN for name, data in below(inner, members).items()}
    for seed, outer in enumerate(OUTER):
        made = FaultyPlant(ROUTES, FaultPlan(random.Random(f"{rate} {seed}"), rate), member_bytes=20_000)
        source = made.upload(outer, OUTER[outer]({name: write(members) for name, write in WITHIN.items()}))
        job_id = made.run_to_end(source)
        if made.jobs.jobs[job_id].state is JobState.FAILED:
            made.fault_plan.rate = 0.0
            made.now += 1_000
            redriven(made, source, job_id)
        made.run_copies()
        report = (made.jobs.jobs[job_id], made.fault_plan.happened)
        assert made.jobs.jobs[job_id].state is JobState.SUCCEEDED, report
        assert delivered(made) == expected, report
        assert versions(made) == {1}, report
        assert made.fault_plan.orphans or not made.store.uploads, report
