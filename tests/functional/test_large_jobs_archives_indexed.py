"""Large compressed tar archives: through the index of their codec, they are delivered as a plain tar is."""

from __future__ import annotations

import gzip
import json
import random
from collections.abc import Callable
from typing import Any

import pytest

from fixtures.units import bgzf, pieces_of, xz, zstd
from machine import Plant, redriven
from machine_faults import FaultPlan, FaultyPlant
from machine_sources import in_blocks, in_members, in_tar
from penstock.delivery import archive_delivery
from penstock.large_jobs import member_batches
from penstock.model.job_status import JobState, JobStatus, Phase
from penstock.testing import ManualDeadline

ROUTES = """
[[route]]
name = "archives"
match = ["*.tar.*"]
archive = "members"
{more}

[[route]]
name = "members"
match = ["*.tar.*/*"]
destination = "s3://out/{{member}}"
"""
SMALL = {f"small/{number}.txt": b"%d" % number * 50 for number in range(25)}
LARGE = b"".join(b"%d,%d\n" % (n, n * n) for n in range(5_000))
MEMBERS = SMALL | {"large.csv": LARGE, "last.gz": gzip.compress(b"last" * 30)}
AT_DESTINATION = MEMBERS | {"last.gz": b"last" * 30}

PACKED: dict[str, Callable[[bytes], bytes]] = {
    "a.tar.gz": in_blocks,
    "members.tar.gz": in_members,
    "one-block.tar.gz": gzip.compress,
    "bgzf.tar.gz": lambda data: bgzf(pieces_of(data, 9_000)),
    "two.tar.gz": lambda data: gzip.compress(data[:30_000]) + gzip.compress(data[30_000:]),
    "a.tar.xz": lambda data: xz(pieces_of(data, 9_000)),
    "a.tar.zst": lambda data: zstd(pieces_of(data, 9_000)),
}


@pytest.fixture(autouse=True)
def _small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(member_batches, "MOST_ENTRIES", 10)


def plant(more: str = "", **options: Any) -> Plant:
    return Plant(ROUTES.format(more=more), member_bytes=20_000, **options)


def delivered(plant: Plant) -> dict[str, bytes]:
    found = ((key, plant.store.get("out", key)) for bucket, key in plant.store._versions if bucket == "out")
    return {key: stored.data for key, stored in found if stored}


def failure_of(status: JobStatus) -> tuple[str, str]:
    assert status.failure
    return status.failure.error, status.failure.message


def phases(status: JobStatus) -> list[Phase]:
    return [phase for phase, _ in status.phases]


@pytest.mark.parametrize("key", list(PACKED))
def test_a_compressed_archive_is_indexed_and_then_delivered_in_batches(key: str) -> None:
    made = plant()
    status = made.run(made.upload(key, PACKED[key](in_tar(MEMBERS))))
    assert status.state is JobState.SUCCEEDED, status
    assert delivered(made) == AT_DESTINATION
    assert phases(status) == [Phase.PLAN, Phase.INDEX, Phase.SPANS, Phase.FINISH]
    assert (status.spans, status.spans_done) == (5, 5)
    assert status.codec == f"tar.{ {'gz': 'gzip', 'xz': 'xz', 'zst': 'zstd'}[key.rpartition('.')[2]] }"
    (child,) = [job for job in made.jobs.jobs.values() if job.job_id != status.job_id]
    assert (child.state, child.spans > 2) == (JobState.SUCCEEDED, True)
    assert made.store.uploads == {}


def test_a_large_compressed_member_has_an_index_of_its_own() -> None:
    made = plant()
    status = made.run(made.upload("a.tar.gz", in_blocks(in_tar(SMALL | {"large.csv.gz": in_blocks(LARGE)}))))
    assert status.state is JobState.SUCCEEDED, status
    assert delivered(made) == SMALL | {"large.csv.gz": LARGE}
    (child,) = [job for job in made.jobs.jobs.values() if job.job_id != status.job_id]
    assert phases(child) == [Phase.PLAN, Phase.INDEX, Phase.SPANS, Phase.FINISH]
    assert (child.codec, child.spans > 2) == ("gzip", True)


