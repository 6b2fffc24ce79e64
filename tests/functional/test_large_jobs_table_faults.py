"""Large table jobs with random faults, on a real PostgreSQL: every row once, or failed and cleaned up."""

from __future__ import annotations

import json
import random
from collections import Counter

import pytest

from lengths import long
from machine_faults import FaultPlan, FaultyPlant, faulty_sinks
from machine_sources import in_blocks
from penstock.delivery import sampling
from penstock.limits import KIB
from penstock.model.job_status import JobState
from penstock.testing import ManualDeadline
from postgres_database import Database
from table_machine import add_tables, route

pytest_plugins = ["postgres_fixtures"]

ROWS = 700
RUNS = 4
MODES = ["append", "upsert", "replace", "atomic append", "atomic upsert"]


def csv() -> bytes:
    """Some names have two lines; one record in fifty cannot be loaded."""
    lines = ["id,name,born\n"]
    for n in range(ROWS):
        name = f'"name\n{n}"' if n % 7 == 0 else f"name {n}"
        lines.append(f"bad,{name},2001-01-01\n" if n % 50 == 49 else f"{n},{name},2001-01-01\n")
    return "".join(lines).encode()


GOOD = [n for n in range(ROWS) if n % 50 != 49]


class Run:
    """One job with faults, after one without."""

    def __init__(
        self, database: Database, mode: str, seed: str, rate: float, *, started_by_ingest: bool, grows: bool = False
    ) -> None:
        self.database = database
        database.execute("DROP TABLE IF EXISTS people, penstock_ledger")
        self.fault_plan = FaultPlan(random.Random(seed), 0.0)
        text = route(mode=mode, more="max_rejects = 20")
        if grows:
            text = (
                text.split('{ name = "born"')[0].replace("create = true", 'create = true\n    evolve = "widen"') + "]"
            )
        self.plant = FaultyPlant(text, self.fault_plan, span_bytes=4 * KIB)
        add_tables(self.plant, database, lambda good: faulty_sinks(good, self.fault_plan))
        before = b"id,name\n-1,before\n" if grows else b"id,name,born\n-1,before,2001-01-01\n"
        self.plant.run_to_end(self.plant.upload("before.csv", before))
        assert self.ids == [-1]
        self.tables = database.tables()
        if started_by_ingest:
            self.plant.large_bytes = 1_000_000
            # Each check of the time takes a second, so that time runs out during the load.
            self.plant.ingest_deadline = lambda: ManualDeadline(self.fault_plan.random.randint(20, 70), per_look=1.0)
        self.fault_plan.rate = rate

    def load(self, key: str, data: bytes) -> JobState:
        self.source = self.plant.upload(key, data)
        self.job_id = self.plant.run_to_end(self.source)
        return self.plant.jobs.jobs[self.job_id].state

    @property
    def ids(self) -> list[int]:
        return [int(str(n)) for (n,) in self.database.execute("SELECT id FROM people ORDER BY id")]

    @property
    def job_report(self) -> object:
        return self.plant.jobs.jobs[self.job_id], self.fault_plan.happened, self.plant.calls


@pytest.mark.xdist_group("steps-tables")
@pytest.mark.parametrize("mode", [*MODES[:3], *map(long, MODES[3:])])
@pytest.mark.parametrize("key", [long("data.csv"), "data.csv.gz"])
@pytest.mark.parametrize(
    "started_by_ingest", [long(False, id="handed over at once"), pytest.param(True, id="started by ingest")]
)
def test_every_row_is_loaded_once_or_the_job_failed_and_is_cleaned_up(
    database: Database, mode: str, key: str, *, started_by_ingest: bool
) -> None:
    data = csv()
    ended: Counter[JobState] = Counter()
    machined = 0
    for number in range(RUNS):
        rate = (0.01, 0.03, 0.07)[number % 3]
        run = Run(
            database, mode, f"{mode} {key} {started_by_ingest} {number}", rate, started_by_ingest=started_by_ingest
        )
        state = run.load(key, in_blocks(data) if key.endswith("gz") else data)
        run.plant.run_copies()
        ended[state] += 1
        machined += "plan" in run.plant.calls
        old = [] if mode == "replace" else [-1]
        if state is JobState.SUCCEEDED:
            assert run.ids == old + GOOD, run.job_report
            status = run.plant.jobs.jobs[run.job_id]
            assert (status.progress.rows, status.progress.rejects) == (len(GOOD), ROWS - len(GOOD)), run.job_report
        else:
            assert state is JobState.FAILED, run.job_report
            assert run.ids == [-1] if mode in MODES[2:] else set(run.ids) <= {-1, *GOOD}, run.job_report
            assert len(set(run.ids)) == len(run.ids), run.job_report
        assert run.database.tables() == run.tables, run.job_report
    assert machined
    assert ended[JobState.SUCCEEDED]


