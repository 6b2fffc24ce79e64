"""A million small objects at once: queue, functions, jobs table, database."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.event_costs import SECONDS as ANNOUNCE_SECONDS
from benchmarks.scale.case import Case, Stage, duration, figure
from benchmarks.scale.published import (
    BYTES_OF_A_CONNECTION,
    CONCURRENCY,
    IN_FLIGHT,
    NEW_TABLE_WRITES,
    PARTITION_WRITES,
    PAYLOAD,
    S3_GETS,
    S3_PUTS,
)
from benchmarks.scale.template import mapping, parameter
from benchmarks.scale.write_units import of_job
from benchmarks.typical_costs import BATCH
from benchmarks.typical_costs import burst as thousand

from penstock.aws.jobs_table.time_index import SHARDS
from penstock.explain.costs import of_invocation
from penstock.explain.prices import listed_prices
from penstock.limits import GIB, MIB

OBJECTS, SIZE, MEMORY = 1_000_000, 2_000, 1769
ROOT = Path(__file__).parents[2]
RESULT = ROOT / "benchmarks/results/documents.json"
EVENT = ROOT / "events/sqs-s3.json"
FILES = 500  # of an event of that workload
DATABASE = 8 * GIB


def measured(contender: str, field: str) -> float:
    """The median of a field of warm runs at a whole vCPU, as they are on record."""
    readings = json.loads(RESULT.read_text())["readings"]
    warm = [one for one in readings if (one["contender"], one["memory"], one["start"]) == (contender, MEMORY, "warm")]
    return float(median(one[field] for one in warm))


def objects(*, burst: bool, concurrency: int | None = None) -> Case:
    """The case for PostgreSQL, with the template's settings, or with those for bursts (``BatchSize`` 1,000)."""
    seconds = measured("Penstock" if burst else "Penstock, one by one", "seconds") / FILES
    together = BATCH if burst else int(parameter("BatchSize"))
    at_once = concurrency or int(parameter("MaximumConcurrency"))
    meter = of_job(burst=burst)
    writes, connections = sum(meter.items.values()), DATABASE // BYTES_OF_A_CONNECTION

    def stages() -> Iterator[Stage]:
        yield Stage(
            f"ingest, {at_once} at once",
            at_once / seconds,
            f"{1 / seconds:,.1f} a second and function, as [measured](../benchmarks/results/documents.md)",
            "`MaximumConcurrency`" + ("" if burst else ", `BatchSize`"),
        )
        yield Stage(
            "concurrency of the account",
            CONCURRENCY / seconds,
            f"{CONCURRENCY:,} at once; 10 of a new account",
            "its quota",
        )
        yield Stage("PUTs of the sender to one prefix", S3_PUTS, f"{S3_PUTS:,} a second", "more prefixes")
        yield Stage("GETs of one prefix", S3_GETS, f"{S3_GETS:,} a second", "more prefixes")
        yield Stage(
            "new jobs table",
            NEW_TABLE_WRITES / writes,
            f"write units of a job: {writes}",
            "DynamoDB grows with the load",
        )
        for key, units in sorted(meter.index.items()):
            yield Stage(
                f"index `by_time`, `{key}#`",
                SHARDS * PARTITION_WRITES / units,
                f"{SHARDS} keys; write units of a job: {units}",
                "`SHARDS` in the code",
            )
        yield Stage(
            "messages in flight",
            IN_FLIGHT / (together * seconds),
            f"{at_once * together:,} of {IN_FLIGHT:,}",
            "`MaximumConcurrency` x `BatchSize`",
        )
        yield Stage(
            "connections of an RDS instance of 8 GiB",
            connections / seconds,
            f"{at_once} of {connections}: one for each function",
            "`MaximumConcurrency`; `max_connections`",
        )

    case = Case("", "objects/s", list(stages()), "", "", f"{measured('Penstock', 'peak') / MIB:.0f} MiB")
    if burst:
        dollars = thousand().dollars(listed_prices()) * OBJECTS / BATCH
    else:
        alone = replace(of_invocation(memory=MEMORY * MIB, source=SIZE, busy=0, parts=0), seconds=seconds)
        dollars = alone.dollars(listed_prices()) * OBJECTS
    name = f"{OBJECTS:,} small objects, " + ("BatchSize 1000" if burst else "the template's settings")
    return replace(case, name=name, time=duration(OBJECTS / case.first.carries), dollars=f"{dollars:,.2f}")


def notes() -> Iterator[str]:
    """What bounds a burst beside its stages."""
    record: Any = json.loads(EVENT.read_text())["Records"][0]
    most = PAYLOAD // len(json.dumps(record))
    yield f"- A batch ends at 6 MB: some {most:,} messages of S3, however large `BatchSize` is."
    shards = NEW_TABLE_WRITES // PARTITION_WRITES
    announce = mapping("AnnounceFunction", "Ended")
    rate = shards * announce["BatchSize"] / ANNOUNCE_SECONDS[announce["BatchSize"]]
    age = announce["MaximumRecordAgeInSeconds"]
    yield (
        f"- `announce` tells of {figure(rate)} ends a second, if the table has {shards} partitions as a new one for "
        f"{NEW_TABLE_WRITES:,} writes must. Ends that are older than {age:,} s go to the dead-letter queue: of a burst "
        f"of more than {rate * age / 1e6:.1f} million. `Events` moves it; jobs do not wait for it."
    )
