"""Deliver one claimed source to tables: source -> codec -> parser -> rows -> chunks.

Memory: that of reading and decoding (limits.Budget), and that of `RowLoader`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, closing, suppress
from dataclasses import dataclass, field, replace
from functools import partial

from penstock.codecs import codec_by_name
from penstock.delivery.attempt import Attempt
from penstock.delivery.decoding import Decoding, naming
from penstock.delivery.growing_tables import changes_of, noting_changes
from penstock.delivery.load_origin import origin_of
from penstock.delivery.ports import ObjectStore, RejectLog
from penstock.delivery.reject_writer import RejectWriter
from penstock.delivery.replaced_tables import replaces_tables
from penstock.delivery.row_loader import RowLoader
from penstock.delivery.sampling import Sampler
from penstock.delivery.source_values import source_values
from penstock.delivery.storage_fit import begin_fitted
from penstock.destinations import commits_later
from penstock.destinations.ports import TableSink
from penstock.errors import (
    InvalidRouteError,
    NotEnoughTimeError,
    PenstockError,
    PermanentError,
    SupersededError,
    TimeLimitError,
    noting,
)
from penstock.formats import ReadLimits, is_settled, reads_ranges, resolve, settle
from penstock.limits import Budget
from penstock.model.job import NO_PROGRESS, Failure, Job, Progress, Receipt
from penstock.model.job_status import JobState
from penstock.model.load import Resume
from penstock.model.parse_options import ParseOptions
from penstock.model.source_values import SourceValues
from penstock.model.table import TablePlan
from penstock.model.wording import counted, rejected
from penstock.routes import check_target
from penstock.tables import (
    Committed,
    Form,
    check_paths,
    check_values,
    dropped_warning,
    field_warnings,
    is_staged,
    receipt_of_end,
    redacting,
    tables_of,
)

MEMBERS_HINT = "Unpack the archive into a bucket, by a route of its own, and load its files from there."


@dataclass(frozen=True, slots=True)
class TableDelivery:
    """Delivers the records of a source to the tables of its route's plan.

    ``open_sink`` opens the sink of a job; ``form`` is the form of the sink's rows. ``load_id`` is the id of the only
    load, if it is not that of its job.
    """

    objects: ObjectStore
    rejects: RejectLog
    open_sink: Callable[[Job], TableSink]
    form: Form
    budget: Budget
    limits: ReadLimits = field(default_factory=ReadLimits)
    load_id: str = ""

    def __call__(self, attempt: Attempt) -> Receipt:
        """Load the chunks that are not in the ledger, then finish.

        Committed chunks stay, and the next attempt resumes after them. So an attempt that runs out of time returns the
        message to the queue (NotEnoughTimeError), unless nothing was committed. A permanent failure drops staged rows;
        its message names the committed chunks.
        """
        with naming(attempt.job.source):
            refuse_loops(attempt)
            try:
                with redacting(attempt.job.need_plan()):
                    self._prove(attempt)
                    sampled = self.plan(attempt)
            except PermanentError as error:
                self.report_failure(attempt.job, error, *_counts(attempt))
                raise
            with self.open_sink(attempt.job) as sink:
                # Attempts that nobody counts are counted in the report, at their begin.
                sink.describe(origin_of(attempt.job, *_counts(attempt)), at_once=not attempt.holder)
                try:
                    with redacting(sampled):
                        return self._load(attempt, sink, sampled)
                except PermanentError as error:
                    _record_failure(sink, error)
                    raise

    def _load(self, attempt: Attempt, sink: TableSink, sampled: TablePlan) -> Receipt:
        sink.hold(attempt.holder, attempt.ended)
        join(sink, attempt.job)
        with self.explaining(attempt, sampled):
            plan, resume = begin_fitted(sink, sampled)
        if attempt.ended():
            # `abort` may have dropped what was staged, and `begin` may have staged it again.
            sink.abort()
        attempt.check_end()
        return self._deliver(attempt, sink, plan, resume)

    def _prove(self, attempt: Attempt) -> None:
        """Read an encrypted member to its end before its first row is loaded. A wrong password may only show there."""
        member = attempt.job.source.member
        if member and member.content and member.content.encryption:
            with closing(self.decoding(attempt).pieces()) as pieces:
                for _ in pieces:
                    attempt.heartbeat(NO_PROGRESS)

    def ended(self, job: Job) -> Receipt | None:
        """Return the receipt of a job that an earlier attempt has completed; None if no end is recorded.

        The earlier attempt may have died before it recorded the success.
        """
        with self.open_sink(job) as sink:
            end = sink.ended()
        codec = codec_by_name(job.source.key)
        return receipt_of_end(end, job.id, codec=codec, size=job.source.size) if end else None

    def begun(self, job: Job) -> bool:
        """Whether rows of a job are committed, as far as its ledger tells."""
        with self.open_sink(job) as sink:
            return sink.ended() is not None or bool(sink.reached())

    def report_failure(self, job: Job, error: PenstockError, attempt: int, redrives: int) -> None:
        """Drop what was staged, and let the destination report that a job has failed or is superseded.

        Raises a retryable error if the drop fails: no later attempt would repeat it.
        """
        if is_staged(job.need_plan()):
            with noting(error, "the staged rows could not be dropped", PermanentError), self.open_sink(job) as sink:
                sink.abort()
        # The error of the job matters, not that of the report.
        with suppress(PenstockError), self.open_sink(job) as sink:
            sink.describe(origin_of(job, attempt, redrives))
            _record_failure(sink, error)

    def _deliver(self, attempt: Attempt, sink: TableSink, plan: TablePlan, resume: Resume) -> Receipt:
        decoding = self.decoding(attempt)
        ranges = decoding.ranges() if reads_ranges(plan.parse) else None
        progress = _SourceProgress(attempt, decoding, has_ranges=ranges is not None)
        rejects = RejectWriter(self.rejects, attempt.job, plan)
        loader = RowLoader(
            sink,
            plan,
            resume,
            rejects,
            self.form,
            self.budget.batch,
            check=progress.check,
            heartbeat=progress.heartbeat,
            limits=self.limits,
            values=self._values(attempt.job, plan),
            begun=attempt.job.begun if attempt.job.tells_begin else 0.0,
            tell=decoding.trace.warnings.append,
        )
        try:
            with closing(progress.pieces()) as pieces, noting_changes(sink, plan):
                loaded = loader.load(pieces, ranges=ranges)
            rejects.check(loaded.rejects, loaded.row - 1)
            check_paths(plan, loaded.fields)
            attempt.check_end()
            if replaces_tables(attempt.job):
                attempt.check_order()
            sink.complete()
            sink.finish()
            loaded = _with_move(loaded, sink, plan, rejects)
            changes = changes_of(sink, plan)
        except TimeLimitError as error:
            if loader.has_committed and sink.commits_chunks:
                raise NotEnoughTimeError(f"{error.message}; {_committed(plan, loader.reached).summary}") from error
            raise
        except PermanentError as error:
            # If the drop fails now, the next attempt meets this error again and drops the staged rows.
            with noting(error, "the staged rows could not be dropped", PermanentError):
                sink.abort()
            committed = _committed(plan, loader.reached if sink.commits_chunks else Resume())
            error.add_note(committed.summary)
            error.hint = committed.hint(error.hint)
            raise
        return replace(_receipt(attempt.job, plan, decoding, loaded, rejects.folder), changes=changes)

    def plan(self, attempt: Attempt) -> TablePlan:
        """Return the route's plan with its format, and its columns, declared or inferred from a sample."""
        plan = attempt.job.need_plan()
        if attempt.job.source.member and not self.load_id and commits_later(attempt.job.route.store):
            raise InvalidRouteError(
                f"route {attempt.job.route.name!r}: {attempt.job.source.uri} is a member of an archive, and a member "
                f"has no commit of its own in {attempt.job.target.uri}",
                hint=MEMBERS_HINT,
            )
        plan = replace(plan, parse=self._settled(attempt, resolve(attempt.job.source.key, plan.parse)))
        check_values(plan, self._values(attempt.job, plan))
        if all(table.columns and not table.grows for table in tables_of(plan)):
            return plan
        return self._sampler(attempt).complete(plan)

    def _values(self, job: Job, plan: TablePlan) -> SourceValues:
        return source_values(job, plan, self.load_id)

    def explaining(self, attempt: Attempt, plan: TablePlan) -> AbstractContextManager[None]:
        """See `Sampler.explaining`."""
        return self._sampler(attempt).explaining(plan)

    def _sampler(self, attempt: Attempt) -> Sampler:
        return Sampler(attempt.job, partial(self.decoding, attempt), self.rejects, self.limits)

    def _settled(self, attempt: Attempt, options: ParseOptions) -> ParseOptions:
        """Settle the options of a JSON document with a path to its records. This reads the source once before the
        load: of repeated keys, the last one counts."""
        if is_settled(options):
            return options
        with closing(self.decoding(attempt).pieces()) as pieces:
            return settle(pieces, options)

    def decoding(self, attempt: Attempt) -> Decoding:
        """Start to decode the source of an attempt from its beginning."""
        source = attempt.job.source
        content = self.objects.open_source(source)
        return Decoding(
            source, content, attempt.job.route, self.budget, deadline=attempt.deadline, margin=attempt.margin
        )


