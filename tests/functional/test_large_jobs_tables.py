"""Large table jobs on a real PostgreSQL from event to end: cut at records of any form, and every row loaded once."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from typing import Any, Self, cast

import openpyxl
import pytest

from lengths import long
from machine import STACK, Plant
from machine_sources import in_blocks
from penstock.destinations.ports import TableSink
from penstock.errors import LeaseLostError, PermanentError, ServiceUnavailableError, TimeLimitError, TooManyRejectsError
from penstock.large_jobs.job_files import JOB_SPEC, JobFolder, JobSpec
from penstock.large_jobs.span_plan import TableSpans
from penstock.model.job import Job, Receipt
from penstock.model.job_status import JobState, JobStatus
from penstock.model.load import Chunk, Loaded, Resume
from penstock.model.object import ObjectHead, Source
from penstock.model.route import TableTarget
from penstock.model.table import TablePlan
from penstock.routes import parse_routes
from penstock.testing import ManualDeadline
from postgres_database import Database
from table_machine import OpenSink, add_tables, route, table_plant

pytest_plugins = ["postgres_fixtures"]
pytestmark = pytest.mark.xdist_group("steps-tables")

ROWS = 900
Rows = list[tuple[int, str | None]]


def csv(rows: Rows, *, end: str = "\n", start: str = "") -> bytes:
    """Records of a number and a name, which may have several lines."""
    lines = ["id,name,born"]
    for number, name in rows:
        text = f'"{name}"' if name and set(name) & set("\n\r,") else name or ""
        lines.append(f"{number},{text},2001-02-03")
    return (start + end.join(lines) + end).encode()


def rows_of(count: int, first: int = 0) -> Rows:
    return [(n, f"two\nlines, {n}" if n % 5 == 0 else f"näme {n}") for n in range(first, first + count)]


def jsonl(rows: Rows) -> bytes:
    return "".join(json.dumps({"id": n, "name": name, "born": "2001-02-03"}) + "\n" for n, name in rows).encode()


def stored(database: Database) -> Rows:
    found: Any = database.execute("SELECT id, name FROM people ORDER BY id")
    return list(found)


def plan_of(plant: Plant) -> TablePlan:
    plan = parse_routes(plant.routes_text, "routes.toml", STACK).routes[0].plan
    assert plan
    return plan


def spans(plant: Plant, status: JobStatus) -> int:
    assert status.spans == status.spans_done
    return status.spans


FILES: dict[str, bytes] = {
    "a.csv": csv(rows_of(ROWS)),
    "a.csv.gz": in_blocks(csv(rows_of(ROWS))),
    "crlf.csv": csv(rows_of(ROWS), end="\r\n"),
    "crlf.csv.gz": in_blocks(csv(rows_of(ROWS), end="\r\n")),
    "bom.csv": csv(rows_of(ROWS), start="\ufeff"),
    "bom.csv.gz": in_blocks(csv(rows_of(ROWS), start="\ufeff")),
    "a.jsonl": jsonl(rows_of(ROWS)),
    "a.jsonl.gz": in_blocks(jsonl(rows_of(ROWS))),
}


@pytest.mark.parametrize("key", FILES)
def test_every_record_is_a_row_once_wherever_the_source_is_cut(database: Database, key: str) -> None:
    plant = table_plant(database, route())
    status = plant.run(plant.upload(key, FILES[key]))
    assert (status.state, status.progress.rows) == (JobState.SUCCEEDED, ROWS), status
    assert stored(database) == rows_of(ROWS)
    assert spans(plant, status) > 4
    assert status.percent == 100.0
    assert status.progress.bytes_in == len(FILES[key])
    assert ("index" in plant.calls, "survey" in plant.calls) == (key.endswith("gz"), not key.endswith("gz"))


def test_columns_are_inferred_once_for_all_spans(database: Database) -> None:
    text = route().split("columns = [")[0]
    plant = table_plant(database, text)
    assert plant.run(plant.upload("a.csv", FILES["a.csv"])).state is JobState.SUCCEEDED
    assert stored(database) == rows_of(ROWS)


@pytest.mark.parametrize("key", ["a.csv", "a.csv.gz"])
def test_replace_shows_the_old_rows_until_it_is_finished(database: Database, key: str) -> None:
    plant = table_plant(database, route(mode="replace"))
    plant.run(plant.upload("before.csv", csv([(1, "old")])))
    seen: list[Rows] = []
    plant.fail = lambda step: seen.append(stored(database)) if step in {"work", "finish"} else None
    assert plant.run(plant.upload(key, FILES[key])).state is JobState.SUCCEEDED
    assert len(seen) > 5
    assert all(one == [(1, "old")] for one in seen)
    assert stored(database) == rows_of(ROWS)


@pytest.mark.parametrize("mode", ["append", "upsert"])
@pytest.mark.parametrize("key", ["a.csv", "a.csv.gz", long("a.jsonl")])
def test_of_an_atomic_load_nothing_is_seen_until_it_is_finished(database: Database, key: str, mode: str) -> None:
    plant = table_plant(database, route(mode=f"atomic {mode}"))
    plant.run(plant.upload("before.csv", csv([(-1, "old")])))
    seen: list[Rows] = []
    plant.fail = lambda step: seen.append(stored(database)) if step in {"work", "finish"} else None
    status = plant.run(plant.upload(key, FILES[key]))
    assert status.state is JobState.SUCCEEDED, status
    assert len(seen) > 5
    assert all(one == [(-1, "old")] for one in seen)
    assert stored(database) == [(-1, "old"), *rows_of(ROWS)]
    assert database.tables() == {"people", "penstock_ledger"}


def test_what_the_table_refuses_of_an_atomic_load_in_spans_is_rejected(database: Database) -> None:
    plant = table_plant(database, route(mode="atomic append", more="max_rejects = 2"))
    plant.run(plant.upload("before.csv", csv([(7, "old"), (300, "old")])))
    status = plant.run(plant.upload("a.csv", FILES["a.csv"]))
    assert (status.state, status.progress.rows, status.progress.rejects) == (JobState.SUCCEEDED, ROWS - 2, 2), status
    assert [number for number, _ in stored(database)] == list(range(ROWS))
    refused = [reject for (job, _), some in plant.rejects.files.items() if job == status.job_id for reject in some]
    assert sorted(reject.position.row for reject in refused) == [8, 301]
    database.execute("DELETE FROM people WHERE id NOT IN (7, 8, 9)")
    status = plant.run(plant.upload("b.csv", FILES["a.csv"]))
    assert status.failure
    assert (status.state, status.failure.error) == (JobState.FAILED, "TooManyRejectsError")
    assert "nothing of it is visible in people" in status.failure.message
    assert [number for number, _ in stored(database)] == [7, 8, 9]


def test_rows_that_a_trigger_drops_in_spans_are_counted(database: Database) -> None:
    for mode in ("append", "upsert", "replace", "atomic append", "atomic upsert"):
        database.execute("DROP TABLE IF EXISTS people")
        plant = table_plant(database, route(mode=mode))
        plant.run(plant.upload("before.csv", csv([(-2, "old")])))
        database.execute(
            f"CREATE OR REPLACE FUNCTION {database.schema}.drop_odd() RETURNS trigger LANGUAGE plpgsql AS "
            "'BEGIN IF NEW.id % 2 = 1 THEN RETURN NULL; END IF; RETURN NEW; END';"
            "CREATE TRIGGER drop_odd BEFORE INSERT ON people "
            f"FOR EACH ROW EXECUTE FUNCTION {database.schema}.drop_odd()"
        )
        status = plant.run(plant.upload("a.csv", FILES["a.csv"]))
        dropped = ROWS // 2
        assert (status.state, status.progress.rows, status.progress.dropped) == (
            JobState.SUCCEEDED,
            ROWS - dropped,
            dropped,
        ), (mode, status)
        assert any(f"{dropped} rows were dropped by the database" in warning for warning in status.warnings)


def test_a_move_that_no_function_has_time_for_is_refused_before_anything_is_loaded(database: Database) -> None:
    plant = table_plant(database, route(mode="atomic append"))
    job = Job(Source("drops", "a.csv", 1, "e"), plant.routes.routes[0], TableTarget("postgresql", "people"))
    spec = JobSpec(job, ObjectHead(1, "e"))
    plant.tables("postgresql").take_over(spec, plan_of(plant), 1_000_000, 900.0)
    with pytest.raises(TimeLimitError, match="decoded bytes would take about 2,000,000 s to move into people"):
        plant.tables("postgresql").take_over(spec, plan_of(plant), 10**13, 900.0)


@pytest.mark.parametrize("mode", ["upsert", "atomic upsert"])
@pytest.mark.parametrize("key", ["a.csv", "a.csv.gz"])
def test_the_last_row_of_a_key_wins_however_far_apart_they_are(database: Database, key: str, mode: str) -> None:
    rows: Rows = [(n % 40, f"version {n}") for n in range(ROWS)]
    data = csv(rows)
    plant = table_plant(database, route(mode=mode))
    status = plant.run(plant.upload(key, in_blocks(data) if key.endswith("gz") else data))
    assert status.state is JobState.SUCCEEDED
    assert spans(plant, status) > 4
    assert stored(database) == sorted(dict(rows).items())


@pytest.mark.parametrize("key", ["a.csv", "a.csv.gz", long("a.jsonl")])
def test_rejects_have_the_rows_offsets_and_spans_of_the_source(database: Database, key: str) -> None:
    rows: list[tuple[Any, str | None]] = [(f"bad {n}" if n % 100 == 7 else n, f"a\nb {n}") for n in range(ROWS)]
    data = jsonl(rows) if "jsonl" in key else csv(rows)
    plant = table_plant(database, route(more="max_rejects = 9"))
    status = plant.run(plant.upload(key, in_blocks(data) if key.endswith("gz") else data))
    assert (status.state, status.progress.rejects, status.progress.rows) == (JobState.SUCCEEDED, 9, ROWS - 9)
    assert [reject.position.row for reject in plant.rejects.all] == [n + 1 for n in range(ROWS) if n % 100 == 7]
    assert [reject.span for reject in plant.rejects.all] == sorted(reject.span for reject in plant.rejects.all)
    assert len({reject.span for reject in plant.rejects.all}) > 4
    for reject in plant.rejects.all:
        assert data[reject.position.offset :].decode().startswith(reject.position.raw.rstrip("\r\n"))
    assert any("9 of 900 records were rejected" in warning for warning in status.warnings)


@pytest.mark.parametrize(
    ("allowed", "state"),
    [("9", JobState.SUCCEEDED), ("8", JobState.FAILED), ("'1%'", JobState.SUCCEEDED), ("'0.9%'", JobState.FAILED)],
)
def test_rejects_are_counted_over_all_spans(database: Database, allowed: str, state: JobState) -> None:
    data = csv([(("bad" if n % 100 == 7 else n), "x") for n in range(ROWS)])  # type: ignore[misc]  # on purpose
    plant = table_plant(database, route(mode="replace", more=f"max_rejects = {allowed}"))
    plant.run(plant.upload("before.csv", csv([(-1, "old")])))
    before = database.tables()
    status = plant.run(plant.upload("a.csv", data))
    assert status.state is state
    if state is JobState.FAILED:
        assert status.failure
        assert status.failure.error == TooManyRejectsError.__name__
        assert stored(database) == [(-1, "old")]
    assert database.tables() == before


@pytest.mark.parametrize("key", ["empty.csv", "header.csv", "header.csv.gz", "empty.csv.gz", "blank.jsonl"])
def test_a_source_without_records_is_a_load_of_none(database: Database, key: str) -> None:
    data = {"header": b"id,name,born\n", "blank": b"\n\n"}.get(key.split(".", maxsplit=1)[0], b"")
    plant = table_plant(database, route(mode="replace"))
    plant.large_bytes = -1
    plant.run(plant.upload("before.csv", csv([(-1, "old")])))
    status = plant.run(plant.upload(key, in_blocks(data) if key.endswith("gz") else data))
    assert status.state is JobState.SUCCEEDED, status
    assert stored(database) == []


def workbook(rows: Rows) -> bytes:
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    sheet.append(["id", "name", "born"])
    for number, name in rows:
        sheet.append([number, name, "2001-02-03"])
    file = io.BytesIO()
    book.save(file)
    return file.getvalue()


@pytest.mark.parametrize("mode", ["append", "upsert", "replace"])
@pytest.mark.parametrize("key", ["a.xlsx", "a.json"])
def test_documents_are_one_span(database: Database, mode: str, key: str) -> None:
    rows = rows_of(50)
    data = workbook(rows) if key.endswith("xlsx") else b"[" + b",".join(jsonl(rows).splitlines()) + b"]"
    plant = table_plant(database, route(mode=mode))
    status = plant.run(plant.upload(key, data))
    assert (status.state, status.spans, plant.calls.count("work")) == (JobState.SUCCEEDED, 1, 1)
    assert stored(database) == rows


# Loads that ingest has begun


class Sleeping:
    """A sink of ingest that stops before one of its commits, while other attempts run."""

    def __init__(self, inner: TableSink, at: int, meanwhile: Callable[[], None]) -> None:
        self.inner, self.at, self.meanwhile = inner, at, meanwhile

    def __enter__(self) -> Self:
        self.inner.__enter__()
        return self

    def __exit__(self, *given: object) -> None:
        self.inner.__exit__(*given)  # type: ignore[arg-type]  # passed on unchanged

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)

    def submit(self, chunk: Chunk) -> Callable[[], Loaded]:
        if chunk.number == self.at:
            self.meanwhile()
        return self.inner.submit(chunk)


def sleeping_at(at: int, meanwhile: Callable[[], None]) -> Callable[[OpenSink], OpenSink]:
    """Wrap the sinks of ingest in `Sleeping`."""

    def wrap(good: OpenSink) -> OpenSink:
        return lambda job, span: Sleeping(good(job, span), at, meanwhile)

    return wrap


def test_observed_fields_are_kept_if_the_state_machine_or_a_span_resumes(database: Database) -> None:
    plant = table_plant(database, route())
    deadline = ManualDeadline(900)
    add_tables(plant, database, sleeping_at(3, lambda: deadline.pass_time(900)))
    plant.large_bytes = 10_000_000
    data = jsonl(rows_of(ROWS)).replace(b'"id": 5,', b'"early": 1, "id": 5,')
    data = data.replace(b'"id": 400,', b'"late": 1, "id": 400,').replace(b'"id": 899,', b'"late": 1, "id": 899,')
    outcome = plant.ingest(plant.upload("a.jsonl", data), deadline)
    assert outcome.state is JobState.EXECUTING
    lost: set[tuple[int, int]] = set()

    def losing(good: OpenSink) -> OpenSink:
        return lambda job, span: Losing(good(job, span), span, lost)

    add_tables(plant, database, losing)
    plant.execute(outcome.job_id)
    status = plant.jobs.jobs[outcome.job_id]
    assert (status.state, status.progress.rows, len(lost) > 3) == (JobState.SUCCEEDED, ROWS, True), status
    assert status.warnings == ("3 records hold fields that no column takes: 'early', 'late'",)


class Losing:
    """A sink that loses its connection once after each of the first chunks of its span."""

    def __init__(self, inner: TableSink, span: int, lost: set[tuple[int, int]]) -> None:
        self.inner, self.span, self.lost = inner, span, lost

    def __enter__(self) -> Self:
        self.inner.__enter__()
        return self

    def __exit__(self, *given: Any) -> None:
        self.inner.__exit__(*given)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)

    def submit(self, chunk: Chunk) -> Callable[[], Loaded]:
        loaded = self.inner.load(chunk)
        if chunk.number < 2 and (self.span, chunk.number) not in self.lost:
            self.lost.add((self.span, chunk.number))
            raise ServiceUnavailableError("connection lost")
        return lambda: loaded


@pytest.mark.parametrize("mode", ["append", "upsert", "replace"])
@pytest.mark.parametrize("key", [long("a.csv"), "a.csv.gz"])
@pytest.mark.long
def test_the_state_machine_resumes_after_the_chunks_of_ingest(database: Database, mode: str, key: str) -> None:
    plant = table_plant(database, route(mode=mode))
    deadline = ManualDeadline(900)
    add_tables(plant, database, sleeping_at(3, lambda: deadline.pass_time(900)))
    plant.large_bytes = 10_000_000
    outcome = plant.ingest(plant.upload(key, FILES[key]), deadline)
    assert outcome.state is JobState.EXECUTING
    add_tables(plant, database)
    if mode != "replace":
        begun = len(stored(database))
        assert 0 < begun < ROWS
    plant.execute(outcome.job_id)
    status = plant.jobs.jobs[outcome.job_id]
    assert (status.state, status.progress.rows) == (JobState.SUCCEEDED, ROWS)
    assert stored(database) == rows_of(ROWS)
    assert "penstock_staging" not in " ".join(database.tables())


def test_a_share_of_rejects_is_of_the_whole_source_where_one_chunk_is_left_to_the_machine(database: Database) -> None:
    plant = table_plant(database, route(more="max_rejects = 0.05"), span_bytes=1_000_000)
    deadline = ManualDeadline(900)
    add_tables(plant, database, sleeping_at(2, lambda: deadline.pass_time(900)))
    plant.large_bytes = 10_000_000
    data = csv([(n, "name") for n in range(400)]) + b"bad,name,2001-02-03\n" * 10
    outcome = plant.ingest(plant.upload("a.csv", data), deadline)
    assert outcome.state is JobState.EXECUTING
    add_tables(plant, database)
    plant.execute(outcome.job_id)
    plan = JobFolder(plant.files, outcome.job_id).get_plan()
    assert isinstance(plan, TableSpans)
    assert plan.count == 1
    assert plan.before
    # Of the one chunk that is left, more than a twentieth is rejected; of the source, a fortieth.
    assert 0.05 * (410 - plan.before.rows) < 10
    status = plant.jobs.jobs[outcome.job_id]
    assert (status.state, status.progress.rows, status.progress.rejects) == (JobState.SUCCEEDED, 400, 10)


@pytest.mark.parametrize("mode", ["append", "upsert", "replace"])
@pytest.mark.parametrize("until", ["planned", "finished"])
def test_an_attempt_of_ingest_that_wakes_up_late_adds_no_row(database: Database, mode: str, until: str) -> None:
    plant = table_plant(database, route(mode=mode))
    source = plant.upload("a.csv", FILES["a.csv"])
    later: list[str] = []

    def overtake() -> None:
        """Its lease has ended; the next attempt hands the job over, and the state machine starts."""
        plant.now += 1000
        add_tables(plant, database)
        plant.large_bytes = 1
        later.append(plant.ingest(source).job_id)
        if until == "finished":
            plant.execute(later[0])
        else:
            # Run until the plan, which reads all that ingest has loaded.
            plant.call("plan", lambda d: plant.planner(later[0], later[0], d))
            for item in plant.items({"manifest": {"key": f"jobs/{later[0]}/pieces.jsonl"}}):
                plant.indexer(later[0], later[0], item, ManualDeadline(900))
            plant.call("plan", lambda d: plant.planner(later[0], later[0], d))

    add_tables(plant, database, sleeping_at(2, overtake))
    plant.large_bytes = 10_000_000
    outcome = plant.ingest(source)
    assert isinstance(outcome.retry, LeaseLostError)
    if until == "planned":
        plant.execute(later[0])
    status = plant.jobs.jobs[later[0]]
    assert (status.state, status.progress.rows) == (JobState.SUCCEEDED, ROWS)
    assert stored(database) == rows_of(ROWS)


@pytest.mark.parametrize("mode", ["append", "replace"])
def test_a_job_of_which_ingest_has_loaded_all_but_the_end_counts_every_row_once(database: Database, mode: str) -> None:
    plant = table_plant(database, route(mode=mode))
    source = plant.upload("a.csv", FILES["a.csv"])

    class NeverFinished(Sleeping):
        def finish(self, whole: Resume | None = None) -> None:
            raise ZeroDivisionError

    def endless(good: OpenSink) -> OpenSink:
        return lambda job, span: cast("TableSink", NeverFinished(good(job, span), -1, lambda: None))

    add_tables(plant, database, endless)
    plant.large_bytes = 10_000_000
    with pytest.raises(ZeroDivisionError):
        plant.ingest(source)
    add_tables(plant, database)
    plant.now += 1000
    plant.large_bytes = 1
    status = plant.run(source)
    assert (status.state, status.progress.rows) == (JobState.SUCCEEDED, ROWS)
    assert stored(database) == rows_of(ROWS)


# Steps that are called again, or at the wrong time


@pytest.fixture
def planned(database: Database) -> tuple[Plant, str, list[object]]:
    """A replace with planned spans, after a replace that succeeded."""
    plant = table_plant(database, route(mode="replace"))
    plant.run(plant.upload("before.csv", csv([(-1, "old")])))
    job_id = plant.ingest(plant.upload("a.csv.gz", FILES["a.csv.gz"])).job_id
    while (following := plant.planner(job_id, job_id, ManualDeadline(900)))["next"] == "index":
        plant.indexer(job_id, job_id, None, ManualDeadline(900))
    return plant, job_id, plant.items(following)


def staged(database: Database) -> bool:
    return any("staging" in name for name in database.tables())


Planned = tuple[Plant, str, list[object]]


def test_every_step_may_be_called_again(database: Database, planned: Planned) -> None:
    plant, job_id, items = planned
    for item in [*items, *reversed(items)]:
        plant.planner(job_id, job_id, ManualDeadline(900))
        plant.worker(job_id, job_id, item, ManualDeadline(900))
    plant.executions.kept.clear()
    for item in items:
        plant.worker(job_id, job_id, item, ManualDeadline(900))
    plant.finisher(job_id, job_id)
    plant.finisher(job_id, job_id)
    assert stored(database) == rows_of(ROWS)
    assert not staged(database)


def test_abort_drops_what_is_staged_and_leaves_the_old_rows(database: Database, planned: Planned) -> None:
    plant, job_id, items = planned
    for item in items[:2]:
        plant.worker(job_id, job_id, item, ManualDeadline(900))
    assert staged(database)
    for _ in range(2):
        plant.abort(job_id, PermanentError("broken"))
        assert not staged(database)
        assert stored(database) == [(-1, "old")]
    assert plant.jobs.jobs[job_id].state is JobState.FAILED


def test_after_abort_no_step_stages_or_publishes_anything(database: Database, planned: Planned) -> None:
    plant, job_id, items = planned
    for item in items[1:]:
        plant.worker(job_id, job_id, item, ManualDeadline(900))
    plant.abort(job_id, PermanentError("broken"))
    steps: list[Callable[[], object]] = [
        lambda: plant.planner(job_id, job_id, ManualDeadline(900)),
        lambda: plant.worker(job_id, job_id, items[0], ManualDeadline(900)),
        lambda: plant.finisher(job_id, job_id),
    ]
    for step in steps:
        with pytest.raises(LeaseLostError):
            step()
    assert not staged(database)
    assert stored(database) == [(-1, "old")]


def test_a_finish_that_is_overtaken_by_abort_does_not_empty_the_table(database: Database, planned: Planned) -> None:
    plant, job_id, items = planned
    for item in items:
        plant.worker(job_id, job_id, item, ManualDeadline(900))
    finisher, good = plant.finisher, plant.finisher.tables

    def overtaken(store: Any) -> Any:
        plant.abort(job_id, PermanentError("broken"))
        return good(store)

    with pytest.raises(LeaseLostError):
        type(finisher)(finisher.files, finisher.executions, finisher.parts, overtaken, finisher.commits)(job_id, job_id)
    assert not staged(database)
    assert stored(database) == [(-1, "old")]


def test_a_worker_that_is_overtaken_by_abort_stages_nothing(database: Database, planned: Planned) -> None:
    plant, job_id, items = planned

    def overtaken(good: OpenSink) -> OpenSink:
        def opened(job: str, span: int) -> TableSink:
            if span:
                add_tables(plant, database)
                plant.abort(job_id, PermanentError("broken"))
            return good(job, span)

        return opened

    add_tables(plant, database, overtaken)
    with pytest.raises(LeaseLostError):
        plant.worker(job_id, job_id, items[0], ManualDeadline(900))
    assert not staged(database)
    assert stored(database) == [(-1, "old")]


def test_abort_after_finish_leaves_the_new_rows(database: Database, planned: Planned) -> None:
    plant, job_id, items = planned
    for item in items:
        plant.worker(job_id, job_id, item, ManualDeadline(900))
    plant.finisher(job_id, job_id)
    plant.abort(job_id, PermanentError("too late"))
    assert stored(database) == rows_of(ROWS)
    assert plant.jobs.jobs[job_id].state is JobState.SUCCEEDED


def test_a_finish_that_dies_after_it_has_shown_the_rows_is_a_success(database: Database, planned: Planned) -> None:
    plant, job_id, items = planned
    for item in items:
        plant.worker(job_id, job_id, item, ManualDeadline(900))
    folder = JobFolder(plant.files, job_id)
    plan = folder.get_plan()
    assert isinstance(plan, TableSpans)
    receipt = Receipt(0, 0, 0, 0, "", rows=ROWS)
    plant.tables("postgresql").finish(folder.get(JobSpec, JOB_SPEC), plan.table_plan, receipt, holder=job_id)
    plant.abort(job_id, PermanentError("died before it could say so"))
    done = plant.jobs.jobs[job_id]
    assert (done.state, done.progress.rows, done.failure) == (JobState.SUCCEEDED, ROWS, None)
    assert stored(database) == rows_of(ROWS)
    assert not staged(database)


def test_two_workers_of_one_span_load_it_once(database: Database) -> None:
    plant = table_plant(database, route())
    job_id = plant.ingest(plant.upload("a.csv.gz", FILES["a.csv.gz"])).job_id
    while (following := plant.planner(job_id, job_id, ManualDeadline(900)))["next"] == "index":
        plant.indexer(job_id, job_id, None, ManualDeadline(900))
    items = plant.items(following)

    def meeting(good: OpenSink) -> OpenSink:
        def other() -> None:
            add_tables(plant, database)
            plant.worker(job_id, job_id, items[0], ManualDeadline(900))

        return lambda job, span: Sleeping(good(job, span), 1, other) if span else good(job, span)

    add_tables(plant, database, meeting)
    plant.worker(job_id, job_id, items[0], ManualDeadline(900))
    for item in items[1:]:
        plant.worker(job_id, job_id, item, ManualDeadline(900))
    plant.finisher(job_id, job_id)
    assert stored(database) == rows_of(ROWS)
    assert plant.jobs.jobs[job_id].progress.rows == ROWS


def test_a_bad_file_fails_with_the_offset_and_leaves_nothing(database: Database) -> None:
    plant = table_plant(database, route(mode="replace"))
    plant.run(plant.upload("before.csv", csv([(-1, "old")])))
    before = database.tables()
    data = FILES["a.csv"].replace(b'two\nlines, 500"', b"two\nlines, 500", 1)
    assert data != FILES["a.csv"]
    status = plant.run(plant.upload("a.csv", data))
    assert status.state is JobState.FAILED
    assert status.failure
    assert stored(database) == [(-1, "old")]
    assert database.tables() == before