def test_the_batches_add_up_to_the_bytes_of_the_object() -> None:
    made = plant()
    data = in_blocks(in_tar(MEMBERS))
    status = made.run(made.upload("a.tar.gz", data))
    batches = [json.loads(line) for line in made.files.files[f"jobs/{status.job_id}/manifest.jsonl"].splitlines()]
    counted = sum(batch["bytes"] for batch in batches)
    assert len(data) // 2 < counted <= len(data)
    assert status.progress.bytes_in <= len(data)


def test_the_index_pass_takes_several_invocations() -> None:
    made = plant()
    made.deadlines = lambda: ManualDeadline(900.0, per_look=30.0 if made.calls[-1:] == ["index"] else 0.0)
    status = made.run(made.upload("a.tar.gz", in_blocks(in_tar(MEMBERS))))
    assert status.state is JobState.SUCCEEDED, status
    assert made.calls.count("index") > 2
    assert delivered(made) == AT_DESTINATION


def test_nothing_is_delivered_from_an_archive_whose_checksum_is_wrong() -> None:
    made = plant()
    data = in_blocks(in_tar(MEMBERS))
    status = made.run(made.upload("a.tar.gz", data[:-8] + b"\1\2\3\4" + data[-4:]))
    error, message = failure_of(status)
    assert error == "ChecksumMismatchError"
    assert message.startswith("s3://drops/a.tar.gz: CRC32 of the decoded bytes is ")
    assert message.endswith(f"(at byte {len(data) - 8:,})")
    assert delivered(made) == {}


def test_a_damaged_header_is_named_with_its_offset_in_the_decoded_archive() -> None:
    made = plant()
    tar = bytearray(in_tar(SMALL))
    tar[1024 * 7 + 5] ^= 1
    status = made.run(made.upload("a.tar.gz", in_blocks(bytes(tar))))
    error, message = failure_of(status)
    assert error == "BadHeaderError"
    assert message == "s3://drops/a.tar.gz: no tar header: the checksum of the block is wrong (at byte 7,168)"
    assert delivered(made) == {}


def test_an_archive_that_is_cut_off_before_its_compression_is_refused() -> None:
    made = plant()
    status = made.run(made.upload("a.tar.gz", in_blocks(in_tar(MEMBERS)[:20_000])))
    assert failure_of(status)[0] == "TruncatedSourceError"
    assert delivered(made) == {}


@pytest.mark.parametrize("step", ["index", "work"])
def test_an_archive_that_is_overwritten_while_it_is_read_is_superseded(step: str) -> None:
    made = plant()
    source = made.upload("a.tar.gz", in_blocks(in_tar(SMALL)))

    def overwrite(called: str) -> None:
        if called == step:
            made.store.erase(source)
            made._opened = None  # another function, which has read nothing of it

    made.fail = overwrite
    assert made.run(source).state is JobState.SUPERSEDED
    assert delivered(made) == {}


def test_an_archive_with_too_many_entries_for_one_invocation_is_handed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive_delivery, "MOST_ENTRIES", 20)
    made = plant(large_bytes=1_000_000)
    status = made.run(made.upload("a.tar.gz", gzip.compress(in_tar(SMALL))))
    assert (status.state, status.spans) == (JobState.SUCCEEDED, 3), status
    assert delivered(made) == SMALL


@pytest.mark.parametrize(("packed", "ends"), [(gzip.compress, JobState.FAILED), (in_blocks, JobState.SUCCEEDED)])
def test_an_archive_that_cannot_be_entered_for_long_is_read_in_order(
    packed: Callable[[bytes], bytes], ends: JobState
) -> None:
    """Else each batch would decode it from its start again."""
    made = plant()
    made.deadlines = lambda: ManualDeadline(10.001)
    status = made.run(made.upload("a.tar.gz", packed(in_tar({"a.bin": random.Random(1).randbytes(30_000)}))))
    assert status.state is ends, status
    if status.failure:
        assert "this archive is read in order" in status.failure.message


def test_two_members_with_one_destination_fail_the_job_before_anything_is_written() -> None:
    made = plant()
    made.routes_text = made.routes_text.replace("{member}", "{member_base}")
    status = made.run(made.upload("a.tar.gz", in_blocks(in_tar(SMALL | {"a/same.txt": b"1", "b/same.txt": b"2"}))))
    error, message = failure_of(status)
    assert error == "InvalidRouteError"
    assert "'a/same.txt' and 'b/same.txt' would both be written to s3://out/same.txt" in message
    assert delivered(made) == {}


