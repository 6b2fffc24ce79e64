"""Runs one job, from claim to close: its lease, its record in the jobs table, and its failures."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from functools import partial

from penstock.delivery.attempt import Attempt, Delivery
from penstock.delivery.committed_result import own_result
from penstock.delivery.member_store import member_head
from penstock.delivery.ports import ObjectStore
from penstock.destinations import commits_later
from penstock.destinations.bucket.result_metadata import known_order
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
from penstock.jobs.commit.waiting import CommitWaiting
from penstock.jobs.lease_heartbeat import Heartbeat
from penstock.jobs.ports import JobStore
from penstock.jobs.repeats import repeat
from penstock.large_jobs.handover import Handover
from penstock.model.identity import digest
from penstock.model.job import Claim, Failure, Job, Receipt
from penstock.model.job_status import JobState, JobStatus
from penstock.model.object import ObjectHead, Source
from penstock.model.source import Deadline
from penstock.routes import Routes, destination_of

CHECKSUM_HINT = (
    "Upload it with a checksum that S3 keeps: aws s3 cp --checksum-algorithm CRC64NVME. Or set once to key or version."
)


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result of one source in this invocation.

    ``state`` is None if another attempt must continue: then ``retry`` is the reason. It is WAITING if the job of a
    newer version comes first.
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
    """Runs jobs, with one delivery for each destination. Times are in seconds, ``memory`` is in bytes.

    ``loads`` return, by destination, the receipt of a job whose table load is already complete; ``failures`` let it
    report that a job has failed, with the number of its attempts and redrives. ``waiting`` is for destinations that
    commit later.
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
    failures: Mapping[str, Callable[[Job, PenstockError, int, int], None]] = field(default_factory=dict)
    waiting: CommitWaiting | None = None

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
        """Run the job of one source, unless it is done.

        ``fresh``: this invocation ran no job before, so that a lack of time is caused by this job alone.
        ``job_id``: the job that the event retries. It ends as superseded if the route has changed, so that the source
        now belongs to another job. ``receives``: how often the message was delivered, including this time.
        A Penstock error becomes an Outcome. After any other error the lease expires, and the message returns.
        """
        began = self.clock()
        outcome = Outcome(source, None)
        try:
            if not source.member and routes.is_moved(source.bucket, source.key):
                # The event of a move after a job. It gets no record: there may be as many as jobs.
                return replace(outcome, state=JobState.SKIPPED)
            route = routes.route_of(source)
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
            raise NotEnoughTimeError(f"{job.source.uri}: not started: the time of this invocation is nearly over")
        job, stale = self._placed(job)
        asked = self.clock()
        try:
            claim = self.jobs.claim(job, lease=self.lease, seconds=deadline.remaining(), memory=self.memory)
        except SupersededError as error:
            return replace(outcome, state=JobState.SUPERSEDED, failure=Failure.of(error))
        if isinstance(claim, JobStatus):
            return self._ended(job, claim, outcome)
        # A moved object is gone from its key, and no version of it is older for that.
        claim = replace(claim, refusal=claim.refusal or (None if claim.location else stale))
        heartbeat = Heartbeat(self.jobs, claim, self.lease, self.heartbeat_every, self.clock, asked)
        try:
            job = replace(job, source=replace(job.source, moved=claim.location), begun=claim.begun)
            # Small jobs are loaded together without a claim: only the receive count shows an earlier attempt. The
            # record of a listed source may have expired.
            with self._releasing(claim):
                receipt = self._delivered(job) if repeated or job.source.listed or not claim.is_first else None
                if receipt is None and claim.refusal:
                    raise claim.refusal
                receipt = receipt or self._deliver(job, claim, routes, heartbeat, deadline, fresh=fresh)
            if receipt is None:
                return replace(outcome, state=JobState.EXECUTING)
        except PermanentError as error:
            routes.buckets.add_remedies(error, job.source.bucket, job.places)
            with noting(error, "the progress of the job could not be recorded"):
                heartbeat.write()
            state = JobState.SUPERSEDED if isinstance(error, SupersededError) else JobState.FAILED
            if (repeated or not claim.is_first) and (report := self.failures.get(job.route.store)):
                # An earlier attempt may have begun to load, and this one may have failed before it could.
                with self._releasing(claim):
                    report(job, error, claim.number, claim.redrives)
            self._fail(job, claim, state, error)
            return replace(outcome, state=state, failure=Failure.of(error))
        except YieldedError as error:
            self.jobs.yield_to(claim, error)
            raise
        return self._completed(job, claim, receipt, outcome)

    def _ended(self, job: Job, status: JobStatus, outcome: Outcome) -> Outcome:
        """Return the outcome of a source whose job nobody may claim."""
        self._supersede(job.id, status.job_id)  # if another job delivers the same bytes
        if self.waiting and status.state is JobState.COMMITTING and not status.commit.id:
            self.waiting.announce(status)  # an attempt may have been killed before it could
        return replace(outcome, state=status.state, job_id=status.job_id, repeat=True, failure=status.failure)

    def _fail(self, job: Job, claim: Claim, state: JobState, error: PenstockError) -> None:
        if self.waiting and commits_later(job.route.store):
            self.jobs.note_unused(job.id)
        self.jobs.close(claim, state, failure=Failure.of(error))

    def _completed(self, job: Job, claim: Claim, receipt: Receipt, outcome: Outcome) -> Outcome:
        """End a job that was delivered, or let it wait for the commit of its table."""
        if self.waiting and commits_later(job.route.store) and not receipt.repeat_of:
            self.waiting(claim, job, receipt)
            return replace(outcome, state=JobState.COMMITTING, receipt=receipt)
        self.jobs.close(claim, JobState.SUCCEEDED, receipt=receipt)
        return replace(outcome, state=JobState.SUCCEEDED, receipt=receipt)

    @contextmanager
    def _releasing(self, claim: Claim) -> Iterator[None]:
        """Release the job if another attempt may succeed, unless it yields to another job."""
        try:
            yield
        except YieldedError:
            raise
        except RetryableError as error:
            # If this fails, the lease expires.
            with noting(error, "the job could not be released"):
                self.jobs.release(claim, Failure.of(error))
            raise

    def _placed(self, job: Job) -> tuple[Job, SupersededError | None]:
        """Give a listed source its place among the versions of its key (`Source.order`): it has no sequencer.

        What is known of other versions is read before S3 is asked for the current one. So all of them are older. If the
        source is no longer the current version, or is gone, it has no place: also return the error.
        """
        if not job.source.listed:
            return job, None
        known = self.jobs.known_order(job)
        if target := job.object_target:
            known = max(known, known_order(job, self.objects.head(target.bucket, target.key)))
        try:
            self._pin(job)
        except SupersededError as error:
            return job, error
        return replace(job, source=replace(job.source, after=known)), None

    def _delivered(self, job: Job) -> Receipt | None:
        """Return what an earlier attempt delivered but did not record. This runs before anything else can fail.

        Also ends uploads that other attempts left open. If that fails, the reconciler's sweep ends them.
        """
        target = job.object_target
        if target is None:
            look = self.loads.get(job.route.store)
            return look(job) if look else None
        receipt = own_result(self.objects, job.id, target, source=job.source.key, size=job.source.size)
        if receipt:
            with suppress(PenstockError):
                self.objects.sweep(target)
        if receipt and job.source.listed:
            return replace(receipt, warnings=("the result was there before this attempt",))
        return receipt

    def _deliver(
        self, job: Job, claim: Claim, routes: Routes, heartbeat: Heartbeat, deadline: Deadline, *, fresh: bool
    ) -> Receipt | None:
        """Deliver the job. Return its receipt, or None if the job was handed over to the state machine."""
        head, current = self._pin(job)
        source = replace(job.source.pinned(head.size, head.etag), noncurrent=not current)
        pinned = replace(job, source=source, modified=head.modified or job.modified)
        if (target := job.object_target) and routes.buckets.lacks_target(target):
            # A large job would be refused by a step that does not know the stack's buckets.
            self.objects.head(target.bucket, target.key)
        if receipt := repeat(self.objects, self.jobs, pinned, head, partial(self._check, heartbeat, deadline, fresh)):
            return receipt
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
            record_upload=lambda upload_id: self.jobs.record_upload(claim, upload_id),
            redrives=claim.redrives,
        )
        try:
            return self.deliveries[job.route.store](attempt)
        except (TimeLimitError, NotEnoughTimeError) as error:
            if fresh and self.handover:
                # The estimate was wrong. Rows that a load has committed stay: the state machine resumes after them.
                self.handover(pinned, head, claim)
                return None
            if fresh or isinstance(error, NotEnoughTimeError):
                raise
            raise NotEnoughTimeError(error.message) from error

    def _check(self, heartbeat: Heartbeat, deadline: Deadline, fresh: bool) -> None:
        """Keep the lease while an object is read for its checksum. Raises an error if there is no time left."""
        heartbeat.heartbeat(heartbeat.progress)
        if deadline.remaining() >= self.margin:
            return
        error = TimeLimitError if fresh else NotEnoughTimeError
        raise error("the time of this invocation ends before the object is read for its checksum", hint=CHECKSUM_HINT)

    def _pin(self, job: Job) -> tuple[ObjectHead, bool]:
        """Return the head of the source, and whether it is still the current version of its key. Else raise an error.

        For a bucket, an older version is accepted too: the newer version may be bad, and if it is not, its result
        replaces the result of this one. Of an archive whose members may go to tables, only the current one is; so it is
        for a listed source.
        """
        source = job.source
        # A moved object is at another key: its versions there are compared.
        stored = source.stored
        head = self.objects.head(stored.bucket, stored.object_key)
        if head is None:
            raise SourceGoneError(f"{stored.uri} was deleted before it was read")
        changed = head.version_id != stored.version_id if stored.version_id else head.etag != stored.etag
        if changed and (stored.version_id or stored.etag):
            kept = job.route.plan is None and not job.route.takes_apart and stored.version_id
            accepts_older = kept and not source.listed
            if accepts_older and (
                before := self.objects.head(stored.bucket, stored.object_key, version_id=stored.version_id)
            ):
                return member_head(source) if source.member else before, False
            raise SourceChangedError(f"{stored.uri} was overwritten before it was read")
        if source.member:
            return replace(member_head(source.pinned(source.size, head.etag)), modified=head.modified), True
        return head, True


def status(store: JobStore, job_id: str) -> JobStatus | None:
    """Return the status of a job. Functions, the command and the demo use this."""
    return store.get(job_id)
