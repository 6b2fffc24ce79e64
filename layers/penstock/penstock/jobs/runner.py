"""One job, from claim to close: who may work on it, what it leaves in the jobs table, what happens on failure."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace

from penstock.delivery.attempt import Attempt, Delivery
from penstock.delivery.committed_result import own_result
from penstock.delivery.ports import ObjectStore
from penstock.errors import (
    NotEnoughTimeError,
    PenstockError,
    PermanentError,
    RetryableError,
    SourceChangedError,
    SourceGoneError,
    SupersededError,
    TimeLimitError,
    YieldedError,
    noting,
)
from penstock.jobs.peak_memory import peak_memory
from penstock.jobs.ports import JobStore
from penstock.large_jobs.handover import Handover
from penstock.limits import SETTLED_SECONDS
from penstock.model.identity import digest
from penstock.model.job import Claim, Failure, Job, Progress, Receipt
from penstock.model.job_status import JobState, JobStatus
from penstock.model.object import ObjectHead, Source
from penstock.model.source import Deadline
from penstock.routes import Routes, destination_of


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one source ended, as far as this invocation is concerned.

    ``state`` is None when somebody else must go on: then ``retry`` says why. It is WAITING when the job of a newer
    version comes first.
    """

    source: Source
    state: JobState | None
    job_id: str = ""
    route: str = ""
    target: str = ""
    repeat: bool = False
    receipt: Receipt | None = None
    failure: Failure | None = None
    retry: RetryableError | None = None
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class JobRunner:
    """What jobs are done with: one carrier for each kind of destination. Times in seconds, ``memory`` in bytes.

    ``loads`` answer, for each kind of table, the receipt of a job that is in as a whole already.
    """

    objects: ObjectStore
    jobs: JobStore
    deliveries: Mapping[str, Delivery]
    lease: float
    heartbeat_every: float
    margin: float
    clock: Callable[[], float] = time.monotonic
    handover: Handover | None = None
    memory: int = 0
    loads: Mapping[str, Callable[[Job], Receipt | None]] = field(default_factory=dict)

    def take(
        self,
        source: Source,
        routes: Routes,
        deadline: Deadline,
        *,
        fresh: bool = True,
        job_id: str = "",
        receives: int = 1,
    ) -> Outcome:
        """Do the job of one source, if it is still to be done.

        ``fresh``: nothing was done before it in this invocation, so running out of time is the job's own fault.
        ``job_id``: the job that the event is to begin again. It ends as superseded where the route has changed, so that
        its source makes another one. ``receives``: how often its message was delivered, this time included.
        Every error of ours becomes an Outcome; any other leaves the lease to run out, and the message returns.
        """
        began = self.clock()
        outcome = Outcome(source, None)
        try:
            route = routes.find(source.bucket, source.key)
            if route is None:
                self.jobs.skip(source)
                self._supersede(job_id, digest(*source.identity))
                return replace(outcome, state=JobState.SKIPPED)
            job = Job(source, route, destination_of(route, source))
            self._supersede(job_id, job.id)
            outcome = Outcome(source, None, job.id, route.name, job.target.uri)
            outcome = self._claimed(job, routes, deadline, outcome, fresh=fresh, repeated=receives > 1)
        except YieldedError as error:
            outcome = replace(outcome, state=JobState.WAITING, failure=Failure.of(error))
        except RetryableError as error:
            outcome = replace(outcome, retry=error, failure=Failure.of(error))
        return replace(outcome, seconds=self.clock() - began)

    def _supersede(self, job_id: str, by: str) -> None:
        if job_id and job_id != by:
            self.jobs.supersede(job_id, by)

    def _claimed(
        self, job: Job, routes: Routes, deadline: Deadline, outcome: Outcome, *, fresh: bool, repeated: bool
    ) -> Outcome:
        if not fresh and deadline.remaining() < 2 * self.margin:
            raise NotEnoughTimeError(f"{job.source.uri}: not begun: this invocation is nearly over")
        asked = self.clock()
        try:
            claim = self.jobs.claim(job, lease=self.lease, seconds=deadline.remaining(), memory=self.memory)
        except SupersededError as error:
            return replace(outcome, state=JobState.SUPERSEDED, failure=Failure.of(error))
        if isinstance(claim, JobStatus):
            return replace(outcome, state=claim.state, repeat=True, failure=claim.failure)
        heartbeat = Heartbeat(self.jobs, claim, self.lease, self.heartbeat_every, self.clock, asked)
        try:
            # A burst of small jobs is loaded without a claim: then the message alone tells of an earlier attempt.
            receipt = self._delivered(job) if repeated or not claim.is_first else None
            if receipt is None and claim.refusal:
                raise claim.refusal
            receipt = receipt or self._deliver(job, claim, routes, heartbeat, deadline, fresh=fresh)
            if receipt is None:
                return replace(outcome, state=JobState.EXECUTING)
        except PermanentError as error:
            with noting(error, "its progress could not be noted"):
                heartbeat.write()
            state = JobState.SUPERSEDED if isinstance(error, SupersededError) else JobState.FAILED
            self.jobs.close(claim, state, failure=Failure.of(error))
            return replace(outcome, state=state, failure=Failure.of(error))
        except YieldedError as error:
            self.jobs.yield_to(claim, error)
            raise
        except RetryableError as error:
            # The lease ends by itself.
            with noting(error, "the job could not be released"):
                self.jobs.release(claim, Failure.of(error))
            raise
        self.jobs.close(claim, JobState.SUCCEEDED, receipt=receipt)
        return replace(outcome, state=JobState.SUCCEEDED, receipt=receipt)

    def _delivered(self, job: Job) -> Receipt | None:
        """What an earlier attempt has delivered and could not note: before anything else can fail.

        What other attempts have left open is ended; where that fails, the reconciler's sweep does it.
        """
        target = job.object_target
        if target is None:
            look = self.loads.get(job.route.store)
            return look(job) if look else None
        receipt = own_result(self.objects, job.id, target, source=job.source.key, size=job.source.size)
        if receipt:
            with suppress(PenstockError):
                self.objects.sweep(target)
        return receipt

    def _deliver(
        self, job: Job, claim: Claim, routes: Routes, heartbeat: Heartbeat, deadline: Deadline, *, fresh: bool
    ) -> Receipt | None:
        """The receipt; None where the job was handed over to the state machine."""
        head = self._pin(job)
        pinned = replace(job, source=replace(job.source, size=head.size, etag=head.etag))
        if self.handover and self.handover.wants(pinned, deadline, claim):
            self.handover(pinned, head, claim)
            return None
        attempt = Attempt(
            pinned,
            head,
            claim.number,
            routes,
            heartbeat.heartbeat,
            deadline,
            self.margin,
            ended=heartbeat.has_ended,
            check_order=lambda: self.jobs.check_order(job),
            holder=claim.attempt,
            note_upload=lambda upload_id: self.jobs.note_upload(claim, upload_id),
        )
        try:
            return self.deliveries[job.route.store](attempt)
        except (TimeLimitError, NotEnoughTimeError) as error:
            if fresh and self.handover:
                # The estimate was wrong. What a load has committed stays: the machine goes on behind it.
                self.handover(pinned, head, claim)
                return None
            if fresh or isinstance(error, NotEnoughTimeError):
                raise
            raise NotEnoughTimeError(error.message) from error

    def _pin(self, job: Job) -> ObjectHead:
        """The head of the source, if it still is what is under its key. For a bucket also if it is a version before
        that: the newer one may be bad, and its result takes the place of this one's if not."""
        source = job.source
        head = self.objects.head(source.bucket, source.key)
        if head is None:
            raise SourceGoneError(f"{source.uri}: was deleted before it was read")
        changed = head.version_id != source.version_id if source.version_id else head.etag != source.etag
        if changed and (source.version_id or source.etag):
            kept = job.route.plan is None and source.version_id
            if kept and (before := self.objects.head(source.bucket, source.key, version_id=source.version_id)):
                return before
            raise SourceChangedError(f"{source.uri}: was overwritten before it was read")
        return head


