"""10,000 workers of one job: who writes and reads its record, and what else they share."""

from __future__ import annotations

from collections.abc import Iterator
from math import inf

from benchmarks.limits import Simulation
from benchmarks.scale.case import Case, Stage
from benchmarks.scale.large_object import SIZE, spans_of
from benchmarks.scale.published import (
    ADDED_IN_TEN_SECONDS,
    CONCURRENCY,
    MOST_CONNECTIONS,
    NEW_TABLE_WRITES,
    PARTITION_READS,
    PARTITION_WRITES,
    S3_GETS,
)
from benchmarks.scale.write_units import of_span

from penstock.aws.jobs_table.span_progress import SHARD
from penstock.delivery.archive_checks import LOOK_SECONDS
from penstock.explain.costs import MILLION, READ
from penstock.explain.prices import listed_prices
from penstock.large_jobs.heartbeat import HEARTBEAT_SECONDS
from penstock.large_jobs.span_planning import MAX_SPANS
from penstock.limits import fair_workers


def workers() -> Case:
    """The case: each worker has one of the largest spans of the largest object."""
    whole = Simulation(SIZE, MAX_SPANS)
    span = spans_of(MAX_SPANS)[1]
    seconds = whole.work_seconds(span)
    meter = of_span()
    progress = sum(units for key, units in meter.items.items() if key.startswith("progress#"))
    writes = sum(count for key, count in meter.writes.items() if key.startswith("progress#"))
    receipts = sum(units for key, units in meter.items.items() if key.startswith("span#")) / SHARD
    each = progress / writes  # write units of a heartbeat
    beats = seconds / HEARTBEAT_SECONDS + 1  # and the last, with the receipt
    units = (beats * each + receipts) / seconds
    item = SHARD * beats * each / seconds
    own = [key for key in meter.writes if key.startswith("job#")]

    def stages() -> Iterator[Stage]:
        yield Stage(
            "spans at once, by default",
            fair_workers(CONCURRENCY),
            "half of the concurrency, 40 at most",
            "`MapConcurrency`",
        )
        yield Stage("concurrency of the account", CONCURRENCY, "shared with all functions", "its quota")
        yield Stage("children of a Map", MAX_SPANS, "the planner makes no more spans", "none")
        yield Stage(
            "environments, within the first span",
            ADDED_IN_TEN_SECONDS * seconds / 10,
            f"{ADDED_IN_TEN_SECONDS:,} in ten seconds, {seconds:.0f} s a span",
            "none: others start later",
        )
        yield Stage(
            "GETs of one object",
            S3_GETS * seconds / (span.bytes_in / READ),
            f"{span.bytes_in / READ / seconds:.1f} a second and worker",
            "`MapConcurrency`; S3 answers 503 and is asked again",
        )
        yield Stage(
            "new jobs table, all its items",
            NEW_TABLE_WRITES / units,
            f"{units:.2f} write units a second and worker",
            "DynamoDB grows; heartbeats that it refuses are left out, receipts are retried",
        )
        yield Stage(
            f"an item of progress, which {SHARD} workers share",
            inf,
            f"{item:.0f} of {PARTITION_WRITES:,} write units a second, whatever their number",
            "none needed",
        )
        yield Stage(
            "the record of the job",
            PARTITION_WRITES / len(own) if own else inf,
            "no span writes it" if not own else "a span writes it",
            "none needed",
        )
        yield Stage(
            "the record of an archive's job",
            PARTITION_READS * LOOK_SECONDS,
            f'each worker reads it every {LOOK_SECONDS:.0f} s; twice with `on_member_failure = "fail"`: half as many',
            "`MapConcurrency`",
        )
        yield Stage(
            "PostgreSQL",
            MOST_CONNECTIONS,
            "a connection for each worker of a table load, by default at most",
            "`MapConcurrency`",
        )

    dollars = MAX_SPANS * units * seconds * listed_prices().dynamodb.million_writes / MILLION
    return Case(
        f"{MAX_SPANS:,} workers of one job",
        "workers",
        list(stages()),
        f"spans of {seconds:.0f} s",
        f"{dollars:.2f} for DynamoDB",
        "that of the span",
    )