def _counts(attempt: Attempt) -> tuple[int, int]:
    """Return the attempts and redrives for a report. A run by a user has no holder, and no record that counts them."""
    return (attempt.attempts or attempt.number) if attempt.holder else 0, attempt.redrives


def _record_failure(sink: TableSink, error: PenstockError) -> None:
    state = JobState.SUPERSEDED if isinstance(error, SupersededError) else JobState.FAILED
    sink.record_end(state, Failure.of(error).message)


def refuse_loops(attempt: Attempt) -> None:
    """Raises InvalidRouteError if files that the job writes would be routed again, or S3 does not allow their names."""
    for place in attempt.job.places:
        attempt.routes.refuse_loop(attempt.job.route, attempt.job.source, place)
        check_target(attempt.job.route, place)


def join(sink: TableSink, job: Job) -> None:
    """Let a member that replaces tables with others stage its rows with theirs."""
    if job.replacement and job.source.member:
        sink.join(job.replacement, job.source.member.numbers)


class _SourceProgress:
    """Tracks how many bytes of the source the committed chunks cover."""

    def __init__(self, attempt: Attempt, decoding: Decoding, *, has_ranges: bool = False) -> None:
        self._has_ranges = has_ranges
        self._attempt = attempt
        self._decoding = decoding
        self._marks: deque[tuple[int, int]] = deque()
        self._acknowledged = 0

    def pieces(self) -> Generator[bytes, None, None]:
        """Yield the decoded pieces, and keep the source offset of each until its records are committed."""
        trace = self._decoding.trace
        with closing(self._decoding.pieces()) as pieces:
            for piece in pieces:
                self._marks.append((trace.produced, trace.consumed))
                yield piece

    def check(self) -> None:
        """Raises TimeLimitError if the time is over, and LeaseLostError if the job has ended."""
        self._decoding.check_time()
        self._attempt.check_end()

    def heartbeat(self, reached: Resume) -> None:
        """Report the bytes of the source that are committed."""
        if self._has_ranges:
            # What the records before hold was read, and little more.
            self._acknowledged = min(self._decoding.trace.consumed, self._attempt.job.source.size)
            self._decoding.check_produced(reached.offset)
        while self._marks and self._marks[0][0] <= reached.offset:
            # At its end, a decoder gives back the few bytes that it has read ahead.
            self._acknowledged = max(self._acknowledged, self._marks.popleft()[1])
        self._attempt.heartbeat(
            Progress(self._acknowledged, reached.offset, reached.rows, reached.rejects, reached.dropped)
        )