@dataclass(slots=True)
class Heartbeat:
    """Passes progress on to the jobs table, and renews the lease, every ``every`` seconds. ``last`` is when the lease
    was asked for last."""

    jobs: JobStore
    claim: Claim
    lease: float
    every: float
    clock: Callable[[], float]
    last: float
    progress: Progress = field(default_factory=Progress)

    def heartbeat(self, progress: Progress) -> None:
        """Note progress; write it if it is time to."""
        self.progress = progress
        if self.clock() - self.last >= self.every:
            self.write()

    def has_ended(self) -> bool:
        """Renews a lease of which little is left: as long as it runs, nobody else can take or end the job.

        So whatever is begun now and is over within `SETTLED_SECONDS` comes before the end. Raises LeaseLostError when
        another has the job.
        """
        if self.clock() - self.last >= self.lease - SETTLED_SECONDS:
            self.write()
        return False

    def write(self) -> None:
        """Write what was noted last. What cannot be written renews nothing."""
        asked = self.clock()
        self.jobs.heartbeat(self.claim, self.progress, lease=self.lease, memory=peak_memory())
        self.last = asked


def status(store: JobStore, job_id: str) -> JobStatus | None:
    """Where a job stands: the one way to ask, for functions, command and demo."""
    return store.get(job_id)
