"""From batches to chunks: every record is in a row, in a reject or ignored on purpose; and records choose tables."""

from __future__ import annotations

import gc
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.errors import InvalidTableError
from penstock.model.column import Column, ColumnType
from penstock.model.load import Chunk
from penstock.model.parse_options import ParseOptions
from penstock.model.record import RecordPosition, Reject
from penstock.model.table import Choice, Table, TablePlan
from penstock.tables import ChunkBuilder, Form, gc_deferred, tables_of
from table_batches import WIDTH, records, rows, with_rejects

SONGS = Table("songs", (Column("title"), Column("seconds", ColumnType.INTEGER)))
APPS = Table("apps", (Column("name"),))
BY_TYPE = Choice("type", {"song": SONGS, "track": SONGS, "app": APPS}, payload="data")


def plan(choice: Choice = BY_TYPE) -> TablePlan:
    return TablePlan(ParseOptions(), choice=choice)


def tables(chunk: Chunk) -> dict[str, list[tuple[object, ...]]]:
    return {part.table.name: list(zip(*part.columns, strict=True)) for part in chunk.rows}


def reasons(rejects: tuple[Reject, ...]) -> list[tuple[int, str, str]]:
    return [(reject.position.row, reject.column, reject.reason) for reject in rejects]


def test_a_chunk_knows_its_place_in_the_span() -> None:
    maker = ChunkBuilder(TablePlan(ParseOptions(), SONGS))
    batch = rows(["title", "seconds"], ("a", "1"), ("b", "x"), first=11)
    chunk, rejects = maker.chunk(7, batch)
    assert (chunk.number, chunk.end, chunk.next_row, chunk.records, chunk.rejects) == (7, 12 * WIDTH, 13, 2, 1)
    assert tables(chunk) == {"songs": [("a", "1")]}
    assert reasons(rejects) == [(12, "seconds", "'x' is not an integer")]


def test_the_parsers_rejects_come_first_where_they_stood_first() -> None:
    batch = with_rejects(
        rows(["title", "seconds"], ("a", "x"), first=2),
        Reject(RecordPosition(1, 0, "?"), "is no row"),
        Reject(RecordPosition(3, 0, "?"), "is no row"),
    )
    chunk, rejects = ChunkBuilder(TablePlan(ParseOptions(), SONGS)).chunk(0, batch)
    assert [row for row, *_ in reasons(rejects)] == [1, 2, 3]
    assert (chunk.records, chunk.rejects, chunk.rows) == (3, 3, [])


def test_a_header_that_lacks_a_column_is_an_error_without_a_row_too() -> None:
    with pytest.raises(InvalidTableError, match="lacks 'seconds'"):
        ChunkBuilder(TablePlan(ParseOptions(), SONGS)).chunk(0, rows(["title"]))
    chunk, rejects = ChunkBuilder(TablePlan(ParseOptions(), SONGS)).chunk(0, rows(["title", "seconds"]))
    assert (chunk.rows, chunk.records, rejects) == ([], 0, ())


def test_without_a_row_nobody_knows_which_of_several_tables_a_header_is_for() -> None:
    by_kind = Choice("kind", {"song": SONGS, "app": APPS})
    assert ChunkBuilder(plan(by_kind)).chunk(0, rows(["kind", "name"]))[0].rows == []
    with pytest.raises(InvalidTableError, match="'kind', which the header lacks"):
        ChunkBuilder(plan(by_kind)).chunk(0, rows(["name"]))


def test_values_come_in_the_form_that_is_wanted() -> None:
    chunk, _ = ChunkBuilder(TablePlan(ParseOptions(), SONGS), Form.VALUE).chunk(
        0, records({"title": "a", "seconds": "1"})
    )
    assert tables(chunk) == {"songs": [("a", 1)]}


def test_records_go_to_the_table_of_their_type() -> None:
    batch = records(
        {"type": "song", "data": {"title": "a", "seconds": 1}},
        {"type": "app", "data": {"name": "p"}},
        {"type": "track", "data": {"title": "b"}},
        first=5,
    )
    chunk, rejects = ChunkBuilder(plan()).chunk(0, batch)
    assert tables(chunk) == {"songs": [("a", "1"), ("b", None)], "apps": [("p",)]}
    assert rejects == ()
    assert [chunk.rows[0].position(row).row for row in (0, 1)] == [5, 7]


def test_without_a_payload_the_record_itself_is_the_row() -> None:
    chunk, _ = ChunkBuilder(plan(replace(BY_TYPE, payload=""))).chunk(0, records({"type": "app", "name": "p"}))
    assert tables(chunk) == {"apps": [("p",)]}


