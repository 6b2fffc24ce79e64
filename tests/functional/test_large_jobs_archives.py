"""Large archives from upload to the end of the execution: every member once, large ones in executions of their own."""

from __future__ import annotations

import bz2
import io
import json
import lzma
import random
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from machine import Plant, StepKilledError, redriven
from machine_faults import FaultPlan, FaultyPlant
from machine_sources import in_tar
from penstock.destinations.bucket.result_metadata import MADE_BY
from penstock.errors import AccessDeniedError
from penstock.large_jobs import member_batches, member_results, work_members
from penstock.model.job_status import JobState, JobStatus
from penstock.model.member import NO_MEMBERS, MemberCounts
from penstock.model.object import ObjectHead
from penstock.testing import ManualDeadline, MemoryObjectStore, MemoryPartStore

ROUTES = """
[[route]]
name = "archives"
match = ["*.tar"]
archive = "members"
{more}

[[route]]
name = "members"
match = ["*.tar/*"]
destination = "s3://out/{{member}}"
"""
SMALL = {f"small/{number}.txt": b"%d" % number * 50 for number in range(25)}
LARGE = b"0123456789abcdef" * 4_000


@pytest.fixture(autouse=True)
def _small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(member_batches, "MOST_ENTRIES", 10)


def plant(more: str = "", **options: Any) -> Plant:
    return Plant(ROUTES.format(more=more), member_bytes=20_000, **options)


def plant_of_zips() -> Plant:
    return Plant(ROUTES.format(more="").replace(".tar", ".zip"), member_bytes=20_000)


def zip_of(members: Mapping[str, bytes], method: int) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return file.getvalue()


def delivered(plant: Plant) -> dict[str, bytes]:
    found = ((key, plant.store.get("out", key)) for bucket, key in plant.store._versions if bucket == "out")
    return {key: stored.data for key, stored in found if stored}


def lines(plant: Plant, job_id: str, name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in plant.files.files[f"jobs/{job_id}/{name}"].splitlines()]


def counts(plant: Plant, status: JobStatus) -> MemberCounts:
    """The members, with those of the batches of an execution that failed."""
    found = plant.jobs.get(status.job_id)
    assert found
    return found.members


def failure_of(status: JobStatus) -> tuple[str, str]:
    assert status.failure
    return status.failure.error, status.failure.message


def test_members_are_delivered_in_batches() -> None:
    made = plant()
    status = made.run(made.upload("a.tar", in_tar(SMALL)))
    assert status.state is JobState.SUCCEEDED, status
    assert delivered(made) == SMALL
    assert (status.spans, status.spans_done, made.calls.count("work")) == (3, 3, 3)
    assert status.members == MemberCounts(delivered=25, total=25)
    assert "sequence" not in made.calls


def test_a_large_member_has_spans_in_an_execution_of_its_own() -> None:
    made = plant()
    members = SMALL | {"large.bin": LARGE}
    status = made.run(made.upload("a.tar", in_tar(members)))
    assert status.state is JobState.SUCCEEDED, status
    assert delivered(made) == members
    (child,) = [job for job in made.jobs.jobs.values() if job.job_id != status.job_id]
    assert child.archive_job == status.job_id
    assert (child.state, child.source, child.spans > 2) == (JobState.SUCCEEDED, "s3://drops/a.tar/large.bin", True)
    stored = made.store.get("out", "large.bin")
    assert stored
    assert stored.head.metadata[MADE_BY] == child.job_id
    assert made.store.uploads == {}


class CountingPartStore(MemoryPartStore):
    """Counts the bytes that were copied within the store."""

    copied = 0

    def copy_parts(self, *arguments: Any, **named: Any) -> tuple[int, int, int] | None:
        type(self).copied += named["size"]
        return super().copy_parts(*arguments, **named)


