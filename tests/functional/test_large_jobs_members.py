"""Large compressed members of a zip: indexed in mid-archive, delivered in spans, and proven by the directory."""

from __future__ import annotations

import bz2
import random
import zlib
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from fixtures.units import pieces_of, xz, zstd
from fixtures.zips import Entry, zip_of
from machine import Plant, redriven
from machine_faults import FaultPlan, FaultyPlant
from machine_sources import TEXT, in_blocks
from penstock.errors import AccessDeniedError
from penstock.model.job_status import JobState, JobStatus
from penstock.testing import ManualDeadline

ROUTES = """
[[route]]
name = "archives"
match = "*.zip"
archive = "members"

[[route]]
name = "members"
match = "*.zip/*"
destination = "s3://out/{stem}"
"""
DEFLATE, BZIP2, ZSTD, XZ = 8, 12, 93, 95
SMALL = Entry(b"small.txt", b"small")


def deflated(data: bytes, block: int = 1500) -> bytes:
    """A stream with an entry point every ``block`` bytes of content."""
    writer = zlib.compressobj(6, zlib.DEFLATED, -15)
    return b"".join(writer.compress(part) + writer.flush(zlib.Z_SYNC_FLUSH) for part in pieces_of(data, block)) + (
        writer.flush()
    )


def large(data: bytes = TEXT, method: int = DEFLATE, name: bytes = b"large.csv", **fields: Any) -> Entry:
    encode: dict[int, Callable[[bytes], bytes]] = {
        0: bytes,
        DEFLATE: deflated,
        ZSTD: lambda data: zstd(pieces_of(data, 1500), checksum=False),
        XZ: lambda data: xz(pieces_of(data, 1500)),
    }
    return Entry(name, data, method, data=encode[method](data), **fields)


def plant(**options: Any) -> Plant:
    return Plant(ROUTES, member_bytes=10_000, **options)


def child_of(made: Plant) -> JobStatus:
    (child,) = [job for job in made.jobs.jobs.values() if "/a.zip/" in job.source]
    return child


def delivered(made: Plant, key: str = "a.zip/large.csv") -> bytes | None:
    stored = made.store.get("out", key)
    return stored.data if stored else None


@pytest.mark.parametrize("method", [DEFLATE, ZSTD, XZ])
def test_a_compressed_member_has_spans(method: int) -> None:
    made = plant()
    entry = large(method=method)
    status = made.run(made.upload("a.zip", zip_of(SMALL, entry, Entry(b"last.txt", b"last"))))
    assert status.state is JobState.SUCCEEDED, status
    assert (delivered(made), delivered(made, "a.zip/small.txt")) == (TEXT, b"small")
    child = child_of(made)
    assert (child.state, child.spans, child.spans_done) == (JobState.SUCCEEDED, 5, 5)
    assert "index" in made.calls
    assert (child.size, child.progress.bytes_in, child.progress.bytes_out) == (
        len(entry.body),
        len(entry.body),
        len(TEXT),
    )
    assert child.crc32 == f"{zlib.crc32(TEXT):08x}"
    assert made.store.uploads == {}


def failure_of(status: JobStatus) -> tuple[str, str]:
    assert status.failure
    return status.failure.error, status.failure.message


def failed(made: Plant, data: bytes) -> tuple[str, str]:
    """Run an archive whose large member must fail alone, and return the error of the member's job."""
    status = made.run(made.upload("a.zip", data))
    assert (status.state, failure_of(status)[0]) == (JobState.FAILED, "MembersFailedError")
    assert (delivered(made), delivered(made, "a.zip/small.txt")) == (None, b"small")
    assert made.store.uploads == {}
    error, message = failure_of(child_of(made))
    assert message in failure_of(status)[1]
    assert message.startswith("s3://drops/a.zip/large.csv: ")
    return error, message


def offset_in(message: str) -> int:
    return int(message.rpartition("at byte ")[2].split()[0].rstrip(").;:").replace(",", ""))


def begin_of(data: bytes) -> int:
    """The offset of the large member's encoded bytes."""
    return data.index(b"large.csv") + len(b"large.csv")


