"""Which job delivers some bytes of an unversioned bucket, where a listing is one of their origins (docs/adr/0024).

content#<digest of bucket, key, ETag, route>   the job that delivers these bytes, and whether a listing has found them

An event of an unversioned bucket has a sequencer, and a listing has none, so that the same upload has two ids. Routes
that add rows would add them twice. Their jobs claim the bytes first, with one more write unit for each source, two in
a batch. Two events are two uploads, whatever their bytes: then the claim passes on.

For all other routes, the order of the source's jobs tells whether an event has delivered the bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime

from penstock.aws.jobs_table.items import TOGETHER, JobsTable, Values, job_key, status_of
from penstock.errors import JobInProgressError
from penstock.model.identity import digest
from penstock.model.job import Job
from penstock.model.job_status import JobState, JobStatus
from penstock.model.object import Source

# The clocks of S3 and of a function differ by less.
CLOCK_SECONDS = 60.0

# A job without a record is loading together with others, or its invocation was killed. Then its message returns after
# the visibility timeout of the queue, 90 minutes at most. Each wait is so many times as long as the job is unrecorded:
# four waits are three hours.
FIRST_WAIT, WAIT_FACTOR = 30.0, 6.0

# Changes of the claim by other jobs, after which this one waits.
TRIES = 3

OVER = (JobState.SUPERSEDED, JobState.SKIPPED)

_FREE = "attribute_not_exists(pk) OR job = :job"


class ContentClaims:
    """Claims bytes of unversioned buckets. ``clock`` returns Unix seconds."""

    def __init__(self, table: JobsTable, clock: Callable[[], float]) -> None:
        self._table = table
        self._clock = clock

    def claim(self, job: Job) -> bool:
        """Claim the bytes of a job. Returns False if they are another job's. One write."""
        fields, condition, values = self._fields(job), _FREE, {":job": job.id}
        return self._table.update(content_key(job), fields, condition=condition, values=values) is not None

    def claim_all(self, jobs: Sequence[Job]) -> Iterator[Job]:
        """Claim the bytes of jobs. Yields those that have them. One transaction for a hundred, if all are free.

        A transaction takes the time of about two single writes.
        """
        first = {content_key(job): job for job in reversed(jobs)}
        same = [job for job in jobs if first[content_key(job)] is not job]
        unique = list(first.values())
        for start in range(0, len(unique), TOGETHER):
            part = unique[start : start + TOGETHER]
            yield from part if self._claim_together(part) else filter(self.claim, part)
        yield from filter(self.claim, same)

    def _claim_together(self, jobs: Sequence[Job]) -> bool:
        """Claim the bytes of all of these jobs, or of none."""
        return self._table.update_together(
            [
                self._table.expression(content_key(job), self._fields(job), condition=_FREE, values={":job": job.id})
                for job in jobs
            ]
        )

    def _fields(self, job: Job) -> Values:
        return {"job": job.id, "listed": job.source.listed, "claimed_at": self._clock()}

    def other(self, job: Job, newest: str) -> JobStatus | None:
        """Return the status of another job that delivers the same bytes; None if this one is to deliver them.

        ``newest`` is the id of the newest job of the source. Raises JobInProgressError while it cannot be told.
        """
        if not is_unversioned(job.source):
            return None
        if job.source.listed and not job.source.again and (known := self._by_event(job, newest)):
            return known
        return self._holder(job) if job.route.adds_rows else None

    def _holder(self, job: Job) -> JobStatus | None:
        for _ in range(TRIES):
            if self.claim(job):
                return None
            held = self._table.item(content_key(job))
            holder, both_events = str(held.get("job", "")), not (held.get("listed") or job.source.listed)
            status = None if both_events else self._read(holder)
            if not both_events and status is None:
                age = self._clock() - float(held.get("claimed_at", 0))
                raise JobInProgressError(
                    f"{job.source.uri}: job {holder} has claimed the same bytes and has no record yet",
                    retry_after=max(FIRST_WAIT, WAIT_FACTOR * age),
                )
            if status and status.state not in OVER and not uploaded_later(job.source, status):
                return status
            if self._table.update(
                content_key(job), self._fields(job), condition="job = :holder", values={":holder": holder}
            ):
                return None
        raise JobInProgressError(f"{job.source.uri}: other jobs claim the same bytes", retry_after=FIRST_WAIT)

    def _by_event(self, job: Job, newest: str) -> JobStatus | None:
        """Return the status of the newest job of a listed source, if an event of the same bytes has begun it."""
        status = self._read(newest) if newest and newest != job.id else None
        upload = status.upload if status else None
        if status is None or upload is None or upload.listed or status.state in OVER:
            return None
        same = replace(job, source=replace(job.source, sequencer=upload.sequencer)).id
        return status if same == status.job_id else None

    def _read(self, job_id: str) -> JobStatus | None:
        item = self._table.item(job_key(job_id))
        return status_of(job_id, item) if item else None


def is_unversioned(source: Source) -> bool:
    """Whether a source is an object whose uploads only sequencers distinguish."""
    return not source.version_id and bool(source.etag) and source.member is None


def content_key(job: Job) -> str:
    """Return the key of the claim of a job's bytes."""
    source = job.source
    return "content#" + digest(source.bucket, source.key, source.etag, source.again, job.route.digest)


def uploaded_later(source: Source, status: JobStatus) -> bool:
    """Whether an event is of an upload after the start of a job, so that the job has not delivered that upload."""
    if source.listed or not source.event_time:
        return False
    return datetime.fromisoformat(source.event_time).timestamp() > status.started_at + CLOCK_SECONDS
