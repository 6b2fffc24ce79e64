"""In-memory jobs table and message queue, with the semantics of the real ones."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import count

from penstock.errors import JobInProgressError, LeaseLostError, SupersededError
from penstock.model import Claim, Failure, Job, JobState, JobStatus, Progress, Receipt, Source, digest


@dataclass
class MemoryJobStore:
    """Keeps every status in ``jobs``. ``clock`` gives Unix seconds."""

    clock: Callable[[], float]
    jobs: dict[str, JobStatus] = field(default_factory=dict)
    _leases: dict[str, tuple[str, float]] = field(default_factory=dict)
    _orders: dict[str, str] = field(default_factory=dict)
    _names: count[int] = field(default_factory=count)

    def claim(self, job: Job, *, lease: float) -> Claim | JobStatus:
        now = self.clock()
        newest = self._note_order(job)
        standing = self.jobs.get(job.id)
        _, until = self._leases.get(job.id, ("", 0.0))
        if standing and (standing.state.final or (standing.state is JobState.EXECUTING and until > now)):
            return standing
        if standing and until > now:
            raise JobInProgressError(f"{job.source.uri}: another attempt is at work", retry_after=until - now)
        attempts = standing.attempts + 1 if standing else 1
        status = JobStatus(
            job_id=job.id,
            state=JobState.RUNNING,
            source=job.source.uri,
            route=job.route.name,
            target=job.target.uri,
            size=job.source.size,
            attempts=attempts,
            started_at=standing.started_at if standing else now,
            updated_at=now,
            execution=standing.execution if standing else "",
            spans=standing.spans if standing else 0,
            spans_done=standing.spans_done if standing else 0,
            progress=standing.progress if standing else Progress(),
            redrives=standing.redrives if standing else 0,
            upload=job.source,
        )
        if not newest:
            message = f"{job.source.uri}: a newer version was claimed before this event came"
            failure = Failure("SupersededError", message, "")
            self.jobs[job.id] = replace(status, state=JobState.SUPERSEDED, finished_at=now, failure=failure)
            raise SupersededError(message)
        self.jobs[job.id] = status
        attempt = f"attempt-{next(self._names)}"
        self._leases[job.id] = (attempt, now + lease)
        return Claim(job.id, attempt, attempts, status.redrives)

    def beat(self, claim: Claim, progress: Progress, *, lease: float) -> None:
        self._check(claim)
        now = self.clock()
        self._leases[claim.job_id] = (claim.attempt, now + lease)
        self.jobs[claim.job_id] = replace(self.jobs[claim.job_id], progress=progress, updated_at=now)

    def release(self, claim: Claim, failure: Failure) -> None:
        self._check(claim)
        now = self.clock()
        self._leases[claim.job_id] = (claim.attempt, now)
        self.jobs[claim.job_id] = replace(
            self.jobs[claim.job_id], state=JobState.WAITING, failure=failure, updated_at=now
        )

    def close(
        self,
        claim: Claim,
        state: JobState,
        *,
        receipt: Receipt | None = None,
        failure: Failure | None = None,
    ) -> None:
        self._check(claim)
        self.end(claim.job_id, state, receipt=receipt, failure=failure)

    def skip(self, source: Source) -> None:
        now = self.clock()
        job_id = digest(*source.identity)
        self.jobs[job_id] = JobStatus(
            job_id,
            JobState.SKIPPED,
            source.uri,
            size=source.size,
            started_at=now,
            updated_at=now,
            finished_at=now,
            upload=source,
        )

    def record_many(self, done: Sequence[tuple[Job, Receipt]], *, seconds: float) -> None:
        now = self.clock()
        for job, receipt in done:
            status = JobStatus(
                job_id=job.id,
                state=JobState.SUCCEEDED,
                source=job.source.uri,
                route=job.route.name,
                target=job.target.uri,
                size=job.source.size,
                attempts=1,
                started_at=now - seconds,
                updated_at=now,
                finished_at=now,
                upload=job.source,
            )
            self.jobs[job.id] = _delivered(status, receipt)
            self._leases[job.id] = ("", now)

    def get(self, job_id: str) -> JobStatus | None:
        return self.jobs.get(job_id)

    def begin_again(self, job_id: str) -> bool:
        status, now = self.jobs.get(job_id), self.clock()
        if status is None or status.state is not JobState.FAILED:
            return False
        self._leases[job_id] = (f"attempt-{next(self._names)}", now)
        self.jobs[job_id] = replace(
            status,
            state=JobState.WAITING,
            redrives=status.redrives + 1,
            progress=Progress(),
            spans=0,
            spans_done=0,
            warnings=(),
            execution="",
            started_at=now,
            updated_at=now,
            finished_at=0.0,
        )
        return True

    def search(self, *, prefix: str = "", source: str = "", states: Collection[JobState] = ()) -> Iterator[JobStatus]:
        for status in list(self.jobs.values()):
            named = status.job_id.startswith(prefix) and source in {"", status.source}
            if named and (not states or status.state in states):
                yield status

    def hand_over(self, claim: Claim, execution: str, *, lease: float) -> None:
        """From a claim to an execution, whose progress begins anew unless the job had been its before."""
        self._check(claim)
        self._leases[claim.job_id] = (execution, self.clock() + lease)
        status = self.jobs[claim.job_id]
        if status.execution != execution:
            status = replace(status, execution=execution, progress=Progress(), spans=0, spans_done=0)
        self.jobs[claim.job_id] = status

    def renew(self, job_id: str, lease: float) -> None:
        """Give whoever holds the job ``lease`` seconds from now."""
        self._leases[job_id] = (self.holder(job_id), self.clock() + lease)

    def pass_on(self, job_id: str, holder: str) -> None:
        """Give a job to another, with the lease that is left."""
        self._leases[job_id] = (holder, self._leases[job_id][1])

    def holder(self, job_id: str) -> str:
        """The attempt or execution that holds a job."""
        return self._leases[job_id][0]

    def end(self, job_id: str, state: JobState, *, receipt: Receipt | None, failure: Failure | None) -> None:
        """End a job, whoever holds it."""
        now = self.clock()
        status = replace(self.jobs[job_id], state=state, failure=failure, updated_at=now, finished_at=now)
        self.jobs[job_id] = _delivered(status, receipt) if receipt else status

    def _note_order(self, job: Job) -> bool:
        key = digest(job.source.bucket, job.source.key, job.route.name)
        if job.source.order and self._orders.get(key, "") > job.source.order:
            return False
        self._orders[key] = job.source.order or self._orders.get(key, "")
        return True

    def _check(self, claim: Claim) -> None:
        attempt, _ = self._leases[claim.job_id]
        if attempt != claim.attempt or self.jobs[claim.job_id].state is not JobState.RUNNING:
            raise LeaseLostError(f"job {claim.job_id}: attempt {claim.number} was taken over by another")


def _delivered(status: JobStatus, receipt: Receipt) -> JobStatus:
    return replace(
        status,
        progress=Progress(receipt.bytes_in, receipt.bytes_out, receipt.rows, receipt.rejects),
        codec=receipt.codec,
        crc32=f"{receipt.crc32:08x}",
        parts=receipt.parts,
        warnings=receipt.warnings,
    )


@dataclass
class MemoryQueue:
    """Remembers which messages were postponed, and for how many seconds."""

    postponed: dict[str, int] = field(default_factory=dict)

    def postpone(self, queue_arn: str, receipt_handle: str, seconds: int) -> None:  # noqa: ARG002  (one queue)
        self.postponed[receipt_handle] = seconds


@dataclass
class MemoryEventQueue:
    """Keeps every notification. Implements ``EventQueue``."""

    events: list[str] = field(default_factory=list)

    def send(self, event: str) -> None:
        self.events.append(event)
