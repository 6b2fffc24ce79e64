"""`plan`: looks at what there is of a job, and says what comes next: index, survey, work or sequence.

Called again after each of them. Whatever it decides it leaves in the job's folder, once: a second call finds it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass, replace

from penstock.codecs import HEAD, IDENTITY, choose
from penstock.codecs.indexers import indexers_within
from penstock.delivery.decoding import ceiling, naming, peek, too_large
from penstock.delivery.ports import ObjectStore
from penstock.destinations.bucket.result_metadata import describe
from penstock.destinations.ports import PartStore
from penstock.errors import PenstockError, noting
from penstock.formats.boundaries import Text
from penstock.large_jobs.estimate import bytes_per_second
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
from penstock.large_jobs.ports import ExecutionStore, WorkFiles
from penstock.large_jobs.span_plan import WHOLE, ObjectSpans, SpanPlan, TableSpans, WholeSource
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

# As long as the machine's own limit: an execution that dies without a word is given up then.
EXECUTION_SECONDS = 7 * 86_400.0

# A worker may be this much slower than its estimate before a span is too long for it.
_HASTE = 4
# However little time there is: below, entering a span costs more than its bytes.
_LEAST = 16 * MIB


@dataclass(frozen=True, slots=True)
class Sizes:
    """What a plan goes by. ``workers`` carry a span each; 0 leaves ``span_bytes`` and ``index_spacing`` to it.

    ``memory`` is a worker's, in bytes. ``part_bytes`` are those of a part, unless there would be too many.
    """

    budget: Budget
    memory: int
    workers: int
    span_bytes: int = 0
    index_spacing: int = 0
    part_bytes: int = PART

    def part(self, total: int) -> int:
        """Bytes of a part. Raises OutputTooLargeError."""
        return part_size(total, self.budget, least=self.part_bytes)

    def span(self, total: int, codec: str, seconds: float, *, parsed: bool) -> int:
        """Decoded bytes of a span, of which a worker has so many ``seconds``: a quarter of them should do."""
        if self.span_bytes:
            return self.span_bytes
        fitting = int(bytes_per_second(codec, self.memory, parsed=parsed) * seconds / _HASTE)
        return min(span_size(total, self.workers), max(fitting, _LEAST))

    def spacing(self, size: int) -> int:
        """Decoded bytes between two entries of an index."""
        return self.index_spacing or spacing(size)


@dataclass(frozen=True, slots=True)
class SpanPlanDraft:
    """A plan and its spans. The plan does not yet say how many there are."""

    plan: SpanPlan
    spans: Iterable[Span]


Decision = SpanPlanDraft | str
"""The plan of a job; or the step that must come before it can be planned."""

PlanTableSpans = Callable[[JobSpec, JobFolder, str, Deadline], Decision]
"""Decides for a table job, by its spec, folder and codec."""


@dataclass(frozen=True, slots=True)
class Planner:
    """Decides how jobs are cut, and opens the upload that the spans of an execution fill."""

    objects: ObjectStore
    files: WorkFiles
    executions: ExecutionStore
    parts: PartStore
    plan_table: PlanTableSpans
    routes: Callable[[], Routes]
    sizes: Sizes
    margin: float

    def __call__(self, job_id: str, execution: str, deadline: Deadline) -> dict[str, object]:
        """What comes next, and where the Map finds its items.

        Raises DestinationLoopError, ExpansionLimitError, OutputTooLargeError, and what reading the source and asking
        the database raise.
        """
        folder = JobFolder(self.files, job_id)
        spec = folder.get(JobSpec, JOB_SPEC)
        round_ = self.executions.confirm(job_id, execution, lease=EXECUTION_SECONDS)
        self.executions.start_phase(job_id, execution, Phase.PLAN)
        plan = _existing(folder, execution)
        if plan is None:
            with naming(spec.job.source):
                decision = self._decide(spec, folder, deadline)
            if isinstance(decision, str):
                phase = Phase.SURVEY if decision == "survey" else Phase.INDEX
                self.executions.start_phase(job_id, execution, phase, units=pieces_of(folder) or 1)
                return self._answer(decision, folder.key(PIECES), self.sizes.workers)
            plan = _write(folder, self._within_ceiling(spec, decision), execution)
        if isinstance(plan, ObjectSpans):
            self._open_upload(spec, folder, execution, round_)
        self.executions.record_totals(job_id, execution, spans=len(plan.numbers), size=spec.job.source.size)
        self.executions.start_phase(job_id, execution, Phase.SPANS)
        is_ordered = isinstance(plan, TableSpans) and plan.ordered
        return self._answer("sequence" if is_ordered else "work", folder.key(MANIFEST), self.sizes.workers, round_)

    def _within_ceiling(self, spec: JobSpec, draft: SpanPlanDraft) -> SpanPlanDraft:
        """Raises ExpansionLimitError when the decoded source is larger than the route allows."""
        source, route = spec.job.source, spec.job.route
        if not isinstance(draft.plan, WholeSource) and draft.plan.total > ceiling(source, route):
            raise too_large(source, route, source.size)
        return draft

    def _answer(self, following: str, manifest: str, workers: int, round_: int = 0) -> dict[str, object]:
        return {
            "next": following,
            "round": round_,
            "manifest": {"bucket": self.files.bucket, "key": manifest},
            "concurrency": workers,
        }

    def _decide(self, spec: JobSpec, folder: JobFolder, deadline: Deadline) -> Decision:
        source = spec.job.source
        codec = codec_of(self.objects, spec, self.sizes)
        if spec.job.route.plan:
            return self.plan_table(spec, folder, codec, deadline)
        if codec == IDENTITY.name:
            return self._in_parts(ObjectSpans(codec, 0, source.size, spec.head.crc32), [], source, deadline)
        if codec not in indexers_within(self.sizes.budget.window):
            return in_one_piece(WholeSource(codec), source)
        index = index_of(self.files, source, codec, self.sizes)
        state = index.state()
        if not state.done:
            return "index"
        if state.whole:
            return in_one_piece(WholeSource(codec), source)
        plan = ObjectSpans(codec, 0, state.total, state.crc32, state.warnings)
        return self._in_parts(plan, list(index.boundaries()), source, deadline)

    def _in_parts(
        self, plan: ObjectSpans, boundaries: Sequence[SpanBoundary], source: Source, deadline: Deadline
    ) -> SpanPlanDraft:
        part = self.sizes.part(plan.total)
        span = self.sizes.span(plan.total, plan.codec, deadline.remaining() - self.margin, parsed=False)
        size = max(1, -(-span // part)) * part
        at = boundaries or [SpanBoundary(Entry(start, start)) for start in range(0, max(1, source.size), size)]
        return SpanPlanDraft(plan, cut_parts(at, total=plan.total, source_size=source.size, part=part, span=size))

    def _open_upload(self, spec: JobSpec, folder: JobFolder, execution: str, round_: int) -> None:
        """Once for a round of an execution. Whoever comes second aborts its own, and takes the first one's."""
        target, name = spec.job.need_object(), upload_name(execution, round_)
        if folder.find(Upload, name):
            return
        self.routes().refuse_loop(spec.job.route, spec.job.source, target)
        check_target(spec.job.route, target)
        content, warnings = describe(spec.job, target, spec.head)
        ours = Upload(self.parts.create(target, content), warnings)
        try:
            self.executions.record_upload(spec.job.id, execution, ours.upload_id)
        except PenstockError as error:
            # Nobody else knows of it.
            with noting(error, "its upload could not be aborted"):
                self.parts.abort(target, ours.upload_id)
            raise
        if folder.put_once(Upload, name, ours) != ours:
            self.parts.abort(target, ours.upload_id)


