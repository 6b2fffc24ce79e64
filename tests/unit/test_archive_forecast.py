"""What `explain` says of an archive: the rules of the functions, applied to the sizes of its entries."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from benchmarks.member_requests import SIZE, STATED, estimated

from penstock.archives import Skipped
from penstock.delivery.archive_delivery import MOST_ENTRIES
from penstock.delivery.member_jobs import Entry
from penstock.explain import archive_forecast
from penstock.explain.archive_forecast import ArchiveForecast, forecast_archive
from penstock.explain.explanation import StackEnvironment
from penstock.explain.prices import listed_prices
from penstock.limits import MIB, S3Limits
from penstock.model.job import Job
from penstock.model.member import Member, MemberContent
from penstock.model.object import Source, member_source
from penstock.routes import destination_of, parse_routes

DOCUMENT = Path(__file__).parents[2] / "docs" / "archives.md"
PRICES = listed_prices()
ROUTES = """
[[route]]
name = "apart"
match = ["in/*.zip"]
archive = "members"

[[route]]
name = "rows"
match = ["in/*.zip/*.csv"]
destination = "postgresql:orders"
[route.table]
mode = "upsert"
key = ["id"]
columns = [{ name = "id", type = "integer", nullable = false }]

[[route]]
name = "files"
match = ["in/*.zip/*"]
destination = "s3://lake/{member}"
"""


def forecast(*sizes: int, suffix: str = "", large_bytes: int = 0, memory: int = 1769 * MIB) -> ArchiveForecast:
    routes = parse_routes(ROUTES, "routes.toml", {"source_bucket": "drops"})
    archive = Source("drops", "in/a.zip", sum(sizes), "etag")
    route = routes.find("drops", "in/a.zip")
    assert route

    def entries() -> Iterator[tuple[Entry, Job | None]]:
        yield Skipped("folder/", 1, "it is a directory"), None
        for number, size in enumerate(sizes, start=2):
            member = Member(f"{number}{suffix}", number, size, MemberContent(0, size))
            source = member_source(archive, member)
            found = routes.route_of(source)
            assert found
            yield member, Job(source, found, destination_of(found, source))

    environment = StackEnvironment({}, memory=memory, large_bytes=large_bytes)
    return forecast_archive(Job(archive, route, destination_of(route, archive)), environment, entries())


def test_a_small_archive_is_done_by_ingest() -> None:
    expected = forecast(*[1_000] * 100)
    assert (expected.by_state_machine, expected.members, expected.batches) == (False, 100, 0)
    assert (expected.usage.invocations, expected.usage.puts, expected.usage.transitions) == (1, 101, 0)


def test_an_archive_of_many_entries_is_done_by_the_state_machine() -> None:
    expected = forecast(*[0] * MOST_ENTRIES)
    assert (expected.by_state_machine, expected.members, expected.batches) == (True, MOST_ENTRIES, 11)


def test_large_members_have_jobs_with_spans_and_are_paid_for() -> None:
    few = forecast(1_000, 1_000, large_bytes=1_500)
    more = forecast(1_000, 1_000, 10**10, 10**10, large_bytes=1_500)
    assert (few.batches, few.large, few.spans) == (1, 0, 0)
    assert (more.batches, more.large, more.members) == (1, 2, 4)
    assert more.spans > 20
    assert more.usage.invocations > few.usage.invocations + more.spans
    assert more.usage.dollars(PRICES) > 10 * few.usage.dollars(PRICES)
    assert more.seconds > few.seconds + 5


def test_members_in_order_take_the_time_of_all_of_them() -> None:
    side_by_side = forecast(*[10**6] * 4_000, large_bytes=10**7)
    ordered = forecast(*[10**6] * 4_000, suffix=".csv", large_bytes=10**7)
    assert (side_by_side.ordered, ordered.ordered) == (False, True)
    assert ordered.seconds > 3 * side_by_side.seconds
    assert ordered.usage.puts < 100


def test_members_of_one_prefix_take_as_long_as_s3_takes_to_accept_them(monkeypatch: pytest.MonkeyPatch) -> None:
    before = forecast(*[1_000] * 100, large_bytes=1_001).seconds
    monkeypatch.setattr(archive_forecast, "S3", S3Limits(puts_a_second=1))
    assert before < 2
    assert forecast(*[1_000] * 100, large_bytes=1_001).seconds == pytest.approx(100, abs=1)


def test_a_smaller_function_takes_longer() -> None:
    assert forecast(*[1_000] * 100, memory=128 * MIB).seconds > 5 * forecast(*[1_000] * 100).seconds


def test_the_price_grows_with_the_members_to_what_the_documentation_states() -> None:
    """A million members take a minute: two smaller numbers say the same, because each member costs the same."""
    few, more = (estimated(members, large_bytes=members * SIZE).usage for members in (5_000, 15_000))
    steps = (STATED - 5_000) / 10_000
    stated = " ".join(DOCUMENT.read_text().split())
    assert f"{round(few.invocations + (more.invocations - few.invocations) * steps):,} invocations" in stated
    assert f"${few.dollars(PRICES) + (more.dollars(PRICES) - few.dollars(PRICES)) * steps:.2f}" in stated


@pytest.mark.long
def test_the_documentation_states_what_a_million_members_cost() -> None:
    usage = estimated(STATED).usage
    stated = " ".join(DOCUMENT.read_text().split())
    assert f"{usage.invocations:,} invocations" in stated
    assert f"${usage.dollars(PRICES):.2f}" in stated
