"""The part of each step that is about tables: what plan, work, finish and abort do with a database."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from functools import partial

from penstock.delivery.attempt import Attempt
from penstock.delivery.decoding import peek
from penstock.delivery.pending_chunk import PendingChunk
from penstock.delivery.ports import RejectLog
from penstock.delivery.row_loader import TableDelivery
from penstock.delivery.storage_fit import begin_fitted
from penstock.destinations.ports import TableSink
from penstock.errors import IncompleteJobError, LeaseLostError, TimeLimitError, TooManyRejectsError
from penstock.formats import Within, open_source, parse
from penstock.formats.boundaries import HEAD, Text, text_of
from penstock.large_jobs.job_files import WHOLE, JobSpec, SpanPlan
from penstock.limits import Budget
from penstock.model.column import FieldCounts
from penstock.model.job import Progress, Receipt
from penstock.model.load import Chunk, Loaded, LoadEnd, Resume
from penstock.model.record import Reject
from penstock.model.span import Span
from penstock.model.table import Mode, TablePlan
from penstock.model.wording import rejected
from penstock.tables import (
    Allowance,
    ChunkBuilder,
    Form,
    check_paths,
    gc_deferred,
    is_atomic,
    is_staged,
    single_batch,
    table_names,
    tables_of,
)

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


@dataclass(slots=True)
class LoadCounts:
    """What a span has loaded so far, earlier attempts at it included, and how many rejects there may be."""

    rows: int = 0
    rejects: int = 0
    chunks: int = 0
    dropped: int = 0
    fields: FieldCounts = field(default_factory=FieldCounts)
    allowance: Allowance = field(default_factory=lambda: Allowance(0))


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
        cut: SpanPlan,
        span: Span,
        pieces: Iterable[bytes],
        *,
        holder: str,
        ended: Callable[[], bool],
        heartbeat: Callable[[Progress], None],
    ) -> LoadCounts:
        """Load the records of a span, behind those that the ledger knows.

        ``ended`` tells whether the execution has ended meanwhile: then LeaseLostError is raised. Raises
        TooManyRejectsError as soon as this span alone has more rejects than the route allows.
        """
        plan, within = cut.plan, cut.within
        if plan is None or within is None:
            raise TypeError(f"not cut at records: {spec.job.source.uri}")
        allowance = Allowance(plan.max_rejects)
        maker = ChunkBuilder(plan, self.form)
        with self.open_sink(spec.job.id, span.number) as sink:
            sink.hold(holder, ended)
            resume = sink.begin(plan)
            if ended():
                # What `abort` has dropped may have been staged anew just now.
                sink.abort()
                raise LeaseLostError(f"{spec.job.source.uri}: span {span.number} comes after the end of its job")
            counts = LoadCounts(
                resume.rows, resume.rejects, resume.chunk, resume.dropped, resume.fields_with(maker.fields), allowance
            )
            self._keep(spec, span, f"{resume.chunk - 1:06d}-refused", resume.refused)
            batches = parse(
                pieces,
                plan.parse,
                batch_bytes=self.budget.batch,
                resume=resume,
                validator_factory=maker.validator,
                within=replace(within, offset=span.start, row=span.first_row),
            )
            with gc_deferred(), PendingChunk() as pending:
                for number, (batch, alone) in enumerate(single_batch(batches), start=resume.chunk):
                    chunk, rejects = maker.chunk(number, batch)
                    counts.fields = resume.fields_with(maker.fields)
                    pending.settle()
                    if ended():
                        raise LeaseLostError(f"{spec.job.source.uri}: chunk {number} comes after the end of its job")
                    self._keep(spec, span, f"{number:06d}", rejects)
                    records = batch.count if alone and not number and cut.spans == 1 else None
                    _refuse(spec, plan, counts.rejects + len(rejects), records)
                    if records is not None:
                        check_paths(plan, counts.fields)
                    spare = allowance.spare(counts.rejects + len(rejects), records)
                    chunk = replace(chunk, spare=spare, fields=counts.fields)
                    pending.begin(partial(self._settle, spec, span, chunk, sink.submit(chunk), counts))
                    heartbeat(_share(span, batch.offset, counts))
            _refuse(spec, plan, counts.rejects)
        return counts

    def refuse_too_many(self, spec: JobSpec, plan: TablePlan, whole: Receipt) -> None:
        """Raises TooManyRejectsError when the job as a whole has more rejects than the route allows."""
        _refuse(spec, plan, whole.rejects, whole.rows + whole.rejects + whole.dropped)

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
        if moved.rejects:
            self.rejects.write(job_id, f"{WHOLE:05d}-moved", moved.rejects)
        if not moved.committed:
            rejects = whole.rejects + len(moved.rejects)
            records = whole.rows + whole.rejects + whole.dropped
            raise _too_many(spec, rejects, Allowance(plan.max_rejects).passed(rejects, records))
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

    def _settle(
        self, spec: JobSpec, span: Span, chunk: Chunk, settled: Callable[[], Loaded], counts: LoadCounts
    ) -> None:
        loaded = settled()
        self._keep(spec, span, f"{chunk.number:06d}-refused", loaded.rejects)
        if not loaded.committed:
            rejects = counts.rejects + chunk.rejects + len(loaded.rejects)
            raise _too_many(spec, rejects, counts.allowance.passed(rejects, chunk.records))
        counts.rows += loaded.rows
        counts.rejects += chunk.rejects + len(loaded.rejects)
        counts.dropped += loaded.dropped
        counts.chunks += 1

    def _keep(self, spec: JobSpec, span: Span, name: str, rejects: Sequence[Reject]) -> None:
        if rejects:
            there = [replace(reject, span=span.number) for reject in rejects]
            self.rejects.write(spec.job.id, f"{span.number:05d}-{name}", there)


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


def _share(span: Span, offset: int, counts: LoadCounts) -> Progress:
    """What a span has done that has come to this byte of the decoded source."""
    done = offset - span.start
    return Progress(span.bytes_in * done // span.size, done, counts.rows, counts.rejects, counts.dropped)


def _refuse(spec: JobSpec, plan: TablePlan, rejects: int, records: int | None = None) -> None:
    """Raises TooManyRejectsError when the route does not allow so many rejects, a share only of all ``records``."""
    if limit := Allowance(plan.max_rejects).passed(rejects, records):
        raise _too_many(spec, rejects, limit)


def _too_many(spec: JobSpec, rejects: int, limit: str) -> TooManyRejectsError:
    return TooManyRejectsError(
        f"{spec.job.source.uri}: {rejected(rejects)}, at most {limit} may be; "
        f"they are listed in jobs/{spec.job.id}/rejects/ of the work bucket"
    )
