"""In-memory jobs table and message queue, with the semantics of the real ones."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import count
from typing import Any

from penstock.aws.jobs_table.after_items import FIRST_CHECK_SECONDS
from penstock.aws.jobs_table.content_claims import FIRST_WAIT, OVER, content_key, is_unversioned, uploaded_later
from penstock.errors import JobInProgressError, LeaseLostError, SupersededError, YieldedError
from penstock.limits import COMMITTING_SECONDS, UNUSED_SECONDS, WAITING_SECONDS, YIELDING_SECONDS
from penstock.model.after import AfterStatus
from penstock.model.commit import CommitNote
from penstock.model.identity import digest
from penstock.model.job import MAX_ATTEMPTS, Claim, Failure, Job, Progress, Receipt, superseded_by
from penstock.model.job_status import JobState, JobStatus, Phase, Stage, can_redrive, frees_claim
from penstock.model.object import Source
from penstock.model.route import BUCKET, ORDER_KEY
from penstock.testing.job_figures import delivered, with_units


@dataclass
class MemoryJobStore:
    """Keeps every status in ``jobs``, and in ``dues`` when the reconciler has to look at an unfinished one, in
    ``owners`` the job of each multipart upload, in ``afters`` when it has to look at the action after a job, in
    ``unused`` when the files of a failed job may be deleted.
    ``clock`` gives Unix seconds."""

    clock: Callable[[], float]
    jobs: dict[str, JobStatus] = field(default_factory=dict)
    dues: dict[str, float] = field(default_factory=dict)
    owners: dict[str, str] = field(default_factory=dict)
    afters: dict[str, float] = field(default_factory=dict)
    units: dict[tuple[str, Stage, int], tuple[Progress, bool]] = field(default_factory=dict)
    unit_times: dict[tuple[str, Stage], float] = field(default_factory=dict)
    contents: dict[str, Job] = field(default_factory=dict)
    once: dict[str, str] = field(default_factory=dict)
    begun: dict[str, float] = field(default_factory=dict)
    unused: dict[str, float] = field(default_factory=dict)
    _orders: dict[str, tuple[str, str]] = field(default_factory=dict)
    _awaited: set[str] = field(default_factory=set)
    _names: count[int] = field(default_factory=count)

    def claim(
        self, job: Job, *, lease: float, seconds: float = 0.0, memory: int = 0, archive_job: str = ""
    ) -> Claim | JobStatus:
        now = self.clock()
        if other := self._other_of(job):
            return other
        refusal = None if self._note_order(job) else self._refusal(job)
        existing = self.jobs.get(job.id)
        until = existing.lease_until if existing else 0.0
        if existing and (existing.state.final or existing.state is JobState.COMMITTING):
            return existing
        if existing and existing.state is JobState.EXECUTING and until > now:
            return existing
        if existing and until > now:
            raise JobInProgressError(f"{job.source.uri}: another attempt is at work", retry_after=until - now)
        before = existing or JobStatus(job.id, JobState.WAITING, "", started_at=now)
        status = replace(
            before,
            state=JobState.RUNNING,
            archive_job=archive_job or before.archive_job,
            source=job.source.uri,
            route=job.route.name,
            target=job.target.uri,
            size=job.source.size,
            attempts=before.attempts + 1,
            updated_at=now,
            upload=job.source,
            holder=f"attempt-{next(self._names)}",
            lease_until=now + lease,
            deadline_at=now + max(lease, seconds),
            memory_peak=0,
            memory_size=memory,
            yields_to="",
            sends=0,
            after=self.plan_after(job),
        )
        self.jobs[job.id] = status
        if isinstance(refusal, YieldedError):
            self.wait_for(job.id, refusal, holder=status.holder)
            raise refusal
        self.dues[job.id] = status.lease_until
        archive = self.jobs.get(status.archive_job) if job.source.member else status
        moved = job.source.moved or (archive.location if archive else None)
        begun = self.begun.setdefault(job.id, now)
        claim = Claim(job.id, status.holder, status.attempts, status.redrives, refusal, moved, begun)
        if refusal and claim.is_first:
            self.close(claim, JobState.SUPERSEDED, failure=Failure.of(refusal))
            raise refusal
        return claim

    def known_order(self, job: Job) -> str:
        return self._orders.get(digest(*job.series), ("", ""))[0]

    def unclaimed(self, jobs: Sequence[Job]) -> Collection[str]:
        return {job.id for job in jobs if self._is_unclaimed(job)}

    def claim_once(self, job: Job, what: str, *, at_once: bool = False) -> JobStatus | None:
        holder = self.once.setdefault(what, job.id)
        held = self.jobs.get(holder)
        is_free = held is None or frees_claim(held, adds_rows=job.route.adds_rows, at_once=at_once)
        if holder == job.id or held is None or is_free:
            self.once[what] = job.id
            return None
        if held.state.final:
            return held
        raise JobInProgressError(f"{job.source.uri}: job {holder} is delivering the same", retry_after=30.0)

    def heartbeat(self, claim: Claim, progress: Progress, *, lease: float, memory: int = 0) -> None:
        self._check(claim)
        now = self.clock()
        self.change(claim.job_id, progress=progress, memory_peak=memory, updated_at=now, lease_until=now + lease)

    def record_upload(self, claim: Claim, upload_id: str) -> None:
        self._check(claim)
        self.add_upload(claim.job_id, upload_id)

    def forget_upload(self, job_id: str, upload_id: str) -> None:
        """Take an upload off a record."""
        if job_id in self.jobs:
            self.change(job_id, uploads=tuple(one for one in self.jobs[job_id].uploads if one != upload_id))

    def check_order(self, job: Job) -> None:
        if refusal := self._refusal(job):
            raise refusal

    def yield_to(self, claim: Claim, error: YieldedError) -> None:
        self._check(claim)
        self.wait_for(claim.job_id, error, holder=claim.attempt)

    def release(self, claim: Claim, failure: Failure) -> None:
        self._check(claim)
        now = self.clock()
        self.change(claim.job_id, state=JobState.WAITING, failure=failure, updated_at=now, lease_until=now)
        self.dues[claim.job_id] = now + WAITING_SECONDS

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

    def hold(self, claim: Claim, receipt: Receipt, note: CommitNote) -> None:
        self._check(claim)
        now, before = self.clock(), self.jobs[claim.job_id].commit
        kept = replace(before, replaces=note.replaces, series=note.series, order=note.order)
        self.change(
            claim.job_id, state=JobState.COMMITTING, updated_at=now, lease_until=now, sends=0, failure=None, commit=kept
        )
        self.jobs[claim.job_id] = delivered(self.jobs[claim.job_id], receipt)
        self.dues[claim.job_id] = now + COMMITTING_SECONDS

    def note_unused(self, job_id: str) -> None:
        self.unused[job_id] = self.clock() + UNUSED_SECONDS

    def is_overtaken(self, job: JobStatus) -> bool:
        """Whether a newer job of the series was claimed."""
        order, newest = self._orders.get(job.commit.series, ("", job.job_id))
        return newest != job.job_id and order > job.commit.order

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
                lease_until=now,
                after=self.plan_after(job),
            )
            self.jobs[job.id] = delivered(status, receipt)
            self.dues.pop(job.id, None)

    def get(self, job_id: str) -> JobStatus | None:
        status = self.jobs.get(job_id)
        return self._with_units(status) if status else None

    def reopen(self, status: JobStatus) -> bool:
        now, job_id = self.clock(), status.job_id
        if not can_redrive(status, now) or not self.is_unchanged(status) or (status.after and status.after.has_begun):
            return False
        self.change(
            job_id,
            state=JobState.WAITING,
            redrives=status.redrives + 1,
            attempts_limit=status.attempts + MAX_ATTEMPTS,
            progress=Progress(),
            spans=0,
            spans_done=0,
            round=0,
            aborts=0,
            sends=0,
            yields_to="",
            warnings=(),
            changes=(),
            execution="",
            holder=f"attempt-{next(self._names)}",
            lease_until=now,
            phases=(),
            started_at=now,
            updated_at=now,
            finished_at=0.0,
        )
        self.dues[job_id] = now + WAITING_SECONDS
        return True

    def supersede(self, job_id: str, by: str) -> bool:
        status = self.jobs.get(job_id)
        if status is None or status.state is not JobState.WAITING:
            return False
        self.end(job_id, JobState.SUPERSEDED, receipt=None, failure=superseded_by(by))
        return True

    def search(self, *, prefix: str = "", source: str = "", states: Collection[JobState] = ()) -> Iterator[JobStatus]:
        for status in list(self.jobs.values()):
            named = status.job_id.startswith(prefix) and source in {"", status.source}
            if named and (not states or status.state in states):
                yield self._with_units(status)

    def plan_after(self, job: Job) -> AfterStatus | None:
        """Return what is to be done after a job, and have the reconciler check it."""
        if job.source.member or job.route.after is None:
            return None
        self.afters[job.id] = self.clock() + FIRST_CHECK_SECONDS
        return AfterStatus(job.route.after)

    def hand_over(self, claim: Claim, execution: str, *, lease: float) -> None:
        """From a claim to an execution, whose progress begins anew unless the job had been its before."""
        self._check(claim)
        if self.jobs[claim.job_id].execution != execution:
            self.change(
                claim.job_id, execution=execution, progress=Progress(), spans=0, spans_done=0, round=0, phases=()
            )
        self.change(claim.job_id, holder=execution, aborts=0)
        self.renew(claim.job_id, lease)

    def enter(self, job_id: str, phase: Phase) -> None:
        """Note when a phase began, the first time."""
        status = self.jobs[job_id]
        began = {phase: self.clock()} | dict(status.phases)
        self.jobs[job_id] = replace(status, phases=tuple((one, began[one]) for one in Phase if one in began))

    def renew(self, job_id: str, lease: float) -> None:
        """Give whoever holds the job ``lease`` seconds from now."""
        self.change(job_id, lease_until=self.clock() + lease)
        self.dues[job_id] = self.clock() + lease

    def pass_on(self, job_id: str, holder: str) -> None:
        """Give a job to another, with the lease that is left."""
        self.change(job_id, holder=holder)

    def holder(self, job_id: str) -> str:
        """The attempt or execution that holds a job."""
        return self.jobs[job_id].holder

    def end(self, job_id: str, state: JobState, *, receipt: Receipt | None, failure: Failure | None) -> None:
        """End a job, whoever holds it."""
        now = self.clock()
        self.change(job_id, state=state, failure=failure, updated_at=now, finished_at=now, lease_until=now)
        self.dues.pop(job_id, None)
        if receipt:
            done = replace(self.jobs[job_id], spans_done=self.jobs[job_id].spans)
            self.jobs[job_id] = delivered(done, receipt)

    def wait_for(self, job_id: str, error: YieldedError, *, holder: str) -> None:
        """Have a job wait for a newer one, whoever holds it."""
        now = self.clock()
        self._awaited.add(error.newer)
        self.change(
            job_id,
            state=JobState.WAITING,
            yields_to=error.newer,
            holder=holder,
            lease_until=now,
            updated_at=now,
            attempts_limit=self.jobs[job_id].attempts_limit + 1,
            failure=Failure.of(error),
        )
        self.dues[job_id] = now + YIELDING_SECONDS

    def change(self, job_id: str, **fields: Any) -> None:
        """Set fields of a job's status."""
        self.jobs[job_id] = replace(self.jobs[job_id], **fields)

    def add_upload(self, job_id: str, upload_id: str) -> None:
        """Note an upload on the job's status."""
        self.change(job_id, uploads=tuple(sorted({*self.jobs[job_id].uploads, upload_id})))

    def is_unchanged(self, status: JobStatus) -> bool:
        """Whether nobody has taken, renewed or ended a job since it was read."""
        there = self.jobs.get(status.job_id)
        seen = status.holder, status.state, status.lease_until
        return there is not None and (there.holder, there.state, there.lease_until) == seen

    def _with_units(self, status: JobStatus) -> JobStatus:
        return with_units(status, self.units, self.unit_times)

    def _is_unclaimed(self, job: Job) -> bool:
        source, status = job.source, self.jobs.get(job.id)
        if status and job.tells_begin:
            return False
        if source.listed and ((status and status.state.final) or (is_unversioned(source) and self.known_order(job))):
            return False
        if is_unversioned(source) and job.route.adds_rows:
            return self.contents.setdefault(content_key(job), job) == job
        return True

    def _other_of(self, job: Job) -> JobStatus | None:
        """The job of the same bytes of an unversioned bucket, if a listing has found one of both."""
        source = job.source
        if not is_unversioned(source) or (source.listed and source.after is None):
            return None
        _, newest = self._orders.get(digest(*job.series), ("", ""))
        status = self.jobs.get(newest) if source.listed and not source.again else None
        if status and status.upload and not status.upload.listed and status.state not in OVER:
            same = replace(job, source=replace(source, sequencer=status.upload.sequencer)).id
            if same == newest != job.id:
                return status
        if not job.route.adds_rows:
            return None
        holder = self.contents.setdefault(content_key(job), job)
        if holder.id == job.id:
            return None
        if holder.source.listed or source.listed:
            held = self.jobs.get(holder.id)
            if held is None:
                raise JobInProgressError(f"{source.uri}: job {holder.id} has no record yet", retry_after=FIRST_WAIT)
            if held.state not in OVER and not uploaded_later(source, held):
                return held
        self.contents[content_key(job)] = job
        return None

    def _note_order(self, job: Job) -> bool:
        key = digest(*job.series)
        noted, _ = self._orders.get(key, ("", ""))
        is_listed = job.source.listed and not job.source.member
        if is_listed and job.route.order == ORDER_KEY and job.order and noted >= job.order:
            raise JobInProgressError(f"{job.source.uri}: another version was claimed", retry_after=0)
        if job.order and noted > job.order:
            return False
        if job.order:
            self._orders[key] = job.order, job.id
        return True

    def _refusal(self, job: Job) -> SupersededError | YieldedError | None:
        key = digest(*job.series)
        noted, newest = self._orders.get(key, ("", ""))
        if not job.order or noted <= job.order or newest == job.id:
            return None
        newer = self.jobs.get(newest)
        if job.route.store != BUCKET or (newer and newer.state is JobState.SUCCEEDED):
            return SupersededError(f"{job.source.uri}: job {newest} is of a newer version")
        if newer is None or newer.state.final or job.id in self._awaited:
            return None
        return YieldedError(f"{job.source.uri}: waits for job {newest} on a newer version", newer=newest)

    def _check(self, claim: Claim) -> None:
        status = self.jobs[claim.job_id]
        if status.holder != claim.attempt or status.state is not JobState.RUNNING:
            raise LeaseLostError(f"job {claim.job_id}: another attempt took over from attempt {claim.number}")
