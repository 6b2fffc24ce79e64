"""What becomes of an entry of an archive before it is read."""

from __future__ import annotations

import pytest

from penstock.archives.archive import Skipped
from penstock.delivery.member_jobs import MemberResult, MemberRouter, RefusedArchive, result_of
from penstock.errors import CorruptSourceError
from penstock.model.job import Job
from penstock.model.job_status import JobState
from penstock.model.member import Member, MemberContent
from penstock.model.object import Source
from penstock.model.route import MEMBERS, TableTarget
from penstock.model.serialization import from_json, to_json
from penstock.routes import parse_routes

ROUTES = parse_routes(
    """
    [[route]]
    name = "zips"
    match = "*.zip"
    archive = "members"
    members = ["!__MACOSX/*"]
    [[route]]
    name = "files"
    match = "*.txt"
    destination = "s3://lake/{member}"
    max_ratio = 10
    """,
    "routes.toml",
    {"source_bucket": "drops"},
)
ARCHIVE = Job(Source("drops", "in/a.zip", 100, "e", "v1"), ROUTES.routes[0], TableTarget(MEMBERS, ""))
ROUTER = MemberRouter(ARCHIVE, ROUTES)


def test_a_member_with_a_route_has_a_job() -> None:
    job = ROUTER.job_of(Member("x/a.txt", 2, 50, MemberContent(0, 10)))
    assert isinstance(job, Job)
    assert (job.source.key, job.source.size, job.target.uri) == ("in/a.zip/x/a.txt", 50, "s3://lake/x/a.txt")


@pytest.mark.parametrize(
    ("entry", "reason"),
    [
        (Skipped("b/", 3, "it is a directory"), "it is a directory"),
        (Member("__MACOSX/a.txt", 4), "route 'zips' leaves it out"),
        (Member("a.csv", 5), "no route matches 'in/a.zip/a.csv'"),
    ],
)
def test_an_entry_that_is_left_out_says_why(entry: Member | Skipped, reason: str) -> None:
    assert ROUTER.job_of(entry) == MemberResult(entry.number, entry.name, JobState.SKIPPED, reason=reason)


@pytest.mark.parametrize(
    ("member", "error"),
    [
        (Member("inner.zip", 6), "BadDocumentError"),
        (Member("bomb.txt", 7, 1 << 40, MemberContent(0, 100, "deflate")), "ExpansionLimitError"),
    ],
)
def test_a_member_that_cannot_be_delivered_has_failed(member: Member, error: str) -> None:
    result = ROUTER.job_of(member)
    assert isinstance(result, MemberResult)
    assert result.failure
    assert (result.state, result.failure.error) == (JobState.FAILED, error)
    assert f"s3://drops/in/a.zip/{member.name}" in result.failure.message


def test_an_inner_archive_that_cannot_be_taken_apart_has_failed() -> None:
    refused = RefusedArchive(Member("i.zip", 6), CorruptSourceError("damaged", offset=3))
    result = ROUTER.job_of(refused)
    assert isinstance(result, MemberResult)
    assert (result.numbers, result.name, result.state) == ((6,), "i.zip", JobState.FAILED)


def test_entries_of_an_inner_archive_are_named_and_numbered_after_it() -> None:
    within = Member("d/i.zip", 6)
    job = ROUTER.job_of(Member("x/a.txt", 2, within=within))
    assert isinstance(job, Job)
    assert (job.source.key, job.target.uri) == ("in/a.zip/d/i.zip/x/a.txt", "s3://lake/d/i.zip/x/a.txt")
    done = result_of(job, JobState.SUCCEEDED)
    assert (done.name, done.within, done.number) == ("d/i.zip/x/a.txt", 6, 2)
    assert from_json(MemberResult, to_json(done)) == done
    for entry in (Skipped("d/i.zip/y/", 3, "why", 6), Member("a.csv", 4, within=within)):
        left_out = ROUTER.job_of(entry)
        assert isinstance(left_out, MemberResult)
        assert (left_out.within, left_out.numbers, left_out.name) == (6, entry.numbers, entry.path)


def test_a_result_is_one_line_and_says_only_what_is_known() -> None:
    result = MemberResult(5, "a\nb", JobState.SKIPPED, reason="why")
    line = to_json(result)
    assert "\n" not in line
    assert "target" not in line
    assert from_json(MemberResult, line) == result