@pytest.mark.parametrize(("method", "copied"), [(zipfile.ZIP_STORED, len(LARGE)), (zipfile.ZIP_DEFLATED, 0)])
def test_s3_copies_a_large_stored_member(method: int, copied: int, monkeypatch: pytest.MonkeyPatch) -> None:
    made = plant_of_zips()
    made.parts = CountingPartStore(made.store)
    monkeypatch.setattr(CountingPartStore, "copied", 0)
    status = made.run(made.upload("a.zip", zip_of({"large.bin": LARGE}, method)))
    assert status.state is JobState.SUCCEEDED, status
    assert delivered(made) == {"large.bin": LARGE}
    assert CountingPartStore.copied == copied


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
@pytest.mark.parametrize("size", [100, len(LARGE)])
def test_the_time_and_the_mode_of_a_member_are_metadata_of_its_object(size: int, method: int) -> None:
    made, file = plant_of_zips(), io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        entry = zipfile.ZipInfo("a.bin", (2020, 1, 2, 3, 4, 6))
        entry.create_system, entry.external_attr, entry.compress_type = 3, 0o640 << 16, method
        archive.writestr(entry, LARGE[:size])
    assert made.run(made.upload("a.zip", file.getvalue())).state is JobState.SUCCEEDED
    stored = made.store.get("out", "a.bin")
    assert stored
    metadata = stored.head.metadata
    assert (metadata["member-mode"], metadata["member-modified"]) == ("0640", "2020-01-02T03:04:06")


def test_a_large_stored_member_whose_crc32_is_wrong_is_never_published() -> None:
    made = plant_of_zips()
    data = zip_of({"large.bin": LARGE}, zipfile.ZIP_STORED)
    crc32 = zlib.crc32(LARGE).to_bytes(4, "little")
    assert data.count(crc32) == 2
    status = made.run(made.upload("a.zip", data.replace(crc32, b"\1\2\3\4")))
    error, message = failure_of(status)
    assert error == "MembersFailedError"
    assert "large.bin" in message
    assert delivered(made) == {}


def test_an_archive_of_large_members_starts_some_of_them_at_once() -> None:
    made = plant()
    members = {f"{number}.bin": LARGE for number in range(member_batches.CHILDREN + 3)}
    source = made.upload("a.tar", in_tar(members))
    job_id = made.ingest(source).job_id
    assert made.planner(job_id, job_id, made.deadlines())["next"] == "sequence"
    assert made.worker(job_id, job_id, None, made.deadlines()) == {"done": False, "wait": work_members.LEAST_WAIT}
    assert len(made.machine.started) == 1 + member_batches.CHILDREN
    begun = lines(made, job_id, "members/1.jsonl")
    assert [(one["state"], one["job_id"] in made.machine.started) for one in begun] == [("executing", True)]
    made.execute(job_id)
    assert made.jobs.jobs[job_id].state is JobState.SUCCEEDED
    assert delivered(made) == members


def test_an_archive_of_folders_alone_succeeds_and_lists_them() -> None:
    made = plant()
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        folder = tarfile.TarInfo("folder/")
        folder.type = tarfile.DIRTYPE
        archive.addfile(folder)
    status = made.run(made.upload("a.tar", file.getvalue()))
    assert status.state is JobState.SUCCEEDED
    (skipped,) = lines(made, status.job_id, "members/1.jsonl")
    assert (skipped["name"], skipped["state"]) == ("folder/", "skipped")
    assert status.members == NO_MEMBERS


def test_a_source_that_is_no_archive_fails_by_name() -> None:
    made = plant()
    made.routes_text = made.routes_text.replace('"*.tar"', '"*.txt"')
    status = made.run(made.upload("a.txt", b"no archive"))
    assert failure_of(status)[0] == "CodecMismatchError"


def test_an_archive_that_is_read_in_order_is_refused_if_it_does_not_fit_an_invocation() -> None:
    made = plant()
    made.routes_text = made.routes_text.replace('"*.tar"', '"*.tbz2"')
    made.deadlines = lambda: ManualDeadline(10.1)
    status = made.run(made.upload("a.tbz2", bz2.compress(in_tar({"a.bin": random.Random(1).randbytes(100_000)}))))
    error, message = failure_of(status)
    assert error == "TimeLimitError"
    assert "this archive is read in order" in message
    assert made.calls == ["plan", "abort"]


def test_two_members_that_would_become_one_object_fail_the_job_before_anything_is_written() -> None:
    made = plant()
    made.routes_text = made.routes_text.replace("{member}", "{member_base}")
    status = made.run(made.upload("a.tar", in_tar(SMALL | {"a/same.txt": b"1", "b/same.txt": b"2"})))
    error, message = failure_of(status)
    assert error == "InvalidRouteError"
    assert "'a/same.txt' and 'b/same.txt' would both be written to s3://out/same.txt" in message
    assert delivered(made) == {}


