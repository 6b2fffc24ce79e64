"""Table routes from event to rows, on a real PostgreSQL: every row is loaded or rejected, despite faults."""

from __future__ import annotations

import gzip
import io
import json
import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Self

import openpyxl
import pytest

from penstock.delivery.table import TableDelivery
from penstock.destinations.ports import TableSink
from penstock.destinations.postgres.connect import by_dsn
from penstock.destinations.postgres.sink import PostgresSink
from penstock.errors import ServiceUnavailableError
from penstock.jobs.runner import JobRunner, Outcome
from penstock.limits import KIB, MIB, Budget
from penstock.model.job import Claim, Job, Progress
from penstock.model.job_status import JobState
from penstock.model.load import Chunk, Loaded
from penstock.model.object import Source
from penstock.model.source import Deadline
from penstock.routes import parse_routes
from penstock.tables import Form
from penstock.testing import (
    FailingSource,
    FaultyObjectStore,
    ManualDeadline,
    MemoryJobStore,
    MemoryObjectStore,
    MemoryRejectLog,
    reset,
)
from postgres_database import Database

pytest_plugins = ["postgres_fixtures"]

STACK = {"source_bucket": "drops"}
SMALL = replace(Budget.of(128 * MIB), batch=4 * KIB, step=1 * KIB)
COLUMNS = """
columns = [
    { name = "id", type = "integer", nullable = false },
    { name = "name" },
    { name = "born", type = "date" },
]
"""
HEADER = "id,name,born\n"


def line(number: int) -> str:
    return f'{number},"name, {number}",{1900 + number % 120}-0{1 + number % 9}-11\n'


def csv(rows: range, *extra: str) -> bytes:
    return (HEADER + "".join(line(n) for n in rows) + "".join(extra)).encode()


