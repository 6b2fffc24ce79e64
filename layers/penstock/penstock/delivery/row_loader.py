"""Loading one claimed source into tables: source -> codec -> parser -> rows -> chunks, each committed with its ledger.

One chunk is made while the database works on the one before it. Memory: that of reading and decoding
(limits.Budget), and two batches of records, each some ten times ``budget.batch``.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, closing
from dataclasses import dataclass, field, replace
from functools import partial

from penstock.codecs import codec_by_name
from penstock.delivery.attempt import Attempt
from penstock.delivery.decoding import Decoding, naming
from penstock.delivery.pending_chunk import PendingChunk
from penstock.delivery.ports import ObjectStore, RejectLog
from penstock.delivery.sampling import Sampler
from penstock.delivery.storage_fit import begin_fitted
from penstock.destinations.ports import TableSink
from penstock.errors import NotEnoughTimeError, PermanentError, TimeLimitError, TooManyRejectsError, noting
from penstock.formats import WorkbookLimits, is_settled, parse, resolve, settle
from penstock.limits import Budget
from penstock.model.column import FieldCounts
from penstock.model.job import Job, Progress, Receipt
from penstock.model.load import Chunk, Loaded, Resume
from penstock.model.parse_options import ParseOptions
from penstock.model.record import Reject
from penstock.model.table import TablePlan
from penstock.model.wording import counted, rejected
from penstock.tables import (
    Allowance,
    ChunkBuilder,
    Committed,
    Form,
    check_paths,
    dropped_warning,
    field_warnings,
    gc_deferred,
    is_staged,
    receipt_of_end,
    single_batch,
    tables_of,
)

# A job that is loaded in one go is one span.
SPAN = 0


@dataclass(frozen=True, slots=True)
class TableDelivery:
    """Carries the records of a source into the tables of its route's plan.

    ``open_sink`` makes the sink of one job; ``form`` is what it wants rows in.
    """

    objects: ObjectStore
    rejects: RejectLog
    open_sink: Callable[[Job], TableSink]
    form: Form
    budget: Budget
    workbook: WorkbookLimits = field(default_factory=WorkbookLimits)

    def __call__(self, attempt: Attempt) -> Receipt:
        """Load what the ledger does not know yet, then finish.

        What an attempt has committed stays, and the next one goes on behind it: so running out of time returns
        the message to the queue (NotEnoughTimeError), unless nothing at all was committed. A permanent failure
        drops what is staged; its message says which chunks are in.
        """
        with naming(attempt.job.source):
            sampled = self.plan(attempt)
            with self.open_sink(attempt.job) as sink:
                sink.hold(attempt.holder, attempt.ended)
                with self.explaining(attempt, sampled):
                    plan, resume = begin_fitted(sink, sampled)
                load = RowLoader(attempt, plan, resume, self.decoding(attempt))
                if attempt.ended():
                    # What `abort` has dropped may have been staged anew just now.
                    sink.abort()
                attempt.check_end()
                try:
                    self._run(load, sink)
                    attempt.check_end()
                    sink.finish()
                    self._settle_move(load, sink)
                except TimeLimitError as error:
                    if load.chunks:
                        raise NotEnoughTimeError(f"{error.message}; {load.committed.summary}") from error
                    raise
                except PermanentError as error:
                    # Where it may work later, the next attempt meets this error again, and drops what is staged.
                    with noting(error, "what is staged could not be dropped", PermanentError):
                        sink.abort()
                    error.add_note(load.committed.summary)
                    error.hint = load.committed.hint(error.hint)
                    raise
        return load.receipt

    def ended(self, job: Job) -> Receipt | None:
        """What an earlier attempt has loaded, if that was all of the job: it died before it could say so."""
        with self.open_sink(job) as sink:
            end = sink.ended()
        codec = codec_by_name(job.source.key)
        return receipt_of_end(end.total, job.id, codec=codec, size=job.source.size) if end else None

    def _run(self, load: RowLoader, sink: TableSink) -> None:
        maker = ChunkBuilder(load.plan, self.form)
        # What the database refused of the last chunk that is in: its attempt may have died before writing it down.
        self._keep(load, f"{SPAN:05d}-{load.resume.chunk - 1:06d}-refused", load.resume.refused)
        with gc_deferred(), closing(load.pieces()) as pieces:
            batches = parse(
                pieces,
                load.plan.parse,
                batch_bytes=self.budget.batch,
                resume=load.resume,
                workbook=self.workbook,
                validator_factory=maker.validator,
            )
            with PendingChunk() as pending:
                for number, (batch, alone) in enumerate(single_batch(batches), start=load.resume.chunk):
                    load.decoding.check_time()
                    chunk, rejects = maker.chunk(number, batch)
                    load.fields = load.resume.fields_with(maker.fields)
                    pending.settle()
                    self._keep(load, f"{SPAN:05d}-{number:06d}", rejects)
                    records = batch.count if alone and not number else None
                    load.refuse_too_many(len(rejects), records)
                    if records is not None:
                        check_paths(load.plan, load.fields)
                    chunk = replace(
                        chunk, spare=load.allowance.spare(load.rejects + len(rejects), records), fields=load.fields
                    )
                    load.attempt.check_end()
                    pending.begin(partial(self._settle, load, chunk, sink.submit(chunk), len(rejects)))
        load.refuse_too_many(records=load.records)
        check_paths(load.plan, load.fields)

    def _settle(self, load: RowLoader, chunk: Chunk, settled: Callable[[], Loaded], rejects: int) -> None:
        loaded = settled()
        self._keep(load, f"{SPAN:05d}-{chunk.number:06d}-refused", loaded.rejects)
        if not loaded.committed:
            raise load.too_many(load.rejects + rejects + len(loaded.rejects), chunk.records)
        load.count(chunk, loaded, rejects)
        load.refuse_too_many()

    def _settle_move(self, load: RowLoader, sink: TableSink) -> None:
        """Of a staged load, what the table refused or left out is known only now. Raises TooManyRejectsError: nothing
        is in then."""
        if not is_staged(load.plan):
            return
        moved = sink.moved()
        self._keep(load, f"{SPAN:05d}-moved", moved.rejects)
        if not moved.committed:
            raise load.too_many(load.rejects + len(moved.rejects), load.records)
        load.rows += moved.rows
        load.rejects += len(moved.rejects)
        load.dropped += moved.dropped

    def _keep(self, load: RowLoader, name: str, rejects: tuple[Reject, ...]) -> None:
        if rejects:
            load.reject_folder = self.rejects.write(load.attempt.job.id, name, rejects)

    def plan(self, attempt: Attempt) -> TablePlan:
        """The route's plan with its format chosen and its columns known: declared, or inferred from a sample."""
        plan = attempt.job.need_plan()
        plan = replace(plan, parse=self._settled(attempt, resolve(attempt.job.source.key, plan.parse)))
        if all(table.columns for table in tables_of(plan)):
            return plan
        return self._sampler(attempt).complete(plan)

    def explaining(self, attempt: Attempt, plan: TablePlan) -> AbstractContextManager[None]:
        """See `Sampler.explaining`."""
        return self._sampler(attempt).explaining(plan)

    def _sampler(self, attempt: Attempt) -> Sampler:
        return Sampler(attempt.job, partial(self.decoding, attempt), self.rejects, self.workbook)

    def _settled(self, attempt: Attempt, options: ParseOptions) -> ParseOptions:
        """A JSON document whose records lie somewhere within is read once before: the last of doubled keys counts."""
        if is_settled(options):
            return options
        with closing(self.decoding(attempt).pieces()) as pieces:
            return settle(pieces, options)

    def decoding(self, attempt: Attempt) -> Decoding:
        """The source of an attempt, to be decoded from its beginning."""
        source = attempt.job.source
        content = self.objects.open_source(source)
        return Decoding(
            source, content, attempt.job.route, self.budget, deadline=attempt.deadline, margin=attempt.margin
        )


