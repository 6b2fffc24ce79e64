"""`plan`: checks the files of a job, and returns the next step: index, survey, work or sequence.

It is called again after an index, a survey, or a completion that S3 refused. It writes its decision to the job's folder
once: a second call finds it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass, replace

from penstock.codecs import CODECS, HEAD, IDENTITY, choose
from penstock.codecs.peek import peek
from penstock.delivery.decoding import ceiling, naming, too_large
from penstock.delivery.member_store import MemberObjects, codec_around
from penstock.delivery.ports import ObjectStore
from penstock.destinations.bucket.result_metadata import describe
from penstock.destinations.ports import PartStore
from penstock.errors import PenstockError, noting
from penstock.formats.boundaries import Text
from penstock.large_jobs.decoded_ranges import archive_index
from penstock.large_jobs.encoded_source import encoded_name, encoded_source
from penstock.large_jobs.estimate import bytes_per_second, refuse_slow_decryption
from penstock.large_jobs.index_pass import Index
from penstock.large_jobs.job_files import (
    JOB_SPEC,
    MANIFEST,
    PIECES,
    JobFolder,
    JobSpec,
    Upload,
    upload_name,
)
from penstock.large_jobs.member_batches import MemberBatch
from penstock.large_jobs.ports import ExecutionStore, WorkFiles
from penstock.large_jobs.span_plan import WHOLE, MemberBatches, ObjectSpans, SpanPlan, TableSpans, WholeSource
from penstock.large_jobs.span_planning import PART, SpanBoundary, cut_parts, part_size, spacing, span_size
from penstock.large_jobs.survey import pieces_of
from penstock.limits import MIB, Budget
from penstock.model.job_status import Phase
from penstock.model.object import Source
from penstock.model.serialization import to_json
from penstock.model.source import Deadline
from penstock.model.span import Entry, Span
from penstock.routes import Routes, check_target
from penstock.tables import is_staged

# The time limit of the state machine: an execution that dies silently is given up then.
EXECUTION_SECONDS = 7 * 86_400.0

# A worker may be this many times slower than its estimate before a span takes too long.
SAFETY_FACTOR = 4
# A smaller span costs more for its start than for its bytes, however little time is left.
SMALLEST_SPAN = 16 * MIB


@dataclass(frozen=True, slots=True)
class Sizes:
    """The sizes for a plan. ``workers`` load one span each. ``span_bytes`` and ``index_spacing`` are computed if 0.

    ``memory`` is that of a worker, in bytes. ``part_bytes`` is the part size, unless there would be too many parts.
    """

    budget: Budget
    memory: int
    workers: int
    span_bytes: int = 0
    index_spacing: int = 0
    part_bytes: int = PART

    def part(self, total: int) -> int:
        """Return the bytes of a part. Raises OutputTooLargeError."""
        return part_size(total, self.budget, least=self.part_bytes)

    def span(self, total: int, codec: str, seconds: float, *, parsed: float) -> int:
        """Return the decoded bytes of a span. It should take a worker a quarter of ``seconds``. ``parsed``: see
        `bytes_per_second`."""
        if self.span_bytes:
            return self.span_bytes
        fitting = int(bytes_per_second(codec, self.memory, parsed=parsed) * seconds / SAFETY_FACTOR)
        return min(span_size(total, self.workers), max(fitting, SMALLEST_SPAN))

    def spacing(self, size: int) -> int:
        """Return the decoded bytes between two entries of an index."""
        return self.index_spacing or spacing(size)


@dataclass(frozen=True, slots=True)
class SpanPlanDraft:
    """A plan and its spans, or batches. The plan does not yet have their number."""

    plan: SpanPlan
    spans: Iterable[Span | MemberBatch]


Decision = SpanPlanDraft | str
"""The plan of a job; or the step that must come before it can be planned."""

PlanPart = Callable[[JobSpec, JobFolder, str, Deadline], Decision]
"""Decides for a table job or an archive, by its spec, folder and codec."""


@dataclass(frozen=True, slots=True)
class Planner:
    """Decides how jobs are split, and opens the upload that the spans of an execution fill."""

    objects: MemberObjects
    files: WorkFiles
    executions: ExecutionStore
    parts: PartStore
    plan_table: PlanPart
    plan_members: PlanPart
    routes: Callable[[], Routes]
    sizes: Sizes
    margin: float
    replacements: Callable[[JobSpec, JobFolder, str], None]

    def __call__(self, job_id: str, execution: str, deadline: Deadline) -> dict[str, object]:
        """Return the next step, and the location of the Map's items.

        Raises DestinationLoopError, ExpansionLimitError, OutputTooLargeError, and the errors of the source and of the
        database.
        """
        folder = JobFolder(self.files, job_id)
        spec = folder.get(JobSpec, JOB_SPEC)
        round_ = self.executions.confirm(job_id, execution, lease=EXECUTION_SECONDS)
        self.executions.start_phase(job_id, execution, Phase.PLAN)
        plan = _existing(folder, spec, execution)
        if plan is None or self._lacks_index(spec, plan):
            refuse_slow_decryption(spec.job, deadline.remaining() - self.margin, self.sizes.memory)
            with naming(spec.job.source):
                decision = self._decide(spec, folder, deadline) if plan is None else "index"
            if isinstance(decision, str):
                phase = Phase.SURVEY if decision == "survey" else Phase.INDEX
                self.executions.start_phase(job_id, execution, phase, units=pieces_of(folder) or 1)
                return self._result(decision, folder.key(PIECES), self.sizes.workers)
            plan = _write(folder, self._within_ceiling(spec, decision), execution)
        if isinstance(plan, ObjectSpans):
            self._open_upload(spec, folder, execution, round_)
        if isinstance(plan, MemberBatches):
            self.replacements(spec, folder, execution)
        source = spec.job.source
        size = source.size if isinstance(plan, WholeSource) else source.encoded_size
        members = plan.members if isinstance(plan, MemberBatches) else 0
        self.executions.record_totals(job_id, execution, spans=len(plan.numbers), size=size, members=members)
        self.executions.start_phase(job_id, execution, Phase.SPANS)
        following = "sequence" if _needs_sequence(plan) else "work"
        return self._result(following, folder.key(MANIFEST), self.sizes.workers, round_)

    def _lacks_index(self, spec: JobSpec, plan: SpanPlan) -> bool:
        """Whether the index has expired through which the members of an archive are read."""
        if not isinstance(plan, MemberBatches) or not plan.decoded:
            return False
        codec = codec_of(self.objects, spec, self.sizes)
        return not archive_index(self.files, spec.job.source, codec, self.sizes.index_spacing).state().done

    def _within_ceiling(self, spec: JobSpec, draft: SpanPlanDraft) -> SpanPlanDraft:
        """Raises ExpansionLimitError if the decoded source is larger than the route allows."""
        source, route = spec.job.source, spec.job.route
        if not isinstance(draft.plan, WholeSource) and draft.plan.total > ceiling(source, route):
            raise too_large(source, route, source.encoded_size)
        return draft

    def _result(self, following: str, manifest: str, workers: int, round_: int = 0) -> dict[str, object]:
        return {
            "next": following,
            "round": round_,
            "manifest": {"bucket": self.files.bucket, "key": manifest},
            "concurrency": workers,
        }

    def _decide(self, spec: JobSpec, folder: JobFolder, deadline: Deadline) -> Decision:
        source = spec.job.source
        codec = codec_of(self.objects, spec, self.sizes)
        if spec.job.route.takes_apart:
            return self.plan_members(spec, folder, codec, deadline)
        if spec.job.route.plan:
            return self.plan_table(spec, folder, codec, deadline)
        encoded = encoded_name(source, codec)
        if encoded == IDENTITY.name:
            return self._in_parts(ObjectSpans(codec, 0, source.size, spec.head.crc32), [], source, deadline)
        planned = self._indexed(source, encoded, deadline) if encoded else None
        return planned or in_one_piece(WholeSource(codec), source)

    def _indexed(self, source: Source, codec: str, deadline: Deadline) -> Decision | None:
        """Return the plan of an indexed source, or the step that indexes it; None if it cannot be split."""
        encoded = encoded_source(self.objects, source, codec, self.sizes.budget.window)
        if encoded.indexer is None:
            return None
        index = index_of(self.files, source, codec, self.sizes)
        state = index.state()
        if not state.done:
            return "index"
        if state.whole:
            return None
        crc32 = state.crc32 if encoded.crc32 is None else encoded.crc32
        plan = ObjectSpans(codec, 0, state.total, crc32, state.warnings)
        return self._in_parts(plan, list(index.boundaries()), source, deadline)

    def _in_parts(
        self, plan: ObjectSpans, boundaries: Sequence[SpanBoundary], source: Source, deadline: Deadline
    ) -> SpanPlanDraft:
        part = self.sizes.part(plan.total)
        slowest = slowest_codec(plan.codec, source)
        span = self.sizes.span(plan.total, slowest, deadline.remaining() - self.margin, parsed=0)
        size = max(1, -(-span // part)) * part
        at = boundaries or [SpanBoundary(Entry(start, start)) for start in range(0, max(1, source.encoded_size), size)]
        spans = cut_parts(at, total=plan.total, source_size=source.encoded_size, part=part, span=size)
        return SpanPlanDraft(plan, spans)

    def _open_upload(self, spec: JobSpec, folder: JobFolder, execution: str, round_: int) -> None:
        """Open one upload for a round of an execution. A concurrent second call aborts its own upload."""
        target, name = spec.job.need_object(), upload_name(execution, round_)
        if folder.find(Upload, name):
            return
        self.routes().refuse_loop(spec.job.route, spec.job.source, target)
        check_target(spec.job.route, target)
        content, warnings = describe(spec.job, target, spec.head)
        upload = Upload(self.parts.create(target, content), warnings)
        try:
            self.executions.record_upload(spec.job.id, execution, upload.upload_id)
        except PenstockError as error:
            # No record names the upload.
            with noting(error, "the upload could not be aborted"):
                self.parts.abort(target, upload.upload_id)
            raise
        if folder.put_once(Upload, name, upload) != upload:
            self.parts.abort(target, upload.upload_id)


def slowest_codec(codec: str, source: Source) -> str:
    """Return the slower of a source's codec and that around the archive that holds it."""
    around = codec_around(source)
    return min(codec, around, key=lambda name: CODECS[name].speed) if around else codec


