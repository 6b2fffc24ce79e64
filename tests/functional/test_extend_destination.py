"""A new destination is a folder and a line: an example, made as docs/extend/destination.md says, runs jobs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

import penstock
from fixtures.kept_destination import KEPT, ROWS
from penstock.delivery.table import TableDelivery
from penstock.destinations import DESTINATIONS, destination_named, open_tables, register
from penstock.destinations.environment import Environment
from penstock.jobs.events import notification
from penstock.jobs.ingest import Ingest
from penstock.jobs.runner import JobRunner
from penstock.limits import MIB, Budget
from penstock.model.job_status import JobState
from penstock.routes import parse_routes
from penstock.testing import ManualDeadline, MemoryJobStore, MemoryObjectStore, MemoryQueue, MemoryRejectLog

ROUTE = """
[[route]]
name = "songs"
match = ["in/*"]
destination = "kept:songs"

[route.table]
columns = [{ name = "id", type = "integer" }, { name = "title" }]
"""
CSV = "id,title\n1,Reservoir\n2,Turbine\n"


@pytest.fixture(autouse=True)
def _registered() -> Iterator[None]:
    register(KEPT)
    yield
    del DESTINATIONS[KEPT.name]
    ROWS.clear()


def test_the_command_loads_into_it(tmp_path: Path) -> None:
    (tmp_path / "songs.csv").write_text(CSV)
    receipt = penstock.run(tmp_path / "songs.csv", to="kept:songs")
    assert (receipt.target, receipt.rows, ROWS["songs"]) == ("kept:songs", 2, [(1, "Reservoir"), (2, "Turbine")])


def test_ingest_loads_into_it() -> None:
    objects, jobs = MemoryObjectStore("drops"), MemoryJobStore(lambda: 0.0)
    source = objects.put("drops", "in/songs.csv", CSV.encode())
    routes = parse_routes(ROUTE, "routes.toml", {"source_bucket": "drops"})
    budget = Budget.of(128 * MIB)
    kind = destination_named(routes.routes[0].store)
    assert kind.form
    tables = open_tables(kind, Environment(budget, lambda workers: None))  # type: ignore[arg-type,return-value]
    delivery = TableDelivery(objects, MemoryRejectLog(), lambda job: tables.open_sink(job.id), kind.form, budget)
    runner = JobRunner(objects, jobs, {kind.name: delivery}, 60, 2, 10, lambda: 0.0)
    report = Ingest(runner, MemoryQueue(), lambda: routes).handle(
        json.loads(notification(source)), ManualDeadline(900.0)
    )
    assert [outcome.state for outcome in report.outcomes] == [JobState.SUCCEEDED]
    assert ROWS["songs"] == [(1, "Reservoir"), (2, "Turbine")]


def test_an_unknown_destination_is_an_error_that_names_the_known_ones() -> None:
    text = ROUTE.replace("kept:songs", "redshift:songs")
    with pytest.raises(penstock.InvalidRouteError, match=r"s3://bucket/key, .*, dynamodb:table, .* or kept:table"):
        parse_routes(text, "routes.toml", {"source_bucket": "drops"})
    with pytest.raises(penstock.ConfigurationError, match="unknown destination 'redshift'"):
        destination_named("redshift")
    with pytest.raises(penstock.InvalidRouteError) as refused:
        penstock.run("songs.csv", to="redshift:songs")
    assert "dynamodb:table, " in refused.value.hint


def test_a_uri_that_lacks_a_part_is_an_error_that_shows_the_form() -> None:
    register(replace(KEPT, example="kept:shelf/table", syntax=r"kept:[^/]+/[^/]+"))
    with pytest.raises(penstock.InvalidRouteError, match=r"must look like .*kept:shelf/table, not 'kept:songs'"):
        parse_routes(ROUTE, "routes.toml", {"source_bucket": "drops"})
    with pytest.raises(penstock.InvalidRouteError, match="--to kept:songs: must look like kept:shelf/table"):
        penstock.run("songs.csv", to="kept:songs")


def test_a_destination_that_takes_objects_has_no_form_of_rows() -> None:
    with pytest.raises(penstock.ConfigurationError, match="bucket takes objects, not rows"):
        _ = destination_named("bucket").row_form
