"""What the commands show of archives: their members, counted in the same way for small and for large ones."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from click.testing import CliRunner, Result
from moto import mock_aws
from rich.console import Console

from deployed_jobs import FAILURE, DeployedJobs
from penstock.large_jobs.job_files import JobFolder
from penstock.large_jobs.span_plan import MemberBatches
from penstock.model.job import Job, Progress, Receipt
from penstock.model.job_status import JobState
from penstock.model.member import MemberCounts
from penstock.model.span import SpanReceipt
from penstock_cli.main import main
from penstock_cli.watch_view import WatchView

COUNTS = MemberCounts(delivered=1_200, failed=2, skipped=7, superseded=1, total=1_205)
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


@pytest.mark.parametrize(("make", "listed"), [(small_archive, "members.jsonl"), (large_archive, "members/")])
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


@pytest.mark.parametrize("width", [30, 50, 70, 120])
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