def _with_move(loaded: Resume, sink: TableSink, plan: TablePlan, rejects: RejectWriter) -> Resume:
    """Return the counts after the move of staged rows into the table, which may refuse or drop some of them. Raises
    TooManyRejectsError; then no row is in the table."""
    if not is_staged(plan):
        return loaded
    moved = sink.moved()
    rejects.write("moved", moved.rejects)
    refused = loaded.rejects + len(moved.rejects)
    if not moved.committed:
        raise rejects.too_many(refused, loaded.row - 1)
    return replace(loaded, rows=loaded.rows + moved.rows, rejects=refused, dropped=loaded.dropped + moved.dropped)


def _committed(plan: TablePlan, reached: Resume) -> Committed:
    """Describe which records of the job are in the tables."""
    if not reached.chunk:
        return Committed(plan, "", reached.rows)
    records = f"records 1 to {reached.row - 1:,}, {counted(reached.rows, 'row')}"
    return Committed(plan, f"chunks 0 to {reached.chunk - 1} ({records})", reached.rows)


def _receipt(job: Job, plan: TablePlan, decoding: Decoding, loaded: Resume, reject_folder: str) -> Receipt:
    """Create the receipt of a completed load."""
    trace = decoding.trace
    warnings = tuple(trace.warnings)
    if loaded.rejects:
        warnings += (f"{rejected(loaded.rejects, of=loaded.row - 1)}: see {reject_folder}",)
    if loaded.dropped:
        warnings += (dropped_warning(loaded.dropped),)
    warnings += field_warnings(plan, loaded.fields)
    return Receipt(
        bytes_in=job.source.size,
        bytes_out=trace.produced or loaded.offset,
        crc32=trace.crc32 or 0,
        parts=loaded.chunk,
        codec=decoding.codec,
        warnings=warnings,
        rows=loaded.rows,
        rejects=loaded.rejects,
        dropped=loaded.dropped,
    )
