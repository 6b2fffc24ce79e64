"""The contract of table sinks: all rows once, the last row of a key wins, and nothing incomplete at the end."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from contract.table_backends import COLUMNS, TableBackend, backend_of, cases
from penstock.errors import DestinationMissingError, LeaseLostError
from penstock.model.load import Chunk, Resume
from penstock.model.parse_options import ParseOptions
from penstock.model.table import Choice, Mode, Table, TablePlan
from penstock.tables import ChunkBuilder
from table_batches import WIDTH, rows

pytest_plugins = ["postgres_fixtures"]

NAMES = ("id", "n")
Row = tuple[str, str | None]


Case = tuple[TableBackend, Mode]


@pytest.fixture(params=[name for name, _ in cases(Mode.UPSERT)])
def backend(request: pytest.FixtureRequest) -> TableBackend:
    """Those that can upsert."""
    return backend_of(request, request.param)


@pytest.fixture(params=cases(), ids="-".join)
def case(request: pytest.FixtureRequest) -> Case:
    name, mode = request.param
    return backend_of(request, name), mode


@pytest.fixture(params=cases(ledger=True), ids="-".join)
def ledgered(request: pytest.FixtureRequest) -> Case:
    """The backends with a ledger. DynamoDB needs none: writing an item again changes nothing."""
    name, mode = request.param
    return backend_of(request, name), mode


@pytest.fixture(params=[name for name, _ in cases(Mode.REPLACE)])
def staged(request: pytest.FixtureRequest) -> TableBackend:
    """The backends that can replace the content of a table."""
    return backend_of(request, request.param)


def plan_of(table: Table) -> TablePlan:
    return TablePlan(ParseOptions(), table)


def chunk(backend: TableBackend, table: Table, *cells: Row, number: int = 0, first: int = 1) -> Chunk:
    made, rejects = ChunkBuilder(plan_of(table), backend.destination.row_form).chunk(
        number, rows(NAMES, *cells, first=first)
    )
    assert rejects == ()
    return made


def load(backend: TableBackend, table: Table, *chunks: Sequence[Row], job: str = "job") -> None:
    """Load a job, one chunk after the other."""
    with backend.sink(job) as sink:
        sink.begin(plan_of(table))
        first = 1
        for number, cells in enumerate(chunks):
            sink.load(chunk(backend, table, *cells, number=number, first=first))
            first += len(cells)
        sink.finish()


def test_all_rows_of_all_chunks_are_loaded(case: Case) -> None:
    backend, mode = case
    table = backend.table(mode)
    load(backend, table, [("a", "1"), ("b", None)], [("c", "-3")])
    assert backend.content(table) == [("a", 1), ("b", None), ("c", -3)]


def test_a_chunk_reports_the_number_of_its_loaded_rows(case: Case) -> None:
    backend, mode = case
    table = backend.table(mode)
    with backend.sink() as sink:
        sink.begin(plan_of(table))
        loaded = sink.load(chunk(backend, table, ("a", "1"), ("b", "2")))
    assert (loaded.rows, loaded.rejects) == (2, ())


def test_a_job_without_rows_succeeds(case: Case) -> None:
    backend, mode = case
    table = backend.table(mode)
    load(backend, table)
    assert backend.content(table) == []


def test_a_new_span_starts_at_its_beginning(case: Case) -> None:
    backend, mode = case
    with backend.sink() as sink:
        assert sink.begin(plan_of(backend.table(mode))) == Resume()


def test_the_last_row_of_a_key_wins_within_a_chunk_and_across_them(backend: TableBackend) -> None:
    table = backend.table(Mode.UPSERT)
    load(backend, table, [("a", "1"), ("b", "1"), ("a", "2")], [("b", "3"), ("b", "2")])
    assert backend.content(table) == [("a", 2), ("b", 2)]


def test_an_upsert_leaves_other_keys_alone(backend: TableBackend) -> None:
    table = backend.table(Mode.UPSERT)
    load(backend, table, [("a", "1"), ("b", "1")], job="first")
    load(backend, table, [("b", None)], job="second")
    assert backend.content(table) == [("a", 1), ("b", None)]


def test_a_retry_from_the_start_changes_nothing(case: Case) -> None:
    backend, mode = case
    table = backend.table(mode)
    first, second = [("a", "1"), ("b", "2")], [("c", "3")]
    with backend.sink() as sink:
        sink.begin(plan_of(table))
        sink.load(chunk(backend, table, *first))
    load(backend, table, first, second)
    assert backend.content(table) == [("a", 1), ("b", 2), ("c", 3)]


def test_a_retry_after_the_end_changes_nothing(case: Case) -> None:
    backend, mode = case
    table = backend.table(mode)
    load(backend, table, [("a", "1")], [("b", "2")])
    load(backend, table, [("a", "1")], [("b", "2")])
    assert backend.content(table) == [("a", 1), ("b", 2)]


def test_a_retry_gets_the_position_to_resume_at(ledgered: Case) -> None:
    backend, mode = ledgered
    table = backend.table(mode)
    with backend.sink() as sink:
        sink.begin(plan_of(table))
        sink.load(chunk(backend, table, ("a", "1"), ("b", "2")))
        sink.load(chunk(backend, table, ("c", "3"), number=1, first=3))
    with backend.sink() as sink:
        assert sink.begin(plan_of(table)) == Resume(chunk=2, offset=3 * WIDTH, row=4, rows=3)


def test_the_ledger_keeps_a_job_after_its_end(ledgered: Case) -> None:
    backend, mode = ledgered
    table = backend.table(mode)
    load(backend, table, [("a", "1")])
    with backend.sink() as sink:
        assert sink.begin(plan_of(table)) == Resume(chunk=1, offset=WIDTH, row=2, rows=1)
        with pytest.raises(LeaseLostError):
            sink.load(chunk(backend, table, ("b", "2"), number=1, first=2))
    assert backend.content(table) == [("a", 1)]


def test_spans_of_a_job_are_counted_separately(ledgered: Case) -> None:
    backend, mode = ledgered
    table = backend.table(mode)
    for span in (0, 1):
        with backend.sink(span=span) as sink:
            assert sink.begin(plan_of(table)) == Resume()
            sink.load(chunk(backend, table, (f"span {span}", "1")))
            if span:
                sink.finish()
    assert backend.content(table) == [("span 0", 1), ("span 1", 1)]


def test_two_attempts_that_cut_a_span_differently_do_not_mix(ledgered: Case) -> None:
    backend, mode = ledgered
    table = backend.table(mode)
    with backend.sink() as one, backend.sink() as other:
        one.begin(plan_of(table))
        other.begin(plan_of(table))
        one.load(chunk(backend, table, ("a", "1"), ("b", "2")))
        with pytest.raises(LeaseLostError):
            other.load(chunk(backend, table, ("a", "1")))
        one.finish()
    assert backend.content(table) == [("a", 1), ("b", 2)]


def test_finish_and_abort_may_come_twice(case: Case) -> None:
    backend, mode = case
    table = backend.table(mode)
    with backend.sink() as sink:
        sink.begin(plan_of(table))
        sink.load(chunk(backend, table, ("a", "1")))
        assert not sink.is_finished()
        sink.finish()
        sink.finish()
        assert sink.is_finished() == backend.destination.has_ledger  # else there is nothing to finish
        sink.abort()
        sink.abort()
    assert backend.content(table) == [("a", 1)]


def test_an_abort_keeps_what_is_committed_unless_it_is_staged(case: Case) -> None:
    backend, mode = case
    table = backend.table(mode)
    with backend.sink() as sink:
        sink.begin(plan_of(table))
        sink.load(chunk(backend, table, ("a", "1")))
        sink.abort()
    assert backend.content(table) == ([] if mode is Mode.REPLACE else [("a", 1)])


def test_a_replace_is_visible_only_after_it_is_finished(staged: TableBackend) -> None:
    table = staged.table(Mode.REPLACE)
    load(staged, table, [("old", "1")], job="first")
    with staged.sink("second") as sink:
        sink.begin(plan_of(table))
        sink.load(chunk(staged, table, ("new", "1")))
        sink.load(chunk(staged, table, ("new", "2"), number=1, first=2))
        assert staged.content(table) == [("old", 1)]
        sink.finish()
    assert staged.content(table) == [("new", 1), ("new", 2)]


def test_an_aborted_replace_leaves_the_old_rows_and_starts_from_the_beginning(staged: TableBackend) -> None:
    table = staged.table(Mode.REPLACE)
    load(staged, table, [("old", "1")], job="first")
    with staged.sink("second") as sink:
        sink.begin(plan_of(table))
        sink.load(chunk(staged, table, ("new", "1")))
        sink.abort()
    assert staged.content(table) == [("old", 1)]
    with staged.sink("second") as sink:
        assert sink.begin(plan_of(table)) == Resume()
        sink.load(chunk(staged, table, ("newer", "1")))
        sink.finish()
    assert staged.content(table) == [("newer", 1)]


def test_a_chunk_may_have_records_of_several_tables(backend: TableBackend) -> None:
    songs, apps = backend.table(Mode.UPSERT), backend.table(Mode.UPSERT)
    plan = TablePlan(ParseOptions(), choice=Choice("type", {"song": songs, "app": apps}))
    cells = [("song", "a", "1"), ("app", "b", "2"), ("song", "c", "3")]
    made, _ = ChunkBuilder(plan, backend.destination.row_form).chunk(0, rows(("type", *NAMES), *cells))
    with backend.sink() as sink:
        sink.begin(plan)
        assert sink.load(made).rows == 3
        sink.finish()
    assert backend.content(songs) == [("a", 1), ("c", 3)]
    assert backend.content(apps) == [("b", 2)]


def test_a_missing_table_is_named(case: Case) -> None:
    backend, mode = case
    key = ("id",) if mode is Mode.UPSERT else ()
    with backend.sink() as sink, pytest.raises(DestinationMissingError, match="nowhere"):
        sink.begin(plan_of(Table("nowhere", COLUMNS, mode, key)))