@pytest.mark.xdist_group("steps-tables")
@pytest.mark.parametrize("mode", [MODES[0], *map(long, MODES[1:4]), MODES[4]])
@pytest.mark.parametrize(
    "started_by_ingest", [long(False, id="handed over at once"), pytest.param(True, id="started by ingest")]
)
@pytest.mark.long
def test_a_failed_load_has_every_row_once_after_a_redrive(
    database: Database, mode: str, *, started_by_ingest: bool
) -> None:
    failed = 0
    for number in range(RUNS):
        run = Run(
            database, mode, f"again {mode} {started_by_ingest} {number}", 0.14, started_by_ingest=started_by_ingest
        )
        if run.load("data.csv.gz", in_blocks(csv())) is JobState.FAILED:
            failed += 1
            run.plant.redrive(run.source, run.job_id)
            assert run.plant.jobs.jobs[run.job_id].state is JobState.SUCCEEDED, run.job_report
            assert run.ids == ([] if mode == "replace" else [-1]) + GOOD, run.job_report
            assert run.database.tables() == run.tables, run.job_report
    assert failed


def drifting() -> bytes:
    """JSON whose fields and types change in mid-file."""
    records = [{"id": n, "name": f"n{n}", "n": n if n < 400 else n + 0.5 if n < 600 else f"x{n}"} for n in range(ROWS)]
    late = [{**record, "late": n} if n % 9 == 8 and n > 200 else record for n, record in enumerate(records)]
    return "".join(json.dumps(record) + "\n" for record in late).encode()


@pytest.mark.xdist_group("steps-tables")
@pytest.mark.parametrize("mode", [long(mode) for mode in MODES])
@pytest.mark.parametrize("started_by_ingest", [False, True])
def test_columns_grow_once_despite_faults(
    database: Database, monkeypatch: pytest.MonkeyPatch, mode: str, *, started_by_ingest: bool
) -> None:
    monkeypatch.setattr(sampling, "SAMPLE_BYTES", 4 * KIB)
    ended: Counter[JobState] = Counter()
    for number in range(RUNS):
        seed = f"drift {mode} {started_by_ingest} {number}"
        run = Run(database, mode, seed, (0.01, 0.03, 0.07)[number % 3], started_by_ingest=started_by_ingest, grows=True)
        state = run.load("a.jsonl", drifting())
        run.plant.run_copies()
        ended[state] += 1
        assert run.database.tables() == run.tables, run.job_report
        if state is JobState.SUCCEEDED:
            assert run.ids == [*([] if mode == "replace" else [-1]), *range(ROWS)], run.job_report
            assert database.execute("SELECT count(late), count(n), sum(late) FROM people") == [
                (55, ROWS, sum(n for n in range(201, ROWS) if n % 9 == 8))
            ], run.job_report
            status = run.plant.jobs.jobs[run.job_id]
            assert [change.column for change in status.changes if not change.was] == ["n", "late"], run.job_report
            assert database.execute("SELECT n FROM people WHERE id IN (1, 500, 650) ORDER BY id") == [
                ("1",),
                ("500.5",),
                ("x650",),
            ]
    assert ended[JobState.SUCCEEDED]
