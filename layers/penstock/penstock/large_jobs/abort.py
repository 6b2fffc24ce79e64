"""`abort`: cleans up a job that cannot be finished. It can be repeated, also by the reconciler and by redrive.

It only needs the record of the job. The files of the steps, if they exist, add the committed records of a table.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from penstock.codecs import codec_by_name
from penstock.delivery.committed_result import own_result
from penstock.delivery.ports import ObjectStore
from penstock.destinations import commits_later
from penstock.destinations.ports import PartStore
from penstock.errors import PenstockError, PermanentError
from penstock.large_jobs.committed_spans import committed_spans
from penstock.large_jobs.failure_recorder import explained, failure_of_step, is_permanent, is_superseded
from penstock.large_jobs.finish import fields_of, joined, with_move
from penstock.large_jobs.job_files import JOB_SPEC, JobFolder, JobSpec, spans_of, uploads_of
from penstock.large_jobs.member_batches import running_members
from penstock.large_jobs.ports import ExecutionStore, WorkFiles
from penstock.large_jobs.replacements import abort_replacements
from penstock.large_jobs.span_plan import MemberBatches, ObjectSpans, SpanPlan, TableSpans
from penstock.large_jobs.table_commits import CommitLook, CommitState
from penstock.large_jobs.table_steps import TableSteps
from penstock.model.job import Failure, Receipt
from penstock.model.job_status import JobState, JobStatus
from penstock.model.route import MEMBERS
from penstock.tables import LOADED, Committed, check_paths, is_staged, receipt_of_end, table_names

_IN_DOUBT = "nobody can tell whether its commit is in the table, so none of its files was deleted"
_LOOK = "Look into the history of the table for the job's id. A redrive looks again, and commits only what is not in."

# Errors of Step Functions that hide the error of the step.
_GENERAL = {"States.ExceedToleratedFailureThreshold", "States.TaskFailed", "States.Timeout"}


@dataclass(frozen=True, slots=True)
class Aborter:
    """Ends a job that failed."""

    objects: ObjectStore
    files: WorkFiles
    executions: ExecutionStore
    parts: PartStore
    tables: Callable[[str], TableSteps]
    look: CommitLook

    def __call__(self, job_id: str, execution: str, error: Mapping[str, object]) -> dict[str, object]:
        """Abort the uploads, drop staging tables, and end the job as failed or superseded.

        ``execution`` is the last holder of the job: an execution, or an attempt of ingest. ``error`` is the error of
        the machine: ``Error``, the class, and ``Cause``, Lambda's JSON of the error. A job that has succeeded does not
        change. A job whose result is committed, but was not recorded, succeeds.
        Raises LeaseLostError if another holder has the job.
        """
        folder = JobFolder(self.files, job_id)
        status = self.executions.get(job_id)
        if status is None:
            return self._without_record(folder, execution)
        # This comes first, so that no running step delivers anything after this point.
        if self.executions.revoke(job_id, execution) is JobState.SUCCEEDED:
            return {"job": job_id, "state": str(JobState.SUCCEEDED)}
        failure = self._failure(status, execution, error)
        if isinstance(folder.find_plan(), MemberBatches):
            self._end_members(folder, failure)
        if commits_later(status.store):
            return self._end_commit(status, folder, execution, failure)
        self._end_uploads(status, folder, execution)
        state = JobState.SUPERSEDED if is_superseded(failure.error) else JobState.FAILED
        spec = folder.find(JobSpec, JOB_SPEC)
        receipt = self._published(status, folder) or self._loaded(status, folder, spec, execution)
        if receipt:
            state = JobState.SUCCEEDED
        elif status.object_target is None and status.store != MEMBERS:
            # The fence keeps the message about the tables true: nothing is committed after it.
            self.tables(status.store).fence(job_id, execution)
            # This comes before the abort, because it creates what is missing.
            failure = self._with_committed(folder, spec, failure)
            self.tables(status.store).abort(job_id)
        elif status.store == MEMBERS:
            abort_replacements(self.tables, folder)
        if status.object_target is None and status.store != MEMBERS:
            self.tables(status.store).record_end(job_id, spec, state, "" if receipt else failure.message)
        self.executions.end(job_id, execution, state, receipt=receipt, failure=None if receipt else failure)
        return {"job": job_id, "state": str(state), "error": failure.error}

    def _end_commit(self, status: JobStatus, folder: JobFolder, execution: str, failure: Failure) -> dict[str, object]:
        """End a job whose files become visible by a commit. Its files are deleted later, if the commit is not in."""
        spec, steps = folder.find(JobSpec, JOB_SPEC), self.tables(status.store)
        steps.fence(status.job_id, execution)
        known, note = self.look(status)
        ended: dict[str, object] = {"job": status.job_id, "error": failure.error}
        if known is CommitState.PENDING:
            # The reconciler calls `abort` again.
            return ended | {"state": str(JobState.EXECUTING)}
        if known is CommitState.IN:
            receipt = self._committed(execution, spec, folder.find_plan()) or _receipt_of(status)
            receipt = replace(receipt, warnings=(*receipt.warnings, LOADED))
            self.executions.end(status.job_id, execution, JobState.SUCCEEDED, receipt=receipt, commit=note)
            return ended | {"state": str(JobState.SUCCEEDED)}
        state = JobState.SUPERSEDED if is_superseded(failure.error) else JobState.FAILED
        if known is CommitState.DOUBT:
            state, failure = JobState.IN_DOUBT, replace(failure, message=f"{failure.message}; {_IN_DOUBT}", hint=_LOOK)
        else:
            self.executions.note_unused(status.job_id)
            steps.abort(status.job_id)
            failure = _with_nothing_in(failure, folder.find_plan())
        self.executions.end(status.job_id, execution, state, failure=failure, commit=note)
        return ended | {"state": str(state)}

    def _without_record(self, folder: JobFolder, execution: str) -> dict[str, object]:
        """Handle a job whose record was deleted: there is no record to write, but an upload may be open."""
        spec = folder.find(JobSpec, JOB_SPEC)
        if spec and (target := spec.job.object_target):
            for upload in uploads_of(folder, execution):
                self.parts.abort(target, upload.upload_id)
        return {"job": folder.job_id, "state": "unknown"}

    def _end_members(self, folder: JobFolder, failure: Failure) -> None:
        """End the jobs of an archive's large members that have not ended. Their executions then find that they have."""
        error = {"Error": failure.error, "Cause": f"the job of its archive has ended: {failure.message}"}
        for job_id in running_members(folder):
            status = self.executions.get(job_id)
            if status and not status.state.final and not status.yields_to:
                self(job_id, status.holder.removesuffix("/abort"), error)

    def _end_uploads(self, status: JobStatus, folder: JobFolder, execution: str) -> None:
        """End all uploads on the record. An upload of an earlier release is only named in a file."""
        target = status.object_target
        if target is None:
            return
        for upload_id in {*status.uploads, *(upload.upload_id for upload in uploads_of(folder, execution))}:
            self.parts.abort(target, upload_id)
            if upload_id in status.uploads:
                self.executions.forget_upload(status.job_id, upload_id)

    def _published(self, status: JobStatus, folder: JobFolder) -> Receipt | None:
        """Return the receipt of the job's object, if it was published. No upload is left that could still complete."""
        found = own_result(self.objects, status.job_id, status.object_target, source=status.source, size=status.size)
        plan = folder.find_plan()
        # Without a plan, ingest has published the object, but did not record it.
        if found is None or plan is None:
            return found
        if not isinstance(plan, ObjectSpans):
            return replace(found, codec=plan.codec)
        crc32 = plan.crc32 or found.crc32
        return replace(found, crc32=crc32, codec=plan.codec, warnings=plan.warnings + found.warnings)

    def _loaded(self, status: JobStatus, folder: JobFolder, spec: JobSpec | None, execution: str) -> Receipt | None:
        """Return the receipt of a table job that is loaded completely, but was not recorded as succeeded."""
        if status.object_target or status.store == MEMBERS:
            return None
        plan = folder.find_plan()
        spans = self._delivered(execution, spec, plan)
        if spans and isinstance(plan, TableSpans) and not is_staged(plan.table_plan):
            # All rows are visible already: neither the source nor the table needs to exist any more.
            return replace(spans, warnings=(*spans.warnings, LOADED))
        end = self.tables(status.store).ended(status.job_id)
        if end is None:
            return None
        if spans is None:
            codec = codec_by_name(status.source)
            return receipt_of_end(end, status.job_id, codec=codec, size=status.size)
        moved = replace(with_move(spans, end.moved, status.job_id), changes=end.changes)
        return replace(moved, warnings=(*moved.warnings, LOADED))

    def _delivered(self, execution: str, spec: JobSpec | None, plan: SpanPlan | None) -> Receipt | None:
        """Return the receipt of all spans, if all are loaded, and if the route accepts their rejects and columns."""
        if spec is None or not isinstance(plan, TableSpans):
            return None
        found = self.executions.receipts(spec.job.id, execution, plan.numbers)
        receipts = [found[number] for number in plan.numbers if number in found]
        if len(receipts) < len(plan.numbers):
            return None
        receipt = joined(spec, plan, receipts)
        try:
            self.tables(spec.job.route.store).check_rejects(spec, plan.table_plan, receipt)
            check_paths(plan.table_plan, fields_of(plan, receipts))
        except PermanentError:
            return None
        return receipt

    def _committed(self, execution: str, spec: JobSpec | None, plan: SpanPlan | None) -> Receipt | None:
        """Return the receipt of all spans of a job whose commit is in, if its files and receipts still exist."""
        if spec is None or plan is None:
            return None
        found = self.executions.receipts(spec.job.id, execution, plan.numbers)
        receipts = [found[number] for number in plan.numbers if number in found]
        return joined(spec, plan, receipts) if len(receipts) == len(plan.numbers) else None

    def _with_committed(self, folder: JobFolder, spec: JobSpec | None, failure: Failure) -> Failure:
        """Add the committed records to the failure. A source that was not split has done this itself."""
        plan = folder.find_plan()
        if spec is None or not isinstance(plan, TableSpans):
            return failure
        try:
            committed = committed_spans(
                self.tables(spec.job.route.store), spec.job.id, plan.table_plan, spans_of(folder)
            )
        except PenstockError as error:
            # A job must end even if its table no longer exists.
            unknown = f"the rows of it in {table_names(plan.table_plan)} are unknown: {error.message}"
            return replace(failure, message=f"{failure.message}; {unknown}")
        if committed is None:
            return failure
        message = f"{failure.message}; {committed.summary}"
        return replace(failure, message=message, hint=committed.hint(failure.hint))

    def _failure(self, status: JobStatus, execution: str, error: Mapping[str, object]) -> Failure:
        """Return the failure that ended the job: the recorded one, if it explains the error of the machine."""
        reported = failure_of_step(error)
        recorded = self.executions.recorded_failure(status.job_id, execution)
        if recorded and (is_permanent(recorded.error) or reported.error in _GENERAL):
            return recorded
        return explained(reported, status.source)


def _with_nothing_in(failure: Failure, plan: SpanPlan | None) -> Failure:
    """Add that the table has nothing of the job. A source that was not split has done this itself."""
    if not isinstance(plan, TableSpans):
        return failure
    return replace(failure, message=f"{failure.message}; {Committed(plan.table_plan, '', 0).summary}")


def _receipt_of(status: JobStatus) -> Receipt:
    """Return what the record of a job tells of its delivery."""
    done = status.progress
    codec = codec_by_name(status.source)
    return Receipt(done.bytes_in, done.bytes_out, 0, 0, codec, rows=done.rows, rejects=done.rejects)
