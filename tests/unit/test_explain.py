"""What is foretold of a source: by the functions' own rules, from its first bytes."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from parquet_files import parquet
from penstock.explain.explanation import (
    NAMES,
    Forecast,
    SourcePreview,
    StackEnvironment,
    forecast,
    match_route,
    read_preview,
    too_long,
)
from penstock.explain.prices import listed_prices
from penstock.limits import GIB, MIB, S3, Budget
from penstock.model.column import Column, ColumnType
from penstock.model.job import Job
from penstock.model.object import Source, Target
from penstock.model.parse_options import ParseOptions
from penstock.model.route import Route, TableTarget
from penstock.model.table import Mode, Table, TablePlan
from penstock.routes import Routes
from penstock.testing import MemoryObjectStore

AROUND = StackEnvironment({name: name for name in NAMES})
BUDGET = Budget.of(1769 * MIB)
DECOMPRESS = Route("decompress", ("*.gz", "*.bz2"), "s3://lake/{stem}")
COPY = Route("copy", ("*",), "s3://lake/{key}")
CSV = b"id,name\n" + b"".join(b"%d,name %d\n" % (n, n) for n in range(1000))


def table(mode: Mode = Mode.APPEND, store: str = "postgresql") -> Route:
    plan = TablePlan(ParseOptions(), Table("orders", mode=mode, key=("id",)))
    return Route("orders", ("*",), f"{store}:orders", store=store, plan=plan)


def foretold(
    size: int, codec: str, route: Route = COPY, environment: StackEnvironment = AROUND, **preview: object
) -> Forecast:
    suffix = {"gzip": ".gz", "identity": "", "bzip2": ".bz2"}[codec]
    target = TableTarget(route.store, "orders") if route.plan else Target("lake", "key")
    job = Job(Source("drops", f"key.csv{suffix}", size, "etag"), route, target)
    return forecast(job, SourcePreview(codec, route.plan, **preview), environment)  # type: ignore[arg-type]  # fields of Seen


def test_the_first_pattern_that_matches_is_named_and_the_routes_before_it() -> None:
    found = match_route(Routes((DECOMPRESS, COPY), "drops"), "drops", "in/a.bz2")
    assert found
    assert (found.route, found.pattern, found.before) == (DECOMPRESS, "*.bz2", ())
    found = match_route(Routes((DECOMPRESS, COPY), "drops"), "drops", "in/a.csv")
    assert found
    assert (found.route, found.pattern, found.before) == (COPY, "*", (DECOMPRESS,))
    assert match_route(Routes((DECOMPRESS,), "drops"), "drops", "in/a.csv") is None


def test_a_small_object_is_done_by_ingest() -> None:
    expected = foretold(10 * MIB, "gzip")
    assert (expected.by_state_machine, expected.spans, expected.decoded) == (False, 0, 60 * MIB)
    assert expected.usage.dollars(listed_prices()) < 0.001


def test_the_example_in_the_documentation_has_the_price_of_today() -> None:
    expected = foretold(21_500_000_000, "gzip", table(), record=30.0)
    cost = f"cost         about {expected.usage.dollars(listed_prices()):.2f} dollars ({listed_prices().name})"
    page = (Path(__file__).parents[2] / "docs/run.md").read_text()
    assert f"spans        about {expected.spans} of" in page
    assert cost in page


def test_a_large_object_is_cut_by_the_machine() -> None:
    expected = foretold(20 * GIB, "gzip")
    assert expected.by_state_machine
    assert expected.spans > AROUND.workers
    assert expected.spans * expected.span_bytes >= expected.decoded
    assert expected.index_invocations == 1
    assert expected.seconds < expected.single_seconds


def test_plain_bytes_need_no_index() -> None:
    assert foretold(100 * GIB, "identity").index_invocations == 0


def test_what_cannot_be_cut_is_carried_whole_and_may_be_too_long() -> None:
    expected = foretold(2 * GIB, "bzip2")
    assert (expected.by_state_machine, expected.spans) == (True, 0)
    assert too_long(expected, COPY, AROUND) == ""
    expected = foretold(200 * GIB, "bzip2")
    assert "the source cannot be split" in too_long(expected, COPY, AROUND)
    assert too_long(foretold(200 * GIB, "gzip"), COPY, AROUND) == ""


def test_spans_of_an_upsert_go_one_after_the_other() -> None:
    upsert, append = (foretold(20 * GIB, "gzip", table(mode)) for mode in (Mode.UPSERT, Mode.APPEND))
    assert (upsert.ordered, append.ordered) == (True, False)
    assert upsert.seconds > 2 * append.seconds


def test_records_that_cannot_be_told_apart_are_carried_whole() -> None:
    assert foretold(20 * GIB, "identity", table(), splittable=False).spans == 0


def test_each_item_of_a_dynamodb_table_is_a_write() -> None:
    route = table(Mode.UPSERT, "dynamodb")
    known, unknown = foretold(10 * MIB, "identity", route, record=100.0), foretold(10 * MIB, "identity", route)
    assert known.usage.writes - unknown.usage.writes == 10 * MIB // 100


def test_a_stack_may_say_from_which_size_on_the_machine_takes_over() -> None:
    environment = StackEnvironment(AROUND.names, large_bytes=1000, span_bytes=16 * MIB)
    assert not foretold(999, "identity", environment=environment).by_state_machine
    expected = foretold(64 * MIB, "identity", environment=environment)
    assert (expected.by_state_machine, expected.spans) == (True, 4)


def test_less_memory_takes_longer() -> None:
    alone = [
        foretold(GIB, "identity", environment=StackEnvironment(AROUND.names, memory=memory * MIB)).single_seconds
        for memory in (128, 192, 1769, 10_240)
    ]
    assert alone[0] == pytest.approx(alone[1] * 192 / 128)
    # A byte in and a byte out, at 75 MB/s: from here on more CPU is of no use.
    assert alone[2] == alone[3] == pytest.approx(GIB * 2 / 75e6)


def test_the_codec_is_seen_in_the_content_and_columns_in_a_sample() -> None:
    objects = MemoryObjectStore("drops")
    preview = read_preview(objects, objects.put("drops", "a.csv.gz", gzip.compress(CSV)), table(), BUDGET)
    assert (preview.codec, preview.splittable, preview.problem) == ("gzip", True, "")
    assert preview.plan
    assert preview.plan.table
    assert preview.plan.table.columns == (
        Column("id", ColumnType.INTEGER, spellings=("integer",)),
        Column("name", spellings=("text",)),
    )
    assert preview.record == pytest.approx((len(CSV) - 8) / 1000)


@pytest.mark.parametrize(("suffix", "splittable"), [("", True), (".gz", False)])
def test_a_parquet_file_is_split_at_its_row_groups_unless_it_is_compressed(suffix: str, *, splittable: bool) -> None:
    data = parquet({"id": range(300)}, row_group_size=100)
    objects = MemoryObjectStore("drops")
    source = objects.put("drops", f"a.parquet{suffix}", gzip.compress(data) if suffix else data)
    preview = read_preview(objects, source, table(), BUDGET)
    assert (preview.splittable, preview.problem) == (splittable, "")


@pytest.mark.parametrize(
    ("key", "data", "route", "problem"),
    [
        ("a.csv.gz", CSV, COPY, "says gzip, but the content is not compressed"),
        ("a.csv.gz", gzip.compress(CSV)[:-500], table(), ""),
        ("a.csv", b"id,id\n1,2\n", table(), "id"),
        ("a.unknown", CSV, table(), "does not show the format of its records"),
    ],
)
def test_what_would_make_the_job_fail_is_foreseen(key: str, data: bytes, route: Route, problem: str) -> None:
    objects = MemoryObjectStore("drops")
    preview = read_preview(objects, objects.put("drops", key, data), route, BUDGET)
    assert problem in preview.problem
    assert preview.problem


def test_an_object_that_s3_could_not_hold_is_refused() -> None:
    from penstock.errors import OutputTooLargeError

    with pytest.raises(OutputTooLargeError):
        foretold(S3.max_object, "gzip")


def test_files_of_a_table_cost_their_requests_and_a_commit_those_of_the_catalog() -> None:
    by_copy, parquet, iceberg = (foretold(GIB, "identity", table(store=store)).usage for store in STORES)
    # The upload of a file is created and completed; a span has a record.
    assert parquet.puts - by_copy.puts >= 3 * 4
    assert (by_copy.catalog, parquet.catalog) == (0, 0)
    assert iceberg.puts - parquet.puts == 3
    assert iceberg.catalog > 2
    assert iceberg.dollars(listed_prices()) > parquet.dollars(listed_prices()) > by_copy.dollars(listed_prices())


STORES = ("postgresql", "parquet", "iceberg")
