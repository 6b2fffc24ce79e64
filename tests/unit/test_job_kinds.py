"""A job writes an object or loads tables; code that knows only one of them says which."""

from __future__ import annotations

import pytest

from penstock.model.job import Job
from penstock.model.object import Source, Target
from penstock.model.parse_options import ParseOptions
from penstock.model.route import Route, TableTarget
from penstock.model.table import Table, TablePlan

SOURCE = Source("drops", "in/a.csv", 1, "e")
PLAN = TablePlan(ParseOptions(), Table("songs"))
OBJECT = Job(SOURCE, Route("a", ("*",), "s3://out/{key}"), Target("out", "in/a.csv"))
TABLE = Job(SOURCE, Route("b", ("*",), "kept:songs", store="kept", plan=PLAN), TableTarget("kept", "songs"))


def test_a_job_knows_what_it_delivers() -> None:
    assert (OBJECT.object_target, OBJECT.need_object()) == (OBJECT.target, OBJECT.target)
    assert (TABLE.object_target, TABLE.need_plan()) == (None, PLAN)


def test_a_job_of_the_other_kind_is_refused() -> None:
    with pytest.raises(TypeError, match=r"s3://drops/in/a.csv: the job loads kept:songs, which is not an object"):
        TABLE.need_object()
    with pytest.raises(TypeError, match=r"s3://drops/in/a.csv: the job writes s3://out/in/a.csv, which is not a table"):
        OBJECT.need_plan()