def test_a_payload_and_a_field_may_lie_deeper() -> None:
    choice = Choice("meta.kind", {"app": APPS}, payload="body.data")
    chunk, _ = ChunkBuilder(plan(choice)).chunk(0, records({"meta": {"kind": "app"}, "body": {"data": {"name": "p"}}}))
    assert tables(chunk) == {"apps": [("p",)]}


def test_rows_of_a_csv_choose_by_a_column() -> None:
    batch = rows(["type", "name", "title", "seconds"], ("app", "p", "", ""), ("song", "", "a", "1"), ("?", "", "", ""))
    chunk, rejects = ChunkBuilder(plan(replace(BY_TYPE, payload=""))).chunk(0, batch)
    assert tables(chunk) == {"songs": [("a", "1")], "apps": [("p",)]}
    assert reasons(rejects) == [(3, "type", "'?' names no table")]


@pytest.mark.parametrize("choice", [BY_TYPE, replace(BY_TYPE, payload="", field="kind")])
def test_a_header_without_the_field_is_an_error(choice: Choice) -> None:
    with pytest.raises(InvalidTableError, match="which the header lacks"):
        ChunkBuilder(plan(choice)).chunk(0, rows(["type", "name"], ("app", "p")))


STRANGE: list[tuple[object, str, str]] = [
    ({"type": "podcast", "data": {}}, "type", "'podcast' names no table"),
    ({"type": ["song"], "data": {}}, "type", "\"['song']\" names no table"),
    ({"data": {}}, "type", "is missing"),
]
BROKEN: list[tuple[object, str, str]] = [
    ({"type": "song"}, "data", "is not an object"),
    ({"type": "song", "data": [1]}, "data", "is not an object"),
    (["song"], "", "is not an object"),
]


@pytest.mark.parametrize(("record", "column", "reason"), STRANGE + BROKEN)
def test_a_record_without_table_or_payload_is_a_reject(record: object, column: str, reason: str) -> None:
    chunk, rejects = ChunkBuilder(plan()).chunk(0, records(record))
    assert (chunk.rows, reasons(rejects)) == ([], [(1, column, reason)])


@pytest.mark.parametrize("record", [record for record, *_ in STRANGE])
def test_unknown_types_are_ignored_if_the_route_says_so(record: object) -> None:
    chunk, rejects = ChunkBuilder(plan(replace(BY_TYPE, ignore_unknown=True))).chunk(0, records(record))
    assert (chunk.records, chunk.rejects, chunk.rows, rejects) == (1, 0, [], ())


@pytest.mark.parametrize(("record", "column", "reason"), BROKEN)
def test_broken_records_are_never_ignored(record: object, column: str, reason: str) -> None:
    _, rejects = ChunkBuilder(plan(replace(BY_TYPE, ignore_unknown=True))).chunk(0, records(record))
    assert reasons(rejects) == [(1, column, reason)]


def test_the_tables_of_a_plan_are_named_once() -> None:
    assert tables_of(plan()) == (SONGS, APPS)
    assert tables_of(TablePlan(ParseOptions(), SONGS)) == (SONGS,)


def test_columns_must_be_known() -> None:
    with pytest.raises(InvalidTableError, match="table t: its columns are not known yet"):
        ChunkBuilder(TablePlan(ParseOptions(), Table("t"))).chunk(0, records({"a": 1}))


def test_the_garbage_collector_is_held_back_for_as_long_as_batches_are_made() -> None:
    before = gc.get_threshold()
    with gc_deferred():
        assert gc.get_threshold()[0] > before[0]
    assert gc.get_threshold() == before


def test_the_thresholds_of_the_garbage_collector_are_restored_after_loads_that_overlap() -> None:
    before = gc.get_threshold()
    first, second = gc_deferred(), gc_deferred()
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    assert gc.get_threshold()[0] > before[0]
    second.__exit__(None, None, None)
    assert gc.get_threshold() == before


TYPES = st.sampled_from(["song", "app", "podcast", None])
DATA = st.sampled_from([{"title": "a", "seconds": 1, "name": "p"}, {"seconds": "x"}, {}, None, 5])
RECORDS = st.one_of(st.builds(lambda kind, data: {"type": kind, "data": data}, TYPES, DATA), st.integers())


@given(found=st.lists(RECORDS, max_size=8), ignore=st.booleans())
def test_no_record_is_lost_or_doubled(found: list[object], ignore: bool) -> None:
    chunk, rejects = ChunkBuilder(plan(replace(BY_TYPE, ignore_unknown=ignore))).chunk(0, records(*found))
    kept = [part.position(row).row for part in chunk.rows for row in range(part.count)]
    refused = [reject.position.row for reject in rejects]
    accounted = sorted(kept + refused)
    assert len(set(accounted)) == len(accounted)
    assert set(accounted) <= set(range(1, len(found) + 1))
    assert ignore or len(accounted) == len(found)