@pytest.mark.parametrize(("suffix", "packed"), [("tbz2", bz2.compress), ("txz", lzma.compress)])
def test_an_archive_that_cannot_be_entered_is_one_span(suffix: str, packed: Callable[[bytes], bytes]) -> None:
    made = plant()
    made.routes_text = made.routes_text.replace('"*.tar', f'"*.{suffix}')
    status = made.run(made.upload(f"a.{suffix}", packed(in_tar(SMALL))))
    assert (status.state, status.spans) == (JobState.SUCCEEDED, 1), status
    assert delivered(made) == SMALL
    assert status.members == MemberCounts(delivered=25, total=25)


def test_of_an_archive_that_is_read_in_order_what_failed_is_counted() -> None:
    made = plant()
    made.routes_text = made.routes_text.replace('"*.tar', '"*.tbz2')
    bad = BAD.replace("*.tar", "*.tbz2")
    made.routes_text = bad + made.routes_text.replace('"members"', '"members"\nmembers = ["!*/9.txt"]', 1)
    status = made.run(made.upload("a.tbz2", bz2.compress(in_tar(SMALL | {"bad.txt": b"too long for its route"}))))
    assert (status.state, status.spans) == (JobState.FAILED, 1), status
    assert counts(made, status) == MemberCounts(delivered=24, failed=1, skipped=1, total=25)


BAD = """
[[route]]
name = "bad"
match = ["*.tar/bad*"]
destination = "s3://out/{member}"
max_bytes = 10
"""


def with_bad(made: Plant) -> Plant:
    made.routes_text = BAD + made.routes_text
    return made


def test_of_an_archive_with_a_bad_member_all_others_are_delivered_and_a_redrive_delivers_it_alone() -> None:
    made = with_bad(plant())
    members = SMALL | {"bad.txt": b"too long for its route", "bad.bin": LARGE}
    source = made.upload("a.tar", in_tar(members))
    status = made.run(source)
    assert (status.state, delivered(made)) == (JobState.FAILED, SMALL)
    error, message = failure_of(status)
    assert error == "MembersFailedError"
    assert "2 members were not delivered: bad.txt: " in message
    assert "; bad.bin: " in message
    assert counts(made, status) == MemberCounts(delivered=25, failed=2, total=27)
    made.routes_text = made.routes_text.replace("max_bytes = 10", "")
    made.now += 100
    again = redriven(made, source, status.job_id)
    assert (again.state, again.failure) == (JobState.SUCCEEDED, None)
    assert again.members == MemberCounts(delivered=27, total=27)
    assert delivered(made) == members
    assert {len(versions) for (bucket, _), versions in made.store._versions.items() if bucket == "out"} == {1}


def test_a_message_that_cannot_name_all_members_says_where_they_are_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(member_results, "SHOWN", 1)
    made = with_bad(plant())
    status = made.run(made.upload("a.tar", in_tar({f"bad{n}.txt": b"too long for its route" for n in range(3)})))
    listed = f"s3://{made.files.bucket}/jobs/{status.job_id}/members/"
    assert failure_of(status)[1].endswith(f"; and 2 more: see {listed}")


def test_a_large_member_that_failed_is_retried_by_the_redrive_of_its_archive() -> None:
    made = plant()
    source = made.upload("a.tar", in_tar({"large.bin": LARGE, "large.txt": LARGE}))
    refused = iter([AccessDeniedError("s3:PutObject")])

    def refuse(step: str) -> None:
        if step == "work" and (error := next(refused, None)):
            raise error

    made.fail = refuse
    status = made.run(source)
    assert (status.state, len(delivered(made))) == (JobState.FAILED, 1)
    made.now += 100
    assert redriven(made, source, status.job_id).state is JobState.SUCCEEDED
    assert len(delivered(made)) == 2
    children = [job for job in made.jobs.jobs.values() if job.job_id != status.job_id]
    assert sorted(job.redrives for job in children) == [0, 1]


def test_a_route_that_stops_at_a_failure_begins_no_further_member() -> None:
    made = with_bad(plant('on_member_failure = "fail"'))
    made.random.shuffle = lambda x: None  # type: ignore[method-assign]  # the batches in order
    names = [*list(SMALL)[:12], "bad.txt", *list(SMALL)[12:]]
    source = made.upload("a.tar", in_tar({name: SMALL.get(name, b"too long for its route") for name in names}))
    status = made.run(source)
    assert status.state is JobState.FAILED
    assert set(delivered(made)) <= set(names[:12])
    assert len(delivered(made)) >= 10  # the batch before
    assert failure_of(status)[1].startswith("s3://drops/a.tar: 1 member was not delivered: bad.txt: ")
    made.routes_text = made.routes_text.replace("max_bytes = 10", "")
    assert redriven(made, source, status.job_id).state is JobState.SUCCEEDED
    assert set(delivered(made)) == set(names)


