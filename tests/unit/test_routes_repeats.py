"""Which objects are repeats, and among which objects the newest wins: how routes say it."""

from __future__ import annotations

import pytest

from penstock.errors import InvalidRouteError
from penstock.model.job import Job
from penstock.model.object import Source
from penstock.model.route import Route
from penstock.routes import destination_of, parse_routes
from penstock.routes.replace_order import unordered_replacements

TO_OBJECT, TO_TABLE = "s3://lake/{key}", "postgresql:daily"


def route(more: str = "", destination: str = TO_TABLE, mode: str = "replace", match: str = '"*.csv"') -> Route:
    table = f'[route.table]\nmode = "{mode}"' if destination == TO_TABLE else ""
    head = f'[[route]]\nname = "r"\nmatch = {match}\ndestination = "{destination}"\n'
    return parse_routes(f"{head}{more}\n{table}", "routes.toml", {"source_bucket": "drops"}).routes[0]


@pytest.mark.parametrize("once", ["version", "key", "content"])
def test_a_route_says_what_a_repeat_is(once: str) -> None:
    assert route(f'once = "{once}"').once == once


def test_by_default_a_repeat_is_another_event_of_a_version_and_keys_have_orders_of_their_own() -> None:
    assert (route().once, route().order) == ("version", "key")


def test_an_archive_may_be_a_repeat_as_a_whole() -> None:
    text = '[[route]]\nname = "zips"\nmatch = "*.zip"\narchive = "members"\nonce = "content"\n'
    assert parse_routes(text, "routes.toml", {"source_bucket": "drops"}).routes[0].once == "content"


@pytest.mark.parametrize(
    ("more", "destination", "mode", "problem"),
    [
        ('once = "bytes"', TO_TABLE, "replace", "once: must be one of version, key, content, not 'bytes'"),
        ('order = "time"', TO_TABLE, "replace", "order: must be one of key, table, not 'time'"),
        ('order = "table"', TO_TABLE, "append", 'order: "table" is for tables with mode = "replace"'),
        ('order = "table"', TO_OBJECT, "", 'order: "table" is for tables with mode = "replace"'),
    ],
)
def test_a_route_that_asks_for_what_there_is_not_is_refused(
    more: str, destination: str, mode: str, problem: str
) -> None:
    with pytest.raises(InvalidRouteError, match=problem):
        route(more, destination, mode)


def test_neither_option_makes_new_jobs() -> None:
    assert route('once = "content"\norder = "table"').digest == route().digest


def test_objects_of_a_table_are_in_the_order_of_their_uploads() -> None:
    daily = route('order = "table"')
    times = (
        "2026-11-30T09:00:00+01:00",
        "2026-11-30T08:00:00.000Z",
        "2026-11-30T08:00:00.001Z",
        "2026-12-01T07:00:00Z",
    )
    jobs = [
        Job(source, daily, destination_of(daily, source))
        for source in (Source("drops", f"{n}.csv", 1, "e", event_time=time) for n, time in enumerate(times))
    ]
    assert [job.order for job in jobs] == sorted(job.order for job in jobs)
    assert len({job.series for job in jobs}) == 1


@pytest.mark.parametrize(
    ("given", "warned"),
    [
        (route(), True),
        (route(match='["a.csv", "b.csv"]'), True),
        (route(match='"a.csv"'), False),
        (route('order = "table"'), False),
        (route(mode="append"), False),
        (route(destination=TO_OBJECT), False),
    ],
    ids=["any", "two", "one", "ordered", "append", "bucket"],
)
def test_keys_that_replace_one_table_in_no_order_are_found(given: Route, warned: bool) -> None:
    assert [(found.name, table) for found, table in unordered_replacements([given])] == [("r", "daily")] * warned
