"""Large jobs with random faults: complete and correct, or failed and cleaned up, and nothing else."""

from __future__ import annotations

import lzma
import random
from collections import Counter
from functools import partial

import pytest

from machine_faults import FaultPlan, FaultyPlant
from machine_sources import TEXT, in_blocks, in_members
from penstock.model.job_status import JobState

ROUTES = """
[[route]]
name = "decompress"
match = ["*"]
destination = "s3://out/result"
"""
SOURCES = {
    "one member.gz": in_blocks(TEXT),
    "members.gz": in_members(TEXT),
    "plain.csv": TEXT,
    "whole.xz": lzma.compress(TEXT),
}
RUNS = 13
# Few faults, nearly all of which retries fix; more faults; and so many that most jobs fail.
RATES = (0.01, 0.03, 0.07)


def check(plant: FaultyPlant, job_id: str) -> JobState:
    """Check an ended job and its destination, and return its state."""
    status = plant.jobs.jobs[job_id]
    stored = plant.store.get("out", "result")
    job_report = (status, plant.fault_plan.happened, plant.calls)
    if status.state is JobState.SUCCEEDED:
        assert stored is not None, job_report
        assert stored.data == TEXT, job_report
    else:
        assert status.state in {JobState.FAILED, JobState.SUPERSEDED}, job_report
        assert status.failure, job_report
        assert stored is None, job_report
    assert plant.fault_plan.orphans or not plant.store.uploads, job_report
    return status.state


@pytest.mark.parametrize("key", SOURCES)
@pytest.mark.parametrize("rate", RATES)
def test_an_object_is_complete_or_missing(key: str, rate: float) -> None:
    ended: Counter[JobState] = Counter()
    for seed in range(RUNS):
        plant = FaultyPlant(ROUTES, FaultPlan(random.Random(f"{key} {rate} {seed}"), rate))
        job_id = plant.run_to_end(plant.upload(key, SOURCES[key]))
        plant.run_copies()
        ended[check(plant, job_id)] += 1
    assert set(ended) <= {JobState.SUCCEEDED, JobState.FAILED}
    if rate == min(RATES):
        assert ended[JobState.SUCCEEDED]


@pytest.mark.parametrize("key", SOURCES)
def test_a_source_that_is_deleted_meanwhile_leaves_its_complete_result_or_none(key: str) -> None:
    for seed in range(RUNS):
        fault_plan = FaultPlan(random.Random(f"{key} {seed}"), 0.02, kinds=("gone", "copy"))
        plant = FaultyPlant(ROUTES, fault_plan)
        source = plant.upload(key, SOURCES[key])
        fault_plan.erase = partial(plant.store.erase, source)
        job_id = plant.run_to_end(source)
        plant.run_copies()
        assert check(plant, job_id) in {JobState.SUCCEEDED, JobState.SUPERSEDED}


@pytest.mark.parametrize("key", SOURCES)
def test_a_failed_job_is_complete_after_a_redrive(key: str) -> None:
    failed = 0
    for seed in range(RUNS):
        plant = FaultyPlant(ROUTES, FaultPlan(random.Random(f"{key} {seed}"), 0.1))
        source = plant.upload(key, SOURCES[key])
        job_id = plant.run_to_end(source)
        if plant.jobs.jobs[job_id].state is JobState.FAILED:
            failed += 1
            plant.redrive(source, job_id)
            assert check(plant, job_id) is JobState.SUCCEEDED
    assert failed
