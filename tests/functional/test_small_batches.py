"""Bursts of small sources from event to rows, on a real PostgreSQL: loaded together, each succeeds or fails alone."""

from __future__ import annotations

import gzip
import json
import runpy
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import ClassVar

import pytest

from functional.test_ingest import sqs
from penstock.delivery.ports import ObjectReader
from penstock.delivery.table import TableDelivery
from penstock.destinations.postgres.connect import by_dsn
from penstock.destinations.postgres.group_sink import PostgresGroupSink
from penstock.destinations.postgres.sink import PostgresSink
from penstock.errors import ServiceUnavailableError
from penstock.jobs.ingest import Ingest, Report, no_small_batches, summarise
from penstock.jobs.runner import JobRunner, Outcome
from penstock.jobs.small_batches import SmallBatchLoader
from penstock.jobs.small_sources import read_ahead
from penstock.limits import KIB, MIB, SMALL_OBJECT, Budget
from penstock.model.job import Job, Receipt
from penstock.model.job_status import JobState
from penstock.model.load import Rows, Share, Unfit
from penstock.model.object import Source
from penstock.model.source import Deadline
from penstock.routes import parse_routes
from penstock.tables import Form
from penstock.testing import ManualDeadline, MemoryJobStore, MemoryObjectStore, MemoryQueue, MemoryRejectLog, slow_down
from postgres_database import Database

pytest_plugins = ["postgres_fixtures"]

MEDIA = Path(__file__).parents[2] / "examples" / "media"
STACK = {"source_bucket": "drops"}
BUDGET = Budget.of(128 * MIB)

TYPED = """
[[route]]
name = "typed"
match = "*"
destination = "postgresql"
{more}

[route.parse]
format = "json"

[route.choice]
field = "type"
payload = "data"
unknown = "{unknown}"

[route.choice.tables.a]
name = "alphas"
columns = [{{ name = "id", type = "integer", nullable = false }}]
create = true

[route.choice.tables.b]
name = "betas"
columns = [{{ name = "id", type = "integer", nullable = false }}, {{ name = "text" }}]
create = true
"""

PEOPLE = """
[[route]]
name = "people"
match = "*"
destination = "postgresql:people"
[route.table]
create = true
mode = "{mode}"
key = ["id"]
{columns}
"""
DAYS = ["2024-01-02", "03.04.05", "20240103"]
COLUMNS = 'columns = [{ name = "id", type = "integer" }, { name = "name" }]'


def typed(*, unknown: str = "reject", more: str = "") -> str:
    return TYPED.format(unknown=unknown, more=more)


def people(*, mode: str = "append", columns: str = COLUMNS) -> str:
    return PEOPLE.format(mode=mode, columns=columns)


def document(*ids: int, kind: str = "a") -> bytes:
    return json.dumps([{"type": kind, "data": {"id": number, "text": f"text {number}"}} for number in ids]).encode()


class Sink(PostgresGroupSink):
    """Records its calls. ``before`` and ``after`` may fail around a commit, ``inside`` just before it."""

    def __init__(self, dsn: str, plant: Plant) -> None:
        super().__init__(by_dsn(dsn))
        self._plant = plant

    def load_all(self, rows: Sequence[Rows], shares: Sequence[Share]) -> Unfit | None:
        self._plant.loads.append(list(shares))
        self._plant.before(self)
        unfit = super().load_all(rows, shares)
        self._plant.after(self)
        return unfit

    def _commit(self, rows: Sequence[Rows], shares: Sequence[Share]) -> None:
        super()._commit(rows, shares)
        self._plant.inside(self)

    def die(self) -> None:
        """Terminate this session, as a failing server does."""
        self._connection.execute("SELECT pg_terminate_backend(pg_backend_pid())")


def nothing(sink: Sink) -> None:
    """Does not fail."""


