"""`abort`: what cannot be finished leaves nothing. It may be called again, by whoever finds that a job has no end.

All it needs is the job's record. The files that the steps have left tell it more: the cause, what of a table is in.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from penstock.codecs import codec_by_name
from penstock.delivery.committed_result import own_result
from penstock.delivery.ports import ObjectStore
from penstock.destinations.ports import PartStore
from penstock.errors import PenstockError, PermanentError
from penstock.large_jobs.committed_spans import committed_spans
from penstock.large_jobs.failure_recorder import explained, failure_of_step, is_permanent, is_superseded
from penstock.large_jobs.finish import FAILED, SUCCEEDED, fields_of, joined, with_move
from penstock.large_jobs.job_files import JOB_SPEC, JobFolder, JobSpec, spans_of, uploads_of
from penstock.large_jobs.ports import EventBus, ExecutionStore, WorkFiles
from penstock.large_jobs.span_plan import ObjectSpans, SpanPlan, TableSpans
from penstock.large_jobs.table_steps import TableSteps
from penstock.model.job import Failure, Receipt
from penstock.model.job_status import JobState, JobStatus
from penstock.model.serialization import to_plain
from penstock.tables import LOADED, check_paths, is_staged, receipt_of_end, table_names

# What Step Functions says where it does not pass on what it was told.
_GENERAL = {"States.ExceedToleratedFailureThreshold", "States.TaskFailed", "States.Timeout"}


@dataclass(frozen=True, slots=True)
class Aborter:
    """Ends a job that failed."""

    objects: ObjectStore
    files: WorkFiles
    executions: ExecutionStore
    parts: PartStore
    tables: Callable[[str], TableSteps]
    events: EventBus

    def __call__(self, job_id: str, execution: str, error: Mapping[str, object]) -> dict[str, object]:
        """Abort the uploads, drop staging tables, close the job as failed or superseded, tell.

        ``execution`` is whoever had the job last: an execution, or an attempt of ingest. ``error`` is what the machine
        was told: ``Error``, the class, and ``Cause``, Lambda's JSON of the error. A job that has succeeded is left
        alone; one whose result stands, although nobody could note it any more, succeeds.
        Raises LeaseLostError for a job that another has.
        """
        folder = JobFolder(self.files, job_id)
        status = self.executions.get(job_id)
        if status is None:
            return self._without_record(folder, execution)
        # First of all, so that no step that is still under way delivers anything behind the back of this one.
        if self.executions.revoke(job_id, execution) is JobState.SUCCEEDED:
            return {"job": job_id, "state": str(JobState.SUCCEEDED)}
        failure = self._failure(status, execution, error)
        self._end_uploads(status, folder, execution)
        state = JobState.SUPERSEDED if is_superseded(failure.error) else JobState.FAILED
        spec = folder.find(JobSpec, JOB_SPEC)
        receipt = self._published(status, folder) or self._loaded(status, folder, spec, execution)
        if receipt:
            state = JobState.SUCCEEDED
        elif status.object_target is None:
            # The end is a fence: what is told of the tables stays true.
            self.tables(status.store).fence(job_id, execution)
            # Asked first: who asks makes what is missing.
            failure = self._telling(folder, spec, failure)
            self.tables(status.store).abort(job_id)
        ended = self.executions.end(job_id, execution, state, receipt=receipt, failure=None if receipt else failure)
        if ended and receipt:
            self.events.put(SUCCEEDED, _told(status, execution, state) | {"receipt": to_plain(receipt)})
        elif ended:
            self.events.put(FAILED, _told(status, execution, state) | {"failure": to_plain(failure)})
        return {"job": job_id, "state": str(state), "error": failure.error}

    def _without_record(self, folder: JobFolder, execution: str) -> dict[str, object]:
        """Somebody has deleted the record: there is nothing to write, but an upload may be open."""
        spec = folder.find(JobSpec, JOB_SPEC)
        if spec and (target := spec.job.object_target):
            for upload in uploads_of(folder, execution):
                self.parts.abort(target, upload.upload_id)
        return {"job": folder.job_id, "state": "unknown"}

    def _end_uploads(self, status: JobStatus, folder: JobFolder, execution: str) -> None:
        """All that the record names; one of an earlier Penstock is named by a file alone."""
        target = status.object_target
        if target is None:
            return
        for upload_id in {*status.uploads, *(upload.upload_id for upload in uploads_of(folder, execution))}:
            self.parts.abort(target, upload_id)
            if upload_id in status.uploads:
                self.executions.forget_upload(status.job_id, upload_id)

    def _published(self, status: JobStatus, folder: JobFolder) -> Receipt | None:
        """What is known of the job's object, if it stands; the upload is aborted, so that none appears any more."""
        found = own_result(self.objects, status.job_id, status.object_target, source=status.source, size=status.size)
        plan = folder.find_plan()
        # Without a plan, ingest has published the object, and could not record that either.
        if found is None or plan is None:
            return found
        if not isinstance(plan, ObjectSpans):
            return replace(found, codec=plan.codec)
        crc32 = plan.crc32 or found.crc32
        return replace(found, crc32=crc32, codec=plan.codec, warnings=plan.warnings + found.warnings)

    def _loaded(self, status: JobStatus, folder: JobFolder, spec: JobSpec | None, execution: str) -> Receipt | None:
        """The receipt of a table job of which all is in, by whoever died before it could say so."""
        if status.object_target:
            return None
        plan = folder.find_plan()
        spans = self._delivered(execution, spec, plan)
        if spans and isinstance(plan, TableSpans) and not is_staged(plan.table_plan):
            # Nothing is left to be made visible: neither its source nor its table needs to be there any more.
            return replace(spans, warnings=(*spans.warnings, LOADED))
        end = self.tables(status.store).ended(status.job_id)
        if end is None:
            return None
        if spans is None:
            codec = codec_by_name(status.source)
            return receipt_of_end(end.total, status.job_id, codec=codec, size=status.size)
        moved = with_move(spans, end.moved, status.job_id)
        return replace(moved, warnings=(*moved.warnings, LOADED))

    def _delivered(self, execution: str, spec: JobSpec | None, plan: SpanPlan | None) -> Receipt | None:
        """What all spans have loaded together, if that is all, and as much as the route wants."""
        if spec is None or not isinstance(plan, TableSpans):
            return None
        found = self.executions.receipts(spec.job.id, execution, plan.numbers)
        receipts = [found[number] for number in plan.numbers if number in found]
        if len(receipts) < len(plan.numbers):
            return None
        whole = joined(spec, plan, receipts)
        try:
            self.tables(spec.job.route.store).check_rejects(spec, plan.table_plan, whole)
            check_paths(plan.table_plan, fields_of(plan, receipts))
        except PermanentError:
            return None
        return whole

    def _telling(self, folder: JobFolder, spec: JobSpec | None, failure: Failure) -> Failure:
        """A failure that also says what is in the tables. A source that is carried whole says so itself."""
        plan = folder.find_plan()
        if spec is None or not isinstance(plan, TableSpans):
            return failure
        try:
            committed = committed_spans(
                self.tables(spec.job.route.store), spec.job.id, plan.table_plan, spans_of(folder)
            )
        except PenstockError as error:
            # A job must end also where its table has gone.
            told = f"what of it is in {table_names(plan.table_plan)} is not known: {error.message}"
            return replace(failure, message=f"{failure.message}; {told}")
        if committed is None:
            return failure
        message = f"{failure.message}; {committed.summary}"
        return replace(failure, message=message, hint=committed.hint(failure.hint))

    def _failure(self, status: JobStatus, execution: str, error: Mapping[str, object]) -> Failure:
        """What ended the job: what a step noted, where that explains what the machine was told."""
        told = failure_of_step(error)
        noted = self.executions.recorded_failure(status.job_id, execution)
        if noted and (is_permanent(noted.error) or told.error in _GENERAL):
            return noted
        return explained(told, status.source)


def _told(status: JobStatus, execution: str, state: JobState) -> dict[str, object]:
    return {
        "job": status.job_id,
        "execution": execution,
        "source": status.source,
        "target": status.target,
        "route": status.route,
        "state": str(state),
    }