def codec_of(objects: ObjectStore, spec: JobSpec, sizes: Sizes) -> str:
    """Return the codec of a source's own bytes, by the first of them.

    Raises CodecMismatchError, and the errors of reading.
    """
    source = spec.job.source
    with closing(objects.open_source(source, end=min(source.size, HEAD)).chunks()) as chunks:
        head, _ = peek(chunks, HEAD)
    return choose(head, source.key, spec.job.route.codec, window=sizes.budget.window).name


def index_of(files: WorkFiles, source: Source, codec: str, sizes: Sizes, text: Text | None = None) -> Index:
    """Return the index of a source. ``text`` describes how records are found, if they must be counted."""
    return Index(files, source, codec, sizes.spacing(source.encoded_size), text)


def in_one_piece(plan: WholeSource, source: Source) -> SpanPlanDraft:
    """Return the plan of a source that cannot be split, with its only span."""
    return SpanPlanDraft(plan, [Span(WHOLE, 0, -1, Entry(0, 0), source.size, source.size)])


def _needs_sequence(plan: SpanPlan) -> bool:
    """Whether one invocation delivers all spans in order. So do archives that leave nothing to a Map."""
    match plan:
        case TableSpans():
            return plan.ordered
        case MemberBatches():
            return plan.ordered or plan.large == plan.count
    return False


