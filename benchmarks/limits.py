"""Objects from 1 GB to S3's largest, planned on paper: python -m benchmarks.limits [--check].

Uses the planner of the deployed functions, over an index as the index pass would make it, and Lambda's, S3's, Step
Functions' and DynamoDB's quotas, and the prices of `penstock.explain.prices`. Fails where a quota does not hold.
``--check`` fails where docs/limits.md does not show what this prints.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from penstock.codecs.codec import INDEX_SPEED
from penstock.explain.costs import COLD_SECONDS, INVOCATION_SECONDS, index_invocations, of_machine
from penstock.explain.prices import listed_prices
from penstock.large_jobs.estimate import NETWORK
from penstock.large_jobs.span_planning import SpanBoundary, cut_parts, part_size, spacing, span_size
from penstock.limits import GIB, KIB, MIB, S3, TIB, Budget
from penstock.model.serialization import to_json
from penstock.model.span import Entry, Span, Stored

DOCUMENT = Path(__file__).parents[1] / "docs/limits.md"

# What one vCPU carries in a second; see benchmarks/results/gunzip.md. Memory buys more of them, but a worker uses
# one.
CARRIED = 250e6
RATIO = 5
ENTRY_BYTES = 9 * KIB  # a deflated window of text

# https://docs.aws.amazon.com/step-functions/latest/dg/service-quotas.html and Lambda's gettingstarted-limits.html
HISTORY_EVENTS = 25_000
MAP_ITEMS = 100_000_000
MAP_CONCURRENCY = 10_000
MANIFEST_BYTES = 10 * GIB
PAYLOAD = 256 * KIB
EXECUTION_SECONDS = 365 * 86_400
MEMORIES = (1769 * MIB, 3008 * MIB, 10_240 * MIB)
EVENTS_OF_AN_INDEX_LOOP = 7  # entered, scheduled, started, succeeded, exited, and the choice's two
EVENTS_BESIDE = 40

SIZES = (
    ("1 GB", 10**9),
    ("10 GB", 10**10),
    ("100 GB", 10**11),
    ("1 TB", 10**12),
    ("5 TiB", 5 * TIB),
    ("20 TiB", 20 * TIB),
    ("48.8 TiB", S3.max_object),
)


@dataclass(frozen=True, slots=True)
class Simulation:
    """One object of ``total`` decoded bytes, by so many workers."""

    total: int
    workers: int

    @property
    def source(self) -> int:
        return self.total // RATIO

    @property
    def memory(self) -> int:
        """The smallest of some sizes whose parts suffice."""
        needed = -(-self.total // S3.max_parts)
        return next(memory for memory in MEMORIES if Budget.of(memory).largest_part >= needed)

    @property
    def part(self) -> int:
        return part_size(self.total, Budget.of(self.memory))

    def entries(self) -> Iterator[SpanBoundary]:
        gap = spacing(self.source)
        for number, decoded in enumerate(range(0, self.total, gap)):
            window = Stored(f"jobs/index/segment-{number // 256:05d}", 0, ENTRY_BYTES)
            yield SpanBoundary(Entry(decoded, decoded // RATIO, raw=True), window)

    def spans(self) -> list[Span]:
        size = span_size(self.total, self.workers)
        return list(
            cut_parts(list(self.entries()), total=self.total, source_size=self.source, part=self.part, span=size)
        )

    @property
    def index_seconds(self) -> float:
        return max(self.total / INDEX_SPEED, self.source / NETWORK)

    @property
    def index_invocations(self) -> int:
        return index_invocations(self.index_seconds)

    def work_seconds(self, span: Span) -> float:
        """Of one invocation: also what lies between the entry and the span is decoded."""
        decoded = span.end - span.entry.decoded
        return COLD_SECONDS + max(decoded / CARRIED, (decoded // RATIO + span.end - span.start) / NETWORK)

    def row(self, name: str) -> str:
        """A line of the table, once every quota holds."""
        spans = self.spans()
        busy = sum(map(self.work_seconds, spans))
        self.check(spans)
        waves = -(-len(spans) // self.workers)
        wall = self.index_seconds + waves * max(map(self.work_seconds, spans))
        parts = -(-self.total // self.part)
        usage = of_machine(
            memory=self.memory,
            source=self.source,
            spans=len(spans),
            busy=busy,
            parts=parts,
            indexing=self.index_seconds,
            entries=self.index_entries,
        )
        return (
            f"| {name} | {self.memory // MIB:,} | {parts:,} x {self.part // MIB:,} MiB | {self.index_invocations} "
            f"| {len(spans):,} | {usage.seconds:,.0f} | {_duration(wall)} | {usage.dollars(listed_prices()):,.2f} |"
        )

    @property
    def index_entries(self) -> int:
        return -(-self.total // spacing(self.source))

    def check(self, spans: list[Span]) -> None:
        """Every quota on the way."""
        longest_line = max(len(to_json(span)) for span in spans)
        for quota, used, limit in (
            ("S3: parts of an upload", -(-self.total // self.part), S3.max_parts),
            ("S3: bytes of a part", self.part, S3.max_part),
            ("S3: bytes of an object", self.total, S3.max_object),
            ("Lambda: seconds of an invocation", max(map(self.work_seconds, spans)), INVOCATION_SECONDS),
            ("Lambda: memory for a part", self.part, Budget.of(self.memory).largest_part),
            ("Step Functions: items of a Map", len(spans), MAP_ITEMS),
            ("Step Functions: concurrency of a Map", self.workers, MAP_CONCURRENCY),
            ("Step Functions: bytes of a manifest", len(spans) * longest_line, MANIFEST_BYTES),
            ("Step Functions: bytes of an item", longest_line, PAYLOAD),
            (
                "Step Functions: events of a history",
                self.index_invocations * EVENTS_OF_AN_INDEX_LOOP + EVENTS_BESIDE,
                HISTORY_EVENTS,
            ),
            ("Step Functions: seconds of an execution", self.index_seconds * 2, EXECUTION_SECONDS),
            ("Penstock: bytes of an index", self.index_entries * (32 * KIB + 36), max(self.total // 500, 64 * KIB)),
        ):
            if used > limit:
                sys.exit(f"{self.total:,} bytes: {quota}: {used:,} of {limit:,}")
        if not all(S3.min_part <= span.part_size for span in spans):
            sys.exit(f"{self.total:,} bytes: a part is smaller than S3's least")


def table() -> str:
    lines = [
        "| decoded | memory, MB | parts | index invocations | spans | Lambda seconds | wall, 40 workers | dollars |",
        "|---|---|---|---|---|---|---|---|",
        *(Simulation(total, 40).row(name) for name, total in SIZES),
    ]
    return "\n".join(lines)


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="compare with docs/limits.md")
    printed = table()
    if parser.parse_args(arguments).check:
        return 0 if printed in DOCUMENT.read_text() else 1
    print(printed)
    return 0


def _duration(seconds: float) -> str:
    hours, rest = divmod(round(seconds), 3600)
    minutes, seconds = divmod(rest, 60)
    return f"{hours} h {minutes:02} min" if hours else f"{minutes} min {seconds:02} s"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
