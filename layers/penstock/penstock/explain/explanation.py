"""What would happen to a source: its route, how it is processed, in how many spans, how long it takes, what it costs.

The estimates are those of the functions. Nothing is changed.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Mapping
from contextlib import closing
from dataclasses import dataclass, replace

from penstock.codecs import CODECS, HEAD, IDENTITY, choose, codec_by_name
from penstock.codecs.codec import INDEX_SPEED
from penstock.codecs.indexers import indexers_within
from penstock.codecs.peek import peek
from penstock.delivery.decoding import Decoding
from penstock.delivery.ports import ObjectStore
from penstock.delivery.sampling import SAMPLE_BYTES
from penstock.delivery.source_values import source_values, time_text
from penstock.destinations import destination_named
from penstock.errors import PermanentError
from penstock.explain.costs import COLD_SECONDS, Usage, index_invocations, of_files, of_invocation, of_machine
from penstock.explain.repeats import of_repeats
from penstock.formats import boundaries, finds_places, needs_whole_source, parse, resolve
from penstock.large_jobs.estimate import NETWORK, VCPU, bytes_per_second, expected_bytes, text_ratio_of
from penstock.large_jobs.handover import is_large
from penstock.large_jobs.plan import Sizes
from penstock.limits import KIB, MIB, Budget, PartPlan
from penstock.model.file_options import FILE_SIZE
from penstock.model.job import Job
from penstock.model.object import Source
from penstock.model.parse_options import ParseOptions
from penstock.model.record import Batch
from penstock.model.route import Route, TableTarget
from penstock.model.table import TablePlan
from penstock.routes import NO_STACK, Routes, StackBuckets
from penstock.routes.matching import pattern_for
from penstock.tables import ChunkBuilder, check_values, complete, field_warnings, needs_order, samples_of

# The names that a routes file may use. Without a stack they represent themselves: S3 allows no such bucket name.
NAMES = ("source_bucket", "destination_bucket", "work_bucket", "records_table")

# Seconds that are kept in reserve at the end of an invocation (`penstock.settings`).
MARGIN = 10.0

# A workbook is read completely before its first record is known. The preview skips larger ones.
_SMALL_SOURCE = 8 * MIB
_READ = 256 * KIB


@dataclass(frozen=True, slots=True)
class StackEnvironment:
    """The settings of a deployment that decide how jobs run (see `penstock.settings`). Memory in bytes, times in
    seconds. ``after_actions`` is empty without a stack."""

    names: Mapping[str, str]
    memory: int = VCPU
    timeout: float = 900.0
    workers: int = 40
    large_bytes: int = 0
    span_bytes: int = 0
    index_spacing: int = 0
    routes_uri: str = ""
    buckets: StackBuckets = NO_STACK
    after_actions: str = ""

    @property
    def budget(self) -> Budget:
        return Budget.of(self.memory)

    @property
    def sizes(self) -> Sizes:
        return Sizes(self.budget, self.memory, self.workers, self.span_bytes, self.index_spacing)


@dataclass(frozen=True, slots=True)
class RouteMatch:
    """The route of a key: the first with a ``pattern`` that matches. The routes in ``before`` do not match."""

    route: Route
    pattern: str
    before: tuple[Route, ...]


@dataclass(frozen=True, slots=True)
class SourcePreview:
    """What the beginning of a source shows.

    ``plan`` has the columns, if they are known. ``record``: the mean size of a record in bytes, 0 if unknown.
    ``splittable``: records can be separated at bytes. ``problem``: why the job would fail. ``warnings``: fields of the
    sample without a column, and columns without a field. ``checksum``: the CRC64NVME that S3 has, where the route asks.
    """

    codec: str = ""
    plan: TablePlan | None = None
    record: float = 0.0
    splittable: bool = True
    problem: str = ""
    warnings: tuple[str, ...] = ()
    checksum: str = ""


@dataclass(frozen=True, slots=True)
class Forecast:
    """How a job would run. ``by_state_machine``: not in one invocation. ``spans`` is 0 if one worker runs all of it.

    ``seconds``: from its event on. ``single_seconds``: the time of one invocation. ``decoded`` in bytes.
    """

    by_state_machine: bool
    single_seconds: float
    decoded: int
    spans: int
    span_bytes: int
    ordered: bool
    index_invocations: int
    seconds: float
    usage: Usage


def match_route(routes: Routes, bucket: str, key: str) -> RouteMatch | None:
    """Return the route that matches a key, and its pattern."""
    for number, route in enumerate(routes.routes):
        pattern = pattern_for(route, bucket, key)
        if pattern is not None:
            return RouteMatch(route, pattern, routes.routes[:number])
    return None


def read_preview(objects: ObjectStore, source: Source, route: Route, budget: Budget) -> SourcePreview:
    """Read the beginning of a source: the first bytes, and for a table a sample of its records."""
    preview = SourcePreview()
    try:
        with closing(objects.open_source(source, end=min(source.size, HEAD)).chunks()) as chunks:
            head, _ = peek(chunks, HEAD)
        preview = SourcePreview(choose(head, source.key, route.codec, window=budget.window).name)
        if route.plan is None:
            return preview
        _check_values(source, route, route.plan)
        plan = replace(route.plan, parse=resolve(source.key, route.plan.parse))
        names_places = preview.codec == IDENTITY.name and finds_places(plan.parse)
        preview = replace(preview, plan=plan, splittable=names_places)

        def decoded() -> Generator[bytes, None, None]:
            content = objects.open_source(source)
            return Decoding(source, content, route, replace(budget, read_chunk=_READ)).pieces()

        return _sampled(preview, decoded, size=source.size)
    except PermanentError as error:
        return replace(preview, problem=str(error))


def _check_values(source: Source, route: Route, plan: TablePlan) -> None:
    """Raises SourceValueError for a key that does not match the route's pattern, or does not fit its column."""
    job = Job(source, route, TableTarget(route.store, ""), begun=time.time(), modified=time_text(time.time()))
    check_values(plan, source_values(job, plan))


