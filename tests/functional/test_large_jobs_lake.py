"""Large jobs that write Parquet files: every row once with random faults in every request, and nothing left behind."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from lake_machine import add_lake, lake_plant, route, rows_of
from lengths import long
from machine_faults import FaultPlan, FaultyPlant
from machine_sources import in_blocks
from penstock.delivery import sampling
from penstock.limits import KIB
from penstock.model.job_status import JobState
from penstock.testing import ManualDeadline
from penstock.testing.lake import MemoryLake

ROWS = 400
RUNS = 5


def csv(rows: int = ROWS) -> bytes:
    """Some names have two lines; one record in fifty cannot be loaded."""
    lines = ["id,name,born\n"]
    for n in range(rows):
        name = f'"name\n{n % 3}"' if n % 7 == 0 else f"name {n % 3}"
        lines.append(f"bad,{name},2001-01-01\n" if n % 50 == 49 else f"{n},{name},200{n % 2}-01-01\n")
    return "".join(lines).encode()


GOOD = [n for n in range(ROWS) if n % 50 != 49]


@pytest.mark.parametrize("key", ["a.csv", "a.csv.gz"])
def test_each_span_writes_its_files_once(key: str) -> None:
    lake = MemoryLake()
    plant = lake_plant(lake, route(more="max_rejects = 20", table='partition_by = ["year(born)"]'))
    status = plant.run(plant.upload(key, in_blocks(csv()) if key.endswith("gz") else csv()))
    assert (status.state, status.progress.rows, status.progress.rejects) == (JobState.SUCCEEDED, len(GOOD), 8), status
    assert rows_of(lake) == GOOD
    assert lake.uploads == {}
    folders = Counter(uri.rpartition("/")[0] for uri in lake.objects)
    assert folders == {f"s3://lake/people/2026/born_year={year}": status.spans for year in (2000, 2001)}
    assert {uri.rpartition("/")[2].split("-")[0] for uri in lake.objects} == {status.job_id}
    assert status.target == "parquet:s3://lake/people/2026/"


@pytest.mark.parametrize("large_bytes", [1, 1_000_000], ids=["spans", "one invocation"])
def test_a_code_behind_the_sample_of_numbers_is_a_reject(monkeypatch: pytest.MonkeyPatch, large_bytes: int) -> None:
    """Found by `make simulate`: it became another number."""
    monkeypatch.setattr(sampling, "SAMPLE_BYTES", 2 * KIB)
    lake = MemoryLake()
    inferring = route(more="max_rejects = 20").partition("[route.table]")[0]
    plant = lake_plant(lake, inferring, large_bytes=large_bytes)
    source = plant.upload("a.csv", b"id\n" + b"".join(b"00%d\n" % n if n == 1500 else b"%d\n" % n for n in range(2000)))
    outcome = plant.ingest(source)
    if outcome.state is JobState.EXECUTING:
        plant.execute(outcome.job_id)
    status = plant.jobs.jobs[outcome.job_id]
    assert (status.state, status.progress.rejects) == (JobState.SUCCEEDED, 1), status
    assert rows_of(lake) == [n for n in range(2000) if n != 1500]


@pytest.mark.parametrize("started_by_ingest", [False, True])
@pytest.mark.parametrize("key", ["a.csv.gz", long("a.csv")])
def test_with_faults_every_row_is_written_once_or_a_redrive_writes_it(key: str, *, started_by_ingest: bool) -> None:
    data = in_blocks(csv()) if key.endswith("gz") else csv()
    ended: Counter[JobState] = Counter()
    for number in range(RUNS):
        lake = MemoryLake()
        plan = FaultPlan(random.Random(f"{key} {started_by_ingest} {number}"), 0.0)
        plant = FaultyPlant(route(more="max_rejects = 20"), plan, span_bytes=4 * KIB)
        add_lake(plant, lake, plan.inject)
        if started_by_ingest:
            plant.large_bytes = 1_000_000
            plant.ingest_deadline = lambda plan=plan: ManualDeadline(plan.random.randint(20, 70), per_look=1.0)  # type: ignore[misc]
        plan.rate = (0.01, 0.03, 0.05)[number % 3]
        source = plant.upload(key, data)
        job_id = plant.run_to_end(source)
        state = plant.jobs.jobs[job_id].state
        plant.run_copies()
        ended[state] += 1
        seen = rows_of(lake)
        assert len(set(seen)) == len(seen), (plan.happened, plant.calls)
        if state is JobState.FAILED:
            plan.rate = 0.0
            plant.redrive(source, job_id)
            assert plant.jobs.jobs[job_id].state is JobState.SUCCEEDED, plant.jobs.jobs[job_id]
        assert rows_of(lake) == GOOD, (plan.happened, plant.calls)
        assert lake.uploads == {}, (plan.happened, plant.calls)
    assert ended[JobState.SUCCEEDED]
