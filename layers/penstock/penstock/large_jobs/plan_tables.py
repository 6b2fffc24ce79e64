"""How table jobs are cut: at records, which a pass over the source has counted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeAlias

from penstock.codecs.indexers import indexers_within
from penstock.delivery.attempt import Attempt
from penstock.formats.boundaries import Text
from penstock.large_jobs import survey as surveying
from penstock.large_jobs.job_files import TEXT, WHOLE, JobFolder, JobSpec, SpanPlan
from penstock.large_jobs.plan import IDENTITY, Decision, Sizes, SpanPlanDraft, index_of, whole
from penstock.large_jobs.ports import WorkFiles
from penstock.large_jobs.span_planning import SpanBoundary, cut_records
from penstock.large_jobs.table_steps import TablePreview, TableSteps
from penstock.model.job import Progress
from penstock.model.object import Source
from penstock.model.source import Deadline
from penstock.model.span import SpanReceipt
from penstock.model.table import Mode, TablePlan
from penstock.routes import Routes
from penstock.tables import tables_of

# How a source is cut as a whole, and the boundaries between its records.
CountedRecords: TypeAlias = tuple[SpanPlan, list[SpanBoundary]]


@dataclass(frozen=True, slots=True)
class TableSpanPlanner:
    """Decides for table jobs: plain text is surveyed, what can be entered indexed, anything else carried whole."""

    files: WorkFiles
    tables: Callable[[str], TableSteps]
    routes: Callable[[], Routes]
    sizes: Sizes
    margin: float

    def __call__(self, spec: JobSpec, folder: JobFolder, codec: str, deadline: Deadline) -> Decision:
        """The cut; or what must be done before. Raises what reading the source and asking the database raise."""
        steps = self.tables(spec.job.route.store)
        attempt = Attempt(spec.job, spec.head, 1, self.routes(), ignore_progress, deadline, self.margin)
        outline = steps.outline(attempt)
        seconds = deadline.remaining() - self.margin
        counted = self._counted(spec, folder, codec, outline, seconds)
        if counted is None:
            return SpanPlanDraft(SpanPlan(codec, WHOLE, plan=outline.plan), [whole(spec.job.source)])
        if isinstance(counted, str):
            return counted
        return self._at_records(spec, counted, outline.plan, steps, seconds)

    def _counted(
        self, spec: JobSpec, folder: JobFolder, codec: str, outline: TablePreview, seconds: float
    ) -> CountedRecords | str | None:
        """The records' places, or the step that finds them; None where there is no telling records apart."""
        source = spec.job.source
        if outline.text is None or outline.loaded or not source.size:
            return None
        cut = SpanPlan(codec, WHOLE, plan=outline.plan, within=outline.within)
        if codec != IDENTITY:
            return self._indexed(source, folder, cut, outline.text)
        places = surveying.collect(folder)
        if places is None:
            piece = self.sizes.span(source.size, codec, seconds, parsed=True)
            surveying.ask(folder, outline.text, size=source.size, piece=piece)
            return "survey"
        return replace(cut, total=source.size), places

    def _indexed(self, source: Source, folder: JobFolder, cut: SpanPlan, text: Text) -> CountedRecords | str | None:
        if cut.codec not in indexers_within(self.sizes.budget.window):
            return None
        folder.put(TEXT, text)
        index = index_of(self.files, source, cut.codec, self.sizes, text)
        state = index.state()
        if not state.done:
            return "index"
        if state.whole:
            return None
        return replace(cut, total=state.total, crc32=state.crc32, warnings=state.warnings), list(index.places())

    def _at_records(
        self, spec: JobSpec, counted: CountedRecords, plan: TablePlan, steps: TableSteps, seconds: float
    ) -> SpanPlanDraft:
        """Spans of what ingest has not loaded; from now on it cannot load more."""
        cut, places = counted
        resume = steps.take_over(spec.job.id, plan, cut.total, seconds)
        size = self.sizes.span(cut.total, cut.codec, seconds, parsed=True)
        begun = resume.offset > 0
        first = (resume.offset, resume.row) if begun else (places[0].entry.record, places[0].entry.row)
        spans = list(cut_records(places, first=first, total=cut.total, source_size=spec.job.source.size, span=size))
        if not spans:
            # No record is left: what ingest would do of it is check the header, and finish.
            return SpanPlanDraft(cut, [whole(spec.job.source)])
        before = SpanReceipt.of_load(WHOLE, 0, resume.offset, resume)
        # The last row of a key wins: spans that write by key go one after the other.
        # Those of an atomic load are put in order when they are moved.
        ordered = any(table.mode is Mode.UPSERT and not table.atomic for table in tables_of(plan))
        return SpanPlanDraft(replace(cut, before=before if begun else None, ordered=ordered), spans)


def ignore_progress(progress: Progress) -> None:
    """Planning delivers nothing."""