class Plant:
    """An ingest that loads tables, with fakes of all other services."""

    def __init__(self, database: Database, routes: str) -> None:
        self.database = database
        self.routes = routes
        self.now = 1_795_249_800.0
        self.store = MemoryObjectStore("drops")
        self.reader: ObjectReader = self.store
        self.jobs = MemoryJobStore(lambda: self.now)
        self.rejects = MemoryRejectLog()
        self.queue = MemoryQueue()
        self.loads: list[list[Share]] = []
        self.budget = BUDGET
        self.before: Callable[[Sink], None] = nothing
        self.inside: Callable[[Sink], None] = nothing
        self.after: Callable[[Sink], None] = nothing
        self.alone: list[str] = []

    def ingest(self, *, together: bool = True) -> Ingest:
        def open_alone(job):  # type: ignore[no-untyped-def]  # as TableDelivery.open_sink
            self.alone.append(job.source.key)
            return PostgresSink(by_dsn(self.database.dsn), job.id)

        delivery = TableDelivery(self.store, self.rejects, open_alone, Form.TEXT, self.budget)
        runner = JobRunner(self.store, self.jobs, {"postgresql": delivery}, 60, 2, 10, lambda: self.now)
        group = SmallBatchLoader(
            self.reader, lambda _: Sink(self.database.dsn, self), self.jobs, self.budget, margin=10
        )
        routes = parse_routes(self.routes, "routes.toml", STACK)
        return Ingest(runner, self.queue, lambda: routes, group if together else no_small_batches, lambda: 0.5)

    def drop(self, key: str, data: bytes) -> Source:
        return self.store.put("drops", key, data)

    def burst(self, count: int, first: int = 0) -> list[Source]:
        return [self.drop(f"in/{n:04d}.json", document(2 * n, 2 * n + 1)) for n in range(first, first + count)]

    def handle(self, *sources: Source, together: bool = True, deadline: Deadline | None = None) -> Report:
        return self.ingest(together=together).handle(sqs(*sources), deadline or ManualDeadline(900))

    def outcomes(self, *sources: Source, together: bool = True) -> dict[str, Outcome]:
        return {outcome.source.key: outcome for outcome in self.handle(*sources, together=together).outcomes}

    def ids(self, table: str = "alphas") -> list[int]:
        return [int(str(n)) for (n,) in self.database.execute(f"SELECT id FROM {table} ORDER BY id")]

    def transactions(self, table: str = "alphas") -> int:
        return int(str(self.database.execute(f"SELECT count(DISTINCT xmin::text) FROM {table}")[0][0]))

    def forget_jobs(self) -> None:
        """Forget all records, as if the function was killed before it wrote any."""
        self.jobs = MemoryJobStore(lambda: self.now)


@pytest.fixture
def plant(database: Database) -> Plant:
    return Plant(database, typed())


def states(outcomes: dict[str, Outcome]) -> dict[str, str]:
    return {key: str(outcome.state) for key, outcome in outcomes.items()}


def returned(report: Report) -> list[object]:
    failures = summarise(report)["batchItemFailures"]
    assert isinstance(failures, list)
    return [failure["itemIdentifier"] for failure in failures]


