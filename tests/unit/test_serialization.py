"""Values that one step leaves for the next come back as they were, and a job's id with them."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lengths import examples
from penstock.destinations import DESTINATIONS
from penstock.errors import RequestRefusedError
from penstock.formats import Within
from penstock.formats.boundaries import Text
from penstock.formats.survey import Survey, survey
from penstock.large_jobs.index_pass import IndexState
from penstock.large_jobs.job_files import JobSpec, Upload
from penstock.large_jobs.span_plan import SpanPlanDocument
from penstock.large_jobs.survey import Piece
from penstock.model.column import Column, ColumnType
from penstock.model.job import Job
from penstock.model.object import ObjectHead, Source, Target
from penstock.model.parse_options import Format, ParseOptions
from penstock.model.route import Route, TableTarget
from penstock.model.serialization import from_json, from_plain, to_json, to_plain
from penstock.model.span import Entry, Span, SpanReceipt, Stored
from penstock.model.table import Choice, Mode, Table, TablePlan
from penstock.routes import parse_routes

texts = st.text(st.characters(codec="utf-8"), max_size=12)
names = st.text("abcdefghij_", min_size=1, max_size=8)
counts = st.integers(0, 2**62)
shares = st.one_of(st.integers(0, 10), st.floats(0, 5000, allow_nan=False))

columns = st.builds(
    Column,
    name=names,
    type=st.sampled_from(ColumnType),
    source=texts,
    nullable=st.booleans(),
    nulls=st.lists(texts, max_size=2).map(tuple),
    formats=st.lists(texts, max_size=2).map(tuple),
)
tables = st.builds(
    Table,
    name=names,
    columns=st.lists(columns, max_size=3).map(tuple),
    mode=st.sampled_from(Mode),
    key=st.lists(names, max_size=2).map(tuple),
    create=st.booleans(),
)
options = st.builds(
    ParseOptions,
    format=st.sampled_from(Format),
    delimiter=texts,
    quote=texts,
    header=st.booleans(),
    columns=st.lists(names, max_size=3).map(tuple),
    encoding=texts,
    records=texts,
    sheet=texts,
    max_record=counts,
)
choices = st.builds(
    Choice, field=names, tables=st.dictionaries(texts, tables, max_size=3), payload=texts, ignore_unknown=st.booleans()
)
plans = st.builds(TablePlan, parse=options, table=st.none() | tables, choice=st.none() | choices, max_rejects=shares)
routes = st.builds(
    Route,
    name=names,
    match=st.lists(texts, min_size=1, max_size=3).map(tuple),
    destination=texts,
    source_bucket=texts,
    codec=texts,
    max_ratio=shares,
    max_bytes=counts,
    store=st.sampled_from(sorted(DESTINATIONS)),
    plan=st.none() | plans,
)
sources = st.builds(
    Source, bucket=names, key=texts, size=counts, etag=texts, version_id=texts, sequencer=texts, event_time=texts
)
targets = st.builds(Target, bucket=names, key=texts) | st.builds(
    TableTarget, store=st.sampled_from(sorted(DESTINATIONS)), table=names | st.just("")
)
jobs = st.builds(Job, source=sources, route=routes, target=targets)
heads = st.builds(
    ObjectHead,
    size=counts,
    etag=texts,
    version_id=texts,
    content_type=texts,
    content_encoding=texts,
    metadata=st.dictionaries(names, texts, max_size=3),
)
receipts = st.builds(
    SpanReceipt,
    span=counts,
    bytes_in=counts,
    bytes_out=counts,
    crc32=counts,
    rows=counts,
    rejects=counts,
    chunks=counts,
    seconds=st.floats(0, 1e6),
    warnings=st.lists(texts, max_size=2).map(tuple),
)
withins = st.builds(
    Within,
    offset=counts,
    row=counts,
    encoding=texts,
    delimiter=texts,
    names=st.lists(names, max_size=3).map(tuple),
)
entries = st.builds(
    Entry, decoded=counts, encoded=counts, bits=st.integers(0, 7), raw=st.booleans(), record=counts, row=counts
)
windows = st.none() | st.builds(Stored, key=texts, start=counts, size=counts)
spans = st.builds(
    Span,
    number=counts,
    start=counts,
    end=counts,
    entry=entries,
    encoded_end=counts,
    bytes_in=counts,
    window=windows,
    first_part=counts,
    part_size=counts,
    first_row=counts,
)
texts_of_records = st.builds(Text, delimiter=texts, quote=texts, header=st.booleans(), lead=counts)
cuts = st.builds(
    SpanPlanDocument,
    codec=names,
    spans=counts,
    total=st.integers(-1, 2**62),
    crc32=st.none() | counts,
    warnings=st.lists(texts, max_size=2).map(tuple),
    plan=st.none() | plans,
    within=st.none() | withins,
    before=st.none() | receipts,
    ordered=st.booleans(),
)
VALUES = {
    JobSpec: st.builds(JobSpec, job=jobs, head=heads),
    SpanPlanDocument: cuts,
    Span: spans,
    SpanReceipt: receipts,
    Upload: st.builds(Upload, upload_id=texts, warnings=st.lists(texts, max_size=2).map(tuple)),
    Text: texts_of_records,
    Piece: st.builds(Piece, number=counts, start=counts, end=counts, text=texts_of_records),
    IndexState: st.builds(
        IndexState,
        segments=st.lists(texts, max_size=3).map(tuple),
        done=st.booleans(),
        total=counts,
        crc32=st.none() | counts,
        warnings=st.lists(texts, max_size=2).map(tuple),
        checkpoint=texts,
        counter=texts,
    ),
}


@pytest.mark.parametrize("kind", VALUES, ids=lambda kind: str(kind.__name__))
@settings(max_examples=examples(40))
@given(data=st.data())
def test_every_value_comes_back_as_it_was(kind: type, data: st.DataObject) -> None:
    value = data.draw(VALUES[kind])
    written = to_json(value)
    assert "\n" not in written
    assert from_json(kind, written) == value
    assert from_json(kind, written.encode()) == value
    assert from_plain(kind, to_plain(value)) == value


@given(jobs)
def test_a_job_keeps_its_id(job: Job) -> None:
    back = from_json(Job, to_json(job))
    assert (back.id, back.route.digest) == (job.id, job.route.digest)


ROUTES = """
[[route]]
name = "events"
match = ["*.jsonl"]
destination = "postgresql"
max_rejects = "1%"
max_ratio = 9
[route.choice]
field = "type"
[route.choice.tables.song]
name = "songs"
columns = [{ name = "title" }]
[route.choice.tables.app]
name = "apps"
columns = [{ name = "name", nulls = ["", "-"] }]
"""


def test_a_route_that_was_read_keeps_its_digest() -> None:
    route = parse_routes(ROUTES, "routes.toml", {"source_bucket": "drops"}).find("drops", "a.jsonl")
    assert route
    assert from_json(Route, to_json(route)).digest == route.digest


def test_a_survey_comes_back_as_it_was() -> None:
    found = survey([b'a,b\n1,"x\n', b'y"\n'], Text(",", '"', header=True), start=0)
    assert from_json(type(found), to_json(found)) == found


@pytest.mark.parametrize("text", ["", "{", "[]", "3", "null and more", '{"number": 1}', '{"unknown": 1}'])
def test_what_is_no_such_value_is_refused(text: str) -> None:
    with pytest.raises(RequestRefusedError, match="Span"):
        from_json(Span, text)


def test_a_value_of_a_union_says_of_which_kind_it_is() -> None:
    plain = to_plain(Job(Source("b", "k", 1, "e"), Route("r", ("*",), "s3://x/"), Target("b", "k")))
    assert plain["target"] == {"kind": "Target", "bucket": "b", "key": "k"}
    # So a field that comes later does not make it unreadable, whichever side is the newer.
    plain["target"]["region"] = "eu-west-1"
    assert from_plain(Job, plain).target == Target("b", "k")


def test_a_document_says_its_kind_and_version() -> None:
    document = json.loads(to_json(Upload("id")))
    assert (document["kind"], document["version"]) == ("Upload", 1)


def test_what_a_later_release_added_is_passed_over() -> None:
    document = json.loads(to_json(Upload("id"))) | {"colour": "blue"}
    assert from_plain(Upload, document) == Upload("id")


@pytest.mark.parametrize(
    ("change", "reason"),
    [({"kind": "Cut"}, "the document is a Cut"), ({"version": 2}, "a later release wrote version 2")],
)
def test_a_document_of_another_kind_or_a_later_form_is_refused(change: dict[str, object], reason: str) -> None:
    with pytest.raises(RequestRefusedError, match=reason):
        from_plain(Upload, json.loads(to_json(Upload("id"))) | change)


def test_a_target_that_is_neither_of_the_kinds_is_refused() -> None:
    plain = to_plain(Job(Source("b", "k", 1, "e"), Route("r", ("*",), "s3://x/"), Target("b", "k")))
    plain["target"] = {"bucket": "b", "table": "k"}
    with pytest.raises(RequestRefusedError, match="is not of any of"):
        from_plain(Job, plain)


def test_a_value_of_an_older_release_gets_what_is_new_by_default() -> None:
    plain = to_plain(SpanPlanDocument("gzip", 3))
    for name in {one.name for one in dataclasses.fields(SpanPlanDocument)} - {"codec", "spans", "total"}:
        plain.pop(name, None)
    assert from_plain(SpanPlanDocument, plain) == SpanPlanDocument("gzip", 3)


# Work files as release 0.1 wrote them, before documents said their kind.
OLD = Path(__file__).parents[1] / "fixtures" / "release_0_1"
OLD_KINDS = {
    "ticket_bucket": JobSpec,
    "ticket_table": JobSpec,
    "cut": SpanPlanDocument,
    "span": Span,
    "span_receipt": SpanReceipt,
    "upload": Upload,
    "text": Text,
    "piece": Piece,
    "index_state": IndexState,
    "survey": Survey,
}


@pytest.mark.parametrize("name", OLD_KINDS)
def test_a_work_file_of_the_first_release_is_read_and_keeps_all_that_it_says(name: str) -> None:
    old = json.loads((OLD / f"{name}.json").read_text())
    assert_holds(to_plain(from_plain(OLD_KINDS[name], old)), old)


def assert_holds(new: object, old: object) -> None:
    """What the old document says stands in the new one, which may say more."""
    if isinstance(old, dict):
        assert isinstance(new, dict)
        for name, inner in old.items():
            assert_holds(new[name], inner)
    elif isinstance(old, list):
        assert isinstance(new, list)
        assert len(new) == len(old)
        for one, other in zip(new, old, strict=True):
            assert_holds(one, other)
    else:
        assert new == old


@pytest.mark.parametrize(
    ("name", "job_id"),
    [("ticket_bucket", "3987dbc3f226df2597545e8965e1c262"), ("ticket_table", "7d2af711e77de9dc790196b33873a729")],
)
def test_a_job_of_the_first_release_keeps_its_id(name: str, job_id: str) -> None:
    """Else its ledger, its claim and its work files would be those of another job, and its rows come twice."""
    assert from_json(JobSpec, (OLD / f"{name}.json").read_text()).job.id == job_id