def _sampled(
    preview: SourcePreview, decoded: Callable[[], Generator[bytes, None, None]], *, size: int
) -> SourcePreview:
    """Complete the preview with a sample of the records."""
    plan = preview.plan
    if plan is None or (needs_whole_source(plan.parse) and size > _SMALL_SOURCE):
        return preview
    with closing(decoded()) as pieces:
        head, _ = peek(pieces, boundaries.HEAD)
    notes: list[str] = []
    if not preview.splittable:
        preview = replace(preview, splittable=boundaries.text_of(plan.parse, head) is not None)
    sample = None
    for options in samples_of(plan) or (plan.parse,):
        sample = _first(decoded, options, notes)
        plan = complete(plan, sample) if sample else plan
    if sample is None:
        return replace(preview, plan=plan)
    record = (sample.end - sample.offset) / sample.count if sample.count else 0.0
    warnings = (*notes, *field_warnings(plan, ChunkBuilder(plan).compare(sample)))
    return replace(preview, plan=plan, record=record, warnings=tuple(dict.fromkeys(warnings)))


def _first(
    decoded: Callable[[], Generator[bytes, None, None]], options: ParseOptions, notes: list[str]
) -> Batch | None:
    with closing(decoded()) as pieces:
        return next(parse(pieces, options, batch_bytes=SAMPLE_BYTES, tell=notes.append), None)


def forecast(job: Job, preview: SourcePreview, environment: StackEnvironment) -> Forecast:
    """Apply the rules of the functions. ``preview`` is that of the job's source. Raises OutputTooLargeError."""
    expected = _delivery(job, preview, environment)
    expected = replace(expected, usage=expected.usage + _files(job, preview, environment, expected))
    looked = of_repeats(job.route, preview.checksum, job.source.size, environment.memory)
    return replace(expected, seconds=expected.seconds + looked.seconds, usage=expected.usage + looked)


def _files(job: Job, preview: SourcePreview, environment: StackEnvironment, expected: Forecast) -> Usage:
    """Return the requests for the files of a table that consists of files."""
    destination = destination_named(job.route.store) if job.route.plan else None
    if not destination or not destination.writes_files:
        return Usage(environment.memory, 0.0, 0)
    tables = (preview.plan or job.need_plan()).tables
    return of_files(
        memory=environment.memory,
        spans=expected.spans,
        decoded=int(expected.decoded * text_ratio_of(job)),
        file_size=next((table.files.file_size for table in tables if table.files.file_size), FILE_SIZE),
        is_committed=destination.commits_later,
    )