def test_a_list_of_entries_that_does_not_fit_an_invocation_is_refused_by_name() -> None:
    made = plant()
    made.deadlines = lambda: ManualDeadline(900.0, per_look=50.0 if made.calls[-2:] == ["index", "plan"] else 0.0)
    status = made.run(made.upload("a.tar.gz", in_blocks(in_tar(MEMBERS))))
    error, message = failure_of(status)
    assert error == "TimeLimitError"
    assert message.startswith("s3://drops/a.tar.gz: the time limit was reached before the last")
    assert delivered(made) == {}


@pytest.mark.parametrize("content", [b"", bytes(10_240)])
def test_an_empty_archive_has_no_members(content: bytes) -> None:
    made = plant()
    status = made.run(made.upload("a.tar.gz", gzip.compress(content)))
    assert status.state is JobState.SUCCEEDED, status
    assert delivered(made) == {}


BAD = """
[[route]]
name = "bad"
match = ["*.tar.*/bad*"]
destination = "s3://out/{member}"
max_bytes = 10
"""


@pytest.mark.parametrize("expired", [False, True])
def test_a_redrive_delivers_the_missing_members_also_if_the_index_has_expired(expired: bool) -> None:
    made = plant()
    made.routes_text = BAD + made.routes_text
    members = SMALL | {"bad.txt": b"too long for its route", "bad.bin": LARGE}
    source = made.upload("a.tar.gz", in_blocks(in_tar(members)))
    status = made.run(source)
    assert (status.state, delivered(made)) == (JobState.FAILED, SMALL)
    made.routes_text = made.routes_text.replace("max_bytes = 10", "")
    made.now += 100
    if expired:
        made.files.files = {key: data for key, data in made.files.files.items() if not key.startswith("jobs/index-")}
        made._opened = None
    again = redriven(made, source, status.job_id)
    assert (again.state, again.failure) == (JobState.SUCCEEDED, None)
    assert delivered(made) == members
    assert made.calls.count("index") == 1 + expired
    assert {len(versions) for (bucket, _), versions in made.store._versions.items() if bucket == "out"} == {1}


def test_warnings_of_the_codec_are_in_the_receipt() -> None:
    made = plant()
    status = made.run(made.upload("a.tar.gz", in_blocks(in_tar(SMALL)) + b"garbage"))
    assert status.state is JobState.SUCCEEDED, status
    assert any("trailing garbage" in warning for warning in status.warnings), status.warnings


def test_a_redrive_enters_an_archive_that_an_earlier_release_read_in_order() -> None:
    made = plant()
    source = made.upload("a.tar.gz", in_blocks(in_tar(SMALL)))
    job_id = made.ingest(source).job_id
    made.files.files[f"jobs/{job_id}/cut.json"] = json.dumps(
        {"codec": "gzip", "spans": 0, "total": -1, "execution": "an-earlier-one"}
    ).encode()
    made.execute(job_id)
    assert (made.jobs.jobs[job_id].state, made.jobs.jobs[job_id].spans) == (JobState.SUCCEEDED, 3)
    assert delivered(made) == SMALL


@pytest.mark.parametrize("rate", [0.01, 0.04])
def test_every_member_is_delivered_once_despite_faults(rate: float) -> None:
    """Steps are killed, throttled, late or run twice; what fails is redriven without faults."""
    members = dict(list(SMALL.items())[:12]) | {"large.bin": LARGE[:30_000], "last.txt": b"last"}
    for seed in range(6):
        plan = FaultPlan(random.Random(f"{rate} {seed}"), rate)
        made = FaultyPlant(ROUTES.format(more=""), plan, member_bytes=20_000)
        source = made.upload("a.tar.gz", in_blocks(in_tar(members)))
        job_id = made.run_to_end(source)
        if made.jobs.jobs[job_id].state is JobState.FAILED:
            made.fault_plan.rate = 0.0
            made.now += 1_000
            redriven(made, source, job_id)
        made.run_copies()
        report = (made.jobs.jobs[job_id], made.fault_plan.happened)
        assert made.jobs.jobs[job_id].state is JobState.SUCCEEDED, report
        assert delivered(made) == members, report
        versions = {key: len(found) for (bucket, key), found in made.store._versions.items() if bucket == "out"}
        assert set(versions.values()) == {1}, report
