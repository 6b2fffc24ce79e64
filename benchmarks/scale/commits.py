"""A million small jobs into one Iceberg table: many share a commit, and a table takes few."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from benchmarks.scale.case import Case, Stage, duration, figure
from benchmarks.scale.published import COMMITS
from benchmarks.scale.template import mapping, parameter, resource

from penstock.destinations.iceberg.metadata import MAX_METADATA
from penstock.explain.costs import Usage, of_files, of_invocation
from penstock.explain.prices import listed_prices
from penstock.jobs.commit.committing import MOST_FILES, MOST_JOBS
from penstock.large_jobs.estimate import VCPU
from penstock.limits import MIB

JOBS, SIZE, FILE_SIZE = 1_000_000, 2_000, 128 * MIB
RESULT = Path(__file__).parents[1] / "results/iceberg-small.md"
# Bytes of a snapshot in the metadata of a table (docs/adr/0033: 45,000 in 32 MiB).
SNAPSHOT = 745
# Writes to DynamoDB of a job that waits: it is taken and closed, and its entry in the index moves.
WAITING_WRITES = 4


def measured(what: str) -> float:
    """A figure of `python -m benchmarks.iceberg_small`, as it is on record."""
    found = re.search(rf"^\| {re.escape(what)} \| ([\d.]+) \|$", RESULT.read_text(), flags=re.MULTILINE)
    if found is None:
        raise ValueError(f"{RESULT.name} does not have: {what}")
    return float(found[1])


def jobs() -> Case:
    ingest, commit = measured("CPU of `ingest` for a job, warm, s"), measured("CPU of `commit`, s")
    settings = mapping("CommitFunction", "Waiting")
    memory = resource("CommitFunction")["MemorySize"] * MIB
    at_once = settings["ScalingConfig"]["MaximumConcurrency"]
    window = settings["MaximumBatchingWindowInSeconds"]
    together = min(settings["BatchSize"], MOST_JOBS, MOST_FILES)
    seconds = commit * VCPU / memory
    concurrency = int(parameter("MaximumConcurrency"))

    def stages() -> Iterator[Stage]:
        yield Stage(
            f"ingest, {concurrency} at once",
            concurrency / ingest,
            f"{ingest:.3f} s of CPU a job and no waits, as [measured](../benchmarks/results/iceberg-small.md)",
            "`MaximumConcurrency`",
        )
        yield Stage(
            f"`commit`, {at_once} at once",
            at_once * together / max(window, seconds),
            f"{together:,} jobs in {seconds:.1f} s at {memory // MIB:,} MB",
            "`MemorySize` of `CommitFunction` in the template",
        )
        yield Stage(
            "commits to the table",
            COMMITS * together,
            f"{COMMITS} a second of {together:,} jobs",
            "`BatchSize` and `MOST_JOBS`; several tables",
        )

    case = Case("", "jobs/s", list(stages()), "", "", f"{memory // MIB:,} MB")
    alone = replace(of_invocation(memory=VCPU, source=SIZE, busy=0, parts=0), seconds=ingest)
    alone = replace(alone, writes=alone.writes + WAITING_WRITES)
    files = of_files(memory=VCPU, spans=1, decoded=SIZE, file_size=FILE_SIZE, is_committed=False)
    together_usage = of_files(memory=memory, spans=1, decoded=0, file_size=FILE_SIZE, is_committed=True)
    commits = Usage(memory, seconds, 1) + together_usage
    prices = listed_prices()
    dollars = JOBS * (alone + files).dollars(prices) + JOBS / together * commits.dollars(prices)
    return replace(
        case,
        name=f"{JOBS:,} jobs into one Iceberg table",
        time=duration(JOBS / case.first.carries),
        dollars=f"{dollars:,.2f}",
    )


def notes() -> Iterator[str]:
    snapshots = MAX_METADATA // SNAPSHOT
    window = mapping("CommitFunction", "Waiting")["MaximumBatchingWindowInSeconds"]
    yield (
        f"- The metadata of a table may have {MAX_METADATA // MIB} MiB, some {figure(snapshots)} snapshots: "
        f"{duration(snapshots * window)} with a commit every {window} s. Expire snapshots sooner."
    )
