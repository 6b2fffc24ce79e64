"""One job, from claim to close: who may work on it, what it leaves in the jobs table, what happens on failure."""

from __future__ import annotations

import mimetypes
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from urllib.parse import quote

from penstock.codecs import strip_suffix
from penstock.errors import (
    NotEnoughTimeError,
    PermanentError,
    RetryableError,
    SourceChangedError,
    SourceGoneError,
    SupersededError,
    TimeLimitError,
)
from penstock.limits import S3, Budget
from penstock.model import (
    Claim,
    Content,
    Failure,
    Job,
    JobState,
    JobStatus,
    ObjectHead,
    Progress,
    Receipt,
    Source,
    digest,
)
from penstock.pipeline import pour
from penstock.ports import Deadline, JobStore, ObjectStore, Verdict
from penstock.routes import Routes, check_target, render_target

# User metadata that every result carries: which job made it, from which object, in which order S3 saw that.
MADE_BY = "penstock-job"
MADE_FROM = "penstock-from"
ORDER = "penstock-order"
SOURCE = "penstock-source"


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one source ended, as far as this invocation is concerned.

    ``state`` is None when somebody else must go on: then ``retry`` says why.
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
class Workshop:
    """What a job is done with. Times in seconds."""

    objects: ObjectStore
    jobs: JobStore
    budget: Budget
    lease: float
    beat_every: float
    margin: float
    clock: Callable[[], float] = time.monotonic

    def take(self, source: Source, routes: Routes, deadline: Deadline, *, fresh: bool = True) -> Outcome:
        """Do the job of one source, if it is still to be done.

        ``fresh``: nothing was done before it in this invocation, so running out of time is the job's own fault.
        Every error of ours becomes an Outcome; any other leaves the lease to run out, and the message returns.
        """
        route = routes.find(source.bucket, source.key)
        if route is None:
            self.jobs.skip(source)
            return Outcome(source, JobState.SKIPPED)
        job = Job(source, route, render_target(route, source))
        began = self.clock()
        outcome = Outcome(source, None, job.id, route.name, job.target.uri)
        try:
            outcome = self._claimed(job, routes, deadline, outcome, fresh=fresh)
        except RetryableError as error:
            outcome = replace(outcome, retry=error, failure=failure_of(error))
        return replace(outcome, seconds=self.clock() - began)

    def _claimed(self, job: Job, routes: Routes, deadline: Deadline, outcome: Outcome, *, fresh: bool) -> Outcome:
        if not fresh and deadline.remaining() < 2 * self.margin:
            raise NotEnoughTimeError(f"{job.source.uri}: not begun: this invocation is nearly over")
        claim = self.jobs.claim(job, lease=self.lease)
        if isinstance(claim, JobStatus):
            return replace(outcome, state=claim.state, repeat=True, failure=claim.failure)
        try:
            receipt = self._deliver(job, claim, routes, deadline, fresh=fresh)
        except PermanentError as error:
            state = JobState.SUPERSEDED if isinstance(error, SupersededError) else JobState.FAILED
            self.jobs.close(claim, state, failure=failure_of(error))
            return replace(outcome, state=state, failure=failure_of(error))
        except RetryableError as error:
            self.jobs.release(claim, failure_of(error))
            raise
        self.jobs.close(claim, JobState.SUCCEEDED, receipt=receipt)
        return replace(outcome, state=JobState.SUCCEEDED, receipt=receipt)

    def _deliver(self, job: Job, claim: Claim, routes: Routes, deadline: Deadline, *, fresh: bool) -> Receipt:
        routes.refuse_loop(job.route, job.target)
        check_target(job.route, job.target)
        head = self._pin(job.source)
        if claim.number > 1:
            self.objects.sweep(job.target)
        content, warnings = describe(job, head)
        source = replace(job.source, size=head.size, etag=head.etag)
        try:
            with self.objects.open_sink(job.target, content, publish_rule(job)) as sink:
                receipt = pour(
                    source,
                    self.objects.open_source(source),
                    job.route,
                    sink,
                    budget=self.budget,
                    beat=self._beater(claim),
                    deadline=deadline,
                    margin=self.margin,
                )
        except TimeLimitError as error:
            if fresh:
                raise
            raise NotEnoughTimeError(error.message) from error
        return replace(receipt, warnings=receipt.warnings + warnings)

    def _pin(self, source: Source) -> ObjectHead:
        """The head of the source, if it still is what stands under its key."""
        head = self.objects.head(source.bucket, source.key)
        if head is None:
            raise SourceGoneError(f"{source.uri}: was deleted before it was read")
        changed = head.version_id != source.version_id if source.version_id else head.etag != source.etag
        if changed and (source.version_id or source.etag):
            raise SourceChangedError(f"{source.uri}: was overwritten before it was read")
        return head

    def _beater(self, claim: Claim) -> Callable[[Progress], None]:
        last = self.clock()

        def beat(progress: Progress) -> None:
            nonlocal last
            now = self.clock()
            if now - last >= self.beat_every:
                last = now
                self.jobs.beat(claim, progress, lease=self.lease)

        return beat


def status(store: JobStore, job_id: str) -> JobStatus | None:
    """Where a job stands: the one way to ask, for functions, command and demo."""
    return store.get(job_id)


def failure_of(error: PermanentError | RetryableError) -> Failure:
    """An error as the jobs table keeps it. Notes, such as an abort that failed too, are kept."""
    notes = getattr(error, "__notes__", [])
    return Failure(type(error).__name__, "; ".join([str(error), *notes]), error.hint)


def publish_rule(job: Job) -> Callable[[Mapping[str, str]], Verdict]:
    """What this job may do with the object that stands at its destination.

    A result of the same source that S3 saw later stays; anything else is replaced, as a copy would.
    """

    def rule(standing: Mapping[str, str]) -> Verdict:
        if standing.get(MADE_BY) == job.id:
            return Verdict.DUPLICATE
        same_source = standing.get(MADE_FROM) == origin(job.source)
        if same_source and standing.get(ORDER, "") > job.source.order:
            return Verdict.SUPERSEDED
        return Verdict.REPLACE

    return rule


def origin(source: Source) -> str:
    """Names a source's bucket and key in 32 hex digits: a key itself may not fit into metadata."""
    return digest(source.bucket, source.key)


def describe(job: Job, head: ObjectHead) -> tuple[Content, tuple[str, ...]]:
    """Content type by the inner name, the sender's metadata and where it came from; with warnings.

    S3 takes 2 KiB of user metadata. What does not fit is left out: first the source's name, then the sender's.
    """
    guessed, encoding = mimetypes.guess_type(strip_suffix(job.target.key))
    content_type = guessed if guessed and not encoding else "application/octet-stream"
    ours = {MADE_BY: job.id, MADE_FROM: origin(job.source), ORDER: job.source.order}
    theirs = {name: value for name, value in head.metadata.items() if not name.startswith("penstock-")}
    named = {SOURCE: quote(job.source.uri, safe=":/")}
    if _metadata_bytes(ours | theirs | named) <= S3.max_metadata:
        return Content(content_type, ours | theirs | named), ()
    if _metadata_bytes(ours | theirs) <= S3.max_metadata:
        return Content(content_type, ours | theirs), ()
    return Content(content_type, ours | named if _metadata_bytes(ours | named) <= S3.max_metadata else ours), (
        f"the source's user metadata was left out: with Penstock's own it would exceed {S3.max_metadata:,} bytes",
    )


def _metadata_bytes(metadata: Mapping[str, str]) -> int:
    return sum(len(name.encode()) + len(value.encode()) for name, value in metadata.items())
