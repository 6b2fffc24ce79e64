"""The rejects of an archive are those of its members."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import pytest

from penstock.delivery.member_jobs import MemberResult
from penstock.large_jobs.job_files import JobFolder
from penstock.large_jobs.span_plan import MemberBatches, WholeSource
from penstock.model.job import Failure, Receipt
from penstock.model.job_status import JobState, JobStatus
from penstock.model.record import RecordPosition, Reject
from penstock.model.route import MEMBERS
from penstock.model.serialization import to_json
from penstock.operations.member_rejects import JobRejects
from penstock.testing import MemoryRejectLog, MemoryWorkFiles

REJECT = Reject(RecordPosition(7, 70, "x"), "not an integer", "id")
RECEIPT = Receipt(1, 1, 0, 1, "identity", rows=9)
RESULTS = [
    MemberResult(1, "good.csv", JobState.SUCCEEDED, "good", receipt=RECEIPT),
    MemberResult(2, "some\u2028.csv", JobState.SUCCEEDED, "some", receipt=replace(RECEIPT, rejects=1)),
    MemberResult(3, "left", JobState.SKIPPED, reason="no route"),
    MemberResult(4, "bad.csv", JobState.FAILED, "bad", failure=Failure("TooManyRejectsError", "2", "")),
]


def lines(results: Iterable[MemberResult]) -> bytes:
    return b"".join(to_json(result).encode() + b"\n" for result in results)


def status(target: str = MEMBERS, spans: int = 0) -> JobStatus:
    return JobStatus("archive", JobState.FAILED, "s3://drops/a.zip", target=target, spans=spans)


@pytest.fixture
def log() -> MemoryRejectLog:
    log = MemoryRejectLog()
    for job_id in ("good", "some", "bad", "archive"):
        log.write(job_id, "0", [REJECT])
    return log


@pytest.mark.parametrize(
    ("files", "spans"),
    [
        ({"members.jsonl": RESULTS}, 0),
        ({"members/1.jsonl": RESULTS[:2], "members/3.jsonl": RESULTS[2:], "members/4.jsonl": RESULTS}, 3),
    ],
)
def test_those_of_members_with_rejects_are_read_and_name_them(
    log: MemoryRejectLog, files: dict[str, list[MemberResult]], spans: int
) -> None:
    work = MemoryWorkFiles(files={f"jobs/archive/{name}": lines(results) for name, results in files.items()})
    if spans:
        JobFolder(work, "archive").put_plan(MemberBatches("zip", spans, 100, members=3))
    found = list(JobRejects(work, log)(replace(status(spans=spans), execution="archive" if spans else "")))
    assert found == [replace(REJECT, member="some\u2028.csv"), replace(REJECT, member="bad.csv")]
    assert found[1].flat == {"member": "bad.csv"} | REJECT.flat


def test_those_of_an_archive_that_an_execution_read_in_order_are_read(log: MemoryRejectLog) -> None:
    work = MemoryWorkFiles(files={"jobs/archive/members.jsonl": lines(RESULTS)})
    JobFolder(work, "archive").put_plan(WholeSource("gzip"))
    found = list(JobRejects(work, log)(replace(status(spans=1), execution="archive")))
    assert [reject.member for reject in found] == ["some\u2028.csv", "bad.csv"]


def test_those_of_another_job_are_its_own(log: MemoryRejectLog) -> None:
    assert list(JobRejects(MemoryWorkFiles(), log)(status("postgresql:people"))) == [REJECT]


def test_an_archive_whose_results_have_expired_has_none(log: MemoryRejectLog) -> None:
    assert list(JobRejects(MemoryWorkFiles(), log)(status())) == []
