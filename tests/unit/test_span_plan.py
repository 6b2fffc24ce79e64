"""Span plans: every plan survives storage, and documents of earlier releases give the plan that they mean."""

from __future__ import annotations

import pytest

from penstock.errors import IncompleteJobError
from penstock.large_jobs.job_files import JobFolder
from penstock.large_jobs.span_plan import (
    ObjectSpans,
    SpanPlan,
    SpanPlanDocument,
    TableSpans,
    WholeSource,
    from_document,
    to_document,
)
from penstock.model.column import Column
from penstock.model.parse_options import ParseOptions
from penstock.model.span import SpanReceipt, Within
from penstock.model.table import Table, TablePlan
from penstock.testing import MemoryWorkFiles

TABLE_PLAN = TablePlan(ParseOptions(), table=Table("people", columns=(Column("id"),)))
PLANS = [
    WholeSource("bzip2"),
    WholeSource("bzip2", TABLE_PLAN, "execution"),
    ObjectSpans("gzip", 3, 100, 7, ("w",), "execution"),
    ObjectSpans("identity", 1, 0),
    TableSpans(
        "gzip", 2, 100, TABLE_PLAN, Within(3, 1, "utf-8"), 7, ("w",), SpanReceipt(0, 0, 9), ordered=True, execution="e"
    ),
]


@pytest.mark.parametrize("plan", PLANS)
def test_a_plan_is_read_from_the_work_bucket_as_it_was_written(plan: SpanPlan) -> None:
    folder = JobFolder(MemoryWorkFiles(), "job")
    assert folder.find_plan() is None
    assert folder.put_plan_once(plan) == plan
    assert folder.get_plan() == plan
    assert folder.put_plan_once(WholeSource("zstd")) == plan


@pytest.mark.parametrize("plan", PLANS)
def test_the_spans_of_a_plan_are_numbered_from_1_and_a_whole_source_is_span_0(plan: SpanPlan) -> None:
    count = to_document(plan).spans
    assert list(plan.numbers) == ([0] if isinstance(plan, WholeSource) else list(range(1, count + 1)))


def test_a_document_without_spans_is_a_whole_source_whatever_else_it_says() -> None:
    document = SpanPlanDocument("gzip", 0, 100, 7, ("w",), TABLE_PLAN, Within(3, 1, "utf-8"), execution="e")
    assert from_document(document) == WholeSource("gzip", TABLE_PLAN, "e")


def test_a_table_plan_without_the_start_of_its_source_is_refused() -> None:
    with pytest.raises(IncompleteJobError, match="does not say how its records are parsed"):
        from_document(SpanPlanDocument("gzip", 2, 100, plan=TABLE_PLAN))