def _existing(folder: JobFolder, spec: JobSpec, execution: str) -> SpanPlan | None:
    """Return the existing plan for an execution, also that of an earlier one, because its spans may be committed.

    A staged load is planned again: the end of the earlier execution dropped the staged rows, and those of ingest. Rows
    that a member has staged with others are only dropped with those. An archive that an earlier release read in order
    is planned again, too: it may be one that can be indexed.
    """
    plan = folder.find_plan()
    if spec.job.route.takes_apart and isinstance(plan, WholeSource) and plan.execution != execution:
        return None
    if isinstance(plan, WholeSource | TableSpans) and plan.table_plan and plan.execution != execution:
        return None if is_staged(plan.table_plan) and not spec.job.replacement else plan
    return plan


def _write(folder: JobFolder, draft: SpanPlanDraft, execution: str) -> SpanPlan:
    """Write the manifest first, and the plan last: a plan implies that its manifest exists."""
    last = WHOLE
    lines = []
    for span in draft.spans:
        last = span.number
        lines.append(to_json(span).encode() + b"\n")
    folder.files.write(folder.key(MANIFEST), b"".join(lines))
    plan = _numbered(draft.plan, last, execution)
    existing = folder.put_plan_once(plan)
    if existing.execution == execution:
        return existing
    folder.put_plan(plan)
    return plan


def _numbered(plan: SpanPlan, count: int, execution: str) -> SpanPlan:
    """Return the plan with the number of its spans."""
    if isinstance(plan, WholeSource):
        return replace(plan, execution=execution)
    return replace(plan, count=count, execution=execution)
