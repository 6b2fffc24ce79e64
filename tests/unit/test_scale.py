"""`python -m benchmarks.scale`: its figures follow the code, the template and the result on record."""

from __future__ import annotations

from pathlib import Path

import pytest
from benchmarks.scale import burst, commits, job_record, planned
from benchmarks.scale.__main__ import main
from benchmarks.scale.case import Case, Stage
from benchmarks.scale.write_units import TABLE, Meter, job_of, of_job, of_span, table

from penstock.aws.jobs_table.execution_store import DynamoExecutionStore
from penstock.aws.jobs_table.job_store import DynamoJobStore
from penstock.aws.jobs_table.span_progress import SHARD
from penstock.explain.costs import (
    BURST_INDEX_WRITES,
    BURST_RECORD_WRITES,
    INDEX_WRITES,
    PROGRESS_WRITES,
    RECEIPT_WRITES,
    RECORD_WRITES,
)
from penstock.large_jobs.member_batches import MOST_ENTRIES
from penstock.model.job import Claim


def stage(case: Case, beginning: str) -> Stage:
    (found,) = [one for one in case.stages if one.what.startswith(beginning)]
    return found


def test_the_document_shows_what_the_command_computes() -> None:
    assert main(["--check"]) == 0, "python -m benchmarks.scale --write"


def test_no_span_writes_the_record_of_its_job() -> None:
    meter = of_span()
    assert {key.split("#")[0] for key in meter.writes} == {"progress", "span"}
    assert len([key for key in meter.writes if key.startswith("progress#")]) == 1


@pytest.mark.parametrize(
    ("kind", "units"), [("progress", 2 * SHARD * PROGRESS_WRITES), ("span", SHARD * (RECEIPT_WRITES - PROGRESS_WRITES))]
)
def test_a_span_costs_the_write_units_that_explain_counts(kind: str, units: int) -> None:
    """A heartbeat and the last progress of each of the spans that share an item, and their receipts."""
    assert sum(count for key, count in of_span().items.items() if key.startswith(f"{kind}#")) == units


@pytest.mark.parametrize(
    ("is_burst", "record", "index"),
    [(False, RECORD_WRITES, INDEX_WRITES), (True, BURST_RECORD_WRITES, BURST_INDEX_WRITES)],
)
def test_a_small_job_costs_the_write_units_that_explain_counts(is_burst: bool, record: int, index: int) -> None:
    meter = of_job(burst=is_burst)
    assert (sum(meter.items.values()), sum(meter.index.values())) == (record, index)


def test_a_round_that_another_worker_has_started_is_not_written_again() -> None:
    meter = Meter()
    client, clock = table(meter)
    executions = DynamoExecutionStore(client, TABLE, retention_days=90, clock=clock)
    claim = DynamoJobStore(client, TABLE, retention_days=90, clock=clock).claim(job_of(), lease=60.0)
    assert isinstance(claim, Claim)
    executions.hand_over(claim, "execution", lease=60.0)
    executions.start_round(claim.job_id, "execution", 1)
    written = meter.writes.total()
    client.update_item = None  # it would fail
    executions.start_round(claim.job_id, "execution", 1)
    assert meter.writes.total() == written


def test_more_workers_on_an_item_of_progress_leave_fewer_for_the_table(monkeypatch: pytest.MonkeyPatch) -> None:
    before = stage(job_record.workers(), "new jobs table").carries
    monkeypatch.setattr(job_record, "HEARTBEAT_SECONDS", 1.0)
    assert stage(job_record.workers(), "new jobs table").carries < before / 4


def test_a_burst_follows_the_concurrency_until_another_stage_is_the_bottleneck() -> None:
    few, more = burst.objects(burst=False, concurrency=5), burst.objects(burst=False, concurrency=50)
    assert more.first.carries == pytest.approx(10 * few.first.carries)
    most = burst.objects(burst=False, concurrency=1_000)
    assert (few.first.moved_by, most.first.what) == ("`MaximumConcurrency`, `BatchSize`", "new jobs table")


def test_commits_share_as_many_jobs_as_the_template_lets_them(monkeypatch: pytest.MonkeyPatch) -> None:
    before = stage(commits.jobs(), "commits to the table").carries
    monkeypatch.setattr(commits, "MOST_JOBS", 100)
    assert stage(commits.jobs(), "commits to the table").carries == before / 10


@pytest.mark.long
@pytest.mark.parametrize("name", [name for name in planned.PLANS if name.startswith("48.8 TiB")])
def test_the_largest_object_is_planned_within_all_limits(name: str, tmp_path: Path) -> None:
    plan = planned.PLANS[name](tmp_path)
    plan.check()
    assert (plan.following, plan.units, plan.parts) == ("work", 10_000, 10_000)


def test_members_are_planned_in_batches(tmp_path: Path) -> None:
    plan = planned.of_members(tmp_path, 2 * MOST_ENTRIES + 1)
    plan.check()
    assert (plan.following, plan.units) == ("work", 3)
