"""What the commands show of archives: their members, counted in the same way for small and for large ones."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, cast

import pytest
from click.testing import CliRunner, Result
from moto import mock_aws
from rich.console import Console

from deployed_jobs import FAILURE, ROUTE, DeployedJobs
from lengths import long
from penstock.delivery.member_jobs import MemberResult, result_of
from penstock.large_jobs.job_files import MANIFEST, JobFolder
from penstock.large_jobs.member_batches import MemberBatch, write_results
from penstock.large_jobs.span_plan import MemberBatches
from penstock.model.job import Claim, Job, Progress, Receipt
from penstock.model.job_status import JobState, JobStatus, Phase
from penstock.model.member import Member, MemberCounts
from penstock.model.object import Target, member_source
from penstock.model.record import RecordPosition, Reject
from penstock.model.serialization import to_json
from penstock.model.span import SpanReceipt
from penstock.operations.archive_tree import ArchiveTree, ArchiveTreeReader
from penstock.wiring.operations import Operations
from penstock_cli.main import main
from penstock_cli.member_text import member_fields
from penstock_cli.watch import _LargeMembers
from penstock_cli.watch_view import WatchView

pytestmark = pytest.mark.xdist_group("deployed-jobs")  # for one process to import moto's CloudFormation, for seconds
COUNTS = MemberCounts(delivered=1_200, failed=2, skipped=7, superseded=1, total=1_205)
RECEIPT = Receipt(40, 50, 15, 2, "gzip", rows=7, rejects=1)
TOLD = "1,200 of 1,205 delivered, 2 failed, 1 superseded, 2 not begun, 7 left out"


def run(*arguments: str) -> Result:
    result = CliRunner(mix_stderr=False).invoke(main, arguments)
    assert result.exit_code == 0, result.stderr
    return result


def answer(*arguments: str) -> Any:
    return json.loads(run(*arguments, "--json").stdout)


@pytest.fixture
def deployed() -> Iterator[DeployedJobs]:
    with mock_aws():
        yield DeployedJobs()


def small_archive(deployed: DeployedJobs) -> Job:
    """An archive of which `ingest` did not deliver all members."""
    job, claim = deployed.begin_archive("in/small.zip")
    deployed.jobs.heartbeat(claim, Progress(900, 8_000, members=COUNTS), lease=60)
    deployed.jobs.close(claim, JobState.FAILED, failure=FAILURE)
    return job


def large_archive(deployed: DeployedJobs) -> Job:
    """The same archive in two batches of an execution, which has failed."""
    job, claim = deployed.begin_archive("in/large.zip")
    deployed.executions.hand_over(claim, job.id, lease=60)
    deployed.executions.confirm(job.id, job.id, lease=60)
    JobFolder(deployed.files, job.id).put_plan(MemberBatches("zip", 2, 8_000, members=COUNTS.total))
    deployed.executions.record_totals(job.id, job.id, spans=2, size=1000, members=COUNTS.total)
    deployed.executions.record_receipt(job.id, job.id, SpanReceipt(1, 500, 4_000, members=1_000, skipped=7))
    last = SpanReceipt(2, 400, 4_000, members=200, failed=2, superseded=1)
    deployed.executions.record_receipt(job.id, job.id, last)
    deployed.executions.end(job.id, job.id, JobState.FAILED, failure=FAILURE)
    return job


@pytest.mark.parametrize(("make", "listed"), [long(small_archive, "members.jsonl"), (large_archive, "members/")])
def test_the_members_of_an_archive_are_counted(deployed: DeployedJobs, make: Any, listed: str) -> None:
    job = make(deployed)
    lines = [line.split(maxsplit=1) for line in run("status", job.id).stdout.splitlines()]
    at = lines.index(["members", TOLD])
    assert lines[at + 1] == [f"s3://the-work/jobs/{job.id}/{listed}"]
    told = answer("status", job.id)
    assert told["members"] == {"delivered": 1_200, "failed": 2, "skipped": 7, "superseded": 1, "total": 1_205}
    assert told["members_listed_at"] == f"s3://the-work/jobs/{job.id}/{listed}"
    assert told["warnings"] == []
    assert "1,200 of 1,205 members" in run("jobs").stdout
    page = run("report", job.id, "--output", "-").stdout
    assert "<dt>Delivered</dt><dd>1,200 of 1,205</dd><dt>Failed</dt><dd>2</dd>" in page


@dataclass
class Tree:
    """An archive with 23 large members: one has failed, one runs, one has succeeded, the others are not begun."""

    deployed: DeployedJobs

    def __post_init__(self) -> None:
        deployed = self.deployed
        self.archive, claim = deployed.begin_archive("in/tree.zip")
        job = self.archive
        deployed.executions.hand_over(claim, job.id, lease=60)
        deployed.executions.confirm(job.id, job.id, lease=60)
        deployed.executions.start_phase(job.id, job.id, Phase.SPANS)
        folder = JobFolder(deployed.files, job.id)
        folder.put_plan(MemberBatches("zip", 24, 8_000, members=25, large=23))
        batches = [MemberBatch(1, 1, 2, 100), *(MemberBatch(n, n + 1, n + 1, 10, n - 1) for n in range(2, 25))]
        deployed.files.write(folder.key(MANIFEST), "\n".join(map(to_json, batches)).encode())
        deployed.executions.record_totals(job.id, job.id, spans=24, size=1000, members=25)
        self.small = MemberResult(1, "d/small.csv", JobState.SUCCEEDED, "5" * 32, "s3://lake/small", RECEIPT)
        self.bad = MemberResult(2, "bad.csv", JobState.FAILED, "b" * 32, "s3://lake/bad", failure=FAILURE)
        write_results(folder, 1, [self.small, self.bad])
        self.children = {n: self.child(n) for n in (2, 3, 4)}
        done, running, failed = self.children.values()
        self.end(done, JobState.SUCCEEDED)
        self.end(failed, JobState.FAILED)
        for n, state in ((2, JobState.SUCCEEDED), (3, JobState.EXECUTING), (4, JobState.FAILED)):
            write_results(folder, n, [result_of(self.children[n][0], state, failure=FAILURE)])
        deployed.executions.record_receipt(job.id, job.id, SpanReceipt(1, 100, 50, members=1, failed=1))
        deployed.executions.record_receipt(job.id, job.id, SpanReceipt(2, 10, 10, members=1))
        deployed.executions.record_receipt(job.id, job.id, SpanReceipt(4, 10, 0, failed=1))
        self.running = running[0]

    def child(self, n: int) -> tuple[Job, Claim]:
        archive = self.archive.source
        member = Member(f"large\x1b{n}.bin", n + 1, 5_000_000)
        job = Job(member_source(archive, member), ROUTE, Target("lake", f"large{n}.bin"))
        claim = self.deployed.jobs.claim(job, lease=60, archive_job=self.archive.id)
        assert isinstance(claim, Claim)
        self.deployed.jobs.heartbeat(claim, Progress(1_000_000 * n), lease=60)
        return job, claim

    def end(self, child: tuple[Job, Claim], state: JobState) -> None:
        self.deployed.jobs.close(child[1], state, failure=FAILURE)


@pytest.fixture
def tree(deployed: DeployedJobs) -> Tree:
    return Tree(deployed)


def test_the_status_of_an_archive_lists_its_large_and_its_failed_members(tree: Tree) -> None:
    lines = run("status", tree.archive.id).stdout.splitlines()
    at = next(at for at, line in enumerate(lines) if line.startswith("failed  "))
    assert lines[at].split(maxsplit=1)[1] == (
        f"bad.csv (number 2, job {'b' * 12}): InvalidTableError: table orders does not exist"
    )
    assert r"large\x1b4.bin (number 5, job " in lines[at + 1]
    assert lines[at + 2].strip() == FAILURE.hint  # once for both
    large = [line.removeprefix("large").split() for line in lines[at + 3 :]]
    children = {n: job.id[:12] for n, (job, _) in tree.children.items()}
    assert large == [
        [children[3], "running", "60.00%", "5.0", "MB", r"large\x1b3.bin"],
        [children[4], "failed", "80.00%", "5.0", "MB", r"large\x1b4.bin"],
        [children[2], "succeeded", "100.00%", "5.0", "MB", r"large\x1b2.bin"],
        ["and", "20", "more"],
    ]
    told = answer("status", tree.archive.id)
    assert [(one["state"], one["percent"]) for one in told["large_members"]] == [
        ("running", 60.0),
        ("failed", 80.0),
        ("succeeded", 100.0),
    ]
    assert told["large_members_total"] == 23
    assert [(one["number"], one["failure"]["error"]) for one in told["failed_members"]] == [
        (2, "InvalidTableError"),
        (5, "InvalidTableError"),
    ]


@pytest.mark.long
def test_the_status_of_an_archive_says_which_rejects_its_counts_leave_out(tree: Tree) -> None:
    assert "not counted above" not in run("status", tree.archive.id).stdout
    too_many = replace(FAILURE, error="TooManyRejectsError")
    write_results(JobFolder(tree.deployed.files, tree.archive.id), 1, [tree.small, replace(tree.bad, failure=too_many)])
    shown = run("status", tree.archive.id).stdout
    assert "those of members that failed are not counted above" in shown
    assert f"penstock rejects {tree.archive.id}" in shown


@pytest.mark.long
def test_a_member_without_a_checksum_shows_none(tree: Tree) -> None:
    status = tree.deployed.jobs.get(tree.archive.id)
    assert status
    loaded = replace(tree.small, receipt=replace(RECEIPT, crc32=0))
    assert dict(member_fields(loaded, status))["integrity"] == "codec gzip, 2 parts"


@pytest.mark.long
def test_a_large_member_names_the_job_of_its_archive(tree: Tree) -> None:
    running = tree.running
    assert f"member of   job {tree.archive.id}" in run("status", running.id).stdout
    assert answer("status", running.id)["archive_job"] == tree.archive.id
    assert f"(member of {tree.archive.id[:12]})" in run("jobs").stdout
    assert f"<dt>Member of job</dt><dd>{tree.archive.id}</dd>" in run("report", running.id, "--output", "-").stdout
    status = tree.deployed.jobs.get(running.id)
    assert status
    console = Console(width=100, record=True)
    console.print(WatchView([status]))
    assert console.export_text().rstrip().endswith(r"tree.zip/large\x1b3.bin")


@pytest.mark.parametrize("wanted", [long("1"), "d/small.csv", long("5" * 32), "55555555"])
def test_a_small_member_is_shown_by_its_number_name_or_job(tree: Tree, wanted: str) -> None:
    shown = run("status", tree.archive.id, "--member", wanted).stdout
    assert shown.splitlines() == [
        "member      d/small.csv (number 1)",
        "state       succeeded",
        "archive     s3://drops/in/tree.zip",
        f"            job {tree.archive.id}",
        f"job         {'5' * 32}",
        "target      s3://lake/small",
        "rows        7 loaded, 1 rejected",
        "bytes       50 delivered",
        "integrity   CRC32 0000000f, codec gzip, 2 parts",
    ]
    told = answer("status", tree.archive.id, "--member", wanted)
    assert (told["member"], told["job"], told["archive_job"]) == ("d/small.csv", "5" * 32, tree.archive.id)
    assert (told["state"], told["rows"], told["failure"]) == ("succeeded", 7, None)


@pytest.mark.long
def test_a_member_whose_name_is_a_number_is_shown_unless_another_has_that_number(tree: Tree) -> None:
    others = [replace(tree.small, number=30, name="2024"), replace(tree.small, number=31, name="1")]
    write_results(JobFolder(tree.deployed.files, tree.archive.id), 1, [tree.small, tree.bad, *others])
    shown = [answer("status", tree.archive.id, "--member", wanted)["member"] for wanted in ("2024", "1")]
    assert shown == ["2024", "d/small.csv"]


def test_a_member_that_failed_says_why_and_what_to_do(tree: Tree) -> None:
    shown = run("status", tree.archive.id, "--member", "bad.csv").stdout
    assert "failure     InvalidTableError: table orders does not exist\n            Create the table.\n" in shown


def test_a_large_member_is_shown_by_its_own_record(tree: Tree) -> None:
    shown = run("status", tree.archive.id, "--member", "4").stdout
    assert shown.startswith(f"job         {tree.running.id}\n")


@pytest.mark.parametrize(("wanted", "error"), [("none", "has no result of a member 'none'"), long("99", "member '99'")])
def test_a_member_without_a_result_is_said_so(tree: Tree, wanted: str, error: str) -> None:
    result = CliRunner(mix_stderr=False).invoke(main, ("status", tree.archive.id, "--member", wanted))
    assert (result.exit_code, result.stdout) == (1, "")
    assert error in result.stderr
    assert f"All are listed in s3://the-work/jobs/{tree.archive.id}/members/" in result.stderr


@pytest.mark.long
def test_a_job_that_is_no_archive_has_no_member_to_show(deployed: DeployedJobs) -> None:
    result = CliRunner(mix_stderr=False).invoke(main, ("status", deployed.succeed().id, "--member", "1"))
    assert (result.exit_code, result.stdout) == (1, "")
    assert "takes no archive apart" in result.stderr


def test_rejects_of_one_member_are_printed_alone(tree: Tree) -> None:
    for result in (tree.small, tree.bad):
        reject = Reject(RecordPosition(1, 10, "raw"), "not a date", "born")
        tree.deployed.rejects.write(result.job_id, "0", [reject])
    lines = run("rejects", tree.archive.id, "--member", "2").stdout.splitlines()
    assert [json.loads(line)["member"] for line in lines] == ["bad.csv"]
    assert len(run("rejects", tree.archive.id).stdout.splitlines()) == 2


@pytest.mark.long
def test_the_report_of_an_archive_lists_its_large_and_its_failed_members(tree: Tree) -> None:
    page = run("report", tree.archive.id, "--output", "-").stdout
    assert r"large\x1b3.bin</td>" in page
    assert "<p>And 20 more.</p>" in page
    assert "Create the table.</td>" in page


def test_a_terminal_shows_the_large_members_that_run_below_their_archive(tree: Tree) -> None:
    archive = tree.deployed.jobs.get(tree.archive.id)
    assert archive
    members = _LargeMembers(cast("Operations", TreesOf(tree.deployed)))
    assert [job.job_id for job in members(archive)] == [tree.running.id]
    assert members(replace(archive, phases=())) == []


@dataclass
class TreesOf:
    deployed: DeployedJobs

    def tree(self, status: JobStatus) -> ArchiveTree:
        return ArchiveTreeReader(self.deployed.files, self.deployed.jobs, self.deployed.executions)(status)


def test_an_archive_that_succeeded_is_counted_alike(deployed: DeployedJobs) -> None:
    job, claim = deployed.begin_archive("in/good.zip")
    receipt = Receipt(1000, 8_000, 0, 3, "zip", members=MemberCounts(5, skipped=1, total=5))
    deployed.jobs.close(claim, JobState.SUCCEEDED, receipt=receipt)
    assert "5 delivered, 1 left out" in run("status", job.id).stdout
    assert "  5 members  " in run("jobs").stdout


def test_a_record_of_an_earlier_release_has_no_counts(deployed: DeployedJobs) -> None:
    job = deployed.fail_archive("in/old.zip")
    assert "members     " not in run("status", job.id).stdout
    assert answer("status", job.id)["members"]["total"] == 0
    assert "Members" not in run("report", job.id, "--output", "-").stdout


def test_a_job_that_is_no_archive_has_no_members(deployed: DeployedJobs) -> None:
    job = deployed.succeed()
    assert answer("status", job.id)["members"] is None
    assert answer("jobs")["jobs"][0]["members"] is None


@pytest.mark.parametrize("width", [30, long(50), 70, long(120)])
def test_an_archive_is_watched_by_its_members(deployed: DeployedJobs, width: int) -> None:
    job, claim = deployed.begin_archive("in/now.zip")
    deployed.now += 10
    counts = MemberCounts(delivered=300, failed=1, total=1_205)
    deployed.jobs.heartbeat(claim, Progress(250, 2_000_000, members=counts), lease=60)
    status = deployed.jobs.get(job.id)
    assert status
    console = Console(width=width, height=24, record=True)
    console.print(WatchView([status]))
    (line,) = console.export_text().splitlines()
    assert len(line) <= width
    assert " 25.0%" in line
    assert ("301/1,205 members" in line) == (width >= 64)
    assert ("301/1,205 members, 1 failed" in line) == ("2.0 MB" in line) == (width >= 100)
