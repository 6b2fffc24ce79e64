"""What would become of a source: by which route, how, in how many pieces, how long it takes and what it costs.

Estimates, as the functions make them themselves; only reads.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from contextlib import closing
from dataclasses import dataclass, replace

from penstock.codecs import HEAD, choose, codec_by_name
from penstock.codecs.indexers import indexers_within
from penstock.delivery.decoding import Decoding, peek
from penstock.delivery.ports import ObjectStore
from penstock.delivery.sampling import SAMPLE_BYTES
from penstock.errors import PermanentError
from penstock.explain.costs import COLD_SECONDS, INDEXED, Usage, index_invocations, of_invocation, of_machine
from penstock.formats import needs_whole_source, parse, resolve
from penstock.formats.boundaries import text_of
from penstock.large_jobs.estimate import NETWORK, VCPU, bytes_per_second, expected_bytes
from penstock.large_jobs.handover import is_large
from penstock.large_jobs.plan import IDENTITY, Sizes
from penstock.limits import KIB, MIB, Budget, PartPlan
from penstock.model.job import Job
from penstock.model.object import Source
from penstock.model.route import Route, Store
from penstock.model.table import Mode, TablePlan
from penstock.routes import Routes
from penstock.routes.matching import pattern_for
from penstock.tables import ChunkBuilder, complete, field_warnings, tables_of

# The names that a routes file may use. Where no stack is asked they stand for themselves: S3 allows no such bucket.
NAMES = ("source_bucket", "destination_bucket", "work_bucket", "records_table")

# What is kept in hand at the end of an invocation (`penstock.settings`).
MARGIN = 10.0

# A workbook is read whole before its first record is known. A larger one is not looked into.
_SMALL_SOURCE = 8 * MIB
_READ = 256 * KIB


@dataclass(frozen=True, slots=True)
class StackEnvironment:
    """What a deployment decides of how jobs are done (see `penstock.settings`). Memory in bytes, times in seconds."""

    names: Mapping[str, str]
    memory: int = VCPU
    timeout: float = 900.0
    workers: int = 40
    large_bytes: int = 0
    span_bytes: int = 0
    index_spacing: int = 0
    routes_uri: str = ""

    @property
    def budget(self) -> Budget:
        return Budget.of(self.memory)

    @property
    def sizes(self) -> Sizes:
        return Sizes(self.budget, self.memory, self.workers, self.span_bytes, self.index_spacing)


@dataclass(frozen=True, slots=True)
class RouteMatch:
    """By which route a key goes: the first with a ``pattern`` that matches; those before it do not."""

    route: Route
    pattern: str
    before: tuple[Route, ...]


@dataclass(frozen=True, slots=True)
class SourcePreview:
    """What the beginning of a source tells. ``plan`` has the columns, if they are known; ``record`` is the mean size of
    one in bytes, 0 where it is not. ``cut``: records can be told apart at bytes. ``problem``: why the job would fail.
    ``warnings``: what of the sample's fields and the columns has no counterpart.
    """

    codec: str = ""
    plan: TablePlan | None = None
    record: float = 0.0
    cut: bool = True
    problem: str = ""
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Forecast:
    """How a job would be done. ``machine``: not by one invocation. ``spans`` is 0 where it is carried whole.

    ``seconds`` from its event on, ``alone`` what one invocation would take, ``decoded`` in bytes.
    """

    machine: bool
    alone: float
    decoded: int
    spans: int
    span_bytes: int
    ordered: bool
    index_invocations: int
    seconds: float
    usage: Usage


def match_route(routes: Routes, bucket: str, key: str) -> RouteMatch | None:
    """Which route takes a key, and why."""
    for number, route in enumerate(routes.routes):
        pattern = pattern_for(route, bucket, key)
        if pattern is not None:
            return RouteMatch(route, pattern, routes.routes[:number])
    return None


def preview(objects: ObjectStore, source: Source, route: Route, budget: Budget) -> SourcePreview:
    """Read the beginning of a source: the first bytes, and for a table a sample of its records."""
    seen = SourcePreview()
    try:
        with closing(objects.open_source(source, end=min(source.size, HEAD)).chunks()) as chunks:
            head, _ = peek(chunks, HEAD)
        seen = SourcePreview(choose(head, source.key, route.codec, window=budget.window).name)
        if route.plan is None:
            return seen
        seen = replace(seen, plan=replace(route.plan, parse=resolve(source.key, route.plan.parse)), cut=False)

        def decoded() -> Generator[bytes, None, None]:
            content = objects.open_source(source)
            return Decoding(source, content, route, replace(budget, read_chunk=_READ)).pieces()

        return _sampled(seen, decoded, size=source.size)
    except PermanentError as error:
        return replace(seen, problem=str(error))


def _sampled(seen: SourcePreview, decoded: Callable[[], Generator[bytes, None, None]], *, size: int) -> SourcePreview:
    """The same with what a sample of the records tells."""
    plan = seen.plan
    if plan is None or (needs_whole_source(plan.parse) and size > _SMALL_SOURCE):
        return seen
    with closing(decoded()) as pieces:
        head, _ = peek(pieces, HEAD)
    seen = replace(seen, cut=text_of(plan.parse, head) is not None)
    with closing(decoded()) as pieces:
        sample = next(parse(pieces, plan.parse, batch_bytes=SAMPLE_BYTES), None)
    if sample is None:
        return seen
    record = (sample.end - sample.offset) / sample.count if sample.count else 0.0
    plan = complete(plan, sample)
    return replace(seen, plan=plan, record=record, warnings=field_warnings(plan, ChunkBuilder(plan).compare(sample)))


def forecast(job: Job, seen: SourcePreview, around: StackEnvironment) -> Forecast:
    """Go through the functions' own rules. ``seen`` is of the job's source. Raises OutputTooLargeError."""
    machine = is_large(job, around.timeout, memory=around.memory, large_bytes=around.large_bytes)
    seen = replace(seen, codec=seen.codec or codec_by_name(job.source.key))
    decoded = expected_bytes(seen.codec, job.source.size)
    rate = bytes_per_second(seen.codec, job.route.store, around.memory)
    alone = decoded / rate
    rows = int(decoded / seen.record) if seen.record and job.route.store is Store.DYNAMODB else 0
    if not machine:
        parts = 0 if seen.plan else decoded // PartPlan.within(around.budget).first
        usage = of_invocation(memory=around.memory, source=job.source.size, busy=alone, parts=parts)
        usage = replace(usage, writes=usage.writes + rows)
        return Forecast(machine, alone, decoded, 0, 0, ordered=False, index_invocations=0, seconds=alone, usage=usage)
    ordered = seen.plan is not None and any(
        table.mode is Mode.UPSERT and not table.atomic for table in tables_of(seen.plan)
    )
    spans, size = _spans(job, seen, around, decoded)
    # A plain table is surveyed side by side, anything else that is cut is indexed by one worker.
    indexed = seen.codec != IDENTITY or (spans and seen.plan)
    indexing = indexing_seconds(job.source.size, decoded, around.memory) if spans and indexed else 0.0
    pieces = max(1, spans)
    busy = pieces * COLD_SECONDS + alone
    waves = pieces if ordered else -(-pieces // around.workers)
    before = indexing / around.workers if seen.codec == IDENTITY else indexing
    usage = of_machine(
        memory=around.memory,
        source=job.source.size,
        spans=pieces,
        busy=busy,
        parts=0 if seen.plan else decoded // around.sizes.part(decoded),
        indexing=indexing,
        entries=decoded // around.sizes.spacing(job.source.size) if indexing else 0,
    )
    return Forecast(
        machine,
        alone,
        decoded,
        spans,
        size,
        ordered=ordered,
        index_invocations=index_invocations(indexing) if seen.codec != IDENTITY else 0,
        seconds=before + waves * busy / pieces,
        usage=replace(usage, writes=usage.writes + rows),
    )


def too_long(expected: Forecast, route: Route, around: StackEnvironment) -> str:
    """Why an object that is carried whole would probably not be done in time; empty where it would."""
    seconds = around.timeout - MARGIN
    if route.plan or not expected.machine or expected.spans or expected.alone <= seconds:
        return ""
    return f"it cannot be cut, and one invocation would take longer than the {seconds:,.0f} seconds that it may"


def indexing_seconds(size: int, decoded: int, memory: int) -> float:
    """An index pass over a source of so many bytes: it reads all of them, and sends next to nothing."""
    return max(decoded / (INDEXED * min(1.0, memory / VCPU)), size / NETWORK)


def _spans(job: Job, seen: SourcePreview, around: StackEnvironment, decoded: int) -> tuple[int, int]:
    """How many spans of how many decoded bytes; 0 for what cannot be cut."""
    known = seen.codec == IDENTITY or seen.codec in indexers_within(around.budget.window)
    if not (known and seen.cut and decoded):
        return 0, 0
    sizes = around.sizes
    size = sizes.span(decoded, seen.codec, job.route.store, around.timeout - MARGIN)
    if seen.plan is None:
        part = sizes.part(decoded)
        size = max(1, -(-size // part)) * part
    if seen.codec != IDENTITY:
        size = max(size, sizes.spacing(job.source.size))
    return -(-decoded // size), size