class TestABurst:
    def test_is_loaded_in_one_transaction(self, plant: Plant) -> None:
        outcomes = plant.outcomes(*plant.burst(50))
        assert set(states(outcomes).values()) == {"succeeded"}
        assert plant.ids() == list(range(100))
        assert plant.transactions() == 1
        assert plant.alone == []

    def test_goes_to_every_table_that_its_records_name(self, plant: Plant) -> None:
        plant.handle(plant.drop("1", document(1, kind="a")), plant.drop("2", document(2, kind="b")))
        assert (plant.ids("alphas"), plant.ids("betas")) == ([1], [2])

    def test_leaves_a_record_of_every_job_with_its_own_numbers(self, plant: Plant) -> None:
        small, large = plant.drop("small", document(1)), plant.drop("large.gz", gzip.compress(document(2, 3, 4)))
        outcomes = plant.outcomes(small, large)
        status = plant.jobs.get(outcomes["large.gz"].job_id)
        assert status
        assert (status.state, status.progress.rows, status.codec, status.percent) == ("succeeded", 3, "gzip", 100.0)
        assert (status.size, status.progress.bytes_out) == (large.size, len(document(2, 3, 4)))
        receipt = outcomes["small"].receipt
        assert receipt
        assert (receipt.rows, receipt.bytes_in, receipt.codec) == (1, small.size, "identity")

    def test_counts_for_each_job_only_the_records_that_are_not_ignored(self, database: Database) -> None:
        plant = Plant(database, typed(unknown="ignore"))
        mixed = json.loads(document(1)) + json.loads(document(2, kind="other"))
        outcomes = plant.outcomes(plant.drop("mixed", json.dumps(mixed).encode()), plant.drop("pure", document(3, 4)))
        rows = {key: outcome.receipt.rows for key, outcome in outcomes.items() if outcome.receipt}
        assert rows == {"mixed": 1, "pure": 2}

    def test_of_several_routes_is_loaded_route_by_route(self, database: Database) -> None:
        csv = people().replace('match = "*"', 'match = "*.csv"')
        plant = Plant(database, csv + typed())
        sources = [plant.drop(f"{n}.csv", b"id,name\n%d,x\n" % n) for n in range(3)]
        plant.handle(*plant.burst(3), *sources)
        assert (plant.ids("people"), plant.ids()) == ([0, 1, 2], list(range(6)))
        assert plant.alone == []

    def test_warns_for_each_job_of_the_fields_that_no_column_takes(self, plant: Plant) -> None:
        outcomes = plant.outcomes(plant.drop("1", document(1)), plant.drop("2", document(2, kind="b")))
        warnings = {key: outcome.receipt.warnings for key, outcome in outcomes.items() if outcome.receipt}
        assert warnings == {"1": ("1 record holds fields that no column takes: 'text'",), "2": ()}
        assert plant.alone == []

    def test_leaves_out_sources_in_which_a_declared_path_matches_nothing(self, database: Database) -> None:
        columns = 'columns = [{ name = "id", type = "integer" }, { name = "name", from = "who.name" }]'
        plant = Plant(database, people(columns=columns))
        texts = ['{"id": 1, "who": {"name": "Ann"}}', '{"id": 2, "who": {}}', '{"id": 3, "who": {"name": null}}']
        outcomes = plant.outcomes(*(plant.drop(f"{n}.jsonl", text.encode()) for n, text in enumerate(texts, 1)))
        assert states(outcomes) == {"1.jsonl": "succeeded", "2.jsonl": "failed", "3.jsonl": "succeeded"}
        failure = outcomes["2.jsonl"].failure
        assert failure
        assert "no record has 'who.name'" in failure.message
        assert (plant.ids("people"), plant.alone) == ([1, 3], ["2.jsonl"])

    def test_has_the_types_of_existing_tables(self, database: Database) -> None:
        database.execute("CREATE TABLE people (id text PRIMARY KEY, name timestamp)")
        plant = Plant(database, people(mode="upsert", columns='columns = [{ name = "id" }, { name = "name" }]'))
        sources = [plant.drop(f"{n}.csv", f"id,name\n0{n},2024-01-01T12:00:00+02:00\n".encode()) for n in range(5)]
        assert set(states(plant.outcomes(*sources)).values()) == {"succeeded"}
        assert plant.alone == []
        found = database.execute("SELECT id, name::text FROM people ORDER BY id")
        assert found == [(f"0{n}", "2024-01-01 10:00:00") for n in range(5)]

    def test_leaves_out_what_the_tables_types_do_not_take(self, database: Database) -> None:
        database.execute("CREATE TABLE people (id int PRIMARY KEY, name date)")
        plant = Plant(database, people())
        sources = [plant.drop(f"{n}.csv", f"id,name\n{n},{day}\n".encode()) for n, day in enumerate(DAYS)]
        assert states(plant.outcomes(*sources)) == {"0.csv": "succeeded", "1.csv": "failed", "2.csv": "succeeded"}
        assert plant.ids("people") == [0, 2]

    def test_of_csv_files_with_other_headers_is_still_read_by_name(self, database: Database) -> None:
        plant = Plant(database, people())
        headers = (b"id,name\n1,one\n", b"name,id\ntwo,2\n", b"id,name\n3,three\n", b"name\nlacks\n")
        outcomes = plant.outcomes(*(plant.drop(f"{n}.csv", data) for n, data in enumerate(headers)))
        assert plant.database.execute("SELECT id, name FROM people ORDER BY id") == [
            (1, "one"), (2, "two"), (3, "three")
        ]  # fmt: skip
        failure = outcomes["3.csv"].failure
        assert failure
        assert failure.error == "InvalidTableError"


