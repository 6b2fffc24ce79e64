"""`finish`: publishes a completely delivered job. It can be repeated."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial, reduce

from penstock.codecs import crc32_combine
from penstock.delivery.bucket import UPLOADS
from penstock.delivery.replaced_tables import replaces_tables
from penstock.destinations import commits_later
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
from penstock.large_jobs.member_results import joined_members, members_failed
from penstock.large_jobs.plan import EXECUTION_SECONDS
from penstock.large_jobs.ports import ExecutionStore, WorkFiles
from penstock.large_jobs.replacements import swap_members
from penstock.large_jobs.span_plan import MemberBatches, ObjectSpans, SpanPlan, TableSpans
from penstock.large_jobs.table_commits import TableCommits
from penstock.large_jobs.table_steps import TableSteps
from penstock.model.column import FieldCounts
from penstock.model.job import Job, Receipt
from penstock.model.job_status import JobState, Phase
from penstock.model.load import Loaded
from penstock.model.object import Source
from penstock.model.serialization import to_plain
from penstock.model.span import SpanReceipt
from penstock.model.wording import counted, rejected
from penstock.tables import check_paths, dropped_warning, field_warnings

# The next step after `finish`.
DONE, AGAIN, YIELDED, CHILDREN = "done", "again", "yielded", "children"


@dataclass(frozen=True, slots=True)
class Finisher:
    """Publishes the results of all spans. ``commits`` are for destinations that commit later."""

    files: WorkFiles
    executions: ExecutionStore
    parts: PartStore
    tables: Callable[[str], TableSteps]
    commits: Callable[[], TableCommits]

    def __call__(self, job_id: str, execution: str, round_: int = 0) -> dict[str, object]:
        """Check every receipt, publish, and end the job. A job that has succeeded does not change.

        Returns what is ``next``: "done"; "again" if S3 refuses to complete the upload, so that all spans must be sent
        again in a new upload; "yielded" if the job of a newer version comes first; or "children" if members of an
        archive are not delivered yet.

        Raises IncompleteJobError if a receipt, a part or bytes are missing, ChecksumMismatchError,
        TooManyRejectsError, MembersFailedError, InvalidTableError if no record has the field of a declared column,
        LeaseLostError if the job has failed, and the errors of publishing.
        """
        folder = JobFolder(self.files, job_id)
        existing = self.executions.job_state(job_id, execution)
        if existing is JobState.SUCCEEDED:
            return _done(job_id)
        if existing is JobState.WAITING:
            return {"next": YIELDED}
        if existing.final:
            raise LeaseLostError(f"job {job_id} has ended: {existing}")
        self.executions.start_phase(job_id, execution, Phase.FINISH)
        spec, plan = folder.get(JobSpec, JOB_SPEC), folder.get_plan()
        found = self.executions.receipts(job_id, execution, plan.numbers, round_=round_)
        receipts = [found[number] for number in plan.numbers if number in found]
        if len(receipts) < len(plan.numbers):
            if isinstance(plan, MemberBatches):
                return {"next": CHILDREN}
            if self._has_new_round(folder, spec, execution, round_):
                return {"next": AGAIN}
        _check(spec, plan, receipts)
        total = self._commit(folder, spec, plan, receipts, execution=execution, round_=round_)
        if isinstance(total, str):
            return {"next": total}
        report = report_fields(spec, execution, JobState.SUCCEEDED) | {
            "receipt": to_plain(total),
            "spans": [to_plain(receipt) for receipt in receipts],
        }
        folder.put(REPORT, report)
        self.executions.end(job_id, execution, JobState.SUCCEEDED, receipt=total)
        return _done(job_id)

    def _commit(
        self,
        folder: JobFolder,
        spec: JobSpec,
        plan: SpanPlan,
        receipts: Sequence[SpanReceipt],
        *,
        execution: str,
        round_: int,
    ) -> Receipt | str:
        """Make the result visible. Returns its receipt, or the next step. A whole source, or a member, is visible."""
        total = joined(spec, plan, receipts)
        match plan:
            case MemberBatches():
                check_order = partial(self.executions.check_order, spec.job)
                total, unswapped = swap_members(
                    self.tables, folder, execution, receipts, total, check_order=check_order
                )
                if unswapped.members or any(receipt.failed for receipt in receipts):
                    raise members_failed(spec, folder, receipts, unswapped)
            case TableSpans():
                steps = self.tables(spec.job.route.store)
                steps.check_rejects(spec, plan.table_plan, total)
                check_paths(plan.table_plan, fields_of(plan, receipts))
                self._check_order(spec.job)
                self._commit_files(spec.job, plan, execution)
                end = steps.finish(spec, plan.table_plan, total, holder=execution)
                return replace(with_move(total, end.moved, spec.job.id), changes=end.changes)
            case ObjectSpans():
                upload = folder.get(Upload, upload_name(execution, round_))
                return self._publish(_Delivery(spec, execution, round_, upload), total)
            case _:
                self._commit_files(spec.job, plan, execution)
        return total

    def _commit_files(self, job: Job, plan: SpanPlan, execution: str) -> None:
        if commits_later(job.route.store):
            self.commits().commit(job, execution, plan.numbers)

    def _check_order(self, job: Job) -> None:
        """Raises SupersededError if the job replaces rows, and a newer version of its source or archive was begun."""
        if not replaces_tables(job) or job.replacement:
            return
        self.executions.check_order(job)
        status = self.executions.get(job.id)
        folder = JobFolder(self.files, status.archive_job) if status and status.archive_job else None
        if folder and (spec := folder.find(JobSpec, JOB_SPEC)):
            self.executions.check_order(spec.job)

    def _has_new_round(self, folder: JobFolder, spec: JobSpec, execution: str, round_: int) -> bool:
        """Whether a span found that the upload of its round is gone, and started another round."""
        if self.executions.confirm(spec.job.id, execution, lease=EXECUTION_SECONDS) <= round_:
            return False
        if target := spec.job.object_target:
            self.parts.abort(target, folder.get(Upload, upload_name(execution, round_)).upload_id)
        return True

    def _publish(self, delivery: _Delivery, total: Receipt) -> Receipt | str:
        """Publish the object. Returns its receipt, or the next step."""
        job, execution, upload = delivery.spec.job, delivery.execution, delivery.upload
        target = job.need_object()
        try:
            self.executions.check_order(job)
            published = self.parts.complete(
                target,
                upload.upload_id,
                parts=total.parts,
                size=total.bytes_out,
                crc32=total.crc32,
                rule=publish_rule(job),
            )
        except YieldedError as error:
            self.parts.abort(target, upload.upload_id)
            self.executions.yield_to(job.id, execution, error)
            return YIELDED
        except PublishConflictError:
            # The upload can never be completed, or it is gone because an earlier attempt reached this point.
            if delivery.round_ >= UPLOADS:
                raise
            self.executions.start_round(job.id, execution, delivery.round_ + 1)
            self.parts.abort(target, upload.upload_id)
            return AGAIN
        return Receipt(
            total.bytes_in,
            total.bytes_out,
            total.crc32,
            total.parts,
            total.codec,
            published.etag,
            published.version_id,
            total.warnings + upload.warnings,
        )


@dataclass(frozen=True, slots=True)
class _Delivery:
    """The upload that the spans of a round have filled."""

    spec: JobSpec
    execution: str
    round_: int
    upload: Upload


def _done(job_id: str) -> dict[str, object]:
    return {"job": job_id, "state": str(JobState.SUCCEEDED), "next": DONE}


def report_fields(spec: JobSpec, execution: str, state: JobState) -> dict[str, object]:
    """Return the fields of the report that do not depend on the result of the job."""
    return {
        "job": spec.job.id,
        "execution": execution,
        "source": spec.job.source.uri,
        "target": spec.job.target.uri,
        "route": spec.job.route.name,
        "state": str(state),
    }


def _check(spec: JobSpec, plan: SpanPlan, receipts: Sequence[SpanReceipt]) -> None:
    """Raises IncompleteJobError unless every span has a receipt, and the spans of an object have every byte."""
    if missing := len(plan.numbers) - len(receipts):
        raise IncompleteJobError(
            f"{spec.job.source.uri}: {missing:,} of {counted(len(plan.numbers), 'span')} have no receipt"
        )
    delivered = sum(receipt.bytes_out for receipt in receipts)
    if isinstance(plan, ObjectSpans) and delivered != plan.total:
        raise IncompleteJobError(
            f"{spec.job.source.uri}: {plan.total:,} bytes were decoded, but {delivered:,} were delivered"
        )


def joined(spec: JobSpec, plan: SpanPlan, receipts: Sequence[SpanReceipt]) -> Receipt:
    """Join the receipts of all spans. Raises ChecksumMismatchError if their bytes do not match the source."""
    match plan:
        case TableSpans():
            return _joined_rows(spec, plan, receipts)
        case MemberBatches():
            return joined_members(spec, plan, receipts)
        case ObjectSpans():
            crc32 = _crc32_of(receipts)
            if plan.crc32 not in {None, crc32}:
                raise ChecksumMismatchError(
                    f"the CRC32 of the delivered bytes is {crc32:08x}, but the source declares {plan.crc32:08x}",
                    offset=_place(spec.job.source),
                    source=spec.job.source.uri,
                )
            warnings = plan.warnings + _warnings_of(receipts)
            chunks = sum(receipt.chunks for receipt in receipts)
            return Receipt(spec.job.source.encoded_size, plan.total, crc32, chunks, plan.codec, warnings=warnings)
        case _:
            (total,) = receipts
            return Receipt(
                spec.job.source.size,
                total.bytes_out,
                total.crc32,
                total.chunks,
                plan.codec,
                warnings=total.warnings,
                rows=total.rows,
                rejects=total.rejects,
                dropped=total.dropped,
                members=total.counts,
                changes=total.changes,
            )


def _place(source: Source) -> int:
    """Return the offset of what is wrong as a whole: the end of an object, or where a member begins in its archive."""
    content = source.member.content if source.member else None
    return content.start if content else source.size


def _joined_rows(spec: JobSpec, plan: TableSpans, receipts: Sequence[SpanReceipt]) -> Receipt:
    all_receipts = _with_before(plan, receipts)
    rows, rejects = sum(receipt.rows for receipt in all_receipts), sum(receipt.rejects for receipt in all_receipts)
    dropped = sum(receipt.dropped for receipt in all_receipts)
    return Receipt(
        bytes_in=spec.job.source.encoded_size,
        bytes_out=plan.total,
        crc32=plan.crc32 or 0,
        parts=sum(receipt.chunks for receipt in all_receipts),
        codec=plan.codec,
        warnings=(
            *plan.warnings,
            *plan.within.notes,
            *_warnings_of(receipts),
            *_row_warnings(spec.job.id, rows, rejects, dropped),
            *field_warnings(plan.table_plan, fields_of(plan, receipts)),
        ),
        rows=rows,
        rejects=rejects,
        dropped=dropped,
    )


def _crc32_of(receipts: Sequence[SpanReceipt]) -> int:
    """Return the CRC32 of all decoded bytes, in the order of the spans."""
    crc32 = 0
    for receipt in receipts:
        crc32 = crc32_combine(crc32, receipt.crc32, receipt.bytes_out)
    return crc32


def _warnings_of(receipts: Sequence[SpanReceipt]) -> tuple[str, ...]:
    return tuple(warning for receipt in receipts for warning in receipt.warnings)


def _with_before(plan: TableSpans, receipts: Sequence[SpanReceipt]) -> Sequence[SpanReceipt]:
    """Return the receipts, preceded by that of the records that ingest loaded."""
    return [plan.before, *receipts] if plan.before else receipts


def fields_of(plan: TableSpans, receipts: Sequence[SpanReceipt]) -> FieldCounts:
    """Return how the fields of all records compare with the columns."""
    return reduce(FieldCounts.plus, [receipt.fields for receipt in _with_before(plan, receipts)])


def _row_warnings(job_id: str, rows: int, rejects: int, dropped: int) -> tuple[str, ...]:
    listed = f"{rejected(rejects, of=rows + rejects + dropped)}: see jobs/{job_id}/rejects/"
    return ((listed,) if rejects else ()) + ((dropped_warning(dropped),) if dropped else ())


def with_move(total: Receipt, moved: Loaded, job_id: str) -> Receipt:
    """Return the receipt after the rows of an atomic load were moved."""
    if not moved.rows:
        return total
    rows, rejects, dropped = total.rows + moved.rows, total.rejects + len(moved.rejects), total.dropped + moved.dropped
    before = _row_warnings(job_id, total.rows, total.rejects, total.dropped)
    others = tuple(warning for warning in total.warnings if warning not in before)
    warnings = others + _row_warnings(job_id, rows, rejects, dropped)
    return replace(total, rows=rows, rejects=rejects, dropped=dropped, warnings=warnings)