@dataclass(slots=True)
class RowLoader:
    """How far one attempt has come, and what it may not pass."""

    attempt: Attempt
    plan: TablePlan
    resume: Resume
    decoding: Decoding
    chunks: int = 0
    rows: int = field(init=False)
    rejects: int = field(init=False)
    dropped: int = field(init=False)
    records: int = field(init=False)
    reject_folder: str = ""
    fields: FieldCounts = field(init=False)
    _marks: deque[tuple[int, int]] = field(default_factory=deque)
    _acknowledged: int = 0

    def __post_init__(self) -> None:
        self.rows = self.resume.rows
        self.rejects = self.resume.rejects
        self.dropped = self.resume.dropped
        self.records = self.resume.row - 1
        self.fields = self.resume.fields

    def pieces(self) -> Generator[bytes, None, None]:
        """The decoded pieces, each noted with the place in the source that it was read up to."""
        trace = self.decoding.trace
        with closing(self.decoding.pieces()) as pieces:
            for piece in pieces:
                self._marks.append((trace.produced, trace.consumed))
                yield piece

    @property
    def allowance(self) -> Allowance:
        return Allowance(self.plan.max_rejects)

    def refuse_too_many(self, more: int = 0, records: int | None = None) -> None:
        """Raises TooManyRejectsError when ``more`` would pass what the route allows, a share of all ``records``."""
        if self.allowance.passed(self.rejects + more, records):
            raise self.too_many(self.rejects + more, records)

    def count(self, chunk: Chunk, loaded: Loaded, rejects: int) -> None:
        """A chunk is in: its bytes count as acknowledged, its records as done."""
        self.chunks += 1
        self.rows += loaded.rows
        self.rejects += rejects + len(loaded.rejects)
        self.dropped += loaded.dropped
        self.records += chunk.records
        while self._marks and self._marks[0][0] <= chunk.end:
            # A decoder that ends gives back the few bytes that it had looked ahead.
            self._acknowledged = max(self._acknowledged, self._marks.popleft()[1])
        self.attempt.heartbeat(Progress(self._acknowledged, chunk.end, self.rows, self.rejects, self.dropped))

    @property
    def committed(self) -> Committed:
        """What of this job is in the tables, for whoever has to decide what to do about the rest."""
        last = self.resume.chunk + self.chunks
        records = f"chunks 0 to {last - 1} (records 1 to {self.records:,}, {counted(self.rows, 'row')})" if last else ""
        return Committed(self.plan, records, self.rows)

    @property
    def receipt(self) -> Receipt:
        """Of a load that is finished."""
        trace = self.decoding.trace
        warnings = tuple(trace.warnings)
        if self.rejects:
            warnings += (f"{rejected(self.rejects, of=self.records)}: see {self.reject_folder}",)
        if self.dropped:
            warnings += (dropped_warning(self.dropped),)
        warnings += field_warnings(self.plan, self.fields)
        return Receipt(
            bytes_in=self.attempt.job.source.size,
            bytes_out=trace.produced,
            crc32=trace.crc32 or 0,
            parts=self.resume.chunk + self.chunks,
            codec=self.decoding.codec,
            warnings=warnings,
            rows=self.rows,
            rejects=self.rejects,
            dropped=self.dropped,
        )

    def too_many(self, rejects: int, records: int | None = None) -> TooManyRejectsError:
        limit = self.allowance.passed(rejects, records)
        return TooManyRejectsError(
            f"{self.attempt.job.source.uri}: {rejected(rejects)}, at most {limit} may be; "
            f"they are listed in {self.reject_folder}"
        )