def test_a_route_that_stops_at_a_failure_also_stops_after_a_kill(monkeypatch: pytest.MonkeyPatch) -> None:
    made = with_bad(plant('on_member_failure = "fail"'))
    made.random.shuffle = lambda x: None  # type: ignore[method-assign]  # the batches in order
    record = made.executions.record_receipt

    def die(*args: Any, **options: Any) -> None:
        record(*args, **options)
        monkeypatch.setattr(made.executions, "record_receipt", record)
        raise StepKilledError

    monkeypatch.setattr(made.executions, "record_receipt", die)
    status = made.run(made.upload("a.tar", in_tar({"bad.txt": b"too long for its route"} | SMALL)))
    assert (status.state, delivered(made)) == (JobState.FAILED, {})


def test_an_archive_that_is_deleted_while_it_is_read_is_superseded() -> None:
    made = plant()
    source = made.upload("a.tar", in_tar(SMALL))

    def erase(step: str) -> None:
        if step == "work":
            made.store.erase(source)
            made._opened = None  # another function, which has read nothing of it

    made.fail = erase
    assert made.run(source).state is JobState.SUPERSEDED


@pytest.mark.parametrize("rate", [0.01, 0.04])
def test_every_member_is_delivered_once_despite_faults(rate: float) -> None:
    """Steps are killed, throttled, late or run twice; what fails is redriven without faults."""
    members = dict(list(SMALL.items())[:12]) | {"large.bin": LARGE[:40_000], "last.txt": b"last"}
    retried = 0
    for seed in range(8):
        routes = ROUTES.format(more="")
        made = FaultyPlant(routes, FaultPlan(random.Random(f"{rate} {seed}"), rate), member_bytes=20_000)
        source = made.upload("a.tar", in_tar(members))
        job_id = made.run_to_end(source)
        if made.jobs.jobs[job_id].state is JobState.FAILED:
            retried += 1
            made.fault_plan.rate = 0.0
            made.now += 1_000
            redriven(made, source, job_id)
        made.run_copies()
        report = (made.jobs.jobs[job_id], made.fault_plan.happened)
        assert made.jobs.jobs[job_id].state is JobState.SUCCEEDED, report
        assert delivered(made) == members, report
        versions = {key: len(found) for (bucket, key), found in made.store._versions.items() if bucket == "out"}
        assert set(versions.values()) == {1}, report
        assert made.fault_plan.orphans or not made.store.uploads, report
    assert retried


class AskedStore(MemoryObjectStore):
    """Notes which destinations are looked at."""

    def __init__(self) -> None:
        super().__init__("drops", "out", piece=700)
        self.looked: list[str] = []

    def head(self, bucket: str, key: str, *, version_id: str = "") -> ObjectHead | None:
        self.looked += [key] if bucket == "out" else []
        return super().head(bucket, key, version_id=version_id)


def test_a_batch_looks_at_its_first_destination_only() -> None:
    made = plant()
    made.objects = made.store = store = AskedStore()
    assert made.run(made.upload("a.tar", in_tar(SMALL))).state is JobState.SUCCEEDED
    assert delivered(made) == SMALL
    assert sorted(store.looked) == [f"small/{number}.txt" for number in (0, 10, 20)]


@pytest.mark.parametrize("first", [{}, {"0.txt": b"damaged"}])
def test_a_batch_that_was_killed_writes_no_member_twice(
    first: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also if the destination that it looks at is free, because that member is damaged."""
    made = plant_of_zips()
    good = dict(list(SMALL.items())[:9])
    data = zip_of(first | good, zipfile.ZIP_STORED).replace(b"damaged", b"Damaged")
    write = member_batches.write_results

    def die(*_: Any) -> None:
        monkeypatch.setattr(work_members, "write_results", write)
        raise StepKilledError

    monkeypatch.setattr(work_members, "write_results", die)
    status = made.run(made.upload("a.zip", data))
    assert made.calls.count("work") == 2
    assert status.state is (JobState.FAILED if first else JobState.SUCCEEDED), status
    assert delivered(made) == good
    assert {len(found) for (bucket, _), found in made.store._versions.items() if bucket == "out"} == {1}