def _delivery(job: Job, preview: SourcePreview, environment: StackEnvironment) -> Forecast:
    machine = is_large(job, environment.timeout, memory=environment.memory, large_bytes=environment.large_bytes)
    preview = replace(preview, codec=preview.codec or codec_by_name(job.source.key))
    decoded = expected_bytes(preview.codec, job.source.size)
    rate = bytes_per_second(preview.codec, environment.memory, parsed=text_ratio_of(job))
    alone = decoded / rate
    rows = int(decoded / preview.record) if preview.record and destination_named(job.route.store).charges_rows else 0
    if not machine:
        parts = 0 if preview.plan else decoded // PartPlan.within(environment.budget).first
        usage = of_invocation(memory=environment.memory, source=job.source.size, busy=alone, parts=parts)
        usage = replace(usage, writes=usage.writes + rows)
        return Forecast(machine, alone, decoded, 0, 0, ordered=False, index_invocations=0, seconds=alone, usage=usage)
    ordered = preview.plan is not None and needs_order(preview.plan)
    spans, size = _spans(job, preview, environment, decoded)
    # All workers survey a plain table at once. One worker indexes any other source that is split.
    speed = CODECS[preview.codec].index_speed
    indexed = preview.codec != IDENTITY.name or (spans and preview.plan)
    indexing = indexing_seconds(job.source.size, decoded, environment.memory, speed) if spans and indexed else 0.0
    pieces = max(1, spans)
    busy = pieces * COLD_SECONDS + alone
    waves = pieces if ordered else -(-pieces // environment.workers)
    before = indexing / environment.workers if preview.codec == IDENTITY.name else indexing
    usage = of_machine(
        memory=environment.memory,
        source=job.source.size,
        spans=pieces,
        busy=busy,
        parts=0 if preview.plan else decoded // environment.sizes.part(decoded),
        indexing=indexing,
        entries=decoded // environment.sizes.spacing(job.source.size) if indexing else 0,
    )
    return Forecast(
        machine,
        alone,
        decoded,
        spans,
        size,
        ordered=ordered,
        index_invocations=index_invocations(indexing) if preview.codec != IDENTITY.name else 0,
        seconds=before + waves * busy / pieces,
        usage=replace(usage, writes=usage.writes + rows),
    )


def too_long(expected: Forecast, route: Route, environment: StackEnvironment) -> str:
    """Return why an object that cannot be split would probably exceed the time limit; empty if it would not."""
    seconds = environment.timeout - MARGIN
    if route.plan or not expected.by_state_machine or expected.spans or expected.single_seconds <= seconds:
        return ""
    return f"the source cannot be split, and one invocation would exceed the limit of {seconds:,.0f} seconds"


def indexing_seconds(size: int, decoded: int, memory: int, speed: float = INDEX_SPEED) -> float:
    """Return the seconds of an index pass. It reads ``size`` bytes and sends almost nothing; the codec declares
    ``speed``."""
    return max(decoded / (speed * min(1.0, memory / VCPU)), size / NETWORK)


def _spans(job: Job, preview: SourcePreview, environment: StackEnvironment, decoded: int) -> tuple[int, int]:
    """Return the number of spans and their decoded bytes; 0 for a source that cannot be split."""
    known = preview.codec == IDENTITY.name or preview.codec in indexers_within(environment.budget.window)
    indexed = preview.codec != IDENTITY.name
    if preview.plan and preview.plan.protects and indexed:
        return 0, 0  # an index would hold parts of the decoded source
    if not (known and preview.splittable and decoded):
        return 0, 0
    sizes = environment.sizes
    size = sizes.span(decoded, preview.codec, environment.timeout - MARGIN, parsed=text_ratio_of(job))
    if preview.plan is None:
        part = sizes.part(decoded)
        size = max(1, -(-size // part)) * part
    if preview.codec != IDENTITY.name:
        size = max(size, sizes.spacing(job.source.size))
    return -(-decoded // size), size
