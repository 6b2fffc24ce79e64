"""`finish`: what is whole becomes visible. It may be called again."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import reduce

from penstock.codecs import crc32_combine
from penstock.delivery.bucket import UPLOADS
from penstock.destinations.bucket.result_metadata import publish_rule
from penstock.destinations.ports import PartStore
from penstock.errors import (
    ChecksumMismatchError,
    IncompleteJobError,
    LeaseLostError,
    PublishConflictError,
    YieldedError,
)
from penstock.large_jobs.job_files import JOB_SPEC, REPORT, JobFolder, JobSpec, Upload, upload_name
from penstock.large_jobs.plan import EXECUTION_SECONDS
from penstock.large_jobs.ports import EventBus, ExecutionStore, WorkFiles
from penstock.large_jobs.span_plan import ObjectSpans, SpanPlan, TableSpans
from penstock.large_jobs.table_steps import TableSteps
from penstock.model.column import FieldCounts
from penstock.model.job import Receipt
from penstock.model.job_status import JobState, Phase
from penstock.model.load import Loaded
from penstock.model.serialization import to_plain
from penstock.model.span import SpanReceipt
from penstock.model.wording import counted, rejected
from penstock.tables import check_paths, dropped_warning, field_warnings

SUCCEEDED, FAILED = "Penstock Job Succeeded", "Penstock Job Failed"

# What the machine does after `finish`.
DONE, AGAIN, YIELDED = "done", "again", "yielded"


@dataclass(frozen=True, slots=True)
class Finisher:
    """Publishes what all spans delivered."""

    files: WorkFiles
    executions: ExecutionStore
    parts: PartStore
    tables: Callable[[str], TableSteps]
    events: EventBus

    def __call__(self, job_id: str, execution: str, round_: int = 0) -> dict[str, object]:
        """Check every receipt, publish, close the job, tell; for a job that has succeeded, only tell again.

        Answers what is ``next``: "done"; "again" where S3 refuses to complete the upload, so that all spans must be
        sent again in a new one; or "yielded", where the job of a newer version comes first.

        Raises IncompleteJobError when a receipt, a part or bytes are missing, ChecksumMismatchError,
        TooManyRejectsError, InvalidTableError when no record has what a column is declared to come from,
        LeaseLostError when the job has failed, and what publishing raises.
        """
        folder = JobFolder(self.files, job_id)
        existing = self.executions.job_state(job_id, execution)
        if existing is JobState.SUCCEEDED:
            return self._tell(job_id, folder.get(dict, REPORT))
        if existing is JobState.WAITING:
            return {"next": YIELDED}
        if existing.final:
            raise LeaseLostError(f"job {job_id} has ended: {existing}")
        self.executions.start_phase(job_id, execution, Phase.FINISH)
        spec, plan = folder.get(JobSpec, JOB_SPEC), folder.get_plan()
        found = self.executions.receipts(job_id, execution, plan.numbers, round_=round_)
        receipts = [found[number] for number in plan.numbers if number in found]
        if len(receipts) < len(plan.numbers) and self._has_begun_anew(folder, spec, execution, round_):
            return {"next": AGAIN}
        _check(spec, plan, receipts)
        whole = joined(spec, plan, receipts)
        match plan:
            case TableSpans():
                steps = self.tables(spec.job.route.store)
                steps.check_rejects(spec, plan.table_plan, whole)
                check_paths(plan.table_plan, fields_of(plan, receipts))
                whole = with_move(whole, steps.finish(spec, plan.table_plan, whole, holder=execution), job_id)
            case ObjectSpans():
                upload = folder.get(Upload, upload_name(execution, round_))
                published = self._publish(_Delivery(spec, execution, round_, upload), whole)
                if isinstance(published, str):
                    return {"next": published}
                whole = published
        report = told_of(spec, execution, JobState.SUCCEEDED) | {
            "receipt": to_plain(whole),
            "spans": [to_plain(receipt) for receipt in receipts],
        }
        folder.put(REPORT, report)
        # Closed before it is told: what stands is a success.
        self.executions.end(job_id, execution, JobState.SUCCEEDED, receipt=whole)
        return self._tell(job_id, report)

    def _has_begun_anew(self, folder: JobFolder, spec: JobSpec, execution: str, round_: int) -> bool:
        """Whether a span has found the upload of its round gone, so that there is another round."""
        if self.executions.confirm(spec.job.id, execution, lease=EXECUTION_SECONDS) <= round_:
            return False
        if target := spec.job.object_target:
            self.parts.abort(target, folder.get(Upload, upload_name(execution, round_)).upload_id)
        return True

    def _tell(self, job_id: str, report: Mapping[str, object]) -> dict[str, object]:
        self.events.put(SUCCEEDED, {name: value for name, value in report.items() if name != "spans"})
        return {"job": job_id, "state": str(JobState.SUCCEEDED), "next": DONE}

    def _publish(self, delivery: _Delivery, whole: Receipt) -> Receipt | str:
        """What was published; or what must come next."""
        job, execution, upload = delivery.spec.job, delivery.execution, delivery.upload
        target = job.need_object()
        try:
            self.executions.check_order(job)
            published = self.parts.complete(
                target,
                upload.upload_id,
                parts=whole.parts,
                size=whole.bytes_out,
                crc32=whole.crc32,
                rule=publish_rule(job),
            )
        except YieldedError as error:
            self.parts.abort(target, upload.upload_id)
            self.executions.yield_to(job.id, execution, error)
            return YIELDED
        except PublishConflictError:
            # The upload can never be completed; or it is gone, for an earlier try of this has come as far as here.
            if delivery.round_ >= UPLOADS:
                raise
            self.executions.start_round(job.id, execution, delivery.round_ + 1)
            self.parts.abort(target, upload.upload_id)
            return AGAIN
        return Receipt(
            whole.bytes_in,
            whole.bytes_out,
            whole.crc32,
            whole.parts,
            whole.codec,
            published.etag,
            published.version_id,
            whole.warnings + upload.warnings,
        )


@dataclass(frozen=True, slots=True)
class _Delivery:
    """What the spans of a round have filled."""

    spec: JobSpec
    execution: str
    round_: int
    upload: Upload


def told_of(spec: JobSpec, execution: str, state: JobState) -> dict[str, object]:
    """What an event says of a job, whatever became of it."""
    return {
        "job": spec.job.id,
        "execution": execution,
        "source": spec.job.source.uri,
        "target": spec.job.target.uri,
        "route": spec.job.route.name,
        "state": str(state),
    }


def _check(spec: JobSpec, plan: SpanPlan, receipts: Sequence[SpanReceipt]) -> None:
    """Raises IncompleteJobError unless every span has a receipt, and the spans of an object hold every byte."""
    if missing := len(plan.numbers) - len(receipts):
        raise IncompleteJobError(
            f"{spec.job.source.uri}: {missing:,} of {counted(len(plan.numbers), 'span')} have no receipt"
        )
    delivered = sum(receipt.bytes_out for receipt in receipts)
    if isinstance(plan, ObjectSpans) and delivered != plan.total:
        raise IncompleteJobError(f"{spec.job.source.uri}: {plan.total:,} bytes decoded, {delivered:,} delivered")


def joined(spec: JobSpec, plan: SpanPlan, receipts: Sequence[SpanReceipt]) -> Receipt:
    """The receipt of all spans. Raises ChecksumMismatchError when their bytes are not those that were indexed."""
    match plan:
        case TableSpans():
            return _joined_rows(spec, plan, receipts)
        case ObjectSpans():
            crc32 = _crc32_of(receipts)
            if plan.crc32 not in {None, crc32}:
                raise ChecksumMismatchError(
                    f"the spans delivered bytes of CRC32 {crc32:08x}, the source declares {plan.crc32:08x}",
                    offset=spec.job.source.size,
                    source=spec.job.source.uri,
                )
            warnings = plan.warnings + _warnings_of(receipts)
            chunks = sum(receipt.chunks for receipt in receipts)
            return Receipt(spec.job.source.size, plan.total, crc32, chunks, plan.codec, warnings=warnings)
        case _:
            (whole,) = receipts
            return Receipt(
                spec.job.source.size,
                whole.bytes_out,
                whole.crc32,
                whole.chunks,
                plan.codec,
                warnings=whole.warnings,
                rows=whole.rows,
                rejects=whole.rejects,
                dropped=whole.dropped,
            )


def _joined_rows(spec: JobSpec, plan: TableSpans, receipts: Sequence[SpanReceipt]) -> Receipt:
    everything = _with_before(plan, receipts)
    rows, rejects = sum(receipt.rows for receipt in everything), sum(receipt.rejects for receipt in everything)
    dropped = sum(receipt.dropped for receipt in everything)
    return Receipt(
        bytes_in=spec.job.source.size,
        bytes_out=plan.total,
        crc32=plan.crc32 or 0,
        parts=sum(receipt.chunks for receipt in everything),
        codec=plan.codec,
        warnings=(
            *plan.warnings,
            *_warnings_of(receipts),
            *_told_of_rows(spec.job.id, rows, rejects, dropped),
            *field_warnings(plan.table_plan, fields_of(plan, receipts)),
        ),
        rows=rows,
        rejects=rejects,
        dropped=dropped,
    )


def _crc32_of(receipts: Sequence[SpanReceipt]) -> int:
    """The CRC32 of all decoded bytes, in the order of the spans."""
    crc32 = 0
    for receipt in receipts:
        crc32 = crc32_combine(crc32, receipt.crc32, receipt.bytes_out)
    return crc32


def _warnings_of(receipts: Sequence[SpanReceipt]) -> tuple[str, ...]:
    return tuple(warning for receipt in receipts for warning in receipt.warnings)


def _with_before(plan: TableSpans, receipts: Sequence[SpanReceipt]) -> Sequence[SpanReceipt]:
    """The receipts, and that of what ingest had loaded before."""
    return [plan.before, *receipts] if plan.before else receipts


def fields_of(plan: TableSpans, receipts: Sequence[SpanReceipt]) -> FieldCounts:
    """How the fields of all records compare with the columns."""
    return reduce(FieldCounts.plus, [receipt.fields for receipt in _with_before(plan, receipts)])


def _told_of_rows(job_id: str, rows: int, rejects: int, dropped: int) -> tuple[str, ...]:
    listed = f"{rejected(rejects, of=rows + rejects + dropped)}: see jobs/{job_id}/rejects/"
    return ((listed,) if rejects else ()) + ((dropped_warning(dropped),) if dropped else ())


def with_move(whole: Receipt, moved: Loaded, job_id: str) -> Receipt:
    """The receipt after the rows of an atomic load were moved."""
    if not moved.rows:
        return whole
    rows, rejects, dropped = whole.rows + moved.rows, whole.rejects + len(moved.rejects), whole.dropped + moved.dropped
    before = _told_of_rows(job_id, whole.rows, whole.rejects, whole.dropped)
    others = tuple(warning for warning in whole.warnings if warning not in before)
    warnings = others + _told_of_rows(job_id, rows, rejects, dropped)
    return replace(whole, rows=rows, rejects=rejects, dropped=dropped, warnings=warnings)