def test_damage_in_a_member_is_named_by_archive_member_and_offset_in_the_archive() -> None:
    data = bytearray(zip_of(SMALL, large()))
    size, begin = len(large().body), begin_of(bytes(data))
    assert begin > 70
    data[begin + size // 2] ^= 0x55
    made = plant()
    error, message = failed(made, bytes(data))
    assert error in {"CorruptSourceError", "ChecksumMismatchError"}
    assert begin + size // 2 - 8 <= offset_in(message) <= begin + size
    assert "work" not in made.calls[made.calls.index("index") :]


@pytest.mark.parametrize(
    ("method", "wrong", "text"),
    [
        (DEFLATE, {"crc32": 1}, "CRC32 of the member's bytes is "),
        (XZ, {"crc32": 1}, "the CRC32 of the delivered bytes is "),
        (ZSTD, {"crc32": 1}, "the CRC32 of the delivered bytes is "),
        (DEFLATE, {"size": len(TEXT) + 1}, f"the member has {len(TEXT):,} bytes, the directory declares"),
        (XZ, {"size": len(TEXT) + 1}, f"the member has {len(TEXT):,} bytes, the directory declares"),
        (ZSTD, {"size": len(TEXT) + 1}, f"the member has {len(TEXT):,} bytes, the directory declares"),
        (DEFLATE, {"size": 20_000}, "the member has more than its 20,000 bytes"),
        (XZ, {"size": 20_000}, "the member has more than its 20,000 bytes"),
        (ZSTD, {"size": 20_000}, "the member has more than its 20,000 bytes"),
    ],
)
def test_a_member_that_is_not_what_the_directory_declares_is_never_published(
    method: int, wrong: dict[str, Any], text: str
) -> None:
    data = zip_of(SMALL, large(method=method, **wrong))
    _, message = failed(plant(), data)
    assert text in message
    assert data.index(b"large.csv") - 30 <= offset_in(message) <= len(data)


def test_a_bomb_is_decoded_no_further_than_its_declared_size() -> None:
    made = plant()
    bomb = Entry(b"large.csv", b"", DEFLATE, data=deflated(bytes(5_000_000)), size=20_000)
    _, message = failed(made, zip_of(SMALL, bomb))
    assert "the member has more than its 20,000 bytes" in message
    assert offset_in(message) < 2_000 < len(bomb.body)


def test_bytes_after_the_end_of_a_members_data_are_refused() -> None:
    entry = large()
    end = len(entry.body)
    entry.data = entry.body + b"more"
    data = zip_of(SMALL, entry)
    _, message = failed(plant(), data)
    assert "deflate data ends before the member does" in message
    assert offset_in(message) == begin_of(data) + end


def test_a_member_that_its_own_header_contradicts_is_refused_before_it_is_indexed() -> None:
    made = plant()
    error, message = failed(made, zip_of(SMALL, large(own={"method": XZ})))
    assert (error, "has method 95 in its header" in message) == ("BadHeaderError", True)
    assert "index" not in made.calls


def test_a_member_that_is_other_bytes_when_its_spans_are_read_is_never_published() -> None:
    made = plant()
    source = made.upload("a.zip", zip_of(large()))
    at = begin_of(zip_of(large())) + len(large().body) // 2

    def damage(step: str) -> None:
        if step == "index":
            return
        version = made.store._versions["drops", "a.zip"][-1]
        if version and "index" in made.calls:
            data = bytearray(version.data)
            data[at] ^= 0x55
            made.store._versions["drops", "a.zip"][-1] = replace(version, data=bytes(data))
            made.fail = lambda step: None

    made.fail = damage
    status = made.run(source)
    assert (status.state, delivered(made), made.store.uploads) == (JobState.FAILED, None, {})
    error, message = failure_of(child_of(made))
    assert error in {"CorruptSourceError", "ChecksumMismatchError"}
    assert message.startswith("s3://drops/a.zip/large.csv: ")


@pytest.mark.parametrize("step", ["index", "work"])
def test_an_archive_that_is_overwritten_while_a_member_is_read_is_superseded(step: str) -> None:
    made = plant()
    made.store._unversioned = {"drops"}
    source = made.upload("a.zip", zip_of(large()))

    def overwrite(called: str) -> None:
        if called == step and "index" in made.calls:
            made.upload("a.zip", b"new")
            made._opened = None  # another function, which has read nothing of it
            made.fail = lambda step: None

    made.fail = overwrite
    status = made.run(source)
    assert (status.state, delivered(made), made.store.uploads) == (JobState.SUPERSEDED, None, {})
    assert failure_of(child_of(made))[0] == "SourceChangedError"


@pytest.mark.parametrize("method", [DEFLATE, XZ, ZSTD])
def test_a_pass_over_a_member_goes_on_where_it_ran_out_of_time(method: int) -> None:
    made = plant()
    # Each check of the time takes a second, and there is one for each piece of 1 KB.
    made.deadlines = lambda: (
        ManualDeadline(25.0, per_look=1.0) if made.calls[-1:] == ["index"] else ManualDeadline(900.0)
    )
    status = made.run(made.upload("a.zip", zip_of(large(method=method))))
    assert (status.state, delivered(made)) == (JobState.SUCCEEDED, TEXT), status
    assert made.calls.count("index") > 2 or method == XZ  # the index of xz lies at its end


@pytest.mark.parametrize(
    ("name", "entry", "spans"),
    [
        ("a stored gzip", large(in_blocks(TEXT), 0, b"large.csv.gz"), 5),
        ("a stored zstd", large(zstd(pieces_of(TEXT, 1500)), 0, b"large.csv.zst"), 5),
        ("a deflated gzip", large(in_blocks(TEXT), DEFLATE, b"large.csv.gz"), 1),
        ("a zstd that is compressed as zstd", large(zstd(pieces_of(TEXT, 1500)), ZSTD, b"large.csv.zst"), 1),
        ("bzip2", Entry(b"large.csv", TEXT, BZIP2, data=bz2.compress(TEXT)), 1),
        ("zstd of one frame", Entry(b"large.csv", TEXT, ZSTD, data=zstd([TEXT])), 1),
        ("xz of one block", Entry(b"large.csv", TEXT, XZ, data=xz([TEXT])), 1),
    ],
)
def test_a_member_has_spans_if_its_bytes_can_be_entered(name: str, entry: Entry, spans: int) -> None:
    made = plant()
    status = made.run(made.upload("a.zip", zip_of(SMALL, entry)))
    assert (status.state, delivered(made)) == (JobState.SUCCEEDED, TEXT), name
    assert child_of(made).spans == spans, name


def test_a_stored_gzip_is_damaged_at_an_offset_of_its_own() -> None:
    packed = bytearray(in_blocks(TEXT))
    packed[len(packed) - 6] ^= 1
    made = plant()
    made.run(made.upload("a.zip", zip_of(SMALL, large(bytes(packed), 0, b"large.csv.gz"))))
    error, message = failure_of(child_of(made))
    assert (error, offset_in(message)) == ("ChecksumMismatchError", len(packed) - 8)
    assert message.startswith("s3://drops/a.zip/large.csv.gz: ")


def test_a_member_that_failed_in_its_spans_is_delivered_by_a_redrive() -> None:
    made = plant()
    source = made.upload("a.zip", zip_of(SMALL, large()))
    refused = iter([AccessDeniedError("s3:PutObject")])

    def refuse(step: str) -> None:
        if step == "work" and "index" in made.calls and (error := next(refused, None)):
            raise error

    made.fail = refuse
    status = made.run(source)
    assert (status.state, delivered(made)) == (JobState.FAILED, None)
    made.now += 100
    made.calls.clear()
    assert redriven(made, source, status.job_id).state is JobState.SUCCEEDED
    assert (delivered(made), "index" in made.calls) == (TEXT, False)


@pytest.mark.parametrize("rate", [0.01, 0.04])
def test_a_compressed_member_is_delivered_once_despite_faults(rate: float) -> None:
    """Steps are killed, throttled, late or run twice; what fails is redriven without faults."""
    retried = 0
    for seed in range(8):
        made = FaultyPlant(ROUTES, FaultPlan(random.Random(f"{rate} {seed}"), rate), member_bytes=10_000)
        source = made.upload("a.zip", zip_of(SMALL, large()))
        job_id = made.run_to_end(source)
        if made.jobs.jobs[job_id].state is JobState.FAILED:
            retried += 1
            made.fault_plan.rate = 0.0
            made.now += 1_000
            redriven(made, source, job_id)
        made.run_copies()
        report = (made.jobs.jobs[job_id], made.fault_plan.happened)
        assert made.jobs.jobs[job_id].state is JobState.SUCCEEDED, report
        assert (delivered(made), delivered(made, "a.zip/small.txt")) == (TEXT, b"small"), report
        versions = {key: len(found) for (bucket, key), found in made.store._versions.items() if bucket == "out"}
        assert set(versions.values()) == {1}, report
        assert made.fault_plan.orphans or not made.store.uploads, report
    assert retried or rate < 0.02


INNER = """
[[route]]
name = "inner"
match = "*.zip/*.zip"
archive = "members"
"""


def test_a_compressed_member_of_an_archive_that_is_stored_in_another_has_spans() -> None:
    made = Plant(INNER + ROUTES, member_bytes=10_000)
    inner = zip_of(Entry(b"small.txt", b"inner"), large())
    status = made.run(made.upload("a.zip", zip_of(SMALL, Entry(b"b.zip", inner, 0))))
    assert status.state is JobState.SUCCEEDED, status
    assert (delivered(made, "a.zip/b.zip/large.csv"), delivered(made, "a.zip/b.zip/small.txt")) == (TEXT, b"inner")
    assert child_of(made).spans == 5
