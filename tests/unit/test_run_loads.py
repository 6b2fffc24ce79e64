"""What a run is asked to do, and whether it is done already."""

from __future__ import annotations

import subprocess
import sys
from itertools import islice

import pytest

from penstock.errors import InvalidRouteError
from penstock.model.job import Job
from penstock.model.load import Resume
from penstock.model.object import Source
from penstock.model.route import TableTarget
from penstock.model.table import Mode
from penstock.run.destination_spec import DestinationSpec
from penstock.run.loads import ExternalSource, LoadResumption, NoDeadline, load_ids, resume_load
from penstock.wiring.source_resolver import bucket_and_key

HALF, WHOLE = Resume(chunk=3, offset=900, row=31, rows=30), Resume(chunk=9, offset=2700, row=91, rows=90)


def order(**options: str) -> DestinationSpec:
    return DestinationSpec("postgresql:orders", **options)  # type: ignore[arg-type]  # of its text fields


def job(order: DestinationSpec, etag: str = "3000-17") -> Job:
    source = ExternalSource("", "orders.csv", 3000, etag, location="/data/orders.csv", shown="orders.csv")
    return Job(source, order.route(), TableTarget("postgresql", "orders"))


def first_id(job: Job) -> str:
    return next(load_ids(job))


def decide(
    *earlier: tuple[bool, Resume], again: bool = False, exists: bool = True, mode: Mode = Mode.APPEND
) -> LoadResumption:
    return resume_load(iter("abcdef"), earlier, again=again, exists=exists, mode=mode)


def test_what_was_never_loaded_begins() -> None:
    assert decide() == LoadResumption("a", Resume())


def test_what_was_cut_short_goes_on() -> None:
    assert decide((False, HALF)) == LoadResumption("a", HALF)


def test_what_has_ended_stands() -> None:
    assert decide((True, WHOLE)) == LoadResumption("a", WHOLE, ended=True)


def test_again_is_another_load_whatever_became_of_the_last() -> None:
    assert decide((True, WHOLE), again=True) == LoadResumption("b", Resume())
    assert decide((False, HALF), again=True) == LoadResumption("b", Resume())


def test_a_second_load_that_was_cut_short_goes_on_without_again() -> None:
    assert decide((True, WHOLE), (False, HALF)) == LoadResumption("b", HALF)


def test_a_replacement_is_made_again_each_time() -> None:
    assert decide((True, WHOLE), mode=Mode.REPLACE) == LoadResumption("b", Resume())
    assert decide((False, HALF), mode=Mode.REPLACE) == LoadResumption("a", HALF)


def test_without_the_table_nothing_is_in() -> None:
    assert decide((True, WHOLE), exists=False) == LoadResumption("b", Resume())


def test_the_same_file_is_the_same_load_however_many_rejects_are_allowed() -> None:
    assert first_id(job(order())) == first_id(job(order(max_rejects="1%")))
    made = DestinationSpec("postgresql:orders", table={"create": True})
    assert first_id(job(order())) == first_id(job(made))


@pytest.mark.parametrize(
    "other",
    [
        job(order(), etag="3000-18"),
        job(order(codec="gzip")),
        job(DestinationSpec("postgresql:orders", parse={"delimiter": ";"})),
        job(DestinationSpec("postgresql:orders", table={"mode": "upsert", "key": "id"})),
    ],
)
def test_what_loads_other_rows_is_another_load(other: Job) -> None:
    assert first_id(other) != first_id(job(order()))


def test_each_load_of_a_file_has_an_id_of_its_own() -> None:
    ids = list(islice(load_ids(job(order())), 4))
    assert len(set(ids)) == 4
    assert ids == list(islice(load_ids(job(order())), 4))


def test_a_foreign_source_is_called_what_the_person_calls_it() -> None:
    assert job(order()).source.uri == "orders.csv"


def test_a_run_has_all_the_time_in_the_world() -> None:
    assert NoDeadline().remaining() > 1e300


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"to": "postgresql:orders", "table": {"mode": "upsert"}}, "--to postgresql:orders: table.key: is needed"),
        ({"to": "postgresql:orders", "parse": {"delimiter": ";;"}}, "parse.delimiter: must be one character"),
        ({"to": "postgresql:orders", "max_rejects": "some"}, "max_rejects: must be a count or a share"),
        (
            {"to": "dynamodb:orders", "table": {"create": True}},
            "table.create: is not supported by dynamodb: declare the table in a template",
        ),
        ({"to": "postgresql:"}, "--to postgresql: names no table"),
        ({"to": "postgresql://u:secret@db/shop"}, "^--to needs the name of a table, not the URI of a database$"),
        ({"to": "mysql:orders"}, "--to mysql:orders is not a known destination"),
        ({"to": "S3://lake/x"}, "--to S3://lake/x is not a known destination"),
        ({"to": "https://example.org/x"}, "is not a known destination"),
        ({"to": "out.csv", "table": {"mode": "append"}}, "--mode is for tables, but out.csv is not a table"),
        ({"to": "s3://lake/x", "parse": {"no_header": True}}, "--no-header is for tables"),
    ],
)
def test_an_order_that_cannot_be_meant_is_refused(options: dict[str, object], message: str) -> None:
    with pytest.raises(InvalidRouteError, match=message):
        DestinationSpec(**options).route()  # type: ignore[arg-type]  # as given above


@pytest.mark.parametrize(("text", "allowed"), [("3", 3), ("1%", 0.01), ("0.5", 0.5)])
def test_rejects_are_allowed_by_count_or_share(text: str, allowed: float) -> None:
    plan = order(max_rejects=text).route().plan
    assert plan
    assert plan.max_rejects == allowed


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("s3://drops/in/a.csv", ("drops", "in/a.csv")),
        ("in/a.csv", ("lake", "in/a.csv")),
        ("/data/in/a.csv", ("lake", "data/in/a.csv")),
        ("../x/./a.csv", ("lake", "x/a.csv")),
        ("file:///data/a%20b.csv", ("lake", "data/a b.csv")),
        ("https://u:p@host/in/a%20b.csv?v=1", ("lake", "in/a b.csv")),
        ("-", ("lake", "")),
    ],
)
def test_a_route_sees_a_source_as_an_object_of_the_bucket(text: str, place: tuple[str, str]) -> None:
    assert bucket_and_key(text, "lake") == place


def test_an_s3_object_has_its_own_identity() -> None:
    one = Source("drops", "a.csv", 1, "etag", "v1")
    two = Source("drops", "a.csv", 1, "etag", "v2")
    target = TableTarget("postgresql", "orders")
    assert first_id(Job(one, order().route(), target)) != first_id(Job(two, order().route(), target))


def test_help_is_quick_because_it_imports_no_aws_and_no_database() -> None:
    code = (
        "import sys; import penstock_cli.run, penstock_cli.explain, penstock_cli.routes;"
        "print(sorted({'botocore', 'psycopg', 'smart_open', 'rich', 'penstock.wiring.run'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