class Plant:
    """A job runner that loads tables, with fakes of all other services."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.now = 1_795_249_800.0
        self.store = MemoryObjectStore("drops", piece=2000)
        self.objects: MemoryObjectStore | FaultyObjectStore = self.store
        self.jobs = MemoryJobStore(lambda: self.now)
        self.rejects = MemoryRejectLog()
        self.wrap: Callable[[TableSink], TableSink] = lambda sink: sink
        self.heartbeats: list[Progress] = []

    def take(self, source: Source, route: str, deadline: Deadline | None = None) -> Outcome:
        def open_sink(job: Job) -> TableSink:
            return self.wrap(PostgresSink(by_dsn(self.database.dsn), job.id))

        delivery = TableDelivery(self.objects, self.rejects, open_sink, Form.TEXT, SMALL)
        runner = JobRunner(
            objects=self.objects,
            jobs=self.jobs,
            deliveries={"postgresql": delivery},
            lease=60,
            heartbeat_every=0,
            margin=10,
            clock=lambda: self.now,
        )
        heartbeat = self.jobs.heartbeat

        def noticing(claim: Claim, progress: Progress, *, lease: float, memory: int = 0) -> None:
            self.heartbeats.append(progress)
            heartbeat(claim, progress, lease=lease, memory=memory)

        self.jobs.heartbeat = noticing  # type: ignore[method-assign]  # a spy
        try:
            routes = parse_routes(route, "routes.toml", STACK)
            return runner.take(source, routes, deadline or ManualDeadline(900))
        finally:
            self.jobs.heartbeat = heartbeat  # type: ignore[method-assign]

    def drop(self, key: str, data: bytes) -> Source:
        return self.store.put("drops", key, data)

    def ids(self, table: str = "people") -> list[int]:
        return [int(str(n)) for (n,) in self.database.execute(f"SELECT id FROM {table} ORDER BY id")]


def route(table: str = COLUMNS, *, more: str = "", mode: str = "append", destination: str = "postgresql:people") -> str:
    return f"""
    [[route]]
    name = "people"
    match = "*"
    destination = "{destination}"
    {more}
    [route.table]
    create = true
    mode = "{mode}"
    key = ["id"]
    {table}
    """


@pytest.fixture
def plant(database: Database) -> Plant:
    return Plant(database)


def test_a_csv_becomes_rows(plant: Plant) -> None:
    outcome = plant.take(plant.drop("in/people.csv.gz", gzip.compress(csv(range(2000)))), route())
    assert outcome.state is JobState.SUCCEEDED
    assert outcome.receipt
    assert (outcome.receipt.rows, outcome.receipt.rejects) == (2000, 0)
    assert plant.ids() == list(range(2000))
    status = plant.jobs.get(outcome.job_id)
    assert status
    assert (status.progress.rows, status.percent) == (2000, 100.0)


def test_columns_can_be_inferred(plant: Plant) -> None:
    plant.take(plant.drop("in/people.csv", csv(range(50))), route(""))
    types = plant.database.execute(
        "SELECT column_name, data_type FROM information_schema.columns WHERE table_name = 'people' "
        "AND table_schema = %s ORDER BY ordinal_position",
        [plant.database.schema],
    )
    assert types == [("id", "bigint"), ("name", "text"), ("born", "date")]


LONG = b'"' + b"y" * 2 * MIB + b'"'  # longer than max_record


@pytest.mark.parametrize(("key", "data"), [("a.csv", b"id\n%b\n7\n"), ("a.jsonl", b'%b\n{"id": 7}\n')])
def test_columns_are_inferred_from_the_first_records_that_can_be_read(plant: Plant, key: str, data: bytes) -> None:
    outcome = plant.take(plant.drop(key, data % LONG), route("", more="max_rejects = 1"))
    assert outcome.state is JobState.SUCCEEDED
    assert outcome.receipt
    assert (outcome.receipt.rows, outcome.receipt.rejects) == (1, 1)
    assert plant.ids() == [7]


def test_json_lines_and_documents_and_workbooks_load_the_same_rows(plant: Plant) -> None:
    rows = [{"id": n, "name": f"name, {n}", "born": "1999-01-02"} for n in range(300)]
    book = openpyxl.Workbook()
    sheet: Any = book.active
    for row in [list(rows[0]), *(list(row.values()) for row in rows)]:
        sheet.append(row)
    xlsx = io.BytesIO()
    book.save(xlsx)
    files = {
        "a.jsonl.gz": gzip.compress("".join(json.dumps(row) + "\n" for row in rows).encode()),
        "b.json": json.dumps({"data": {"people": rows}}).encode(),
        "c.xlsx": xlsx.getvalue(),
    }
    for key, data in files.items():
        parse = "[route.parse]\nrecords = 'data.people'\n" if key == "b.json" else ""
        text = route(mode="replace").replace("[route.table]", f"{parse}[route.table]")
        assert plant.take(plant.drop(key, data), text).state is JobState.SUCCEEDED
        assert plant.database.execute("SELECT count(*), min(name), max(born)::text FROM people") == [
            (300, "name, 0", "1999-01-02")
        ]


def test_bad_rows_are_listed_with_row_offset_column_reason_and_text(plant: Plant) -> None:
    data = csv(range(500), "x,bad id,2001-01-01\n", "501,bad date,2001-02-30\n", "502,too,many,fields\n", line(503))
    outcome = plant.take(plant.drop("people.csv", data), route(more="max_rejects = 3"))
    assert outcome.state is JobState.SUCCEEDED
    assert plant.ids() == [*range(500), 503]
    first, second, third = plant.rejects.all
    assert (first.position.row, first.column, first.position.raw.strip()) == (501, "id", "x,bad id,2001-01-01")
    assert (second.position.row, second.column) == (502, "born")
    assert (third.position.row, third.column) == (503, "")
    for reject in (first, second, third):
        assert data[reject.position.offset :].decode().startswith(reject.position.raw.strip())
        assert reject.reason
    assert outcome.receipt
    assert any("3 of 504 records were rejected" in warning for warning in outcome.receipt.warnings)


def test_too_many_rejects_fail_the_job_and_the_error_has_the_committed_rows(plant: Plant) -> None:
    outcome = plant.take(plant.drop("people.csv", csv(range(1000), "x,bad,2001-01-01\n")), route())
    assert outcome.state is JobState.FAILED
    assert outcome.failure
    assert outcome.failure.error == "TooManyRejectsError"
    loaded = plant.ids()
    assert loaded == list(range(len(loaded)))
    assert f"records 1 to {len(loaded):,}" in outcome.failure.message
    assert len(plant.rejects.all) == 1


@pytest.mark.parametrize(("share", "state"), [("0.5%", JobState.SUCCEEDED), ("0.3%", JobState.FAILED)])
def test_a_share_of_rejects_is_judged_at_the_end(plant: Plant, share: str, state: JobState) -> None:
    data = csv(range(996), *["x,bad,2001-01-01\n"] * 4)
    outcome = plant.take(plant.drop("people.csv", data), route(more=f"max_rejects = '{share}'", mode="replace"))
    assert outcome.state is state
    if state is JobState.SUCCEEDED:
        assert plant.ids() == list(range(996))
    else:  # a failed load leaves no table that it created
        assert "people" not in plant.database.tables()


def test_a_failed_replace_leaves_the_old_rows_and_no_staging(plant: Plant) -> None:
    plant.take(plant.drop("one.csv", csv(range(10))), route(mode="replace"))
    before = plant.database.tables()
    outcome = plant.take(plant.drop("two.csv.gz", gzip.compress(csv(range(5000)))[:-20]), route(mode="replace"))
    assert outcome.state is JobState.FAILED
    assert outcome.failure
    assert outcome.failure.error == "TruncatedSourceError"
    assert "nothing of it is visible" in outcome.failure.message
    assert plant.ids() == list(range(10))
    assert plant.database.tables() == before


def test_what_only_the_database_refuses_is_a_reject_as_well(plant: Plant) -> None:
    plant.database.execute("CREATE TABLE people (id bigint CHECK (id <> 700), name text, born date)")
    outcome = plant.take(plant.drop("people.csv", csv(range(1000))), route(more="max_rejects = 1"))
    assert outcome.state is JobState.SUCCEEDED
    assert plant.ids() == [n for n in range(1000) if n != 700]
    (reject,) = plant.rejects.all
    assert reject.position.row == 701
    assert "check" in reject.reason


class Wrapped:
    """A sink that forwards every call to another."""

    def __init__(self, inner: TableSink) -> None:
        self.inner = inner

    def __enter__(self) -> Self:
        self.inner.__enter__()
        return self

    def __exit__(self, *given: object) -> None:
        self.inner.__exit__(*given)  # type: ignore[arg-type]  # passed on unchanged

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)


class Slow(Wrapped):
    """A sink whose commits take 20 seconds each."""

    def __init__(self, inner: TableSink, deadline: ManualDeadline) -> None:
        super().__init__(inner)
        self.deadline = deadline

    def submit(self, chunk: Chunk) -> Callable[[], Loaded]:
        self.deadline.pass_time(20)
        return self.inner.submit(chunk)


class Interrupted(Wrapped):
    """A sink that fails before or after one of its commits, as a lost connection does."""

    def __init__(self, inner: TableSink, at: int, *, committed: bool) -> None:
        super().__init__(inner)
        self.at, self.committed = at, committed

    def submit(self, chunk: Chunk) -> Callable[[], Loaded]:
        if chunk.number == self.at:
            if self.committed:
                self.inner.load(chunk)
            raise ServiceUnavailableError("connection lost")
        return self.inner.submit(chunk)


@pytest.mark.parametrize("mode", ["append", "upsert", "replace"])
@pytest.mark.parametrize("committed", [True, False])
def test_a_lost_connection_loses_and_doubles_nothing(plant: Plant, mode: str, *, committed: bool) -> None:
    source = plant.drop("people.csv.gz", gzip.compress(csv(range(3000), "x,bad,2001-01-01\n")))
    text = route(mode=mode, more="max_rejects = 1")
    for at in (1, 3):
        plant.wrap = lambda sink, at=at: Interrupted(sink, at, committed=committed)  # type: ignore[misc]
        assert plant.take(source, text).retry
    plant.wrap = lambda sink: sink
    outcome = plant.take(source, text)
    assert outcome.state is JobState.SUCCEEDED
    assert plant.ids() == list(range(3000))
    assert outcome.receipt
    assert (outcome.receipt.rows, outcome.receipt.rejects) == (3000, 1)
    assert len(plant.rejects.all) == 1
    again = plant.take(source, text)
    assert again.repeat


def test_a_source_that_breaks_off_is_continued_by_the_next_attempt(plant: Plant) -> None:
    source = plant.drop("people.csv", csv(range(9000)))
    plant.objects = FaultyObjectStore(plant.store, source=lambda good: FailingSource(good, 150_000, reset()))
    assert plant.take(source, route()).retry
    partly = plant.ids()
    assert 0 < len(partly) < 9000
    plant.objects = plant.store
    assert plant.take(source, route()).state is JobState.SUCCEEDED
    assert plant.ids() == list(range(9000))


DECLARED = "columns = [{ name = 'id', type = 'integer' }, { name = 'city', from = 'user.city' }]"


@pytest.mark.parametrize("mode", ["append", "upsert", "replace"])
@pytest.mark.parametrize("committed", [True, False])
def test_observed_fields_are_kept_between_attempts(plant: Plant, mode: str, *, committed: bool) -> None:
    first = '{"id":-1,"user":{"city":"Ulm"},"v":1}\n{"id":-2,"\u00e9":1}\n'
    data = (first + "".join(f'{{"id":{n}}}\n' for n in range(3000)) + '{"id":-3,"v":1}\n').encode()
    source, text = plant.drop("people.jsonl", data), route(DECLARED, mode=mode)
    for at in (1, 3):
        plant.wrap = lambda sink, at=at: Interrupted(sink, at, committed=committed)  # type: ignore[misc]
        assert plant.take(source, text).retry
    plant.wrap = lambda sink: sink
    outcome = plant.take(source, text)
    assert outcome.receipt
    assert outcome.receipt.warnings == ("3 records hold fields that no column takes: 'v', 'é'",)


def test_a_path_that_no_record_has_fails_a_later_attempt_too(plant: Plant) -> None:
    source = plant.drop("people.jsonl", "".join(f'{{"id":{n}}}\n' for n in range(3000)).encode())
    plant.wrap = lambda sink: Interrupted(sink, 3, committed=True)
    assert plant.take(source, route(DECLARED)).retry
    plant.wrap = lambda sink: sink
    outcome = plant.take(source, route(DECLARED))
    assert outcome.failure
    assert "no record has 'user.city'" in outcome.failure.message


def test_a_load_too_long_for_one_invocation_resumes_in_the_next(plant: Plant) -> None:
    source = plant.drop("people.csv.gz", gzip.compress(csv(range(3000))))
    outcomes: list[Outcome] = []
    while not outcomes or outcomes[-1].retry:
        deadline = ManualDeadline(100)
        plant.wrap = lambda sink, deadline=deadline: Slow(sink, deadline)  # type: ignore[misc]
        outcomes.append(plant.take(source, route(), deadline))
    assert len(outcomes) > 2
    assert outcomes[-1].state is JobState.SUCCEEDED
    assert plant.ids() == list(range(3000))


def test_progress_counts_only_what_the_database_has_acknowledged(plant: Plant) -> None:
    source = plant.drop("people.csv.gz", gzip.compress(csv(range(3000))))
    plant.take(source, route())
    assert [p.rows for p in plant.heartbeats] == sorted({p.rows for p in plant.heartbeats})
    assert all(0 < p.bytes_in <= source.size for p in plant.heartbeats)
    assert [p.bytes_in for p in plant.heartbeats] == sorted(p.bytes_in for p in plant.heartbeats)
    assert plant.heartbeats[-1].rows == 3000


@pytest.mark.parametrize("data", [b"", HEADER.encode()])
def test_a_file_without_records_is_a_load_of_none(plant: Plant, data: bytes) -> None:
    outcome = plant.take(plant.drop("people.csv", data), route())
    assert outcome.state is JobState.SUCCEEDED
    assert plant.ids() == []


def workbook(*rows: list[object]) -> bytes:
    book = openpyxl.Workbook()
    sheet: Any = book.active
    for row in rows:
        sheet.append(row)
    file = io.BytesIO()
    book.save(file)
    return file.getvalue()


@pytest.mark.parametrize("mode", ["append", "upsert", "replace"])
@pytest.mark.parametrize(("key", "data"), [("people.csv", b"id,name\n"), ("people.xlsx", workbook(["id", "name"]))])
@pytest.mark.long
def test_a_header_that_lacks_a_declared_column_fails_without_any_row(
    plant: Plant, mode: str, key: str, data: bytes
) -> None:
    plant.take(plant.drop("before.csv", csv(range(3))), route(mode=mode))
    outcome = plant.take(plant.drop(key, data), route(mode=mode))
    assert outcome.failure
    assert (outcome.failure.error, "lacks 'born'" in outcome.failure.message) == ("InvalidTableError", True)
    assert plant.ids() == [0, 1, 2]


def test_a_header_without_records_empties_a_table_that_it_replaces(plant: Plant) -> None:
    plant.take(plant.drop("before.csv", csv(range(3))), route(mode="replace"))
    assert plant.take(plant.drop("people.csv", HEADER.encode()), route(mode="replace")).state is JobState.SUCCEEDED
    assert plant.ids() == []


@pytest.mark.parametrize("records", ["", "1,2,3,4\n5,6,7,8\n"], ids=["none", "bad ones alone"])
def test_a_header_without_rows_creates_no_table(plant: Plant, records: str) -> None:
    header = plant.drop("people.csv", (HEADER + records).encode())
    outcome = plant.take(header, route("", more="max_rejects = 10"))
    assert outcome.failure
    assert outcome.failure.error == "DestinationMissingError"
    assert "declare its columns" in outcome.failure.hint
    assert "create = true" not in outcome.failure.hint
    assert plant.database.tables() == set()
    plant.take(plant.drop("before.csv", csv(range(3))), route(""))
    assert plant.take(plant.drop("people.csv", HEADER.encode()), route("")).state is JobState.SUCCEEDED
    assert plant.ids() == [0, 1, 2]


BAD_FILES = {
    "a declared column is missing": (b"id,name\n1,a\n", "InvalidTableError", "born"),
    "no record is as wide as the header": (b"id,name\n1,a,2001-01-01\n", "InvalidTableError", "born"),
    "a header names a column twice": (b"id,name,name,born\n1,a,b,\n", "InvalidTableError", "has 'name' 2 times"),
    "a quote is never closed": (HEADER.encode() + b'1,"a,2001-01-01\n', "UnclosedQuoteError", "byte"),
}


@pytest.mark.parametrize("case", BAD_FILES)
def test_a_bad_file_fails_with_a_clear_error(plant: Plant, case: str) -> None:
    data, error, said = BAD_FILES[case]
    outcome = plant.take(plant.drop("people.csv", data), route())
    assert outcome.state is JobState.FAILED
    assert outcome.failure
    assert outcome.failure.error == error
    assert said in outcome.failure.message
    assert outcome.failure.hint


def test_a_document_that_is_cut_off_fails(plant: Plant) -> None:
    outcome = plant.take(plant.drop("people.json", b'[{"id": 1}, {"id": '), route())
    assert outcome.state is JobState.FAILED
    assert outcome.failure
    assert outcome.failure.error == "TruncatedSourceError"


@pytest.mark.parametrize("mode", ["append", "upsert", "replace"])
def test_data_after_a_document_is_found_at_its_end_and_the_error_has_the_committed_rows(
    plant: Plant, mode: str
) -> None:
    plant.take(plant.drop("before.csv", csv(range(2000, 2003))), route(mode=mode))
    before = plant.ids()
    records = [{"id": number, "name": "a name", "born": None} for number in range(1000)]
    outcome = plant.take(plant.drop("people.json", json.dumps(records).encode() + b" xyz"), route(mode=mode))
    assert outcome.state is JobState.FAILED
    assert outcome.failure
    assert (outcome.failure.error, "more text follows" in outcome.failure.message) == ("BadDocumentError", True)
    loaded = [number for number in plant.ids() if number not in before]
    if mode == "replace":
        assert loaded == []
        assert "nothing of it is visible in people" in outcome.failure.message
    else:
        assert 0 < len(loaded) < 1000
        assert loaded == list(range(len(loaded)))
        said = re.search(r"chunks 0 to \d+ \(records 1 to (\d+), (\d+) rows\) are in people", outcome.failure.message)
        assert said
        assert said.groups() == (str(len(loaded)), str(len(loaded)))


def test_a_missing_table_or_column_or_right_is_named(plant: Plant) -> None:
    source = plant.drop("people.csv", csv(range(3)))
    missing = plant.take(source, route().replace("create = true", ""))
    assert missing.failure
    assert "people" in missing.failure.message
    plant.database.execute("CREATE TABLE people (id bigint, name text)")
    column = plant.take(plant.drop("more.csv", csv(range(3))), route())
    assert column.failure
    assert (column.failure.error, "born" in column.failure.message) == ("InvalidTableError", True)
