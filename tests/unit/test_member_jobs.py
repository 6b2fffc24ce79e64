"""What becomes of an entry of an archive before it is read."""

from __future__ import annotations

import pytest

from penstock.archives.archive import Skipped
from penstock.delivery.member_jobs import MemberResult, MemberRouter
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


def test_a_result_is_one_line_and_says_only_what_is_known() -> None:
    result = MemberResult(5, "a\nb", JobState.SKIPPED, reason="why")
    line = to_json(result)
    assert "\n" not in line
    assert "target" not in line
    assert from_json(MemberResult, line) == result