def codec_of(objects: ObjectStore, spec: JobSpec, sizes: Sizes) -> str:
    """The codec of a job's source, by its first bytes. Raises CodecMismatchError, and what reading them raises."""
    source = spec.job.source
    with closing(objects.open_source(source, end=min(source.size, HEAD)).chunks()) as chunks:
        head, _ = peek(chunks, HEAD)
    return choose(head, source.key, spec.job.route.codec, window=sizes.budget.window).name


def index_of(files: WorkFiles, source: Source, codec: str, sizes: Sizes, text: Text | None = None) -> Index:
    """The index of a source; ``text`` says how its records are told apart, where they are to be counted."""
    return Index(files, source, codec, sizes.spacing(source.size), text)


def in_one_piece(plan: WholeSource, source: Source) -> SpanPlanDraft:
    """The plan of a source that cannot be split, with its only span."""
    return SpanPlanDraft(plan, [Span(WHOLE, 0, -1, Entry(0, 0), source.size, source.size)])


def _existing(folder: JobFolder, execution: str) -> SpanPlan | None:
    """The plan that an execution goes by: an earlier execution's, for its spans may be committed already.

    A staged load is planned anew: the end of the earlier execution dropped what was staged, and what ingest had loaded.
    """
    plan = folder.find_plan()
    if isinstance(plan, WholeSource | TableSpans) and plan.table_plan and plan.execution != execution:
        return None if is_staged(plan.table_plan) else plan
    return plan


def _write(folder: JobFolder, draft: SpanPlanDraft, execution: str) -> SpanPlan:
    """Write the manifest first, and the plan, which says that there is a manifest, last."""
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
    """The plan with the number of its spans."""
    if isinstance(plan, WholeSource):
        return replace(plan, execution=execution)
    return replace(plan, count=count, execution=execution)
