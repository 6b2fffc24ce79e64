"""What steps leave for each other in the work bucket, damaged."""

from __future__ import annotations

import json
from random import Random
from typing import Any

from fuzz.harness import Target
from fuzz.mutation import damaged, damaged_tree, json_text
from penstock.formats import Within
from penstock.formats.boundaries import Text
from penstock.large_jobs.index_pass import IndexState
from penstock.large_jobs.job_files import JobSpec, Upload
from penstock.large_jobs.span_plan import SpanPlanDocument
from penstock.large_jobs.survey import Piece
from penstock.model.column import Column, ColumnType
from penstock.model.job import Job
from penstock.model.object import ObjectHead, Source
from penstock.model.object import Target as Object
from penstock.model.parse_options import ParseOptions
from penstock.model.route import Route, TableTarget
from penstock.model.serialization import from_json, to_json
from penstock.model.span import Entry, Span, SpanReceipt, Stored
from penstock.model.table import Choice, Table, TablePlan

SOURCE = Source("lake", "in/é.csv.gz", 10, "etag", "v1", "00AB", "2026-01-01T00:00:00Z")
PLAN = TablePlan(
    ParseOptions(), Table("t", (Column("a", ColumnType.DATE, formats=("%Y",)),), key=("a",)), max_rejects=0.5
)
CHOICE = TablePlan(ParseOptions(), choice=Choice("kind", {"a": Table("t")}))
LOAD = Route("load", ("*",), "postgresql:t", store="postgresql", plan=PLAN)
COPY = Route("copy", ("*", "b"), "s3://out/{key}")
HEAD = ObjectHead(10, "etag", "v1", "text/csv", metadata={"by": "é"})


def samples() -> list[Any]:
    span = Span(1, 0, 100, Entry(0, 0, 3, raw=True, record=1, row=1), 50, 50, Stored("k", 0, 10), following=Entry(1, 2))
    receipt = SpanReceipt(1, 50, 100, warnings=("w",))
    return [
        *(span, receipt, Text(",", '"', header=True, lead=3), Upload("id", ("w",)), Piece(0, 0, 10, Text())),
        SpanPlanDocument("gzip", 3, 100, 7, ("w",), PLAN, Within(3, 1, "utf-8", ",", ("a",)), receipt, ordered=True),
        SpanPlanDocument("gzip", 3, plan=CHOICE),
        IndexState(("segment-0-1",), 1, total=10, crc32=3, checkpoint="{}", counter="{}"),
        JobSpec(Job(SOURCE, LOAD, TableTarget("postgresql", "t")), HEAD),
        JobSpec(Job(SOURCE, COPY, Object("out", "é")), HEAD),
    ]


KINDS = (Span, SpanReceipt, Text, Upload, Piece, SpanPlanDocument, IndexState, JobSpec)


def make(rng: Random) -> bytes:
    text = to_json(rng.choice(samples())).encode()
    if rng.random() < 0.3:
        return damaged(rng, text, (b"null", b"{", b"}", b"[" * 3000, b"9" * 5000, b"\xff", b'"', b"NaN", b"1e999"))
    return json_text(damaged_tree(rng, json.loads(text)))


def check(data: bytes, rng: Random) -> None:
    fields = set(json.loads(data)) if _is_object(data) else set()
    likely = [kind for kind in KINDS if set(kind.__dataclass_fields__) & fields]
    value = from_json(rng.choice(likely or KINDS), data)
    assert from_json(type(value), to_json(value)) == value or "NaN" in to_json(value)


def _is_object(data: bytes) -> bool:
    try:
        return isinstance(json.loads(data), dict)
    except (ValueError, RecursionError):
        return False


TARGETS = (Target("values", make, check),)
