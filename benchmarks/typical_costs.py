"""What typical uses cost in a month of thirty days, by the estimates of `penstock explain`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from penstock.explain.costs import BURST_INDEX_WRITES, BURST_RECORD_WRITES, COLD_SECONDS, Usage
from penstock.explain.explanation import SourcePreview, StackEnvironment, forecast
from penstock.explain.prices import Prices
from penstock.limits import MIB
from penstock.model.job import Job
from penstock.model.object import Source
from penstock.routes import destination_of, parse_routes

DAYS = 30
ROUTES = """
[[route]]
name = "rows"
match = ["in/*.csv.gz"]
destination = "postgresql:orders"
[route.table]
columns = [{ name = "id", type = "integer" }]

[[route]]
name = "files"
match = ["in/*"]
destination = "s3://{destination_bucket}/{stem}"
"""
NAMES = {"source_bucket": "source", "destination_bucket": "destination"}
# Files that share an invocation in a burst, files of 2 KB that it loads in a second (benchmarks/results/documents.md),
# and messages that Lambda receives and deletes with one request.
BATCH, BURST_RATE, MESSAGES_AT_ONCE = 1000, 700, 10
# Jobs that `announce` tells of in one invocation (template.yaml).
ANNOUNCED_AT_ONCE = 100


@dataclass(frozen=True, slots=True)
class Use:
    """So many files a day, and what ``together`` of them use."""

    what: str
    files: int
    usage: Usage
    together: int = 1

    def row(self, prices: Prices) -> str:
        """Return a line of the table."""
        each = self.usage.dollars(prices) / self.together
        lambdas = Usage(self.usage.memory, self.usage.seconds, 0).dollars(prices) / self.together / each
        seconds = self.usage.seconds / self.together
        return (
            f"| {self.what} | {seconds:,.{0 if seconds > 100 else 3 if seconds < 0.1 else 1}f} "
            f"| {each * self.files * DAYS:,.2f} | {lambdas:.0%} | {each * 1000:,.{2 if each > 0.01 else 3}f} |"
        )


def one(key: str, size: int, *, memory: int = 1769) -> Usage:
    """Return what a file uses, as `explain` estimates it."""
    routes = parse_routes(ROUTES, "routes.toml", NAMES)
    source = Source("source", key, size, "etag")
    route = routes.route_of(source)
    if route is None:
        raise RuntimeError(f"no route takes {key}")
    preview = SourcePreview(plan=route.plan)
    return forecast(
        Job(source, route, destination_of(route, source)), preview, StackEnvironment(NAMES, memory=memory * MIB)
    ).usage


def burst() -> Usage:
    """Return what a thousand small files into PostgreSQL use that arrive together."""
    requests = BATCH + 2 * BATCH // MESSAGES_AT_ONCE
    writes = BATCH * (BURST_RECORD_WRITES + BURST_INDEX_WRITES)
    return Usage(
        1769 * MIB,
        COLD_SECONDS + BATCH / BURST_RATE,
        1,
        gets=BATCH,
        writes=writes,
        messages=requests,
        events=BATCH,
        announcements=BATCH // ANNOUNCED_AT_ONCE,
    )


def uses() -> Iterator[Use]:
    yield Use("1,000 CSV files of 10 MB (gzip) a day into PostgreSQL", 1_000, one("in/a.csv.gz", 10_000_000))
    yield Use("1,000 files of 10 MB (gzip) a day, decoded into a bucket", 1_000, one("in/a.txt.gz", 10_000_000))
    yield Use("1,000 files of 10 MB a day, copied into a bucket", 1_000, one("in/a.bin", 10_000_000))
    yield Use("100,000 JSON files of 2 KB a day into PostgreSQL, in bursts", 100_000, burst(), BATCH)
    yield Use("one gzip of 20 GB a day, decoded into a bucket", 1, one("in/a.txt.gz", 20_000_000_000))
    yield Use("one CSV of 20 GB (gzip) a day into PostgreSQL", 1, one("in/a.csv.gz", 20_000_000_000))
