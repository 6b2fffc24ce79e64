"""Finds out whether an object is a repeat of another one, by the rule of its route (`Route.once`)."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import closing

from penstock.codecs.checksum import crc64nvme
from penstock.delivery.ports import ObjectStore
from penstock.destinations import commits_later
from penstock.errors import JobStandsError
from penstock.jobs.ports import JobStore
from penstock.model.identity import digest
from penstock.model.job import Job, Receipt
from penstock.model.job_status import JobState
from penstock.model.object import ObjectHead
from penstock.model.route import ONCE_CONTENT, ONCE_VERSION


def repeat(
    objects: ObjectStore, jobs: JobStore, job: Job, head: ObjectHead, check: Callable[[], None]
) -> Receipt | None:
    """Return the receipt of an object of which nothing is delivered; None if its job is to deliver it.

    By content, the object is read once more, unless S3 has its CRC64NVME. ``check`` is called for each chunk that was
    read, and may raise an error. Members are not asked for: their archive is. Memory: two chunks.

    Raises JobInProgressError while the other job is at work, and JobStandsError if it has failed after some rows.
    """
    if job.route.once == ONCE_VERSION or job.source.member:
        return None
    what = _what(objects, job, head, check)
    other = jobs.claim_once(job, what, at_once=commits_later(job.route.store))
    if other is None:
        return None
    same = "content" if job.route.once == ONCE_CONTENT else "key"
    if other.state is JobState.SUPERSEDED:
        raise JobStandsError(
            f"{job.source.uri}: is a repeat by {same} of {other.source}, whose job {other.job_id} was superseded after "
            f"{other.progress.rows:,} rows",
            hint="Delete these rows, and deliver this object with: penstock backfill --again.",
        )
    if other.state is not JobState.SUCCEEDED:
        how = "is in doubt" if other.state is JobState.IN_DOUBT else "has failed"
        raise JobStandsError(
            f"{job.source.uri}: is a repeat by {same} of {other.source}, whose job {other.job_id} {how} after "
            f"{other.progress.rows:,} rows",
            hint=f"Go on with that job: penstock redrive {other.job_id}.",
        )
    told = f"nothing was delivered: by {same} it is a repeat of {other.source}, delivered by job {other.job_id}"
    return Receipt(0, 0, 0, 0, "", warnings=(told,), repeat_of=other.job_id)


def _what(objects: ObjectStore, job: Job, head: ObjectHead, check: Callable[[], None]) -> str:
    source = job.source
    if job.route.once != ONCE_CONTENT:
        return digest(job.route.name, source.again, source.bucket, source.key)
    checksum = head.crc64nvme or _computed(objects, job, check)
    return digest(job.route.name, source.again, str(head.size), checksum)


def _computed(objects: ObjectStore, job: Job, check: Callable[[], None]) -> str:
    def chunks() -> Generator[bytes, None, None]:
        with closing(objects.open_source(job.source).chunks()) as read:
            for chunk in read:
                check()
                yield chunk

    return crc64nvme(chunks())
