"""What is told of a job that ended."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from penstock.jobs.announce.announcement import LONGEST_MESSAGE, announcement_of, detail_of
from penstock.model.job import Failure, Progress
from penstock.model.job_status import JobState, JobStatus
from penstock.model.member import MemberCounts
from penstock.model.object import Location, Source

SOURCE = Source("drops", "in/añb.csv", 1_234, "9f", "v1", "01")
LOADED = JobStatus(
    "0123abcd",
    JobState.SUCCEEDED,
    SOURCE.uri,
    route="orders",
    target="postgresql:orders",
    size=1_234,
    progress=Progress(1_234, 5_000, 17, 3, 1),
    attempts=2,
    started_at=1_795_249_800.0,
    finished_at=1_795_249_812.5,
    codec="gzip",
    crc32="0000ffff",
    warnings=("3 of 20 records were rejected",),
    upload=SOURCE,
    redrives=1,
)
FAILED = replace(
    LOADED, state=JobState.FAILED, warnings=(), failure=Failure("TruncatedSourceError", "ends at byte 7", "Upload it.")
)


def test_a_success_says_what_was_loaded_from_where_and_when() -> None:
    assert detail_of(LOADED, "drops-prod") == {
        "stack": "drops-prod",
        "job": "0123abcd",
        "execution": "",
        "source": "s3://drops/in/añb.csv",
        "target": "postgresql:orders",
        "route": "orders",
        "state": "succeeded",
        "attempt": 2,
        "redrives": 1,
        "started_at": "2026-11-21T08:30:00.000Z",
        "finished_at": "2026-11-21T08:30:12.500Z",
        "seconds": 12.5,
        "size": 1_234,
        "bytes_in": 1_234,
        "bytes_out": 5_000,
        "rows": 17,
        "rejects": 3,
        "dropped": 1,
        "bucket": "drops",
        "key": "in/añb.csv",
        "version_id": "v1",
        "etag": "9f",
        "receipt": {
            "bytes_in": 1_234,
            "bytes_out": 5_000,
            "crc32": 0xFFFF,
            "parts": 0,
            "codec": "gzip",
            "etag": "",
            "version_id": "",
            "warnings": ["3 of 20 records were rejected"],
            "rows": 17,
            "rejects": 3,
            "dropped": 1,
        },
    }


def test_a_failure_says_why_and_what_to_do() -> None:
    detail = detail_of(FAILED)
    assert detail["failure"] == {"error": "TruncatedSourceError", "message": "ends at byte 7", "hint": "Upload it."}
    assert "receipt" not in detail
    assert announcement_of(FAILED).kind == "Penstock Job Failed"


def test_an_archive_has_counts_of_its_members_and_no_source_on_record_leaves_its_fields_out() -> None:
    counts = MemberCounts(delivered=3, failed=1, skipped=2, total=4)
    archive = replace(FAILED, target="members", progress=Progress(members=counts), upload=None)
    detail = detail_of(archive)
    assert detail["members"] == {"delivered": 3, "failed": 1, "skipped": 2, "superseded": 0, "total": 4}
    assert not {"bucket", "key", "version_id", "etag"} & detail.keys()
    assert "3 delivered, 1 failed, 4 in all" in announcement_of(archive).text


def test_an_object_that_was_moved_after_an_earlier_end_has_its_place() -> None:
    moved = replace(FAILED, location=Location("quarantine/a.csv", "9f", "v2"))
    assert detail_of(moved)["location"] == {"key": "quarantine/a.csv", "etag": "9f", "version_id": "v2"}


def test_a_person_reads_the_subject_and_the_text_and_a_filter_the_attributes() -> None:
    told = announcement_of(FAILED, "drops-prod")
    assert told.subject == "Penstock job failed: s3://drops/in/a?b.csv"
    assert told.attributes == {"state": "failed", "route": "orders"}
    lines = told.text.splitlines()
    assert lines[0] == "The job failed."
    assert "error     TruncatedSourceError: ends at byte 7" in lines
    assert "hint      Upload it." in lines
    assert "penstock status 0123abcd --stack drops-prod" in lines
    assert json.loads(lines[-1]) == detail_of(FAILED, "drops-prod")
    superseded = announcement_of(replace(FAILED, state=JobState.SUPERSEDED))
    assert (superseded.kind, superseded.text.splitlines()[0]) == ("Penstock Job Superseded", "The job was superseded.")


@pytest.mark.parametrize("key", ["x" * 1024, "line\nbreak\x1b[31m", "\N{PILE OF POO}" * 256])
def test_a_subject_is_what_sns_takes_and_a_key_adds_no_line_to_the_text(key: str) -> None:
    """https://docs.aws.amazon.com/sns/latest/api/API_Publish.html"""
    source = replace(SOURCE, key=key)
    told = announcement_of(replace(FAILED, source=source.uri, upload=source))
    assert told.subject.isascii()
    assert told.subject.isprintable()
    assert len(told.subject) < 100
    assert len(told.text.splitlines()) == len(announcement_of(FAILED).text.splitlines())
    assert "\x1b" not in told.text


def test_ten_of_the_longest_announcements_fit_into_one_request() -> None:
    """SNS takes 256 KB for all messages of a request, and each holds the detail twice."""
    longest = "\x01\N{PILE OF POO}" * 100_000
    status = replace(
        LOADED, warnings=(longest,) * 100, source="s3://drops/" + "k" * 1024, upload=replace(SOURCE, key="k" * 1024)
    )
    failed = replace(FAILED, failure=Failure("BadSourceError", longest, longest))
    for one in (status, failed):
        told = announcement_of(one)
        message = json.dumps({"default": json.dumps(told.detail, ensure_ascii=False), "email": told.text})
        assert len(message) < 262_144
    detail: Any = detail_of(failed)
    assert len(detail["failure"]["message"]) == LONGEST_MESSAGE
    assert detail["failure"]["message"].endswith("...")
    receipt: Any = detail_of(status)["receipt"]
    assert receipt["warnings"][-1] == "90 more warnings: see `penstock status`"
