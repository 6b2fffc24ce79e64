"""What became of the members of an archive: of one batch, and of all."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import reduce
from itertools import islice

from penstock.delivery.member_jobs import Entry, MemberResult, result_of
from penstock.errors import MembersFailedError
from penstock.large_jobs.job_files import JobFolder, JobSpec
from penstock.large_jobs.member_batches import RESULTS, MemberBatch, encoded_bytes, read_results
from penstock.large_jobs.span_plan import MemberBatches
from penstock.model.column_change import MOST_CHANGES
from penstock.model.job import NO_PROGRESS, Job, Progress, Receipt
from penstock.model.job_status import JobState, JobStatus
from penstock.model.member import NO_MEMBERS, MemberCounts
from penstock.model.span import SpanReceipt
from penstock.model.wording import counted, were

# A message names at most this many members; the files list all.
SHOWN = 20


def ended_result(job: Job, status: JobStatus, *, is_staged: bool = False) -> MemberResult:
    """Return the result of a member whose own job has ended. ``is_staged``: its rows wait for a swap."""
    done = status.progress
    receipt = Receipt(
        done.bytes_in, done.bytes_out, int(status.crc32 or "0", 16), status.parts, status.codec,
        warnings=status.warnings, rows=done.rows, rejects=done.rejects, dropped=done.dropped, changes=status.changes,
    )  # fmt: skip
    good = status.state is JobState.SUCCEEDED
    state = JobState.WAITING if good and is_staged else status.state
    return result_of(job, state, receipt=receipt if good else None, failure=status.failure)


def progress_of(delivered: Iterable[tuple[Entry, MemberResult]]) -> Progress:
    """Return the progress of a batch that some members were delivered of."""
    done = NO_PROGRESS
    for entry, result in delivered:
        one = result.receipt.progress if result.receipt else NO_PROGRESS
        done = done.plus(replace(one, bytes_in=encoded_bytes(entry), members=result.counts))
    return done


def receipt_of(batch: MemberBatch, results: Collection[MemberResult]) -> SpanReceipt:
    """Return the receipt of a batch."""
    receipts = [result.receipt for result in results if result.receipt]
    counts = reduce(MemberCounts.plus, (result.counts for result in results), NO_MEMBERS)
    return SpanReceipt(
        batch.number,
        batch.bytes,
        sum(receipt.bytes_out for receipt in receipts),
        rows=sum(receipt.rows for receipt in receipts),
        rejects=sum(receipt.rejects for receipt in receipts),
        chunks=sum(receipt.parts for receipt in receipts),
        dropped=sum(receipt.dropped for receipt in receipts),
        warnings=tuple(result.reason for result in results if not result.name),
        members=counts.delivered,
        failed=counts.failed,
        skipped=counts.skipped,
        superseded=counts.superseded,
        waiting=sum(result.state is JobState.WAITING for result in results),
        changes=tuple(change for receipt in receipts for change in receipt.changes)[:MOST_CHANGES],
    )


def joined_members(spec: JobSpec, plan: MemberBatches, receipts: Sequence[SpanReceipt]) -> Receipt:
    """Join the receipts of all batches."""
    return Receipt(
        bytes_in=spec.job.source.size,
        bytes_out=sum(receipt.bytes_out for receipt in receipts),
        crc32=0,
        parts=sum(receipt.chunks for receipt in receipts),
        codec=plan.codec,
        warnings=(*plan.warnings, *(warning for receipt in receipts for warning in receipt.warnings)),
        rows=sum(receipt.rows for receipt in receipts),
        rejects=sum(receipt.rejects for receipt in receipts),
        dropped=sum(receipt.dropped for receipt in receipts),
        changes=tuple(change for receipt in receipts for change in receipt.changes)[:MOST_CHANGES],
        members=reduce(MemberCounts.plus, (receipt.counts for receipt in receipts), MemberCounts(total=plan.members)),
    )


@dataclass(frozen=True, slots=True)
class Unswapped:
    """Members whose rows are staged and not visible, and why."""

    members: int = 0
    reasons: tuple[str, ...] = ()


def members_failed(
    spec: JobSpec, folder: JobFolder, receipts: Iterable[SpanReceipt], unswapped: Unswapped | None = None
) -> MembersFailedError:
    """Return the error of an archive of which some members were not delivered. It names the first of them."""
    unswapped = unswapped or Unswapped()
    failed = [receipt for receipt in receipts if receipt.failed]
    count = sum(receipt.failed for receipt in failed)
    shown = list(islice(_failures(folder, failed), SHOWN))
    parts = [f"{one.name}: {one.failure.message if one.failure else one.state}" for one in shown]
    if count > len(shown):
        parts.append(f"and {count - len(shown):,} more: see s3://{folder.files.bucket}/{folder.key(RESULTS)}")
    if unswapped.members:
        parts.append(f"{counted(unswapped.members, 'member')} staged, not visible: {', '.join(unswapped.reasons)}")
    total = count + unswapped.members
    return MembersFailedError(
        f"{spec.job.source.uri}: {counted(total, 'member')} {were(total)} not delivered: {'; '.join(parts)}"
    )


def _failures(folder: JobFolder, receipts: Iterable[SpanReceipt]) -> Iterator[MemberResult]:
    for receipt in receipts:
        yield from (one for one in read_results(folder, receipt.span) if one.state is JobState.FAILED)
