"""Delivering one claimed source into a bucket, and what the result says of itself."""

from __future__ import annotations

import mimetypes
from collections.abc import Mapping
from dataclasses import dataclass, replace
from urllib.parse import quote

from penstock.codecs import strip_suffix
from penstock.delivery.attempt import Attempt
from penstock.delivery.decoding import pour
from penstock.delivery.ports import ObjectStore
from penstock.destinations.ports import PublishRule, Verdict
from penstock.errors import PublishConflictError, UploadConflictError
from penstock.limits import S3, Budget
from penstock.model.identity import digest
from penstock.model.job import Job, Receipt
from penstock.model.object import Content, ObjectHead, Source, Target
from penstock.routes import check_target

# User metadata that every result carries: which job made it, from which object, in which order S3 saw that.
MADE_BY = "penstock-job"


MADE_FROM = "penstock-from"


ORDER = "penstock-order"


SOURCE = "penstock-source"


# Somebody who writes a destination more often than this during a job is at odds with it.
UPLOADS = 20


@dataclass(frozen=True, slots=True)
class BucketDelivery:
    """Decodes a source into an object of a bucket. Memory: that of `pour`.

    Where S3 refuses to complete the upload, all is sent again in a new one, if what is left of the time allows it.
    """

    objects: ObjectStore
    budget: Budget

    def __call__(self, attempt: Attempt) -> Receipt:
        job = attempt.job
        target = job.need_object()
        attempt.routes.refuse_loop(job.route, job.source, target)
        check_target(job.route, target)
        if attempt.number > 1:
            self.objects.sweep(target)
        for _ in range(UPLOADS):
            before = attempt.deadline.remaining()
            try:
                return self._upload(attempt, target)
            except UploadConflictError:
                left = attempt.deadline.remaining()
                if not attempt.rereadable or left - attempt.margin < before - left:
                    raise
        raise PublishConflictError(f"{target.uri} changed during each of {UPLOADS} uploads")

    def _upload(self, attempt: Attempt, target: Target) -> Receipt:
        job = attempt.job
        content, warnings = describe(job, target, attempt.head)
        with self.objects.open_sink(target, content, publish_rule(job), attempt.note_upload) as sink:
            receipt = pour(
                job.source,
                self.objects.open_source(job.source),
                job.route,
                sink,
                budget=self.budget,
                heartbeat=attempt.heartbeat,
                deadline=attempt.deadline,
                margin=attempt.margin,
                before_publishing=attempt.check_publishing,
                stored=attempt.head.crc32,
            )
        return replace(receipt, warnings=receipt.warnings + warnings)


def publish_rule(job: Job) -> PublishRule:
    """What this job may do with the object that stands at its destination.

    A result of the same source that S3 saw later stays; anything else is replaced, as a copy would.
    """

    def rule(existing: Mapping[str, str]) -> Verdict:
        if existing.get(MADE_BY) == job.id:
            return Verdict.DUPLICATE
        same_source = existing.get(MADE_FROM) == origin(job.source)
        if same_source and existing.get(ORDER, "") > job.source.order:
            return Verdict.SUPERSEDED
        return Verdict.REPLACE

    return rule


def origin(source: Source) -> str:
    """Names a source's bucket and key in 32 hex digits: a key itself may not fit into metadata."""
    return digest(source.bucket, source.key)


def describe(job: Job, target: Target, head: ObjectHead) -> tuple[Content, tuple[str, ...]]:
    """Content type by the inner name, the sender's metadata and where it came from; with warnings.

    S3 takes 2 KiB of user metadata. What does not fit is left out: first the source's name, then the sender's.
    """
    guessed, encoding = mimetypes.guess_type(strip_suffix(target.key))
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
