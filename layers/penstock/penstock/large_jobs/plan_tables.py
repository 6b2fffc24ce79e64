"""Splits table jobs at records, which a pass over the source has counted, or which the source itself counts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeAlias

from penstock.codecs import IDENTITY
from penstock.delivery.attempt import Attempt
from penstock.delivery.member_store import MemberObjects
from penstock.formats.boundaries import Text
from penstock.large_jobs import survey as surveying
from penstock.large_jobs.encoded_source import encoded_name, encoded_source
from penstock.large_jobs.estimate import text_ratio_of
from penstock.large_jobs.job_files import TEXT, JobFolder, JobSpec
from penstock.large_jobs.plan import Decision, Sizes, SpanPlanDraft, in_one_piece, index_of, slowest_codec
from penstock.large_jobs.ports import WorkFiles
from penstock.large_jobs.span_plan import WHOLE, TableSpans, WholeSource
from penstock.large_jobs.span_planning import SpanBoundary, cut_records
from penstock.large_jobs.table_steps import TablePreview, TableSteps
from penstock.model.job import Progress
from penstock.model.object import Source
from penstock.model.source import Deadline
from penstock.model.span import SpanReceipt
from penstock.routes import Routes
from penstock.tables import needs_order

# A plan without spans yet, and the boundaries between records where spans can start.
CountedRecords: TypeAlias = tuple[TableSpans, list[SpanBoundary]]


@dataclass(frozen=True, slots=True)
class TableSpanPlanner:
    """Plans table jobs: plain text is surveyed, splittable codecs are indexed, and what counts its own records is cut
    there. Other sources are not split."""

    objects: MemberObjects
    files: WorkFiles
    tables: Callable[[str], TableSteps]
    routes: Callable[[], Routes]
    sizes: Sizes
    margin: float

    def __call__(self, spec: JobSpec, folder: JobFolder, codec: str, deadline: Deadline) -> Decision:
        """Return the plan, or the step that must come first. Raises the errors of the source and of the database."""
        steps = self.tables(spec.job.route.store)
        attempt = Attempt(spec.job, spec.head, 1, self.routes(), ignore_progress, deadline, self.margin)
        preview = steps.preview(attempt)
        seconds = deadline.remaining() - self.margin
        counted = self._counted(spec, folder, codec, preview, seconds)
        if counted is None:
            return in_one_piece(WholeSource(codec, preview.plan), spec.job.source)
        if isinstance(counted, str):
            return counted
        return self._at_records(spec, counted, steps, seconds)

    def _counted(
        self, spec: JobSpec, folder: JobFolder, codec: str, preview: TablePreview, seconds: float
    ) -> CountedRecords | str | None:
        """Return the boundaries between records, or the step that finds them; None if records cannot be found."""
        source = spec.job.source
        encoded = encoded_name(source, codec)
        if (places := preview.places) and not preview.loaded and encoded == codec == IDENTITY.name and places.entries:
            spans = TableSpans(encoded, 0, places.total, preview.plan, places.within)
            return spans, [SpanBoundary(entry) for entry in places.entries]
        if preview.text is None or preview.within is None or preview.loaded or not source.size or encoded is None:
            return None
        plan = TableSpans(encoded, 0, source.size, preview.plan, preview.within)
        if encoded != IDENTITY.name:
            if preview.plan.protects:
                return None  # an index holds parts of the decoded source
            return self._indexed(source, folder, plan, preview.text)
        boundaries = surveying.read_boundaries(folder, source)
        if boundaries is None:
            piece = self.sizes.span(source.size, slowest_codec(codec, source), seconds, parsed=text_ratio_of(spec.job))
            surveying.write_pieces(folder, preview.text, size=source.size, piece=piece)
            return "survey"
        return plan, boundaries

    def _indexed(self, source: Source, folder: JobFolder, plan: TableSpans, text: Text) -> CountedRecords | str | None:
        if encoded_source(self.objects, source, plan.codec, self.sizes.budget.window).indexer is None:
            return None
        folder.put(TEXT, text)
        index = index_of(self.files, source, plan.codec, self.sizes, text)
        state = index.state()
        if not state.done:
            return "index"
        if state.whole:
            return None
        return replace(plan, total=state.total, crc32=state.crc32, warnings=state.warnings), list(index.boundaries())

    def _at_records(self, spec: JobSpec, counted: CountedRecords, steps: TableSteps, seconds: float) -> SpanPlanDraft:
        """Create spans for the records that ingest has not loaded. From now on, ingest cannot load more."""
        plan, boundaries = counted
        resume = steps.take_over(spec, plan.table_plan, plan.total, seconds)
        codec = slowest_codec(plan.codec, spec.job.source)
        size = self.sizes.span(plan.total, codec, seconds, parsed=text_ratio_of(spec.job))
        has_loaded = resume.offset > 0
        first = (resume.offset, resume.row) if has_loaded else (boundaries[0].entry.record, boundaries[0].entry.row)
        if has_loaded and plan.within.header:
            # Ingest may have stopped within a block, which can only be entered at its start.
            entries = [boundary.entry for boundary in boundaries if boundary.entry.row <= resume.row]
            first = (entries[-1].record, entries[-1].row)
            plan = replace(plan, within=replace(plan.within, loaded=resume.row))
        spans = list(
            cut_records(
                boundaries,
                first=first,
                total=plan.total,
                source_size=spec.job.source.encoded_size,
                span=size,
                tail=plan.table_plan.parse.footer_bytes,
            )
        )
        if not spans:
            # No record is left: the rest is as in ingest, to check the header and finish.
            return in_one_piece(WholeSource(plan.codec, plan.table_plan), spec.job.source)
        before = SpanReceipt.of_load(WHOLE, 0, resume.offset, resume)
        ordered = needs_order(plan.table_plan)
        return SpanPlanDraft(replace(plan, before=before if has_loaded else None, ordered=ordered), spans)


def ignore_progress(progress: Progress) -> None:
    """Do nothing: planning delivers no bytes."""
