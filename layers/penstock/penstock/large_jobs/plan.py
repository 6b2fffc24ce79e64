"""`plan`: looks at what there is of a job, and says what comes next: index, survey, work or sequence.

Called again after each of them. Whatever it decides it leaves in the job's folder, once: a second call finds it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass, replace

from penstock.codecs import HEAD, choose
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
    SPAN_PLAN,
    WHOLE,
    JobFolder,
    JobSpec,
    SpanPlan,
    Upload,
    upload_name,
)
from penstock.large_jobs.ports import ExecutionStore, WorkFiles
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

IDENTITY = "identity"


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
    """A cut, and its spans, of which it does not yet say how many there are."""

    cut: SpanPlan
    spans: Iterable[Span]


Decision = SpanPlanDraft | str
"""How a job is cut; or the step that must come before that is known."""

PlanTableSpans = Callable[[JobSpec, JobFolder, str, Deadline], Decision]
"""Decides for a table job, by ticket, folder and codec."""


@dataclass(frozen=True, slots=True)
class Planner:
    """Decides how jobs are cut, and opens the upload that the spans of an execution fill."""

    objects: ObjectStore
    files: WorkFiles
    executions: ExecutionStore
    parts: PartStore
    cut_table: PlanTableSpans
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
        self.executions.enter(job_id, execution, Phase.PLAN)
        cut = _existing(folder, execution)
        if cut is None:
            with naming(spec.job.source):
                decision = self._decide(spec, folder, deadline)
            if isinstance(decision, str):
                phase = Phase.SURVEY if decision == "survey" else Phase.INDEX
                self.executions.enter(job_id, execution, phase, units=pieces_of(folder) or 1)
                return self._answer(decision, folder.key(PIECES), self.sizes.workers)
            if decision.cut.total > ceiling(spec.job.source, spec.job.route):
                raise too_large(spec.job.source, spec.job.route, spec.job.source.size)
            cut = _write(folder, decision, execution)
        if cut.spans and not cut.plan:
            self._open_upload(spec, folder, execution, round_)
        self.executions.expect(job_id, execution, spans=len(cut.numbers), size=spec.job.source.size)
        self.executions.enter(job_id, execution, Phase.SPANS)
        return self._answer("sequence" if cut.ordered else "work", folder.key(MANIFEST), self.sizes.workers, round_)

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
            return self.cut_table(spec, folder, codec, deadline)
        if codec == IDENTITY:
            return self._in_parts(SpanPlan(codec, WHOLE, source.size, spec.head.crc32), [], source, deadline)
        if codec not in indexers_within(self.sizes.budget.window):
            return SpanPlanDraft(SpanPlan(codec, WHOLE), [whole(source)])
        index = index_of(self.files, source, codec, self.sizes)
        state = index.state()
        if not state.done:
            return "index"
        if state.whole:
            return SpanPlanDraft(SpanPlan(codec, WHOLE), [whole(source)])
        cut = SpanPlan(codec, WHOLE, state.total, state.crc32, state.warnings)
        return self._in_parts(cut, list(index.places()), source, deadline)

    def _in_parts(
        self, cut: SpanPlan, places: Sequence[SpanBoundary], source: Source, deadline: Deadline
    ) -> SpanPlanDraft:
        part = self.sizes.part(cut.total)
        span = self.sizes.span(cut.total, cut.codec, deadline.remaining() - self.margin, parsed=False)
        size = max(1, -(-span // part)) * part
        at = places or [SpanBoundary(Entry(start, start)) for start in range(0, max(1, source.size), size)]
        return SpanPlanDraft(cut, cut_parts(at, total=cut.total, source_size=source.size, part=part, span=size))

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
            self.executions.note_upload(spec.job.id, execution, ours.upload_id)
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


def whole(source: Source) -> Span:
    """A source that cannot be cut."""
    return Span(WHOLE, 0, -1, Entry(0, 0), source.size, source.size)


def _existing(folder: JobFolder, execution: str) -> SpanPlan | None:
    """The cut that an execution goes by, an earlier one's if there was one: what that has committed goes by it, too.

    Not where it staged: that was dropped when it ended, what ingest had loaded before it included.
    """
    cut = folder.find(SpanPlan, SPAN_PLAN)
    if cut and cut.plan and cut.execution != execution:
        return None if is_staged(cut.plan) else cut
    return cut


def _write(folder: JobFolder, draft: SpanPlanDraft, execution: str) -> SpanPlan:
    """The manifest first: what says that there is one comes last."""
    last = WHOLE
    lines = []
    for span in draft.spans:
        last = span.number
        lines.append(to_json(span).encode() + b"\n")
    folder.files.write(folder.key(MANIFEST), b"".join(lines))
    cut = replace(draft.cut, spans=last, execution=execution)
    existing = folder.put_once(SpanPlan, SPAN_PLAN, cut)
    if existing.execution == execution:
        return existing
    folder.put(SPAN_PLAN, cut)
    return cut