class TestWhatIsNotInOrder:
    BAD: ClassVar = {
        "cut off": (document(7)[:-3], "TruncatedSourceError"),
        "not JSON": (b"[{]", "BadDocumentError"),
        "of an unknown type": (document(7, kind="c"), "TooManyRejectsError"),
        "of the wrong type": (b'[{"type": "a", "data": {"id": "x"}}]', "TooManyRejectsError"),
    }

    @pytest.mark.parametrize("case", BAD)
    def test_fails_alone_with_its_own_error(self, plant: Plant, case: str) -> None:
        data, error = self.BAD[case]
        outcomes = plant.outcomes(*plant.burst(5), plant.drop("bad", data), *plant.burst(5, first=5))
        bad = outcomes.pop("bad")
        assert bad.state is JobState.FAILED
        assert bad.failure
        assert bad.failure.error == error
        assert set(states(outcomes).values()) == {"succeeded"}
        assert plant.ids() == list(range(20))
        assert plant.alone in (["bad"], [])

    def test_is_loaded_by_itself_where_the_route_allows_rejects_and_keeps_them_under_its_own_job(
        self, database: Database
    ) -> None:
        plant = Plant(database, typed(more="max_rejects = 1"))
        half = json.loads(document(100)) + json.loads(document(101, kind="c"))
        outcomes = plant.outcomes(*plant.burst(3), plant.drop("half", json.dumps(half).encode()))
        receipt = outcomes["half"].receipt
        assert receipt
        assert (receipt.rows, receipt.rejects) == (1, 1)
        assert {job for job, _ in plant.rejects.files} == {outcomes["half"].job_id}
        assert plant.ids() == [*range(6), 100]

    def test_is_superseded_when_it_was_deleted_or_overwritten(self, plant: Plant) -> None:
        gone, old, good = (
            plant.drop("gone", document(1)),
            plant.drop("old", document(2)),
            plant.drop("good", document(3)),
        )
        plant.store.delete("drops", "gone")
        new = plant.drop("old", document(4))
        assert states(plant.outcomes(gone, old, good)) == {
            "gone": "superseded", "old": "superseded", "good": "succeeded"
        }  # fmt: skip
        assert plant.ids() == [3]
        plant.handle(new, *plant.burst(1, first=50))
        assert plant.ids() == [3, 4, 100, 101]

    def test_is_left_out_when_only_the_database_refuses_it(self, plant: Plant) -> None:
        plant.database.execute("CREATE TABLE alphas (id bigint NOT NULL CHECK (id <> 77))")
        outcomes = plant.outcomes(*plant.burst(64))
        bad = outcomes.pop("in/0038.json")
        assert bad.failure
        assert bad.failure.error == "TooManyRejectsError"
        assert set(states(outcomes).values()) == {"succeeded"}
        # Its file is one chunk, so nothing of it is committed.
        assert plant.ids() == [n for n in range(128) if n not in (76, 77)]
        assert plant.alone == ["in/0038.json"]
        assert [len(load) for load in plant.loads] == [64, 63]

    def test_goes_alone_when_it_is_too_large_to_share(self, plant: Plant) -> None:
        long = document(*range(1000, 1000 + plant.budget.batch // 40))
        assert len(long) > plant.budget.batch // 2
        large = plant.drop("large", b" " * SMALL_OBJECT + document(999))
        plant.handle(*plant.burst(3), plant.drop("long", gzip.compress(long)), large)
        assert sorted(plant.alone) == ["large", "long"]
        assert len(plant.ids()) == 7 + plant.budget.batch // 40

    def test_goes_alone_when_it_is_empty(self, plant: Plant) -> None:
        outcomes = plant.outcomes(*plant.burst(2), plant.drop("empty", b""), plant.drop("none", b"[]"))
        assert set(states(outcomes).values()) == {"succeeded"}
        assert plant.alone == ["empty", "none"]

    def test_fails_where_its_header_lacks_a_column_though_it_has_no_rows(self, database: Database) -> None:
        plant = Plant(database, people())
        files = {"good": b"id,name\n1,one\n", "none": b"id,name\n", "bad": b"id\n", "worse": b"name\n\n"}
        outcomes = plant.outcomes(*(plant.drop(f"{name}.csv", data) for name, data in files.items()))
        errors = {key: outcome.failure.error for key, outcome in outcomes.items() if outcome.failure}
        assert errors == {"bad.csv": "InvalidTableError", "worse.csv": "InvalidTableError"}
        assert plant.alone == ["bad.csv", "worse.csv"]
        assert plant.ids("people") == [1]

    def test_fails_for_every_job_when_the_table_is_at_fault(self, plant: Plant) -> None:
        plant.database.execute("CREATE TABLE alphas (other bigint)")
        outcomes = plant.outcomes(*plant.burst(3))
        assert {outcome.failure.error for outcome in outcomes.values() if outcome.failure} == {"InvalidTableError"}
        assert set(states(outcomes).values()) == {"failed"}


class TestOneByOne:
    @pytest.mark.parametrize("routes", [people(mode="replace"), people(columns="")], ids=["replace", "inferred"])
    def test_is_how_files_go_that_cannot_share_a_transaction(self, database: Database, routes: str) -> None:
        plant = Plant(database, routes)
        plant.handle(*(plant.drop(f"{n}.csv", b"id,name\n%d,x\n" % n) for n in range(3)))
        assert (len(plant.alone), plant.loads) == (3, [])

    def test_is_how_a_single_file_goes(self, plant: Plant) -> None:
        plant.handle(*plant.burst(1))
        assert (len(plant.alone), plant.loads) == (1, [])


class TestExactlyOnce:
    def test_a_message_that_comes_twice_in_a_batch_is_done_once(self, plant: Plant) -> None:
        first, second = plant.burst(2)
        report = plant.handle(first, second, first)
        assert [outcome.repeat for outcome in report.outcomes].count(True) == 1
        assert {str(outcome.state) for outcome in report.outcomes} == {"succeeded"}
        assert plant.ids() == [0, 1, 2, 3]

    @pytest.mark.parametrize("recorded", [True, False], ids=["recorded", "died before the record"])
    @pytest.mark.parametrize("second", [True, False], ids=["then together", "then alone"])
    @pytest.mark.parametrize("first", [True, False], ids=["together", "alone"])
    def test_a_burst_that_comes_again_does_nothing(
        self, plant: Plant, first: bool, second: bool, recorded: bool
    ) -> None:
        sources = plant.burst(4)
        before = plant.outcomes(*sources, together=first)
        if not recorded:
            plant.forget_jobs()
        after = plant.outcomes(*sources, together=second)
        assert set(states(after).values()) == {"succeeded"}
        assert plant.ids() == list(range(8))
        for outcome in before.values():
            status = plant.jobs.get(outcome.job_id)
            assert status
            assert (status.state, status.progress.rows, status.percent) == (JobState.SUCCEEDED, 2, 100.0)

    def test_a_burst_that_overlaps_another_loads_only_what_is_new(self, plant: Plant) -> None:
        sources = plant.burst(6)
        plant.handle(*sources[:4])
        outcomes = plant.outcomes(*sources[2:])
        assert [outcome.repeat for outcome in outcomes.values()] == [True, True, False, False]
        assert plant.ids() == list(range(12))

    @pytest.mark.parametrize("moment", ["before", "after"])
    def test_a_failure_around_the_commit_returns_all_messages_and_the_retry_finds_committed_rows(
        self, plant: Plant, moment: str
    ) -> None:
        def fail(sink: Sink) -> None:
            raise ServiceUnavailableError("connection lost")

        setattr(plant, moment, fail)
        sources = plant.burst(3)
        assert returned(plant.handle(*sources)) == ["message-0", "message-1", "message-2"]
        assert set(plant.queue.postponed) == {"handle-0", "handle-1", "handle-2"}
        assert plant.ids() == ([] if moment == "before" else list(range(6)))
        setattr(plant, moment, nothing)
        assert returned(plant.handle(*sources)) == []
        assert plant.ids() == list(range(6))

    @pytest.mark.parametrize("good", [0, 1, 2])
    def test_a_jobs_table_that_fails_returns_what_is_not_on_record_and_the_retry_records_it(
        self, plant: Plant, good: int
    ) -> None:
        class Failing(MemoryJobStore):
            def record_many(self, done: Sequence[tuple[Job, Receipt]], *, seconds: float) -> None:
                if len(self.jobs) >= 2 * good:
                    raise ServiceUnavailableError("throttled")
                super().record_many(done, seconds=seconds)

        plant.budget = replace(BUDGET, batch=4 * len(document(10, 11)))
        plant.jobs = Failing(lambda: plant.now)
        sources = plant.burst(8)
        assert len(returned(plant.handle(*sources))) == 8 - 2 * good
        assert len(plant.jobs.jobs) == 2 * good
        plant.forget_jobs()
        assert returned(plant.handle(*sources)) == []
        assert plant.ids() == list(range(16))
        assert {str(status.state) for status in plant.jobs.jobs.values()} == {"succeeded"}
        assert len(plant.jobs.jobs) == 8

    def test_a_session_that_ends_in_mid_commit_leaves_nothing_and_the_retry_loads_all(self, plant: Plant) -> None:
        plant.inside = Sink.die
        sources = plant.burst(3)
        assert len(returned(plant.handle(*sources))) == 3
        assert plant.ids() == []
        plant.inside = nothing
        plant.handle(*sources)
        assert plant.ids() == list(range(6))

    def test_two_functions_with_the_same_burst_load_it_once(self, plant: Plant) -> None:
        sources = plant.burst(40)
        with ThreadPoolExecutor(2) as functions:
            reports = list(functions.map(lambda order: plant.handle(*order), (sources, sources[::-1])))
        for report in reports:
            assert {str(outcome.state) for outcome in report.outcomes} <= {"succeeded", "None"}
        assert plant.ids() == list(range(80))

    def test_a_job_that_another_has_taken_since_the_group_looked_is_left_to_it(self, plant: Plant) -> None:
        sources = plant.burst(3)

        def overtake(sink: Sink) -> None:
            plant.before = nothing
            plant.ingest(together=False).runner.take(
                sources[1], parse_routes(plant.routes, "routes.toml", STACK), ManualDeadline(900)
            )

        plant.before = overtake
        outcomes = plant.outcomes(*sources)
        assert [outcome.repeat for outcome in outcomes.values()] == [False, True, False]
        assert plant.ids() == list(range(6))

    def test_the_last_row_of_a_key_wins_in_the_order_of_the_event(self, database: Database) -> None:
        plant = Plant(database, people(mode="upsert"))
        plant.handle(*(plant.drop(f"{n}.csv", b"id,name\n1,%d\n2,%d\n" % (n, n)) for n in (3, 1, 2)))
        assert plant.alone == []
        assert plant.database.execute("SELECT id, name FROM people ORDER BY id") == [(1, "2"), (2, "2")]


class TestPartialFailure:
    def test_only_the_message_whose_source_cannot_be_read_comes_back(self, plant: Plant) -> None:
        class Busy:
            def read(self, source: Source) -> bytes:
                if source.key == "in/0001.json":
                    raise slow_down()
                return plant.store.read(source)

        plant.reader = Busy()
        assert returned(plant.handle(*plant.burst(3))) == ["message-1"]
        assert plant.ids() == [0, 1, 4, 5]

    def test_what_does_not_fit_the_time_comes_back_and_the_rest_stays_done(self, plant: Plant) -> None:
        plant.budget = replace(BUDGET, batch=4 * len(document(10, 11)))
        report = plant.handle(*plant.burst(20), deadline=ManualDeadline(30, per_look=1))
        done = [outcome for outcome in report.outcomes if outcome.state is JobState.SUCCEEDED]
        assert 0 < len(done) < 20
        assert len(returned(report)) == 20 - len(done)
        assert len(plant.ids()) == 2 * len(done)


class TestMemory:
    def test_no_more_is_read_ahead_than_is_allowed(self) -> None:
        store = MemoryObjectStore("drops")
        sources = [store.put("drops", f"{n}", bytes(10 * KIB)) for n in range(40)]
        asked: list[Source] = []

        class Counting:
            def read(self, source: Source) -> bytes:
                asked.append(source)
                return store.read(source)

        bodies = read_ahead(Counting(), sources, 100 * KIB)
        for taken, (source, body) in enumerate(bodies, start=1):
            assert len(body.result()) == source.size
            assert len(asked) <= taken + 10
        assert sorted(asked, key=lambda source: source.sequencer) == sources

    def test_what_is_too_large_to_share_before_it_is_decoded_is_read_once(self, plant: Plant) -> None:
        asked: list[str] = []

        class Counting:
            def read(self, source: Source) -> bytes:
                asked.append(source.key)
                return plant.store.read(source)

        plant.reader = Counting()
        large = plant.drop("large", document(*range(1000, 1000 + plant.budget.batch // 40)))
        assert plant.budget.batch // 2 < large.size < SMALL_OBJECT
        plant.handle(*plant.burst(3), large)
        assert sorted(asked) == ["in/0000.json", "in/0001.json", "in/0002.json"]
        assert plant.alone == ["large"]
        assert len(plant.ids()) == 6 + plant.budget.batch // 40

    def test_rows_are_committed_before_they_are_more_than_half_a_batch_of_text(self, plant: Plant) -> None:
        size = len(document(10, 11))
        plant.budget = replace(BUDGET, batch=20 * size)
        plant.handle(*plant.burst(45))
        assert len(plant.loads) > 1
        assert all(sum(share.end for share in load) <= 10 * size for load in plant.loads)
        # No transaction is smaller than necessary.
        assert all(sum(share.end for share in pair[0]) + pair[1][0].end > 10 * size for pair in pairwise(plant.loads))
        assert plant.ids() == list(range(90))


class TestTheMediaExample:
    @pytest.fixture
    def media(self, database: Database) -> Plant:
        database.execute((MEDIA / "schema.sql").read_text())
        return Plant(database, (MEDIA / "routes.toml").read_text())

    def test_its_generated_files_are_loaded_together_with_every_record(self, media: Plant) -> None:
        generate: Callable[..., Sequence[tuple[str, bytes]]] = runpy.run_path(str(MEDIA / "generate.py"))["media_files"]
        files = list(generate(30, 10))
        media.handle(*(media.drop(name, data) for name, data in files))
        sent = [record for _, data in files for record in json.loads(data)]
        for kind, table, title in (
            ("song", "songs", "title"),
            ("movie", "movies", "original_title"),
            ("app", "apps", "name"),
        ):
            expected = sorted(record["data"][title] for record in sent if record["type"] == kind)
            found = media.database.execute(f"SELECT {title} FROM {table}")
            assert sorted(str(value) for (value,) in found) == expected
        assert media.alone == []

    def test_its_computed_columns_are_right(self, media: Plant) -> None:
        records = [
            {"type": "movie", "data": {"original_title": "Café Ænima: Part II!"}},
            {"type": "movie", "data": {"original_title": "WALL·E: The Movie"}},
            {"type": "app", "data": {"name": "good", "rating": 4.0}},
            {"type": "app", "data": {"name": "fair", "rating": 3.9}},
            {"type": "app", "data": {"name": "unrated"}},
            {"type": "song", "data": {"artist_name": "Echo", "title": "1984", "year": 1984}},
        ]
        media.handle(*(media.drop(f"media/{n}.json", json.dumps([r]).encode()) for n, r in enumerate(records)))
        execute = media.database.execute
        assert execute("SELECT original_title_normalized FROM movies ORDER BY 1") == [
            ("café_ænima_part_ii",), ("walle_the_movie",)
        ]  # fmt: skip
        assert execute("SELECT name, is_awesome FROM apps ORDER BY name") == [
            ("fair", False), ("good", True), ("unrated", False)
        ]  # fmt: skip
        for table in ("songs", "movies", "apps"):
            assert execute(
                f"SELECT bool_and(ingestion_time BETWEEN now() - interval '1 minute' AND now()) FROM {table}"
            ) == [(True,)]
