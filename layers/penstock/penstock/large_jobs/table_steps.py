"""The table part of each step: what plan, work, finish and abort do with a database."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, replace

from penstock.codecs.peek import peek
from penstock.delivery.attempt import Attempt
from penstock.delivery.growing_tables import changes_of, noting_changes
from penstock.delivery.load_origin import origin_of
from penstock.delivery.ports import RejectLog
from penstock.delivery.ranges import SourceRanges
from penstock.delivery.reject_writer import RejectWriter
from penstock.delivery.row_loader import RowLoader
from penstock.delivery.source_values import source_values
from penstock.delivery.storage_fit import begin_fitted
from penstock.delivery.table import TableDelivery, join, refuse_loops
from penstock.destinations.ports import TableSink, TableSwap
from penstock.errors import IncompleteJobError, LeaseLostError, PenstockError, TimeLimitError
from penstock.formats import Places, Within, find_places, finds_places, open_source, reads_ranges
from penstock.formats.boundaries import HEAD, Text, text_of
from penstock.large_jobs.job_files import JobSpec
from penstock.large_jobs.span_plan import WHOLE, TableSpans
from penstock.limits import Budget
from penstock.model.job import Progress, Receipt
from penstock.model.load import Chunk, Loaded, LoadEnd, Resume
from penstock.model.load_origin import LoadOrigin
from penstock.model.replacement import Replacement
from penstock.model.span import Span
from penstock.model.table import Mode, Table, TablePlan
from penstock.tables import Form, check_header, is_atomic, is_staged, needed_fields, redacting, table_names, tables_of

# Seconds for the statement that makes a large load visible: almost as long as a function may run.
FINISHING = 840.0


@dataclass(frozen=True, slots=True)
class TablePreview:
    """The plan of a job, with its format and columns.

    ``text`` describes how records are found, and ``within`` is what the parser of a span must know. Both are None if
    the source cannot be split at records that way. ``places`` are those of a source that names them. ``loaded``: the
    job is loaded completely, but this was not recorded.
    """

    plan: TablePlan
    text: Text | None
    within: Within | None
    loaded: bool
    places: Places | None = None


@dataclass(frozen=True, slots=True)
class TableSteps:
    """Table jobs of one destination. ``open_sink`` opens the sink of a span, ``open_swap`` the swap of what members of
    an archive replace together. ``delivery`` is that of ingest."""

    delivery: TableDelivery
    open_sink: Callable[[str, int], TableSink]
    rejects: RejectLog
    form: Form
    budget: Budget
    open_swap: Callable[[Replacement, Sequence[Table]], TableSwap]

    def preview(self, attempt: Attempt) -> TablePreview:
        """Plan the load from the start of a source. Raises BadSourceError if its header is bad."""
        refuse_loops(attempt)
        with redacting(attempt.job.need_plan()):
            return self._preview(attempt)

    def _preview(self, attempt: Attempt) -> TablePreview:
        plan = self.delivery.plan(attempt)
        with self.open_sink(attempt.job.id, WHOLE) as sink:
            join(sink, attempt.job)
            # A missing table should be reported before an index is built.
            with self.delivery.explaining(attempt, plan):
                plan, _ = begin_fitted(sink, plan)
            loaded = sink.is_finished()
        decoding = self.delivery.decoding(attempt)
        ranges = decoding.ranges() if finds_places(plan.parse) else None
        if ranges is not None:
            found = find_places(ranges, plan.parse, limits=self.delivery.limits, columns=needed_fields(plan))
            return TablePreview(plan, None, None, loaded, found)
        with closing(decoding.pieces()) as pieces:
            head, chunks = peek(pieces, HEAD)
            text = text_of(plan.parse, head)
            within = open_source(chunks, plan.parse) if text else None
        if within and within.names and plan.protects:
            # The names are kept with the plan of the spans: what stands in place of a header must not be.
            check_header(plan, within.names)
        return TablePreview(plan, text, within, loaded)

    def take_over(self, spec: JobSpec, plan: TablePlan, size: int, seconds: float) -> Resume:
        """Check or create the tables, and return what ingest has loaded. From now on, ingest cannot load more.

        ``size`` is that of the decoded source. `finish` will have ``seconds``. Raises TimeLimitError if it could not
        move the rows of an atomic load in this time, and IncompleteJobError if spans of an append load are committed,
        but the files with their boundaries have expired.
        """
        job = spec.job
        with self.open_sink(job.id, WHOLE) as sink:
            join(sink, job)
            sink.describe(_origin(spec), at_once=True)
            resume = sink.begin(plan)
            if is_atomic(plan):
                _refuse_long_move(sink, plan, size, seconds)
            visible = any(table.mode is Mode.APPEND and not table.atomic for table in tables_of(plan))
            if visible and sink.has_other_spans():
                raise IncompleteJobError(
                    f"spans of job {job.id} are committed, but the files with their boundaries have expired",
                    hint="Delete its rows and upload the source again, or load it with upsert or replace.",
                )
            # The ledger accepts a chunk number once: a late attempt finds that its next chunk exists.
            sink.load(Chunk(resume.chunk, resume.offset, resume.row, records=0, rows=(), fields=resume.fields))
        return resume

    def load(
        self,
        spec: JobSpec,
        spans: TableSpans,
        span: Span,
        pieces: Iterable[bytes],
        *,
        holder: str,
        ended: Callable[[], bool],
        heartbeat: Callable[[Progress], None],
    ) -> Resume:
        """Load the records of a span after those in the ledger, and return what is loaded of the span.

        ``ended`` returns whether the execution has ended; then LeaseLostError is raised. Raises TooManyRejectsError
        once this span alone has more rejects than the route allows.
        """

        def check() -> None:
            if ended():
                raise LeaseLostError(f"{spec.job.source.uri}: span {span.number} arrived after the end of its job")

        with self.open_sink(spec.job.id, span.number) as sink:
            sink.hold(holder, ended)
            join(sink, spec.job)
            resume = sink.begin(spans.table_plan)
            if ended():
                # `abort` may have dropped the staging tables, and `begin` may have created them again.
                sink.abort()
            check()
            loader = RowLoader(
                sink,
                spans.table_plan,
                resume,
                RejectWriter(self.rejects, spec.job, spans.table_plan, span.number),
                self.form,
                self.budget.batch,
                check=check,
                heartbeat=lambda reached: heartbeat(_share(span, reached)),
                is_all=spans.count == 1 and spans.before is None,
                values=source_values(spec.job, spans.table_plan),
                limits=self.delivery.limits,
            )
            is_ranged = reads_ranges(spans.table_plan.parse)
            ranges = SourceRanges(self.delivery.objects, spec.job.source) if is_ranged else None
            within = replace(
                spans.within,
                offset=span.start,
                row=span.first_row,
                is_last=span.following is None,
                end=span.end if is_ranged else 0,
            )
            with noting_changes(sink, spans.table_plan), redacting(spans.table_plan):
                loaded = loader.load(pieces, within, ranges)
                sink.complete()
                return loaded

    def check_rejects(self, spec: JobSpec, plan: TablePlan, total: Receipt) -> None:
        """Raises TooManyRejectsError if all spans together have more rejects than the route allows."""
        RejectWriter(self.rejects, spec.job, plan).check(total.rejects, total.rows + total.rejects + total.dropped)

    def finish(self, spec: JobSpec, plan: TablePlan, total: Receipt, *, holder: str) -> LoadEnd:
        """Make staged rows visible, and return what that and the load have changed. Nothing can be loaded afterwards.

        Raises LeaseLostError if the loaded rows were dropped, and TooManyRejectsError if the tables refuse too many of
        the rows of an atomic load: then no row is committed.
        """
        job_id = spec.job.id
        with self.open_sink(job_id, WHOLE) as sink:
            sink.hold(holder)
            join(sink, spec.job)
            sink.describe(_origin(spec))
            if not sink.begin(plan).chunk:  # not even the ledger entry of `take_over`
                sink.abort()
                raise LeaseLostError(f"job {job_id} was aborted: its loaded rows were dropped")
            sink.finish(_total(total))
            moved = sink.moved() if is_staged(plan) else Loaded(0)
            changes = changes_of(sink, plan)
        rejects = RejectWriter(self.rejects, spec.job, plan)
        rejects.write("moved", moved.rejects)
        if not moved.committed:
            records = total.rows + total.rejects + total.dropped
            raise rejects.too_many(total.rejects + len(moved.rejects), records)
        return LoadEnd(_total(total), moved, changes)

    def ended(self, job_id: str) -> LoadEnd | None:
        """Return what the job has loaded if `finish` has committed: its result may have been lost."""
        with self.open_sink(job_id, WHOLE) as sink:
            return sink.ended()

    def reached(self, job_id: str, plan: TablePlan) -> Mapping[int, Resume] | None:
        """Return where each span with committed chunks resumes; None if only the spans themselves know."""
        with self.open_sink(job_id, WHOLE) as sink:
            sink.begin(plan)
            return sink.reached()

    def record_end(self, job_id: str, spec: JobSpec | None, state: str, failure: str = "") -> None:
        """Let the destination report the end of a job that was not finished, if it reports loads."""
        # The job has ended; that the report fails does not change it.
        with suppress(PenstockError), self.open_sink(job_id, WHOLE) as sink:
            if spec:
                sink.describe(_origin(spec))
            sink.record_end(state, failure)

    def fence(self, job_id: str, holder: str) -> None:
        """Ensure that an ended holder of the job commits nothing more."""
        with self.open_sink(job_id, WHOLE) as sink:
            sink.hold(holder)
            sink.fence()

    def abort(self, job_id: str) -> None:
        """Drop staged rows. Rows committed by append and upsert stay, and so do their ledger entries."""
        with self.open_sink(job_id, WHOLE) as sink:
            sink.abort()


def _origin(spec: JobSpec) -> LoadOrigin:
    return origin_of(spec.job, spec.attempt, spec.redrives)


def _refuse_long_move(sink: TableSink, plan: TablePlan, size: int, seconds: float) -> None:
    """Raises TimeLimitError if `finish` could not move ``size`` bytes in ``seconds``."""
    needed, most = sink.moving_seconds(size), min(seconds, FINISHING)
    if needed > most:
        raise TimeLimitError(
            f"{size:,} decoded bytes would take about {needed:,.0f} s to move into {table_names(plan)} in one "
            f"transaction, but only {most:,.0f} s are available",
            hint="Send smaller files, drop unneeded indexes, or load without atomic.",
        )


def _total(total: Receipt) -> Resume:
    """Return what all spans have loaded, in the form of a ledger entry."""
    return Resume(
        chunk=total.parts,
        offset=total.bytes_out,
        row=1 + total.rows + total.rejects + total.dropped,
        rows=total.rows,
        rejects=total.rejects,
        dropped=total.dropped,
    )


def _share(span: Span, reached: Resume) -> Progress:
    """Return the progress of a span whose records are loaded up to this offset of the decoded source."""
    done = reached.offset - span.start
    return Progress(span.bytes_in * done // span.size, done, reached.rows, reached.rejects, reached.dropped)
