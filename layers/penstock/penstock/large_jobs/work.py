"""`work`: delivers one span, or one batch of an archive's members, and records its receipt.

A span with a receipt is not delivered again.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterable, Mapping
from contextlib import closing
from dataclasses import dataclass, replace

from penstock.codecs import IDENTITY
from penstock.delivery.attempt import Attempt, Delivery
from penstock.delivery.bucket import UPLOADS
from penstock.delivery.decoding import naming
from penstock.delivery.member_store import MemberObjects
from penstock.delivery.replaced_tables import replaces_tables
from penstock.delivery.route_history import routes_of_run
from penstock.destinations.ports import PartStore
from penstock.errors import LeaseLostError, NotEnoughTimeError, PermanentError, PublishConflictError, noting
from penstock.large_jobs.heartbeat import HEARTBEAT_SECONDS, UnitHeartbeat
from penstock.large_jobs.job_files import (
    JOB_SPEC,
    JobFolder,
    JobSpec,
    Upload,
    spans_of,
    upload_name,
)
from penstock.large_jobs.ports import ExecutionStore, WorkFiles
from penstock.large_jobs.replacements import replaced_in
from penstock.large_jobs.span_plan import WHOLE, MemberBatches, ObjectSpans, SpanPlan, TableSpans
from penstock.large_jobs.span_reader import span_bytes
from penstock.large_jobs.table_steps import TableSteps
from penstock.large_jobs.work_members import ArchiveTask, MemberWorker
from penstock.limits import Budget
from penstock.model.job import Progress
from penstock.model.job_status import Stage
from penstock.model.serialization import from_plain
from penstock.model.source import Deadline
from penstock.model.span import Span, SpanReceipt, delivery_of
from penstock.routes import Routes


@dataclass(frozen=True, slots=True)
class Worker:
    """Delivers spans. ``deliveries`` are those of ingest, for a source that cannot be split. Times are in seconds."""

    objects: MemberObjects
    files: WorkFiles
    executions: ExecutionStore
    parts: PartStore
    tables: Callable[[str], TableSteps]
    deliveries: Mapping[str, Delivery]
    members: Callable[[], MemberWorker]
    routes: Callable[[], Routes]
    budget: Budget
    margin: float
    heartbeat_seconds: float = HEARTBEAT_SECONDS
    clock: Callable[[], float] = time.monotonic
    now: Callable[[], float] = time.time

    def __call__(
        self, job_id: str, execution: str, item: object, deadline: Deadline, round_: int = 0
    ) -> dict[str, object]:
        """Deliver a span of the manifest, unless it has a receipt. Returns whether the step is done.

        Without ``item``, deliver all spans without receipts, in order, until time runs out. Raises LeaseLostError if
        the job has ended, NotEnoughTimeError, and the errors of sources and sinks.
        """
        folder = JobFolder(self.files, job_id)
        spec, plan = folder.get(JobSpec, JOB_SPEC), folder.get_plan()
        if isinstance(plan, MemberBatches):
            run = routes_of_run(self.files, spec.job, spec.redrives, self.routes)
            run = replace(run, replaced=replaced_in(folder, execution))
            return self.members()(ArchiveTask(folder, spec, plan, execution, deadline, run), item)
        spans = spans_of(folder) if item is None else [from_plain(Span, item)]
        receipts = self.executions.receipts(job_id, execution, [span.number for span in spans], round_=round_)
        left = [span for span in spans if span.number not in receipts]
        for number, span in enumerate(left):
            try:
                self._deliver_and_record(_Task(folder, spec, plan, span, execution, round_, deadline))
            except NotEnoughTimeError:
                if not number:
                    raise
                return {"done": False}
        return {"done": True}

    def _deliver_and_record(self, task: _Task) -> None:
        uri = task.spec.job.source.uri
        # Not for parts: the upload ends with its job, and 10,000 workers would read one item.
        if not isinstance(task.plan, ObjectSpans) and self._ended(task):
            raise LeaseLostError(f"{uri}: span {task.span.number} arrived after the end of its job")
        try:
            with naming(task.spec.job.source):
                receipt = self._deliver(task)
        except PublishConflictError:
            if not isinstance(task.plan, ObjectSpans) or task.round_ >= UPLOADS:
                raise
            # The upload has ended. `finish` will find that a receipt is missing, and that another round has started.
            self.executions.start_round(task.spec.job.id, task.execution, task.round_ + 1)
            return
        self.executions.record_receipt(task.spec.job.id, task.execution, receipt, round_=task.round_)

    def _deliver(self, task: _Task) -> SpanReceipt:
        began, at = self.clock(), self.now()
        match task.plan:
            case ObjectSpans():
                receipt = self._copy(task) or self._upload(task)
            case TableSpans() as spans:
                with closing(self._pieces(task)) as pieces:
                    receipt = self._load(task, spans, pieces, self._heartbeat(task))
            case _:
                receipt = self._deliver_source(task)
        return replace(receipt, seconds=self.clock() - began, began=at)

    def _pieces(self, task: _Task) -> Generator[bytes, None, None]:
        return span_bytes(
            self.objects,
            self.files,
            task.spec.job.source,
            task.span,
            codec=task.plan.codec,
            budget=self.budget,
            deadline=task.deadline,
            margin=self.margin,
        )

    def _check_order(self, spec: JobSpec) -> None:
        if spec.job.route.takes_apart or replaces_tables(spec.job):
            self.executions.check_order(spec.job)

    def _ended(self, task: _Task) -> bool:
        return self.executions.job_state(task.spec.job.id, task.execution).final

    def _heartbeat(self, task: _Task) -> UnitHeartbeat:
        return UnitHeartbeat(
            self.executions,
            delivery_of(task.execution, task.round_),
            Stage.DELIVER,
            task.span.number,
            self.heartbeat_seconds,
            self.clock,
        )

    def _upload(self, task: _Task) -> SpanReceipt:
        span, target, heartbeat = task.span, task.spec.job.need_object(), self._heartbeat(task)
        upload = task.folder.get(Upload, upload_name(task.execution, task.round_))
        with (
            closing(self._pieces(task)) as pieces,
            self.parts.open_parts(target, upload.upload_id, first=span.first_part, size=span.part_size) as sink,
        ):
            written = 0
            for piece in pieces:
                sink.write(piece)
                written += len(piece)
                heartbeat(Progress(span.bytes_in * written // span.size, written))
            parts, size, crc32 = sink.finish()
        return SpanReceipt(span.number, span.bytes_in, size, crc32, chunks=parts)

    def _copy(self, task: _Task) -> SpanReceipt | None:
        """Let S3 copy a span that needs no decoding. None if it must be sent instead."""
        span, source = task.span, task.spec.job.source
        stored = self.objects.stored_range(source) if task.plan.codec == IDENTITY.name and span.size else None
        if stored is None:
            return None
        held_by, begin = stored
        upload = task.folder.get(Upload, upload_name(task.execution, task.round_))
        copied = self.parts.copy_parts(
            held_by,
            task.spec.job.need_object(),
            upload.upload_id,
            start=begin + span.start,
            size=span.size,
            first=span.first_part,
            part_size=span.part_size,
        )
        if copied is None:
            return None
        parts, size, crc32 = copied
        return SpanReceipt(span.number, span.bytes_in, size, crc32, chunks=parts)

    def _load(self, task: _Task, spans: TableSpans, pieces: Iterable[bytes], heartbeat: UnitHeartbeat) -> SpanReceipt:
        span = task.span
        steps = self.tables(task.spec.job.route.store)
        loaded = steps.load(
            task.spec,
            spans,
            span,
            pieces,
            holder=task.execution,
            ended=lambda: self._ended(task),
            heartbeat=heartbeat,
        )
        return SpanReceipt.of_load(span.number, span.bytes_in, span.size, loaded)

    def _deliver_source(self, task: _Task) -> SpanReceipt:
        """Deliver the complete source, as ingest would, with all the time of an invocation."""
        spec, heartbeat = task.spec, self._heartbeat(task)
        attempt = Attempt(
            spec.job,
            spec.head,
            2,
            self.routes(),
            heartbeat,
            task.deadline,
            self.margin,
            ended=lambda: self._ended(task),
            holder=task.execution,
            record_upload=lambda upload_id: self.executions.record_upload(spec.job.id, task.execution, upload_id),
            redrives=spec.redrives,
            attempts=spec.attempt,
            check_order=lambda: self._check_order(spec),
        )
        try:
            receipt = self.deliveries[spec.job.route.store](attempt)
        except PermanentError as error:
            with noting(error, "the progress of the job could not be recorded"):
                heartbeat.write()
            raise
        return SpanReceipt(
            WHOLE,
            spec.job.source.size,
            receipt.bytes_out,
            receipt.crc32,
            receipt.rows,
            receipt.rejects,
            receipt.parts,
            warnings=receipt.warnings,
            dropped=receipt.dropped,
            members=receipt.members.delivered,
            skipped=receipt.members.skipped,
            superseded=receipt.members.superseded,
            members_total=receipt.members.total,
            changes=receipt.changes,
        )


@dataclass(frozen=True, slots=True)
class _Task:
    """A span, with its job, plan and execution."""

    folder: JobFolder
    spec: JobSpec
    plan: SpanPlan
    span: Span
    execution: str
    round_: int
    deadline: Deadline
