"""The part of each step that is about tables: what plan, work, finish and abort do with a database."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import closing
from dataclasses import dataclass, replace

from penstock.delivery.attempt import Attempt
from penstock.delivery.decoding import peek
from penstock.delivery.ports import RejectLog
from penstock.delivery.reject_writer import RejectWriter
from penstock.delivery.row_loader import RowLoader
from penstock.delivery.storage_fit import begin_fitted
from penstock.delivery.table import TableDelivery
from penstock.destinations.ports import TableSink
from penstock.errors import IncompleteJobError, LeaseLostError, TimeLimitError
from penstock.formats import Within, open_source
from penstock.formats.boundaries import HEAD, Text, text_of
from penstock.large_jobs.job_files import JobSpec
from penstock.large_jobs.span_plan import WHOLE, TableSpans
from penstock.limits import Budget
from penstock.model.job import Progress, Receipt
from penstock.model.load import Chunk, Loaded, LoadEnd, Resume
from penstock.model.span import Span
from penstock.model.table import Mode, TablePlan
from penstock.tables import Form, is_atomic, is_staged, table_names, tables_of

# Seconds for the one statement that makes a large load visible: as long as a function may run.
FINISHING = 840.0


@dataclass(frozen=True, slots=True)
class TablePreview:
    """The plan of a job, its format chosen and its columns known. ``text``: how its records are told apart, and
    ``within``: what each of its spans has to be told; None where it cannot be cut at records. ``loaded``: all of it
    is in, and whoever loaded it died before saying so."""

    plan: TablePlan
    text: Text | None
    within: Within | None
    loaded: bool


@dataclass(frozen=True, slots=True)
class TableSteps:
    """Table jobs of one store. ``open_sink`` makes the sink of one span of a job; ``delivery`` is ingest's."""

    delivery: TableDelivery
    open_sink: Callable[[str, int], TableSink]
    rejects: RejectLog
    form: Form
    budget: Budget

    def outline(self, attempt: Attempt) -> TablePreview:
        """What the beginning of a source tells. Raises BadSourceError where its header is bad."""
        plan = self.delivery.plan(attempt)
        with self.open_sink(attempt.job.id, WHOLE) as sink:
            # A table that is missing should be told of before an index is made.
            with self.delivery.explaining(attempt, plan):
                plan, _ = begin_fitted(sink, plan)
            loaded = sink.is_finished()
        with closing(self.delivery.decoding(attempt).pieces()) as pieces:
            head, chunks = peek(pieces, HEAD)
            text = text_of(plan.parse, head)
            return TablePreview(plan, text, open_source(chunks, plan.parse) if text else None, loaded)

    def take_over(self, job_id: str, plan: TablePlan, size: int, seconds: float) -> Resume:
        """Check or create the tables; answers what ingest has loaded, to which it can add nothing any more.

        ``size`` is that of the decoded source; `finish` will have so many ``seconds``. Raises TimeLimitError where it
        could not move the rows of an atomic load in them, and IncompleteJobError where spans of an append load are in,
        and nobody knows any more where they were cut.
        """
        with self.open_sink(job_id, WHOLE) as sink:
            resume = sink.begin(plan)
            if is_atomic(plan):
                _refuse_long_move(sink, plan, size, seconds)
            visible = any(table.mode is Mode.APPEND and not table.atomic for table in tables_of(plan))
            if visible and sink.has_other_spans():
                raise IncompleteJobError(
                    f"spans of job {job_id} are in, but the files that say how it was cut have expired",
                    hint="Delete its rows and upload the source again, or load it with upsert or replace.",
                )
            # The ledger takes a number once: an attempt that wakes up late finds its next chunk entered.
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
        """Load the records of a span behind those that the ledger knows; answers what is loaded of the span now.

        ``ended`` looks whether the execution has ended; then LeaseLostError is raised. Raises TooManyRejectsError as
        soon as this span alone has more rejects than the route allows.
        """

        def check() -> None:
            if ended():
                raise LeaseLostError(f"{spec.job.source.uri}: span {span.number} comes after the end of its job")

        with self.open_sink(spec.job.id, span.number) as sink:
            sink.hold(holder, ended)
            resume = sink.begin(spans.table_plan)
            if ended():
                # `abort` may have dropped what was staged, and `begin` may have staged it again.
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
            )
            return loader.load(pieces, replace(spans.within, offset=span.start, row=span.first_row))

    def check_rejects(self, spec: JobSpec, plan: TablePlan, whole: Receipt) -> None:
        """Raises TooManyRejectsError when all spans together have more rejects than the route allows."""
        RejectWriter(self.rejects, spec.job, plan).check(whole.rejects, whole.rows + whole.rejects + whole.dropped)

    def finish(self, spec: JobSpec, plan: TablePlan, whole: Receipt, *, holder: str) -> Loaded:
        """Make visible what is staged; nothing more can be loaded after it. Answers what that changes of the counts.

        Raises LeaseLostError where what was loaded has been dropped, TooManyRejectsError where the tables refuse too
        many of the rows of an atomic load: none of them is in then.
        """
        job_id = spec.job.id
        with self.open_sink(job_id, WHOLE) as sink:
            sink.hold(holder)
            if not sink.begin(plan).chunk:  # not even what `take_over` entered
                sink.abort()
                raise LeaseLostError(f"job {job_id} was aborted: what it had loaded is gone")
            sink.finish(_total(whole))
            moved = sink.moved() if is_staged(plan) else Loaded(0)
        rejects = RejectWriter(self.rejects, spec.job, plan)
        rejects.write("moved", moved.rejects)
        if not moved.committed:
            records = whole.rows + whole.rejects + whole.dropped
            raise rejects.too_many(whole.rejects + len(moved.rejects), records)
        return moved

    def ended(self, job_id: str) -> LoadEnd | None:
        """What the job has loaded, if `finish` has committed: its answer may have been lost."""
        with self.open_sink(job_id, WHOLE) as sink:
            return sink.ended()

    def reached(self, job_id: str, plan: TablePlan) -> Mapping[int, Resume] | None:
        """Where each span goes on of which chunks are in; None where only the spans themselves know."""
        with self.open_sink(job_id, WHOLE) as sink:
            sink.begin(plan)
            return sink.reached()

    def fence(self, job_id: str, holder: str) -> None:
        """See to it that nothing more is committed for a holder of the job that has ended."""
        with self.open_sink(job_id, WHOLE) as sink:
            sink.hold(holder)
            sink.fence()

    def abort(self, job_id: str) -> None:
        """Drop what is staged; what append and upsert have committed stays, and the ledger knows it."""
        with self.open_sink(job_id, WHOLE) as sink:
            sink.abort()


def _refuse_long_move(sink: TableSink, plan: TablePlan, size: int, seconds: float) -> None:
    """Raises TimeLimitError where `finish` could not move so many bytes."""
    needed, most = sink.moving_seconds(size), min(seconds, FINISHING)
    if needed > most:
        raise TimeLimitError(
            f"{size:,} decoded bytes would take about {needed:,.0f} s to move into {table_names(plan)} in one "
            f"transaction, and there are {most:,.0f} s",
            hint="Send smaller files, drop indexes that are not needed, or load without atomic.",
        )


def _total(whole: Receipt) -> Resume:
    """What all spans have loaded, as a ledger notes it."""
    return Resume(
        chunk=whole.parts,
        offset=whole.bytes_out,
        row=1 + whole.rows + whole.rejects + whole.dropped,
        rows=whole.rows,
        rejects=whole.rejects,
        dropped=whole.dropped,
    )


def _share(span: Span, reached: Resume) -> Progress:
    """What a span has done whose records are loaded up to this offset of the decoded source."""
    done = reached.offset - span.start
    return Progress(span.bytes_in * done // span.size, done, reached.rows, reached.rejects, reached.dropped)
