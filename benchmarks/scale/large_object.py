"""48.8 TiB into a bucket: what the planner makes of it, and what the network and the services carry."""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import cache

from benchmarks.limits import CARRIED, RATIO, Simulation
from benchmarks.scale.case import Case, Stage, duration
from benchmarks.scale.published import ENHANCED_NETWORK, NEW_CONCURRENCY, S3_GETS, S3_PUTS
from benchmarks.scale.recorded import recorded

from penstock.codecs.codec import INDEX_SPEED
from penstock.explain.costs import COLD_SECONDS, READ, of_machine
from penstock.explain.prices import listed_prices
from penstock.large_jobs.estimate import NETWORK
from penstock.large_jobs.plan import EXECUTION_SECONDS
from penstock.large_jobs.span_planning import MAX_SPANS, cut_parts, span_size
from penstock.limits import MIB, S3, fair_workers
from penstock.model.span import Span

SIZE = S3.max_object


@cache
def _spans(size: int) -> list[Span]:
    whole = Simulation(SIZE, 1)
    entries = list(whole.entries())
    return list(cut_parts(entries, total=SIZE, source_size=whole.source, part=whole.part, span=size))


def spans_of(workers: int) -> list[Span]:
    """The spans of the largest object, which are the same for most numbers of workers."""
    return _spans(span_size(SIZE, workers))


def in_spans(workers: int) -> Case:
    """The case for a gzip of one member, or a Deflate member of a zip, by so many workers."""
    whole = Simulation(SIZE, workers)
    spans = spans_of(workers)
    whole.check(spans)
    seconds = max(map(whole.work_seconds, spans))
    usage = of_machine(
        memory=whole.memory,
        source=whole.source,
        spans=len(spans),
        busy=sum(map(whole.work_seconds, spans)),
        parts=-(-SIZE // whole.part),
        indexing=whole.index_seconds,
        entries=whole.index_entries,
    )

    def stages() -> Iterator[Stage]:
        network = NETWORK * RATIO
        yield Stage(
            "index: one function after another reads the source in order",
            min(INDEX_SPEED, network) / 1e6,
            f"{NETWORK / 1e6:.0f} MB/s of a source a {RATIO}th as large; its CPU decodes {INDEX_SPEED / 1e6:.0f}",
            "the sender: BGZF, zstd in frames, xz in blocks and plain bytes need no such pass",
        )
        size = spans[0].size
        yield Stage(
            f"work: {workers} spans at once",
            workers * size / seconds / 1e6,
            f"{size / MIB:,.0f} MiB in {seconds:.0f} s: {NETWORK / 1e6:.0f} MB/s in and out",
            "`MapConcurrency`, with the account's concurrency",
        )
        yield Stage(
            "GETs of one object",
            S3_GETS * READ * RATIO / 1e6,
            f"{S3_GETS:,} a second of {READ / MIB:.0f} MiB",
            "none: one key is one prefix",
        )
        yield Stage(
            "PUTs of parts",
            S3_PUTS * whole.part / 1e6,
            f"{S3_PUTS:,} a second of {whole.part / MIB:,.0f} MiB",
            "none",
        )

    wall = whole.index_seconds + -(-len(spans) // workers) * seconds
    return Case(
        "48.8 TiB of one gzip member",
        "decoded MB/s",
        list(stages()),
        f"{duration(wall)} with {workers} workers",
        f"{usage.dollars(listed_prices()):,.2f}",
        f"{whole.memory / MIB:,.0f} MB: a part of {whole.part / MIB:,.0f} MiB",
    )


def worker_table() -> list[str]:
    """The time by workers, and whether it is within what the state machine gives an execution."""
    lines = [
        "| workers | index | spans | together | within the 7 days of an execution |",
        "|---|---|---|---|---|",
    ]
    for workers in (1, fair_workers(NEW_CONCURRENCY), fair_workers(1_000), 1_000, MAX_SPANS):
        whole = Simulation(SIZE, workers)
        spans = spans_of(workers)
        work = -(-len(spans) // workers) * max(map(whole.work_seconds, spans))
        together = whole.index_seconds + work
        fits = "yes" if together < EXECUTION_SECONDS else "no"
        lines.append(
            f"| {workers:,} | {duration(whole.index_seconds)} | {duration(work)} | {duration(together)} | {fits} |"
        )
    return lines


def notes() -> Iterator[str]:
    """What no parameter moves, and what the plan takes."""
    whole = Simulation(SIZE, 1)
    busy = sum(map(whole.work_seconds, spans_of(1)))
    enough = math.ceil(busy / (whole.index_seconds / 10))
    yield (
        f"- The index of one member is made in order, in {duration(whole.index_seconds)} and "
        f"{whole.index_invocations} invocations, whatever the settings: with more than {enough} workers, the spans "
        "take less than a tenth of that."
    )
    faster = max(SIZE / INDEX_SPEED, whole.source / ENHANCED_NETWORK)
    span = spans_of(1)[1]
    carried = COLD_SECONDS + max(span.size / CARRIED, (span.size + span.bytes_in) / ENHANCED_NETWORK)
    yield (
        f"- If a function of 10 GB had {ENHANCED_NETWORK / 1e6:.0f} MB/s, as AWS has announced for those outside a "
        f"VPC, CPU would be the bottleneck: {duration(faster)} for the index, {carried:.0f} s for a span instead of "
        f"{whole.work_seconds(span):.0f}."
    )
    yield (
        f"- The planner takes {recorded('48.8 TiB in one gzip member').memory} MiB for the spans of a gzip, and "
        f"{recorded('48.8 TiB in one Deflate member of a zip').memory} MiB for those of a zip's member."
    )
