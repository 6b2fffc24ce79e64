"""Large compressed members of a zip: indexed in mid-archive, delivered in spans, and proven by the directory."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from typing import Any

import pytest

from fixtures.units import pieces_of, xz, zstd
from fixtures.zips import Entry, zip_of
from machine import Plant
from machine_sources import TEXT
from penstock.model.job_status import JobState, JobStatus

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
