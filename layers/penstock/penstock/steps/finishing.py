"""`finish` and `abort`: what is whole becomes visible, what is not leaves nothing. Each may be called again."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from penstock.codecs import crc32_combine
from penstock.delivery import publish_rule
from penstock.errors import ChecksumMismatchError, IncompleteJobError
from penstock.model import Failure, JobState, Receipt, Store, Target
from penstock.ports import EventBus, ExecutionStore, PartStore, WorkFiles
from penstock.spans import SpanReceipt
from penstock.steps.blaming import failure_told, is_permanent, is_superseded
from penstock.steps.tables import TableSteps
from penstock.steps.ticket import CUT, REPORT, TICKET, Cut, Folder, Ticket, Upload, upload_name
from penstock.values import to_plain

# What Step Functions says where it does not pass on what it was told.
_GENERAL = {"States.ExceedToleratedFailureThreshold", "States.TaskFailed", "States.Timeout"}

SUCCEEDED, FAILED = "Penstock Job Succeeded", "Penstock Job Failed"


@dataclass(frozen=True, slots=True)
class Finisher:
    """Publishes what all spans delivered."""

    files: WorkFiles
    executions: ExecutionStore
    parts: PartStore
    tables: Callable[[Store], TableSteps]
    events: EventBus

    def __call__(self, job_id: str, execution: str) -> dict[str, object]:
        """Check every receipt, publish, close the job, tell.

        Raises IncompleteJobError when a receipt, a part or bytes are missing, ChecksumMismatchError,
        TooManyRejectsError, and what publishing raises.
        """
        folder = Folder(self.files, job_id)
        ticket, cut = folder.get(Ticket, TICKET), folder.get(Cut, CUT)
        found = self.executions.receipts(job_id, execution, cut.numbers)
        receipts = [found[number] for number in cut.numbers if number in found]
        _check(ticket, cut, receipts)
        whole = _joined(ticket, cut, receipts)
        if cut.spans and cut.plan:
            steps = self.tables(ticket.job.route.store)
            steps.refuse_too_many(ticket, cut.plan, whole)
            steps.finish(job_id, cut.plan)
        elif cut.spans:
            whole = self._publish(folder, ticket, execution, whole)
        report = {
            "job": job_id,
            "execution": execution,
            "source": ticket.job.source.uri,
            "target": ticket.job.target.uri,
            "route": ticket.job.route.name,
            "state": str(JobState.SUCCEEDED),
            "receipt": to_plain(whole),
            "spans": [to_plain(receipt) for receipt in receipts],
        }
        folder.put(REPORT, report)
        detail = {name: value for name, value in report.items() if name != "spans"}
        # Closed before it is told: what stands is a success. Called again, finish tells again.
        self.executions.end(job_id, execution, JobState.SUCCEEDED, receipt=whole)
        self.events.put(SUCCEEDED, detail)
        return {"job": job_id, "state": str(JobState.SUCCEEDED)}

    def _publish(self, folder: Folder, ticket: Ticket, execution: str, whole: Receipt) -> Receipt:
        target = ticket.job.target
        if not isinstance(target, Target):
            raise TypeError(f"not an object: {target}")
        upload = folder.get(Upload, upload_name(execution))
        published = self.parts.complete(
            target,
            upload.upload_id,
            parts=whole.parts,
            size=whole.bytes_out,
            crc32=whole.crc32,
            rule=publish_rule(ticket.job),
        )
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
class Aborter:
    """Ends a job that failed."""

    files: WorkFiles
    executions: ExecutionStore
    parts: PartStore
    tables: Callable[[Store], TableSteps]
    events: EventBus

    def __call__(self, job_id: str, execution: str, error: Mapping[str, object]) -> dict[str, object]:
        """Abort the upload, drop staging tables, close the job as failed or superseded, tell.

        ``error`` is what the machine was told: ``Error``, the class, and ``Cause``, Lambda's JSON of the error. A
        job that has succeeded, or that another execution has, is left alone.
        """
        folder = Folder(self.files, job_id)
        ticket = folder.get(Ticket, TICKET)
        failure = self._failure(job_id, execution, error)
        upload = folder.find(Upload, upload_name(execution))
        if upload and isinstance(ticket.job.target, Target):
            self.parts.abort(ticket.job.target, upload.upload_id)
        if ticket.job.route.plan:
            self.tables(ticket.job.route.store).abort(job_id)
        state = JobState.SUPERSEDED if is_superseded(failure.error) else JobState.FAILED
        ended = self.executions.end(job_id, execution, state, failure=failure)
        if ended:
            self.events.put(
                FAILED,
                {
                    "job": job_id,
                    "execution": execution,
                    "source": ticket.job.source.uri,
                    "target": ticket.job.target.uri,
                    "route": ticket.job.route.name,
                    "state": str(state),
                    "failure": to_plain(failure),
                },
            )
        return {"job": job_id, "state": str(state), "error": failure.error}

    def _failure(self, job_id: str, execution: str, error: Mapping[str, object]) -> Failure:
        """What ended the job: what a step noted, where that explains what the machine was told."""
        told = failure_told(error)
        noted = self.executions.blamed(job_id, execution)
        return noted if noted and (is_permanent(noted.error) or told.error in _GENERAL) else told


def _check(ticket: Ticket, cut: Cut, receipts: Sequence[SpanReceipt]) -> None:
    """Whether every span has delivered, and all that the source holds."""
    if missing := len(cut.numbers) - len(receipts):
        raise IncompleteJobError(f"{ticket.job.source.uri}: {missing:,} of {len(cut.numbers):,} spans have no receipt")
    delivered = sum(receipt.bytes_out for receipt in receipts) + (cut.before.bytes_out if cut.before else 0)
    if cut.spans and not cut.plan and delivered != cut.total:
        raise IncompleteJobError(f"{ticket.job.source.uri}: {cut.total:,} bytes decoded, {delivered:,} delivered")


def _joined(ticket: Ticket, cut: Cut, receipts: Sequence[SpanReceipt]) -> Receipt:
    """The receipt of the whole job. Raises ChecksumMismatchError when its bytes are not those that were indexed."""
    crc32 = 0
    for receipt in receipts:
        crc32 = crc32_combine(crc32, receipt.crc32, receipt.bytes_out)
    if cut.crc32 is not None and not cut.plan and crc32 != cut.crc32:
        raise ChecksumMismatchError(
            f"the spans delivered bytes of CRC32 {crc32:08x}, the source declares {cut.crc32:08x}",
            offset=ticket.job.source.size,
            source=ticket.job.source.uri,
        )
    everything = [cut.before, *receipts] if cut.before else receipts
    rows, rejects = sum(receipt.rows for receipt in everything), sum(receipt.rejects for receipt in everything)
    listed = f"{rejects:,} of {rows + rejects:,} records were rejected: see jobs/{ticket.job.id}/rejects/"
    rejected = (listed,) if rejects and cut.spans else ()
    return Receipt(
        bytes_in=ticket.job.source.size,
        bytes_out=cut.total if cut.spans else receipts[0].bytes_out,
        crc32=(cut.crc32 or 0) if cut.plan and cut.spans else crc32,
        parts=sum(receipt.chunks for receipt in everything),
        codec=cut.codec,
        warnings=cut.warnings + tuple(warning for receipt in receipts for warning in receipt.warnings) + rejected,
        rows=rows,
        rejects=rejects,
    )
